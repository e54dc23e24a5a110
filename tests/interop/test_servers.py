"""What real servers say on the wire, release by release: the facts that the runtime rests on.

Nothing of envgen is used here. Where a test of ours fails and this file passes, we are wrong;
where this file fails on a new release, the wire has changed.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.interop.conftest import Serve
from tests.interop.running import Release, RunningServer, loopback
from tests.interop.venvs import ROOT
from tests.support import PATIENCE_S

SEED = Release("openenv-core", "0.1.1")
on_the_seed = pytest.mark.parametrize("release", [SEED], ids=str)
JSON = {"Content-Type": "application/json"}


def http(server: RunningServer) -> httpx.Client:
    return loopback(server.base_url, timeout_s=PATIENCE_S)


@contextmanager
def socket_of(server: RunningServer, path: str = "/ws") -> Generator[ClientConnection]:
    url = server.ws_url.removesuffix("/ws") + path
    with connect(url, proxy=None, open_timeout=PATIENCE_S) as socket:
        yield socket


def receive(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=PATIENCE_S))


def ask(socket: ClientConnection, kind: str, **data: Any) -> Any:
    """Send a frame, without ``data`` where the kind has none, and give the reply."""
    frame = {"type": kind} if kind == "state" else {"type": kind, "data": data}
    socket.send(json.dumps(frame))
    return receive(socket)


def error_of(reply: Any) -> Any:
    assert reply["type"] == "error"
    return reply["data"]


def plain(schema: Any) -> Any:
    """A schema without the words that are for people."""
    if isinstance(schema, dict):
        words = {"description", "title"}
        return {
            name: plain(part)
            for name, part in schema.items()
            if name not in words or not isinstance(part, str)
        }
    return [plain(part) for part in schema] if isinstance(schema, list) else schema


# What a server tells of itself


def test_health(release: Release, serve: Serve) -> None:
    with http(serve(release, "coding")) as client:
        assert client.get("/health").json() == {"status": "healthy"}


@pytest.mark.parametrize("path", ["/schema", "/metadata"])
def test_the_seed_tells_nothing_of_itself(serve: Serve, path: str) -> None:
    with http(serve(SEED, "coding")) as client:
        assert client.get(path).status_code == 404


def test_schema_has_a_reset_observation_since_0_8(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        parts = {"action", "observation", "state"}
        if modern.has_reset_observation:
            parts.add("reset_observation")
        assert set(client.get("/schema").json()) == parts


def test_metadata_names_the_environment(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        assert client.get("/metadata").json()["name"] == "CodingEnvironment"


def test_schema_of_the_coding_environment_is_its_contract(modern: Release, serve: Serve) -> None:
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with http(serve(modern, "coding")) as client:
        schema = client.get("/schema").json()
    for part in ("action", "observation"):
        assert plain(schema[part]) == plain(contract[part])


def test_schema_has_the_state_class_where_the_server_can_be_told(
    modern: Release, serve: Serve
) -> None:
    with http(serve(modern, "coding")) as client:
        title = client.get("/schema").json()["state"]["title"]
    assert title == ("CodeState" if str(modern) == "openenv-0.10.0" else "State")


def test_schema_has_the_base_state_where_the_server_was_not_told(
    modern: Release, serve: Serve
) -> None:
    with http(serve(modern, "base_state")) as client:
        state = client.get("/schema").json()["state"]
    assert (state["title"], set(state["properties"])) == ("State", {"episode_id", "step_count"})
    assert state["additionalProperties"] is True


def test_schema_has_bounds_enums_and_nested_lists(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "grid")) as client:
        action = client.get("/schema").json()["action"]
    assert action["$defs"]["Direction"]["enum"] == ["up", "down", "left", "right"]
    distance, paint = action["properties"]["distance"], action["properties"]["paint"]
    assert (distance["minimum"], distance["maximum"]) == (1, 3)
    assert paint["items"] == {"type": "array", "items": {"type": "integer"}}
    assert "default" not in paint, "a default_factory says nothing"


def test_openapi_has_the_action_as_a_free_object(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
    action = schemas["StepRequest"]["properties"]["action"]
    assert (action["type"], action["additionalProperties"]) == ("object", True)
    assert "CodeAction" not in schemas


def test_reset_may_observe_another_class(modern: Release, serve: Serve) -> None:
    server = serve(modern, "faults")
    with socket_of(server) as socket, http(server) as client:
        observation = ask(socket, "reset")["data"]["observation"]
        schema = client.get("/schema").json()
    assert observation["ready"] is True
    if modern.has_reset_observation:
        assert schema["reset_observation"]["title"] == "FaultReset"
    assert schema["observation"]["title"] == "FaultObservation"


# HTTP


@on_the_seed
def test_http_of_the_seed_is_one_episode(fresh_server: RunningServer) -> None:
    with http(fresh_server) as client:
        client.post("/reset", json={})
        client.post("/step", json={"action": {"code": "x = 2"}})
        reply = client.post("/step", json={"action": {"code": "print(x)"}}).json()
        state = client.get("/state").json()
    assert reply["observation"]["stdout"] == "2\n"
    assert (state["step_count"], state["last_exit_code"]) == (2, 0)


@on_the_seed
def test_http_of_the_seed_is_shared(fresh_server: RunningServer) -> None:
    with http(fresh_server) as one, http(fresh_server) as two:
        one.post("/reset", json={})
        one.post("/step", json={"action": {"code": "1"}})
        assert two.get("/state").json() == one.get("/state").json()


def test_http_since_0_2_has_a_fresh_environment_per_request(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        client.post("/reset", json={"episode_id": "mine"})
        client.post("/step", json={"action": {"code": "x = 2"}})
        reply = client.post("/step", json={"action": {"code": "print(x)"}}).json()
        state = client.get("/state").json()
    assert reply["observation"]["exit_code"] == 1
    assert (state["episode_id"], state["step_count"]) == (None, 0)


def test_http_reply_has_reward_and_done_beside_the_observation(
    release: Release, serve: Serve
) -> None:
    with http(serve(release, "coding")) as client:
        reply = client.post("/step", json={"action": {"code": "print(1)"}}).json()
    assert (reply["reward"], reply["done"]) == (1.0, False)
    assert not {"reward", "done"} & set(reply["observation"])


@on_the_seed
def test_http_of_the_seed_ignores_seed_and_episode(fresh_server: RunningServer) -> None:
    with http(fresh_server) as client:
        assert client.post("/reset", json={"seed": 7, "episode_id": "mine"}).is_success
        assert client.get("/state").json()["episode_id"] != "mine"


def test_http_step_takes_timeout_and_request_id(release: Release, serve: Serve) -> None:
    body = {"action": {"code": "print(1)"}, "timeout_s": 5, "request_id": "mine"}
    with http(serve(release, "coding")) as client:
        assert client.post("/step", json=body).json()["observation"]["stdout"] == "1\n"


def test_http_reset_refuses_a_negative_seed(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        assert client.post("/reset", json={"seed": -1}).status_code == 422


def test_http_invalid_action(release: Release, serve: Serve) -> None:
    with http(serve(release, "coding")) as client:
        reply = client.post("/step", json={"action": {"cod": "1"}})
    if release.is_seed:
        assert (reply.status_code, reply.text) == (500, "Internal Server Error")
    else:
        assert reply.status_code == 422
        assert {tuple(error["loc"]) for error in reply.json()["detail"]} == {("code",), ("cod",)}


def test_http_environment_raises(release: Release, serve: Serve) -> None:
    with http(serve(release, "faults")) as client:
        reply = client.post("/step", json={"action": {"fault": "raise"}})
        assert (reply.status_code, reply.text) == (500, "Internal Server Error")


def test_http_connection_is_closed_unannounced_after_the_environment_raised(
    release: Release, serve: Serve
) -> None:
    """So the request after it may be lost on a connection that looks alive."""
    address = serve(release, "faults").base_url.removeprefix("http://")
    with closing(HTTPConnection(address, timeout=PATIENCE_S)) as connection:
        connection.request("POST", "/step", '{"action": {"fault": "raise"}}', JSON)
        reply = connection.getresponse()
        reply.read()
        assert (reply.status, reply.getheader("connection")) == (500, None)
        assert connection.sock.recv(1) == b"", "the server has hung up"


def test_http_validator_that_raises(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "faults")) as client:
        assert client.post("/step", json={"action": {"fault": "refuse"}}).status_code == 500


@pytest.mark.parametrize("fault", ["null_reward", "bool_reward", "nan_reward"])
def test_http_reward(release: Release, serve: Serve, fault: str) -> None:
    with http(serve(release, "faults")) as client:
        reward = client.post("/step", json={"action": {"fault": fault}}).json()["reward"]
    if fault == "bool_reward":
        assert reward == 1
        assert type(reward) is (bool if release.is_seed else float), "typed as a number since 0.2"
    else:
        assert reward is None


def test_http_state_lacks_the_fields_that_the_server_was_not_told_of(
    modern: Release, serve: Serve
) -> None:
    with http(serve(modern, "base_state")) as client:
        assert set(client.get("/state").json()) == {"episode_id", "step_count"}


# The WebSocket


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


# MCP, asked of an environment that has no tools


def test_ws_mcp_frame(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "coding")) as socket:
        reply = ask(socket, "mcp", jsonrpc="2.0", id=5, method="tools/list")
    assert reply["type"] == "mcp"
    assert (reply["data"]["id"], "error" in reply["data"]) == (5, True)


def test_post_mcp_since_0_2_2(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        reply = client.post("/mcp", json={"jsonrpc": "2.0", "id": 5, "method": "tools/list"})
    assert reply.status_code == (404 if modern.version == "0.2.1" else 200)


def test_ws_mcp_route_since_0_2_2(modern: Release, serve: Serve) -> None:
    server = serve(modern, "coding")
    if modern.version == "0.2.1":
        with pytest.raises(InvalidStatus), socket_of(server, "/mcp"):
            pass
        return
    with socket_of(server, "/mcp") as socket:
        socket.send('{"jsonrpc": "2.0", "id": 5, "method": "tools/list"}')
        assert receive(socket)["id"] == 5
