"""A client that is closed, or whose session is over, while a request is on its way."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.sync.server import ServerConnection, serve

import envgen_runtime as rt
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime.servers import interjecting, observed
from tests.runtime.test_frames import both_clients, play, raw_server, text


class SlowHandshake:
    """A WebSocket server that answers the handshake when it is told to."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.go_on = threading.Event()
        self.ended = threading.Event()
        self.server = serve(self._session, "127.0.0.1", 0, process_request=self._wait)
        self.url = f"http://127.0.0.1:{self.server.socket.getsockname()[1]}"

    def _wait(self, _connection: ServerConnection, _request: Request) -> None:
        self.arrived.set()
        self.go_on.wait(10)

    def _session(self, connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            connection.recv()
        self.ended.set()


@pytest.fixture
def slow() -> Iterator[SlowHandshake]:
    slow = SlowHandshake()
    thread = threading.Thread(target=slow.server.serve_forever)
    thread.start()
    try:
        yield slow
    finally:
        slow.go_on.set()
        slow.server.shutdown()
        thread.join()


def test_closing_while_connecting_leaves_no_session(slow: SlowHandshake) -> None:
    env = CodingEnv(slow.url)
    errors: list[BaseException] = []

    def reset() -> None:
        try:
            env.reset()
        except rt.EnvError as error:
            errors.append(error)

    thread = threading.Thread(target=reset)
    thread.start()
    assert slow.arrived.wait(10)
    env.close()
    slow.go_on.set()
    thread.join(10)
    assert [type(error) for error in errors] == [rt.SessionClosed]
    assert slow.ended.wait(10), "the socket is closed"


def test_closing_while_connecting_leaves_no_session_async(slow: SlowHandshake) -> None:
    async def run() -> None:
        env = AsyncCodingEnv(slow.url)
        task = asyncio.create_task(env.reset())
        await asyncio.to_thread(slow.arrived.wait, 10)
        await env.close()
        slow.go_on.set()
        with pytest.raises(rt.SessionClosed):
            await task
        assert await asyncio.to_thread(slow.ended.wait, 10), "the socket is closed"

    asyncio.run(run())


def test_closing_ends_the_request_of_another_thread() -> None:
    is_stepping, go_on = threading.Event(), threading.Event()
    errors: list[rt.EnvError] = []

    def answer(frame: Frame) -> list[bytes]:
        if b"reset" in frame.data:
            return [text(observed({}))]
        is_stepping.set()
        go_on.wait(20)
        raise ConnectionAbortedError  # the step isn't answered

    def step() -> None:
        try:
            env.step(code="1")
        except rt.EnvError as error:
            errors.append(error)

    with raw_server(answer) as url:
        env = CodingEnv(url, barrier="off", on_drift="ignore")
        env.reset()
        thread = threading.Thread(target=step)
        thread.start()
        try:
            assert is_stepping.wait(10)
            env.close()
            thread.join(10)
            assert [type(error) for error in errors] == [rt.SessionClosed]
            assert (errors[0].sent, errors[0].maybe_applied) == (True, True)
        finally:
            go_on.set()
            thread.join()


def test_closing_ends_the_request_of_another_task() -> None:
    is_stepping = threading.Event()

    def answer(frame: Frame) -> list[bytes]:
        if b"reset" in frame.data:
            return [text(observed({}))]
        is_stepping.set()
        return []  # the step isn't answered

    async def run(url: str) -> None:
        env = AsyncCodingEnv(url, barrier="off", on_drift="ignore", request_timeout_s=600)
        await env.reset()
        step = asyncio.create_task(env.step(code="1"))
        assert await asyncio.to_thread(is_stepping.wait, 10)
        await env.close()
        with pytest.raises(rt.SessionClosed) as caught:
            await asyncio.wait_for(step, 10)
        assert (caught.value.sent, caught.value.maybe_applied) == (True, True)

    with raw_server(answer) as url:
        asyncio.run(run(url))


def test_closing_that_is_cancelled_closes_the_socket() -> None:
    is_closing, go_on = threading.Event(), threading.Event()

    def answer(frame: Frame) -> list[bytes]:
        if b"reset" in frame.data:
            return [text(observed({}))]
        is_closing.set()
        go_on.wait(10)  # the close frame isn't answered
        return []

    async def close(url: str) -> None:
        env = AsyncCodingEnv(url, barrier="off", on_drift="ignore")
        await env.reset()
        transport: Any = env._transport
        opened = transport._transport.get_extra_info("socket")
        task = asyncio.create_task(env.close())
        await asyncio.to_thread(is_closing.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)  # the loop closes what was aborted
        assert opened.fileno() == -1

    with raw_server(answer) as url:
        try:
            asyncio.run(close(url))
        finally:
            go_on.set()


class LastWords:
    """Answers resets, and takes its time over the message before the close frame."""

    def __init__(self) -> None:
        self.frames: list[tuple[Opcode, bytes]] = []
        self.has_read = False

    def answer(self, frame: Frame) -> list[bytes]:
        if frame.opcode is Opcode.PING:
            return []
        self.frames.append((frame.opcode, bytes(frame.data)))
        if len(self.frames) == 1:
            return [text(observed({}))]
        threading.Event().wait(0.1)
        self.has_read = True
        return []


@both_clients
def test_a_session_is_closed_by_a_message_and_a_handshake(is_async: bool) -> None:
    """Servers free a session at its message, and proxies log what ends without a handshake."""
    server = LastWords()
    with raw_server(server.answer) as url:
        play(url, ["reset"], is_async=is_async)
        assert server.has_read, "its close frame is waited for"
    assert server.frames[1:] == [
        (Opcode.TEXT, b'{"type":"close"}'),
        (Opcode.CLOSE, CloseCode.NORMAL_CLOSURE.to_bytes(2)),
    ]


@both_clients
def test_a_message_that_came_unasked_is_no_answer(is_async: bool) -> None:
    """It arrives while the caller computes, so not even the event loop has read it."""

    def play_sync(url: str, interject: Callable[[], None]) -> None:
        with CodingEnv(url, barrier="off") as env:
            env.reset()
            interject()
            env.step(code="1")

    async def play_async(url: str, interject: Callable[[], None]) -> None:
        async with AsyncCodingEnv(url, barrier="off") as env:
            await env.reset()
            interject()
            await env.step(code="1")

    with interjecting() as server:
        with pytest.raises(rt.ProtocolError) as caught:
            asyncio.run(play_async(*server)) if is_async else play_sync(*server)
    assert (caught.value.sent, caught.value.maybe_applied) == (False, False)


class HalfUnasked:
    """Sends a part of a message that nothing asked for, and the rest behind the next request."""

    def __init__(self, first: bytes, rest: bytes) -> None:
        self._first, self._rest = first, rest
        self.arrived = 0

    def answer(self, frame: Frame) -> list[bytes]:
        if frame.opcode is not Opcode.TEXT:
            return []
        self.arrived += 1
        if self.arrived == 1:
            return [text(observed({"stdout": "asked"})) + self._first]  # in one piece
        return [self._rest, text(observed({"stdout": "asked"}))]


def in_two_frames(message: str) -> tuple[bytes, bytes]:
    whole = message.encode()
    parts = (Frame(Opcode.TEXT, whole[:20], fin=False), Frame(Opcode.CONT, whole[20:]))
    first, rest = (part.serialize(mask=False) for part in parts)
    return first, rest


def in_one_frame(message: str) -> tuple[bytes, bytes]:
    return text(message)[:20], text(message)[20:]


@both_clients
@pytest.mark.parametrize("cut", [in_one_frame, in_two_frames])
def test_a_part_of_a_message_that_came_unasked_is_no_answer(
    cut: Callable[[str], tuple[bytes, bytes]], is_async: bool
) -> None:
    server = HalfUnasked(*cut(observed({"stdout": "unasked"})))
    with raw_server(server.answer) as url:
        with pytest.raises(rt.ProtocolError, match="nothing had asked for") as caught:
            play(url, ["reset", "1"], is_async=is_async)
    assert (caught.value.sent, caught.value.maybe_applied) == (False, False)


class Gateway(BaseHTTPRequestHandler):
    """Answers resets, and gives up on steps."""

    def do_POST(self) -> None:
        is_step = self.path == "/step"
        body = b"" if is_step else b'{"observation": {}, "done": false, "reward": null}'
        self.send_response(504 if is_step else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_gateways_timeout_loses_the_session() -> None:
    server = HTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with CodingEnv(f"http://127.0.0.1:{server.server_port}", transport="http-unchecked") as env:
            env.reset()
            with pytest.raises(rt.ServerError, match="504") as caught:
                env.step(code="1")
            assert (caught.value.maybe_applied, caught.value.retryable) == (True, False)
            with pytest.raises(rt.SessionLost):
                env.step(code="1")
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
