"""Sessions on a real server: what a user may do when, on both transports, sync and async."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import websockets
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import envgen_runtime as rt
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv
from generated.warehouse_env import Move, WarehouseEnv
from tests.runtime.servers import answering, observed, start_episode
from tests.support import ROOT

CONTRACT = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
HELLO = CodeAction(code="print('hello')")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(create_app(CONTRACT, partial(CodingEnvironment, max_steps=3))) as base_url:
        yield base_url


@pytest.mark.parametrize("transport", ["auto", "websocket", "http-unchecked"])
def test_an_episode(url: str, transport: Any) -> None:
    with CodingEnv(url, transport=transport) as env:
        first = env.reset(seed=3, episode_id="e")
        assert (first.reward, first.done, first.metadata) == (None, False, {"seed": 3})
        result = env.step(HELLO)
        assert (result.observation.stdout, result.reward) == ("hello\n", 1.0)
        assert env.step(CodeAction(code="raise SystemExit(4)")).observation.exit_code == 4
        assert env.state().model_dump() == {
            "episode_id": "e",
            "step_count": 2,
            "last_exit_code": 4,
        }
        assert env.step(HELLO).done


@pytest.mark.parametrize("transport", ["auto", "websocket", "http-unchecked"])
def test_an_async_episode(url: str, transport: Any) -> None:
    async def play() -> None:
        async with AsyncCodingEnv(url, transport=transport) as env:
            await env.reset(seed=3)
            result = await env.step(HELLO)
            assert (result.observation.stdout, result.reward) == ("hello\n", 1.0)
            assert (await env.state()).step_count == 1

    asyncio.run(play())


def test_what_a_session_refuses(url: str) -> None:
    env = CodingEnv(url)
    with pytest.raises(rt.NotReset):
        env.step(HELLO)
    assert env.state().step_count == 0, "a state can be asked for at any time"
    env.reset()
    with pytest.raises(rt.InvalidRequest, match=r"takes CodeAction, not a dict"):
        env.step({"code": "1"})  # type: ignore[arg-type]
    assert env.step(HELLO).reward == 1.0, "what was never sent loses nothing"
    env.close()
    env.close()
    with pytest.raises(rt.SessionClosed):
        env.reset()


def test_a_union_action_is_one_of_its_classes() -> None:
    env = WarehouseEnv("http://127.0.0.1:9")
    with pytest.raises(rt.InvalidRequest, match="takes Move or Pick or Place, not CodeAction"):
        env._step_payload(HELLO)  # type: ignore[arg-type]
    assert env._step_payload(Move(to={"x": 1, "y": 2}))["kind"] == "move"


def test_one_request_at_a_time(url: str) -> None:
    async def play() -> None:
        async with AsyncCodingEnv(url) as env:
            await env.reset()
            slow = asyncio.create_task(env.step(CodeAction(code="import time; time.sleep(0.3)")))
            await asyncio.sleep(0)
            with pytest.raises(rt.SessionBusy):
                await env.step(HELLO)
            assert (await slow).reward == 1.0

    asyncio.run(play())


def test_a_cancelled_step_loses_the_session(url: str, tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    async def play() -> None:
        async with AsyncCodingEnv(url) as env:
            await env.reset()
            code = f"open({str(begun)!r}, 'w'); import time; time.sleep(3)"
            slow = asyncio.create_task(env.step(CodeAction(code=code)))
            while not begun.exists():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.01)
            slow.cancel()
            with pytest.raises(asyncio.CancelledError):
                await slow
            with pytest.raises(rt.SessionLost):
                await env.step(HELLO)
            await env.reset()
            assert (await env.step(HELLO)).observation.stdout == "hello\n"

    asyncio.run(play())


def test_nobody_there() -> None:
    with CodingEnv("http://127.0.0.1:9") as env, pytest.raises(rt.ConnectError) as caught:
        env.reset()
    assert caught.value.retryable
    assert not caught.value.maybe_applied


def test_a_provider_is_stopped_once(url: str) -> None:
    stops: list[str] = []

    class Provider:
        def start_container(self, image: str, *_: Any, **__: Any) -> str:
            raise AssertionError(image)

        def wait_for_ready(self, base_url: str, timeout_s: float = 30.0) -> None:
            raise AssertionError(base_url, timeout_s)

        def stop_container(self) -> None:
            stops.append(threading.current_thread().name)

    assert isinstance(Provider(), rt.ContainerProvider)
    with CodingEnv(url, provider=Provider()) as env:
        env.reset()
    env.close()

    async def play() -> None:
        async with AsyncCodingEnv(url, provider=Provider()) as env:
            await env.reset()

    asyncio.run(play())
    assert len(stops) == 2
    assert stops[1] != threading.main_thread().name, "the loop is not blocked by it"


def test_secrets_stay_out_of_reprs(url: str) -> None:
    env = CodingEnv(url, default_headers={"Authorization": "Bearer s3cret"})
    assert "s3cret" not in repr(env)
    assert "s3cret" not in repr(env._options)


@pytest.mark.parametrize(
    "options",
    [{"request_timeout_s": 0}, {"connect_timeout_s": -1}, {"transport": "carrier pigeon"}],
)
def test_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"transport|greater than zero"):
        CodingEnv("http://h", **options)


# --- servers that say what the real ones can't be made to say ---------------------------------


def test_a_reply_that_does_not_fit_is_an_error_that_says_where() -> None:
    with serving(answering(observed({"exit_code": "four"}))) as url, CodingEnv(url) as env:
        with pytest.raises(rt.ReplyMismatch) as caught:
            env.reset()
    assert caught.value.path == "$.observation.exit_code"
    assert "doesn't fit coding_env's contract" in str(caught.value)
    assert f"envgen build {url}" in str(caught.value)


def test_fields_of_a_newer_server_are_kept() -> None:
    with serving(answering(observed({"newer": 1}))) as url, CodingEnv(url) as env:
        assert env.reset().observation.model_extra == {"newer": 1}


@pytest.mark.parametrize("frame", ["not json", '{"type":"state","data":{}}'])
def test_a_malformed_frame_loses_the_session(frame: str) -> None:
    with serving(answering(observed({}), frame)) as url, CodingEnv(url) as env:
        env.reset()
        with pytest.raises(rt.ProtocolError):
            env.step(HELLO)
        with pytest.raises(rt.SessionLost) as caught:
            env.step(HELLO)
    assert isinstance(caught.value.__cause__, rt.ProtocolError)


def test_a_reply_larger_than_allowed_says_what_to_raise() -> None:
    server = serving(answering(observed({"stdout": "x" * 10_000})))
    with server as url, CodingEnv(url, max_message_bytes=1000) as env:
        with pytest.raises(rt.ConnectionLost, match="raise max_message_bytes"):
            env.reset()


def test_headers_reach_both_transports() -> None:
    seen: list[str | None] = []

    async def session(websocket: WebSocket) -> None:
        seen.append(websocket.headers.get("authorization"))
        await start_episode(websocket)

    async def reset(request: Request) -> JSONResponse:
        seen.append(request.headers.get("authorization"))
        return JSONResponse({"observation": {}, "reward": None, "done": False})

    routes = [WebSocketRoute("/ws", session), Route("/reset", reset, methods=["POST"])]
    headers = {"Authorization": "Bearer t"}
    with serving(Starlette(routes=routes)) as url:
        for transport in ("websocket", "http"):
            with CodingEnv(url, default_headers=headers, transport=transport) as env:
                env.reset()
    assert seen == ["Bearer t", "Bearer t"]


def test_a_blocked_upgrade_on_a_later_server_is_no_reason_for_http() -> None:
    async def answer(_request: Request) -> JSONResponse:
        return JSONResponse({})

    app = Starlette(routes=[Route("/schema", answer), Route("/health", answer)])
    with serving(app) as url, CodingEnv(url) as env:
        with pytest.raises(rt.UpgradeRefused, match="HTTP would be silently wrong"):
            env.reset()


def test_a_server_that_is_no_environment() -> None:
    with serving(Starlette()) as url, CodingEnv(url) as env:
        with pytest.raises(rt.UpgradeRefused, match="doesn't look like an environment server"):
            env.reset()


def test_a_missing_token_is_named() -> None:
    async def guard(_request: Request) -> JSONResponse:
        return JSONResponse({}, status_code=401)

    with serving(Starlette(routes=[Route("/schema", guard)])) as url, CodingEnv(url) as env:
        with pytest.raises(rt.UpgradeRefused, match="pass it in default_headers"):
            env.reset()


def test_a_connection_that_drops_is_never_stepped_again() -> None:
    sessions: list[int] = []

    async def session(websocket: WebSocket) -> None:
        sessions.append(0)
        await start_episode(websocket)
        await websocket.receive_text()
        sessions[-1] += 1
        await websocket.close(1011)

    with serving(Starlette(routes=[WebSocketRoute("/ws", session)])) as url, CodingEnv(url) as env:
        env.reset()
        with pytest.raises(rt.ConnectionLost) as caught:
            env.step(HELLO)
        assert isinstance(caught.value.__cause__, websockets.ConnectionClosed)
        with pytest.raises(rt.SessionLost):
            env.step(HELLO)
        assert sessions == [1]
        env.reset()
        assert sessions == [1, 0]
