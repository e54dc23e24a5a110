"""A reset is sent with a request for the state behind it, and its reply must come with a state."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

import envgen_runtime as rt
from envgen.demo.server import serving
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime.servers import STATE, Faulty, observed
from tests.runtime.test_frames import both_clients, play

OBSERVED = observed({"stdout": "asked"})


def error(code: str) -> str:
    return json.dumps({"type": "error", "data": {"message": "as told", "code": code}})


def refused_mark(number: int) -> str:
    """How OpenEnv's servers answer a mark."""
    refused = {"loc": ["data"], "input": {"envgen": f"#{number}#"}}
    told = {"message": "Invalid message", "code": "VALIDATION_ERROR", "errors": [refused]}
    return json.dumps({"type": "error", "data": told})


FAILED, ENDED = error("EXECUTION_ERROR"), error("SESSION_ERROR")
HANG_UP = ""
"""In place of a frame: the server closes the connection."""


def send_together(connection: ServerConnection, frames: list[str]) -> None:
    with connection.protocol_mutex:
        for frame in frames:
            connection.protocol.send_text(frame.encode())
        connection.socket.sendall(b"".join(connection.protocol.data_to_send()))


@contextmanager
def answering(*replies: list[str], at_once: bool = False) -> Iterator[tuple[str, list[str]]]:
    """A server that sends the next of ``replies`` to each reset and step, and to states nothing.

    Yields its address, and the types of the frames that it received. ``at_once`` has it send all
    frames of an answer in one write, so that they arrive together.
    """
    left, seen = iter(replies), list[str]()

    def session(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for text in connection:
                seen.append(json.loads(text)["type"])
                frames = next(left) if seen[-1] in ("reset", "step") else []
                if at_once:
                    send_together(connection, frames)
                else:
                    for frame in frames:
                        connection.send(frame) if frame else connection.close()

    with serve(session, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}", seen
        finally:
            server.shutdown()
            thread.join()


def calls(url: str, names: list[str], *, is_async: bool, **options: Any) -> list[Any]:
    """The results of calls, or their errors."""

    async def play_async() -> list[Any]:
        async with AsyncCodingEnv(url, **options) as env:
            asked: dict[str, Callable[[], Any]] = {
                "reset": env.reset,
                "step": lambda: env.step(code="1"),
            }
            ended: list[Any] = []
            for name in names:
                try:
                    ended.append(await asked[name]())
                except rt.EnvError as error:
                    ended.append(error)
            return ended

    if is_async:
        return asyncio.run(play_async())
    with CodingEnv(url, **options) as env:
        ended: list[Any] = []
        for name in names:
            try:
                ended.append(env.reset() if name == "reset" else env.step(code="1"))
            except rt.EnvError as error:
                ended.append(error)
        return ended


LARGE = json.dumps({"type": "state", "data": {"all": "x" * 3_000_000}})
LATE_TYPE = '{ "data": {}, "type" : "state" }'


@pytest.mark.slow
@both_clients
@pytest.mark.parametrize(
    "replies",
    [
        [OBSERVED, STATE],
        [OBSERVED, FAILED],
        [OBSERVED, LARGE],
        [OBSERVED, LATE_TYPE],
    ],
    ids=["state", "the state fails", "large", "written otherwise"],
)
def test_a_reply_and_then_a_state(is_async: bool, replies: list[str]) -> None:
    for barrier, sent in (
        ("episode", ["reset", "state", "step"]),
        ("step", ["reset", "state", "step", "state"]),
        ("off", ["reset", "step"]),
    ):
        told = [
            replies if barrier != "off" else [OBSERVED],
            replies if barrier == "step" else [OBSERVED],
        ]
        with answering(*told) as (url, seen):
            results = calls(url, ["reset", "step"], is_async=is_async, barrier=barrier)
            assert [result.observation.stdout for result in results] == ["asked", "asked"]
        assert seen[: len(sent)] == sent
        assert set(seen[len(sent) :]) <= {"close"}


@both_clients
@pytest.mark.parametrize("behind", [STATE, FAILED], ids=["state", "the state fails"])
def test_an_error_that_keeps_the_session_has_a_state_behind_it(is_async: bool, behind: str) -> None:
    with answering([FAILED, behind], [OBSERVED, STATE], [FAILED, behind], [OBSERVED, STATE]) as (
        url,
        seen,
    ):
        ended = calls(url, ["reset", "reset", "step", "step"], is_async=is_async, barrier="step")
    assert [type(result) for result in ended] == [
        rt.ExecutionError,
        rt.StepResult,
        rt.ExecutionError,
        rt.StepResult,
    ]
    assert seen[:8] == ["reset", "state", "reset", "state", "step", "state", "step", "state"]


@both_clients
@pytest.mark.parametrize("replies", [[ENDED], [ENDED, HANG_UP]], ids=["open", "closed"])
def test_nothing_is_awaited_behind_an_error_that_ends_the_session(
    is_async: bool, replies: list[str]
) -> None:
    with answering(replies) as (url, _):
        (failed,) = calls(url, ["reset"], is_async=is_async)
    assert isinstance(failed, rt.ServerSessionError)


@both_clients
def test_an_error_of_a_server_that_hangs_up_is_told(is_async: bool) -> None:
    with answering([FAILED, HANG_UP], [OBSERVED, STATE]) as (url, _):
        failed, again = calls(url, ["reset", "reset"], is_async=is_async)
    assert isinstance(failed, rt.ExecutionError)
    assert again.observation.stdout == "asked"


@pytest.mark.slow
@both_clients
@pytest.mark.parametrize(
    "replies",
    [
        [OBSERVED, OBSERVED],
        [STATE, OBSERVED],
        [FAILED, OBSERVED],
        [OBSERVED, "not JSON"],
        [OBSERVED, '{"type":"mcp","data":{}}'],
        [OBSERVED, "[]"],
    ],
)
@pytest.mark.parametrize("name", ["reset", "step"])
def test_any_other_order_loses_the_session(is_async: bool, replies: list[str], name: str) -> None:
    begun = [[OBSERVED, STATE]] if name == "step" else []
    with answering(*begun, replies, [OBSERVED, STATE]) as (url, _):
        *_, failed, lost, again = calls(
            url,
            [*(["reset"] if begun else []), name, "step", "reset"],
            is_async=is_async,
            barrier="step",
        )
    assert isinstance(failed, rt.ProtocolError)
    assert (failed.retryable, failed.episode_lost) == (name == "reset", name == "step")
    assert isinstance(lost, rt.SessionLost if begun else rt.NotReset)
    assert again.observation.stdout == "asked"


@pytest.mark.slow
@both_clients
def test_a_state_that_does_not_come_is_named(is_async: bool) -> None:
    with answering([OBSERVED]) as (url, _):
        (late,) = calls(url, ["reset"], is_async=is_async, request_timeout_s=2)
    assert isinstance(late, rt.RequestTimeout)
    assert "no state behind the reply to reset within 2 s" in str(late)
    assert 'barrier="off"' in late.__notes__[0]
    with answering([OBSERVED, HANG_UP]) as (url, _):
        (gone,) = calls(url, ["reset"], is_async=is_async)
    assert isinstance(gone, rt.ConnectionLost)
    assert 'barrier="off"' in gone.__notes__[0]


@both_clients
def test_a_state_above_the_limit_is_named(is_async: bool) -> None:
    with answering([OBSERVED, LARGE]) as (url, _):
        (gone,) = calls(url, ["reset"], is_async=is_async, max_message_bytes=1_000_000)
    assert isinstance(gone, rt.ConnectionLost)
    assert "raise max_message_bytes" in str(gone)
    assert 'barrier="off"' in gone.__notes__[0]


@both_clients
def test_a_repeated_reply_does_not_outlive_its_episode(is_async: bool) -> None:
    """The reset's reply is repeated while a step is in flight: from then on, all are late."""
    told = [[observed({"stdout": name})] for name in ("reset", "reset", "step 1", "step 2")]
    told[0].append(STATE)
    told[3] += [OBSERVED, STATE]
    with answering(*told, [OBSERVED, STATE]) as (url, _):
        names = ["reset", "step", "step", "reset", "reset"]
        reset, *steps, failed, healed = calls(url, names, is_async=is_async)
    assert reset.observation.stdout == "reset"
    assert [step.observation.stdout for step in steps] == ["reset", "step 1"], "there are no ids"
    assert isinstance(failed, rt.ProtocolError)
    assert failed.retryable
    assert healed.observation.stdout == "asked"


@both_clients
def test_a_repeated_reply_is_found_at_once_with_a_barrier_for_steps(is_async: bool) -> None:
    told = [
        [observed({"stdout": "reset"}), STATE],
        [observed({"stdout": "reset"}), OBSERVED, STATE],
    ]
    with answering(*told) as (url, _):
        _, failed = calls(url, ["reset", "step"], is_async=is_async, barrier="step")
    assert isinstance(failed, rt.ProtocolError)
    assert (failed.maybe_applied, failed.episode_lost) == (True, True)


@both_clients
def test_a_server_that_quotes_marks_tells_its_answers_apart(is_async: bool) -> None:
    """As OpenEnv's do. The reply to the reset and the answer behind it are both repeated."""
    quoted = [refused_mark(number) for number in (1, 2)]
    first = observed({"stdout": "reset"})
    told = [[first, quoted[0]], [first, quoted[0], OBSERVED, quoted[1]]]
    with answering(*told) as (url, _):
        reset, failed = calls(url, ["reset", "step"], is_async=is_async, barrier="step")
    assert reset.observation.stdout == "reset"
    assert isinstance(failed, rt.ProtocolError)
    assert "the answer to an earlier request" in str(failed)


@both_clients
@pytest.mark.parametrize("repeat", [observed({"stdout": "reset"}), FAILED], ids=["reply", "error"])
def test_a_reply_that_its_marks_answer_overtakes_is_found(is_async: bool, repeat: str) -> None:
    """An earlier reply is repeated, and the one that is awaited comes behind the answer."""
    told = [[observed({"stdout": "reset"}), STATE], [repeat, STATE, OBSERVED]]
    with answering(*told, at_once=True) as (url, _):
        _, failed = calls(url, ["reset", "step"], is_async=is_async, barrier="step")
    assert isinstance(failed, rt.ProtocolError)
    assert "another observation" in str(failed)


@both_clients
@pytest.mark.parametrize("again", [OBSERVED, STATE, FAILED], ids=["reply", "state", "error"])
def test_what_is_repeated_at_once_loses_no_reply(is_async: bool, again: str) -> None:
    told = [[OBSERVED, STATE], [OBSERVED, STATE, again], [OBSERVED, STATE]]
    with answering(*told, at_once=True) as (url, _):
        names = ["reset", "step", "step", "reset"]
        _, step, failed, _ = calls(url, names, is_async=is_async, barrier="step")
    assert step.observation.stdout == "asked"
    assert isinstance(failed, rt.ProtocolError)
    assert not failed.sent


@both_clients
@pytest.mark.parametrize("barrier", ["episode", "step"])
@pytest.mark.parametrize("number", [1, 2], ids=["repeated", "its own, without a reply"])
def test_the_refusal_of_a_mark_refuses_no_action(is_async: bool, barrier: str, number: int) -> None:
    with answering([OBSERVED, refused_mark(1)], [refused_mark(number)]) as (url, _):
        _, failed = calls(url, ["reset", "step"], is_async=is_async, barrier=barrier)
    assert isinstance(failed, rt.ProtocolError)
    assert "the answer to a mark" in str(failed)
    assert (failed.maybe_applied, failed.episode_lost) == (True, True)


@both_clients
def test_nothing_is_asked_behind_a_reset_over_http(is_async: bool) -> None:
    server = Faulty()
    asked: list[str] = []
    state = server._http_state

    async def counted(request: Any) -> Any:
        asked.append("state")
        return await state(request)

    server._http_state = counted  # type: ignore[method-assign]
    with serving(server.app()) as url:
        play(url, ["reset", "1 fine"], is_async=is_async, transport="http", barrier="step")
    assert asked == []
