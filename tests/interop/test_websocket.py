"""What real servers say on a WebSocket, release by release: the facts that the runtime rests on.

Nothing of envgen is used here. Where a test of ours fails and this file passes, we are wrong;
where this file fails on a new release, the wire has changed.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus

from tests.interop.asking import SEED, ask, error_of, receive, socket_of
from tests.interop.conftest import Serve
from tests.interop.running import Release, RunningServer
from tests.support import PATIENCE_S


def test_ws_of_the_seed_is_refused(serve: Serve) -> None:
    with pytest.raises(InvalidStatus) as caught, socket_of(serve(SEED, "coding")):
        pass
    assert caught.value.response.status_code == 403


def test_ws_has_one_environment_per_socket(modern: Release, serve: Serve) -> None:
    server = serve(modern, "coding")
    with socket_of(server) as one, socket_of(server) as two:
        ask(one, "reset")
        ask(two, "reset")
        ask(one, "step", code="x = 2")
        assert ask(one, "step", code="print(x)")["data"]["observation"]["stdout"] == "2\n"
        assert ask(two, "step", code="print(x)")["data"]["observation"]["exit_code"] == 1


def test_ws_observation_frame(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "coding")) as socket:
        ask(socket, "reset")
        reply = ask(socket, "step", code="print(1)")
    observation = {"stdout": "1\n", "stderr": "", "exit_code": 0}
    if modern.keeps_metadata:
        observation["metadata"] = {}
    assert reply == {
        "type": "observation",
        "data": {"observation": observation, "reward": 1.0, "done": False},
    }


def test_ws_reset_frame_has_no_reward(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "coding")) as socket:
        reply = ask(socket, "reset")
    assert (reply["type"], reply["data"]["reward"], reply["data"]["done"]) == (
        "observation",
        None,
        False,
    )


def test_ws_state_frame(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "coding")) as socket:
        ask(socket, "reset", seed=7, episode_id="mine", unknown="dropped")
        ask(socket, "step", code="1 / 0")
        assert ask(socket, "state") == {
            "type": "state",
            "data": {"episode_id": "mine", "step_count": 1, "last_exit_code": 1, "seed": 7},
        }


def test_ws_state_frame_takes_no_data(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "coding")) as socket:
        socket.send('{"type": "state", "data": {}}')
        assert error_of(receive(socket))["code"] == "VALIDATION_ERROR"


def test_ws_state_frame_with_data_is_refused_and_quoted(modern: Release, serve: Serve) -> None:
    """What the barrier's mark rests on: the answer holds the mark, and no environment is asked."""
    with socket_of(serve(modern, "coding")) as socket:
        for number, code in enumerate(("reset", "1", "2"), 1):
            if code == "reset":
                socket.send('{"type":"reset","data":{}}')
            else:
                socket.send(f'{{"type":"step","data":{{"code":"print({code})"}}}}')
            socket.send(f'{{"type":"state","data":{{"envgen":"#{number}#"}}}}')
            reply, marked = receive(socket), socket.recv(timeout=PATIENCE_S)
            assert reply["type"] == "observation", code
            assert f'"envgen":"#{number}#"' in str(marked).replace(": ", ":")
            assert error_of(json.loads(marked))["code"] == "VALIDATION_ERROR"
        assert ask(socket, "state")["data"]["step_count"] == 2, "the session lives on"


def test_ws_state_has_the_fields_that_the_schema_lacks(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "base_state")) as socket:
        ask(socket, "reset")
        ask(socket, "step", place="sea")
        state = ask(socket, "state")["data"]
    assert (state["score"], state["visited"]) == (3, ["sea"])


def test_ws_metadata_travels_twice_or_not_at_all(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "grid")) as socket:
        ask(socket, "reset")
        data = ask(socket, "step", direction="down", paint=[[1, 0]])["data"]
    metadata = {"cell": [1, 0]} if modern.keeps_metadata else None
    assert data.get("metadata") == data["observation"].get("metadata") == metadata


def test_ws_empty_metadata_stays_in_the_observation(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "grid")) as socket:
        data = ask(socket, "reset")["data"]
    assert "metadata" not in data
    assert data["observation"].get("metadata") == ({} if modern.keeps_metadata else None)


def test_ws_done_comes_with_the_last_step(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "grid")) as socket:
        ask(socket, "reset")
        steps = [ask(socket, "step", direction="right")["data"]["done"] for _ in range(3)]
    assert steps == [False, False, True]


@pytest.mark.parametrize(
    ("fault", "reward"), [("null_reward", None), ("bool_reward", True), ("nan_reward", None)]
)
def test_ws_reward(modern: Release, serve: Serve, fault: str, reward: object) -> None:
    with socket_of(serve(modern, "faults")) as socket:
        assert ask(socket, "step", fault=fault)["data"]["reward"] is reward


def test_ws_step_may_come_before_reset(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "coding")) as socket:
        assert ask(socket, "step", code="print(1)")["data"]["observation"]["stdout"] == "1\n"


def test_ws_close_has_no_reply(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "coding")) as socket:
        socket.send('{"type": "close"}')
        with pytest.raises(ConnectionClosedOK) as caught:
            socket.recv(timeout=PATIENCE_S)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1000


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "INVALID_JSON"),
        ('{"type": "dance"}', "UNKNOWN_TYPE"),
        ('{"type": "step"}', "VALIDATION_ERROR"),
        ('{"type": "step", "data": {"cod": "1"}}', "VALIDATION_ERROR"),
        ('{"type": "step", "data": {"action": {"code": "1"}}}', "VALIDATION_ERROR"),
        ('{"type": "step", "data": {"code": "1"}, "request_id": "a"}', "VALIDATION_ERROR"),
        ('{"type": "step", "data": {"code": "1", "timeout_s": 5}}', "VALIDATION_ERROR"),
    ],
)
def test_ws_refused_frame_keeps_the_session(
    modern: Release, serve: Serve, text: str, code: str
) -> None:
    with socket_of(serve(modern, "coding")) as socket:
        ask(socket, "reset", episode_id="mine")
        socket.send(text)
        error = error_of(receive(socket))
        assert error["code"] == code
        assert isinstance(error["message"], str)
        assert ("errors" in error) == (code == "VALIDATION_ERROR")
        assert ask(socket, "state")["data"]["episode_id"] == "mine"


def test_ws_environment_that_raises_keeps_the_session(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "faults")) as socket:
        ask(socket, "reset", episode_id="mine")
        error = error_of(ask(socket, "step", fault="raise"))
        assert error == {"message": "raised by the environment", "code": "EXECUTION_ERROR"}
        assert ask(socket, "state")["data"]["episode_id"] == "mine"


def test_ws_validator_that_raises_ends_the_session(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "faults")) as socket:
        error = error_of(ask(socket, "step", fault="refuse"))
        assert error["code"] == "SESSION_ERROR"
        assert "Unable to serialize unknown type" in error["message"]
        with pytest.raises(ConnectionClosedOK):
            socket.recv(timeout=PATIENCE_S)


def test_ws_reply_that_came_too_late_is_the_next_one_read(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "faults")) as socket:
        socket.send('{"type": "step", "data": {"fault": "sleep", "seconds": 3}}')
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.05)
        assert ask(socket, "step")["data"]["observation"]["steps"] == 1, "no ids: the first's"


def test_ws_server_that_dies_says_nothing(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "faults", fresh=True)) as socket:
        socket.send('{"type": "step", "data": {"fault": "die"}}')
        with pytest.raises(ConnectionClosed) as caught:
            socket.recv(timeout=PATIENCE_S)
    assert caught.value.rcvd is None


# First frames that nobody asked for


def first_frame_of(server: RunningServer) -> Any:
    """The error that comes unasked on a socket that was accepted, and is then closed."""
    with socket_of(server) as socket:
        error = error_of(receive(socket))
        with pytest.raises(ConnectionClosedOK) as caught:
            socket.recv(timeout=PATIENCE_S)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1000
    return error


def test_ws_capacity_is_one_unless_said(modern: Release, serve: Serve) -> None:
    server = serve(modern, "coding", MAX_SESSIONS="default")
    with socket_of(server) as socket:
        ask(socket, "state")
        error = first_frame_of(server)
    assert error["code"] == "CAPACITY_REACHED"
    assert (error["active_sessions"], error["max_sessions"]) == (1, 1)


def test_ws_environment_that_cannot_be_made(modern: Release, serve: Serve) -> None:
    error = first_frame_of(serve(modern, "broken"))
    assert (error["code"], error["factory_name"]) == ("FACTORY_ERROR", "BrokenEnvironment")
