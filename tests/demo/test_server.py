"""The demo's server: the wire as OpenEnv 0.10.0 speaks it, and how it starts and stops.

The client is written by hand on the runtime, so that the generator has no part in it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.types import Message, Receive, Scope, Send
from websockets.exceptions import ConnectionClosedOK, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen_runtime import (
    ActionRejected,
    AsyncEnvClient,
    EnvClient,
    ServerError,
    StepAfterDoneWarning,
    StepResult,
)
from envgen_runtime.generated import Codec, Envelope, ReplyModel, RequestModel, wire_fields
from tests.support import PATIENCE_S, ROOT

CONTRACT = json.loads((ROOT / "schemas" / "coding_env.json").read_text())


class Code(RequestModel):
    code: Any


class Ran(ReplyModel):
    stdout: str
    stderr: str
    exit_code: int


class Standing(ReplyModel):
    episode_id: str
    step_count: int
    last_exit_code: int


class EnvCodec(Codec[Code, Ran, Standing]):
    env_name = "coding_env"

    def _step_payload(self, action: Code) -> dict[str, Any]:
        return wire_fields(action, Code)

    def _parse_result(self, payload: dict[str, Any]) -> StepResult[Ran]:
        envelope = Envelope.read(payload)
        observation = Ran.model_validate(envelope.observation)
        return StepResult(observation, envelope.reward, envelope.done, envelope.metadata)

    def _parse_state(self, payload: dict[str, Any]) -> Standing:
        return Standing.model_validate(payload)


class Env(EnvCodec, EnvClient[Code, Ran, Standing]):
    pass


class AsyncEnv(EnvCodec, AsyncEnvClient[Code, Ran, Standing]):
    pass


Transport = Literal["websocket", "http-unchecked"]
both_transports = pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    make = partial(CodingEnvironment, max_steps=2, time_limit_s=PATIENCE_S)
    with serving(create_app(CONTRACT, make)) as base_url:
        yield base_url


@pytest.fixture
def ws(url: str) -> Iterator[ClientConnection]:
    with connect(f"{url.replace('http', 'ws', 1)}/ws") as connection:
        yield connection


def ask(ws: ClientConnection, frame: Any) -> dict[str, Any]:
    ws.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))
    answer: dict[str, Any] = json.loads(ws.recv(timeout=PATIENCE_S))
    return answer


def in_its_own_time(tmp_path: Path) -> tuple[str, Path, Path]:
    """A program that says when it has started, and ends when it is told to."""
    started, told = tmp_path / "started", tmp_path / "told"
    os.mkfifo(started)
    os.mkfifo(told)
    return f"open({str(started)!r}, 'w').close(); print(open({str(told)!r}).read())", started, told


# --- episodes -----------------------------------------------------------------------------------


@both_transports
def test_an_episode(url: str, transport: Transport) -> None:
    with Env(url, transport=transport) as env:
        first = env.reset(seed=3, episode_id="e")
        assert (first.reward, first.done, first.metadata) == (None, False, {"seed": 3})
        result = env.step(Code(code="print('hello')"))
        assert (result.observation.stdout, result.reward, result.done) == ("hello\n", 1.0, False)
        result = env.step(Code(code="raise SystemExit(4)"))
        assert (result.observation.exit_code, result.reward, result.done) == (4, 0.0, True)
        state = env.state()
        assert (state.episode_id, state.step_count, state.last_exit_code) == ("e", 2, 4)
        assert state.model_extra == {}


@both_transports
def test_an_async_episode(url: str, transport: Transport) -> None:
    async def play() -> None:
        async with AsyncEnv(url, transport=transport) as env:
            await env.reset(seed=3, episode_id="e")
            result = await env.step(Code(code="print('hello')"))
            assert (result.observation.stdout, result.reward) == ("hello\n", 1.0)
            state = await env.state()
            assert (state.episode_id, state.step_count) == ("e", 1)

    asyncio.run(play())


@both_transports
def test_a_refused_action_and_a_failure_leave_the_episode(url: str, transport: Transport) -> None:
    with Env(url, transport=transport) as env:
        env.reset()
        with pytest.raises(ActionRejected, match="code: Input should be a valid string"):
            env.step(Code(code=5))
        env.step(Code(code=""))
        assert env.step(Code(code="")).done
        with (
            pytest.warns(StepAfterDoneWarning),
            pytest.raises(ServerError, match="ended after 2 steps") as failure,
        ):
            env.step(Code(code=""))
        assert (
            failure.value.code
            == {"websocket": "EXECUTION_ERROR", "http-unchecked": "HTTP_500"}[transport]
        )
        assert env.state().step_count == 2
        assert not env.reset().done


def test_a_socket_has_its_own_environment_and_http_has_one(url: str) -> None:
    with Env(url, transport="websocket") as one, Env(url, transport="websocket") as other:
        one.reset()
        other.reset()
        one.step(Code(code=""))
        assert (one.state().step_count, other.state().step_count) == (1, 0)
    with Env(url, transport="http-unchecked") as one, Env(url, transport="http-unchecked") as other:
        one.reset()
        one.step(Code(code=""))
        assert other.state().step_count == 1


def test_others_are_answered_while_a_program_runs(
    url: str, ws: ClientConnection, tmp_path: Path
) -> None:
    code, started, told = in_its_own_time(tmp_path)
    ws.send(json.dumps({"type": "step", "data": {"code": code}}))
    started.read_text()
    assert httpx.get(f"{url}/health").json() == {"status": "healthy"}
    with Env(url) as env:
        env.reset()
        assert env.step(Code(code="print('meanwhile')")).observation.stdout == "meanwhile\n"
    told.write_text("end")
    assert json.loads(ws.recv(timeout=PATIENCE_S))["data"]["observation"]["stdout"] == "end\n"


def test_http_requests_take_turns(tmp_path: Path) -> None:
    code, started, told = in_its_own_time(tmp_path)
    app = create_app(CONTRACT, partial(CodingEnvironment, max_steps=1, time_limit_s=PATIENCE_S))
    arrived = threading.Semaphore(0)

    async def announcing(scope: Scope, receive: Receive, send: Send) -> None:
        async def receive_step() -> Message:
            message = await receive()
            arrived.release()
            return message

        await app(scope, receive_step if scope["path"] == "/step" else receive, send)

    with serving(announcing) as url, ThreadPoolExecutor(2) as pool:
        step = partial(httpx.post, f"{url}/step", timeout=PATIENCE_S)
        first = pool.submit(step, json={"action": {"code": code}})
        started.read_text()
        second = pool.submit(step, json={"action": {"code": ""}})
        assert all(arrived.acquire(timeout=PATIENCE_S) for _ in range(2))
        assert httpx.get(f"{url}/health").is_success, "the loop has been at the second since"
        told.write_text("end")
        assert first.result().status_code == 200
        assert second.result().status_code == 500, "the first step was the episode's last"


# --- the wire -----------------------------------------------------------------------------------


def test_what_get_answers(url: str) -> None:
    parts = {key: part for key, part in CONTRACT.items() if key != "name"}
    assert httpx.get(f"{url}/schema").json() == parts
    assert httpx.get(f"{url}/metadata").json()["name"] == "coding_env"
    assert httpx.get(f"{url}/health").json() == {"status": "healthy"}
    assert httpx.get(f"{url}/state").json().keys() == CONTRACT["state"]["properties"].keys()


def test_observations_travel_with_what_stands_beside_them(ws: ClientConnection) -> None:
    observation = {"stdout": "", "stderr": "", "exit_code": 0}
    assert ask(ws, {"type": "reset"}) == {
        "type": "observation",
        "data": {"observation": {**observation, "metadata": {}}, "reward": None, "done": False},
    }
    seed = {"seed": 3}
    assert ask(ws, {"type": "reset", "data": {**seed, "unknown": 1}}) == {
        "type": "observation",
        "data": {
            "observation": {**observation, "metadata": seed},
            "reward": None,
            "done": False,
            "metadata": seed,
        },
    }
    assert ask(ws, {"type": "step", "data": {"code": "", "metadata": {"a": [1]}}})["data"] == {
        "observation": {**observation, "metadata": seed},
        "reward": 1.0,
        "done": False,
        "metadata": seed,
    }


@pytest.mark.parametrize(
    ("frame", "code", "places"),
    [
        ("{", "INVALID_JSON", None),
        (b"\xff", "INVALID_JSON", None),
        ("[" * 100_000, "INVALID_JSON", None),
        ("[]", "INVALID_JSON", None),
        ("{}", "UNKNOWN_TYPE", None),
        ({"type": "nope"}, "UNKNOWN_TYPE", None),
        ({"type": 5}, "UNKNOWN_TYPE", None),
        ({"type": "step"}, "VALIDATION_ERROR", [["data"]]),
        ({"type": "step", "data": 5}, "VALIDATION_ERROR", [["data"]]),
        ({"type": "step", "data": {}}, "VALIDATION_ERROR", [["code"]]),
        ({"type": "step", "data": {"code": 5, "x": 1}}, "VALIDATION_ERROR", [["code"], ["x"]]),
        ({"type": "step", "data": {"code": ""}, "id": 1}, "VALIDATION_ERROR", [["id"]]),
        ({"type": "state", "data": {}}, "VALIDATION_ERROR", [["data"]]),
        ({"type": "close", "data": {}}, "VALIDATION_ERROR", [["data"]]),
        ({"type": "reset", "data": {"seed": "x"}}, "VALIDATION_ERROR", [["seed"]]),
    ],
    ids=lambda value: str(value)[:50],
)
def test_refused_frames(ws: ClientConnection, frame: Any, code: str, places: Any) -> None:
    answer = ask(ws, frame)
    assert (answer["type"], answer["data"]["code"]) == ("error", code)
    errors = answer["data"].get("errors")
    assert (errors and [error["loc"] for error in errors]) == places
    assert ask(ws, {"type": "state"})["data"]["step_count"] == 0, "the session lives on"


def test_a_socket_is_closed_when_it_asks(ws: ClientConnection) -> None:
    ws.send('{"type":"close"}')
    with pytest.raises(ConnectionClosedOK):
        ws.recv(timeout=PATIENCE_S)


@pytest.mark.parametrize(
    ("path", "body", "places"),
    [
        ("/step", "{", [["body"]]),
        ("/step", "", [["body", "action"]]),
        ("/step", '{"action": 5}', [["body", "action"]]),
        ("/step", '{"action": {"code": 5, "x": 1}}', [["code"], ["x"]]),
        ("/reset", "[]", [["body"]]),
        ("/reset", '{"seed": "x"}', [["body", "seed"]]),
    ],
)
def test_refused_requests(url: str, path: str, body: str, places: Any) -> None:
    answer = httpx.post(url + path, content=body)
    assert answer.status_code == 422
    assert [error["loc"] for error in answer.json()["detail"]] == places


def test_half_a_surrogate_pair_is_given_back_as_it_came(url: str) -> None:
    assert httpx.post(f"{url}/reset", content='{"episode_id": "\\ud800"}').is_success
    assert httpx.get(f"{url}/state").json()["episode_id"] == "\ud800"


def test_web_pages_are_kept_out(url: str) -> None:
    page = "http://example.org"
    httpx.post(f"{url}/reset")
    answer = httpx.post(f"{url}/step", json={"action": {"code": ""}}, headers={"Origin": page})
    assert (answer.status_code, answer.text) == (403, "not for web pages")
    with pytest.raises(InvalidStatus) as refusal:
        connect(f"{url.replace('http', 'ws', 1)}/ws", origin=Origin(page))
    assert refusal.value.response.status_code == 403
    assert httpx.get(f"{url}/state").json()["step_count"] == 0


# --- the server ---------------------------------------------------------------------------------


def assert_nobody_serves(url: str) -> None:
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/health")


def test_a_server_ends_with_its_block() -> None:
    threads = threading.enumerate()
    with serving(create_app(CONTRACT)) as url:
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/health").is_success
    assert threading.enumerate() == threads
    assert_nobody_serves(url)


def test_a_server_ends_with_its_block_whatever_happens() -> None:
    urls: list[str] = []

    def interrupted() -> None:
        with serving(create_app(CONTRACT)) as url, Env(url) as env:
            urls.append(url)
            env.reset()
            raise KeyboardInterrupt

    threads = threading.enumerate()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert threading.enumerate() == threads
    assert_nobody_serves(*urls)


def test_a_server_ends_under_open_sockets() -> None:
    with ExitStack() as sockets:
        with serving(create_app(CONTRACT)) as url:
            ws = sockets.enter_context(connect(f"{url.replace('http', 'ws', 1)}/ws"))
            ask(ws, {"type": "reset"})
        assert_nobody_serves(url)


def test_a_taken_port() -> None:
    with serving(create_app(CONTRACT)) as url:
        port = int(url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="in use"), serving(create_app(CONTRACT), port=port):
            pass
        assert httpx.get(f"{url}/health").is_success


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError("out of everything")

    monkeypatch.setattr(uvicorn.Server, "startup", fail)
    threads = threading.enumerate()
    with pytest.raises(RuntimeError, match="did not start"), serving(Starlette()):
        pass
    assert threading.enumerate() == threads


def test_the_process_keeps_its_log_settings() -> None:
    def settings() -> list[Any]:
        loggers = [logging.getLogger(name) for name in ("", "uvicorn", "uvicorn.access")]
        return [(logger.level, logger.handlers, logger.propagate) for logger in loggers]

    before = settings()
    with serving(create_app(CONTRACT)) as url:
        assert httpx.get(f"{url}/health").is_success
    assert settings() == before
