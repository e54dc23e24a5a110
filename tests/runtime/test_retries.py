"""What is repeated, what is waited for, and what has a limit."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import envgen_runtime as rt
from envgen.demo.server import serving
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv
from tests.runtime.servers import observed, requests, start_episode
from tests.support import PATIENCE_S

HELLO = CodeAction(code="hello")
QUICK = rt.RetryPolicy(first_delay_s=0.01, capacity_wait_s=5)


class Seen(rt.Observer):
    """Collects what happened."""

    def __init__(self) -> None:
        self.retries: list[rt.RetryEvent] = []

    def on_retry(self, event: rt.RetryEvent) -> None:
        self.retries.append(event)


def refusing(times: int, answer: Callable[[], Response]) -> Starlette:
    """A server that answers its first handshakes with an HTTP response."""
    left = [times]

    async def session(websocket: WebSocket) -> None:
        if left[0] > 0:
            left[0] -= 1
            await websocket.send_denial_response(answer())
            return
        await websocket.accept()
        async for _ in requests(websocket):
            await websocket.send_text(observed({}))

    return Starlette(routes=[WebSocketRoute("/ws", session)])


def test_a_server_that_is_not_up_yet_is_asked_again() -> None:
    seen = Seen()
    with serving(refusing(2, lambda: Response(status_code=503))) as url:
        with CodingEnv(url, retry=QUICK, observers=[seen]) as env:
            env.reset()
    assert [event.attempt for event in seen.retries] == [1, 2]
    assert all(isinstance(event.error, rt.UpgradeRefused) for event in seen.retries)


def test_what_a_server_asks_to_wait_is_waited() -> None:
    seen = Seen()
    app = refusing(1, lambda: Response("busy", 503, headers={"Retry-After": "1"}))
    with serving(app) as url, CodingEnv(url, retry=QUICK, observers=[seen]) as env:
        env.reset()
    assert seen.retries[0].delay_s == 1
    assert seen.retries[0].error.server_text == "busy"  # type: ignore[attr-defined]


@pytest.mark.parametrize("asked_s", [2, 600])  # within the limit of the call, and beyond it
def test_a_wait_that_is_too_long_is_left_to_the_caller(asked_s: int) -> None:
    app = refusing(1, lambda: Response(status_code=503, headers={"Retry-After": str(asked_s)}))
    short = rt.RetryPolicy(first_delay_s=0.01, max_delay_s=1)
    with serving(app) as url, CodingEnv(url, retry=short) as env:
        with pytest.raises(rt.UpgradeRefused) as caught:
            env.reset()
    assert (caught.value.retry_after_s, caught.value.retryable) == (asked_s, True)


def full(times: int) -> Starlette:
    """A server without a free session, at first."""
    left = [times]

    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        if left[0] > 0:
            left[0] -= 1
            data = {"message": "full", "code": "CAPACITY_REACHED", "max_sessions": 1}
            await websocket.send_text(json.dumps({"type": "error", "data": data}))
            await websocket.close()
            return
        async for _ in requests(websocket):
            await websocket.send_text(observed({}))

    return Starlette(routes=[WebSocketRoute("/ws", session)])


@pytest.mark.slow
@pytest.mark.parametrize("is_async", [False, True])
def test_a_free_session_is_waited_for(is_async: bool) -> None:
    seen = Seen()

    async def play(url: str) -> None:
        async with AsyncCodingEnv(url, retry=QUICK, observers=[seen]) as env:
            await env.reset()

    with serving(full(6)) as url:
        if is_async:
            asyncio.run(play(url))
        else:
            with CodingEnv(url, retry=QUICK, observers=[seen]) as env:
                env.reset()
    assert [event.attempt for event in seen.retries] == [1, 2, 3, 4, 5, 6]


def test_the_wait_for_a_session_has_an_end() -> None:
    policy = rt.RetryPolicy(first_delay_s=0.01, capacity_wait_s=0.2)
    with serving(full(10**6)) as url, CodingEnv(url, retry=policy) as env:
        with pytest.raises(rt.CapacityReached) as caught:
            env.reset()
    assert caught.value.max_sessions == 1


def test_a_reset_that_finds_its_socket_closed_opens_another() -> None:
    sessions: list[int] = []

    async def session(websocket: WebSocket) -> None:
        sessions.append(0)
        await start_episode(websocket)
        if len(sessions) == 1:
            await websocket.close()

    with serving(Starlette(routes=[WebSocketRoute("/ws", session)])) as url, CodingEnv(url) as env:
        env.reset()
        env._transport._socket.settimeout(PATIENCE_S)  # type: ignore[union-attr]
        env._transport._socket.recv(1, socket.MSG_PEEK)  # type: ignore[union-attr] # the close is here
        env.reset()
    assert len(sessions) == 2


def test_a_step_that_finds_its_socket_closed_says_that_it_was_not_applied() -> None:
    async def session(websocket: WebSocket) -> None:
        await start_episode(websocket)
        await websocket.close(1012, "restarting")

    with serving(Starlette(routes=[WebSocketRoute("/ws", session)])) as url, CodingEnv(url) as env:
        env.reset()
        env._transport._socket.settimeout(PATIENCE_S)  # type: ignore[union-attr]
        env._transport._socket.recv(1, socket.MSG_PEEK)  # type: ignore[union-attr]
        with pytest.raises(rt.ConnectionLost, match="closed before step") as caught:
            env.step(HELLO)
    assert not caught.value.maybe_applied
    assert caught.value.server_text == "restarting"


# --- time limits --------------------------------------------------------------------------------


@contextmanager
def trickling(head: bytes) -> Iterator[str]:
    """A server that answers a byte at a time, each well within any limit, and then hangs up."""
    over = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            try:
                for byte in head + b"x" * 1000:
                    connection.sendall(bytes([byte]))
                    if over.wait(0.02):
                        return
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join()


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"


@pytest.mark.slow
@pytest.mark.parametrize("head", [HEAD, HEAD[:40]], ids=["body", "headers"])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_limit_is_for_the_whole_request(head: bytes, is_async: bool) -> None:
    async def play(url: str) -> None:
        async with AsyncCodingEnv(url, transport="http-unchecked") as env:
            await env.reset(timeout_s=2)

    def ask(url: str) -> None:
        if is_async:
            asyncio.run(play(url))
            return
        with CodingEnv(url, transport="http-unchecked") as env:
            env.reset(timeout_s=2)

    with trickling(head) as url:
        with pytest.raises(rt.RequestTimeout):
            ask(url)


@pytest.mark.slow
def test_a_limit_is_for_the_whole_reply_through_a_client_of_the_users() -> None:
    with trickling(HEAD) as url, httpx.Client() as own:
        with CodingEnv(url, transport="http-unchecked", http_client=own) as env:
            with pytest.raises(rt.RequestTimeout):
                env.reset(timeout_s=2)


def test_each_operation_has_a_limit_of_its_own() -> None:
    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in requests(websocket):
            if '"reset"' in text:
                await websocket.send_text(observed({}))

    with serving(Starlette(routes=[WebSocketRoute("/ws", session)])) as url:
        with CodingEnv(url, step_timeout_s=0.1, state_timeout_s=0.2) as env:
            for ask, limit in (
                (lambda: env.step(HELLO), "0.1 s"),
                (env.state, "0.2 s"),
                (lambda: env.step(HELLO, timeout_s=0.05), "0.05 s"),
                (lambda: env.state(timeout_s=0.06), "0.06 s"),
            ):
                env.reset()
                with pytest.raises(rt.RequestTimeout, match=limit):
                    ask()


# --- HTTP with the user's own client ------------------------------------------------------------


def first_server(seen: list[Any]) -> Starlette:
    """HTTP only, as the first servers are."""

    async def answer(request: Request) -> JSONResponse:
        seen.append(dict(request.headers))
        return JSONResponse({"observation": {}, "reward": 1, "done": False})

    routes = [Route(path, answer, methods=["POST"]) for path in ("/reset", "/step")]
    return Starlette(routes=routes)


def test_a_client_of_the_users_own_is_used_and_left_open() -> None:
    seen: list[Any] = []

    async def play(url: str) -> None:
        async with httpx.AsyncClient(headers={"x-mine": "2"}) as http:
            async with AsyncCodingEnv(url, transport="http", http_client=http) as env:
                await env.reset()
            assert not http.is_closed

    with serving(first_server(seen)) as url:
        with httpx.Client(headers={"x-mine": "1"}) as http:
            with CodingEnv(url, transport="http", http_client=http) as env:
                env.reset()
                assert env.step(HELLO).reward == 1
            assert not http.is_closed
            with pytest.raises(TypeError, match=r"httpx\.AsyncClient"):
                asyncio.run(AsyncCodingEnv(url, transport="http", http_client=http).reset())
        asyncio.run(play(url))
    assert [headers["x-mine"] for headers in seen] == ["1", "1", "2"]


def test_a_reply_over_http_has_a_limit_too() -> None:
    async def reset(_request: Request) -> JSONResponse:
        return JSONResponse({"observation": {"stdout": "x" * 10_000}, "reward": 1, "done": False})

    with serving(Starlette(routes=[Route("/reset", reset, methods=["POST"])])) as url:
        with CodingEnv(url, transport="http", max_message_bytes=1000) as env:
            with pytest.raises(rt.ConnectionLost, match="raise max_message_bytes"):
                env.reset()


@pytest.mark.parametrize(
    "options", [{"attempts": 0}, {"first_delay_s": -1}, {"capacity_wait_s": -0.1}]
)
def test_policies_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="at least 1, and no wait negative"):
        rt.RetryPolicy(**options)


@pytest.mark.parametrize("options", [{"attempts": "3"}, {"max_delay_s": None}])
def test_policies_are_numbers(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="numbers of seconds"):
        rt.RetryPolicy(**options)


# --- waiting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_async", [False, True])
def test_a_client_waits_as_long_as_it_says(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, slept = Seen(), list[float]()
    nap, async_nap = time.sleep, asyncio.sleep

    def sleep(delay_s: float) -> None:
        slept.append(delay_s)
        nap(0)

    async def async_sleep(delay_s: float, result: Any = None) -> Any:
        slept.append(delay_s)
        return await async_nap(0, result)

    async def play(url: str) -> None:
        monkeypatch.setattr("envgen_runtime.clients.asyncio.asyncio.sleep", async_sleep)
        async with AsyncCodingEnv(url, observers=[seen]) as env:
            await env.reset()

    app = refusing(1, lambda: Response("busy", 503, headers={"Retry-After": "7"}))
    with serving(app) as url:
        if is_async:
            asyncio.run(play(url))
        else:
            monkeypatch.setattr("envgen_runtime.clients.sync.time.sleep", sleep)
            with CodingEnv(url, observers=[seen]) as env:
                env.reset()
    assert [event.delay_s for event in seen.retries] == [7]
    assert slept.count(7) == 1
