"""WebSocket frames as servers send them: large, in fragments, malformed; and pings."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from itertools import cycle, pairwise
from typing import Any

import pytest
import websockets.asyncio.server as ws
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import apply_mask

import envgen_runtime as rt
from envgen_runtime.transports import ConnectionOptions, async_websocket, keepalive, websocket
from envgen_runtime.transports.frames import text_frame
from envgen_runtime.transports.websocket_protocol import WebSocketConnection
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime.servers import observed

both_clients = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@contextmanager
def speaking(*parts: str | list[str], **options: Any) -> Iterator[str]:
    """A server of the websockets library that answers with each part; a list in fragments."""
    started: Future[Any] = Future()

    async def session(connection: Any) -> None:
        for part in parts:
            await connection.recv()
            await connection.send(part)
        await connection.wait_closed()

    async def serve() -> None:
        over = asyncio.Event()
        async with ws.serve(session, "127.0.0.1", 0, **options) as server:
            started.set_result((server, asyncio.get_running_loop(), over))
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    server, loop, over = started.result(5)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()


Answer = Callable[[Frame], list[bytes]]


@contextmanager
def raw_server(answer: Answer) -> Iterator[str]:
    """A server of one session that answers each frame with the bytes that ``answer`` returns.

    The library answers pings beside that.
    """

    def serve(listener: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = listener.accept()
            protocol = ServerProtocol()
            with connection:
                while data := connection.recv(65536):
                    protocol.receive_data(data)
                    for event in protocol.events_received():
                        if isinstance(event, Request):
                            protocol.send_response(protocol.accept(event))
                            replies: list[bytes] = []
                        else:
                            replies = answer(event)
                        for reply in (*protocol.data_to_send(), *replies):
                            connection.sendall(reply)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def play(url: str, calls: list[str], *, is_async: bool, **options: Any) -> list[rt.StepResult[Any]]:
    """Make these calls with one client; a call is ``reset`` or the code of a step.

    Servers here answer frame by frame, and know no states.
    """
    options = {"barrier": "off", "on_drift": "ignore", **options}

    async def play_async() -> list[rt.StepResult[Any]]:
        async with AsyncCodingEnv(url, **options) as env:
            return [
                await (env.reset() if call == "reset" else env.step(code=call)) for call in calls
            ]

    if is_async:
        return asyncio.run(play_async())
    with CodingEnv(url, **options) as env:
        return [env.reset() if call == "reset" else env.step(code=call) for call in calls]


# --- bytes, however they arrive -------------------------------------------------------------------

SIZES = st.sampled_from([0, 1, 4, 125, 126, 127, 300, 65535, 65536, 70_000])
CONTENTS = st.sampled_from([b"x", b"\r\n\r\n", b"\x81\x02{}"])  # the ends of a head; a frame
PAYLOADS = st.builds(lambda size, content: (content * size)[:size], SIZES, CONTENTS)


def as_one_frame(payload: bytes) -> bytes:
    return Frame(Opcode.TEXT, payload).serialize(mask=False)


def in_fragments(payload: bytes) -> bytes:
    parts = (payload[:3], b"", payload[3:])
    return b"".join(
        Frame(Opcode.CONT if number else Opcode.TEXT, part, fin=number == 2).serialize(mask=False)
        for number, part in enumerate(parts)
    )


def after_a_ping(payload: bytes) -> bytes:
    return Frame(Opcode.PING, b"?").serialize(mask=False) + as_one_frame(payload)


def connecting() -> tuple[WebSocketConnection, bytes]:
    """A connection that awaits a message, and the answer to its handshake."""
    limits = ConnectionOptions({}, connect_timeout_s=1, max_message_bytes=100_000)
    connection = WebSocketConnection("ws://127.0.0.1/ws", limits, {})
    connection.expected = 1
    server = ServerProtocol()
    server.receive_data(b"".join(connection.data_to_send()))
    (request,) = server.events_received()
    assert isinstance(request, Request)
    server.send_response(server.accept(request))
    (handshake,) = server.data_to_send()
    return connection, handshake


@pytest.mark.slow
@given(
    messages=st.lists(
        st.tuples(PAYLOADS, st.sampled_from([as_one_frame, in_fragments, after_a_ping])),
        min_size=1,
        max_size=6,
    ),
    data=st.data(),
)
def test_messages_are_whole_however_their_bytes_arrive(
    messages: list[tuple[bytes, Callable[[bytes], bytes]]], data: st.DataObject
) -> None:
    connection, handshake = connecting()
    connection.expected = len(messages)
    frames = [written(payload) for payload, written in messages]
    stream = b"".join([handshake, *frames])
    borders = [len(handshake) + sum(map(len, frames[:count])) for count in range(len(frames))]
    near = st.builds(int.__add__, st.sampled_from(borders), st.integers(-6, 16))
    cuts = data.draw(st.sets(near, max_size=12))
    if data.draw(st.booleans(), label="the handshake arrives alone"):
        cuts |= {len(handshake)}
    places = [0, *sorted(cut for cut in cuts if 0 < cut < len(stream)), len(stream)]
    for start, end in pairwise(places):
        connection.receive(stream[start:end])
    assert connection.messages == [payload for payload, _ in messages]
    assert connection.is_open


@pytest.mark.parametrize("size", [1, 126, 70_000])
@pytest.mark.parametrize("cut", range(1, 11))
def test_a_head_in_two_pieces(cut: int, size: int) -> None:
    connection, handshake = connecting()
    connection.receive(handshake)
    frame = as_one_frame(b"x" * size)
    connection.receive(frame[:cut])
    connection.receive(frame[cut:]) if frame[cut:] else None
    assert connection.messages == [b"x" * size]


@pytest.mark.parametrize("first", [-2, 6], ids=["the head in two pieces", "part of a frame"])
def test_a_frame_that_looks_like_the_end_of_the_head(first: int) -> None:
    payload = b"\r\n\r\n" + as_one_frame(b"not a message")
    connection, handshake = connecting()
    stream = handshake + as_one_frame(payload)
    for start, end in pairwise([0, len(handshake) + first, len(handshake) + 6, len(stream)]):
        connection.receive(stream[start:end]) if start < end else None
    assert connection.messages == [payload]


def test_a_message_after_a_ping_in_two_pieces() -> None:
    """What is behind a whole frame may be half of the next, which looks like a message."""
    connection, handshake = connecting()
    connection.receive(handshake)
    ping = Frame(Opcode.PING, as_one_frame(b"no")).serialize(mask=False)
    connection.receive(ping + ping[:2])
    connection.receive(ping[2:])
    connection.receive(as_one_frame(b"{}"))
    assert connection.messages == [b"{}"]


@pytest.mark.parametrize(("compression", "offered"), [("auto", False), ("deflate", True)])
@both_clients
def test_nothing_is_compressed_for_this_machine(
    compression: Any, offered: bool, is_async: bool
) -> None:
    seen: list[bool] = []

    def note(_connection: Any, request: Request) -> None:
        seen.append("Sec-WebSocket-Extensions" in request.headers)

    with speaking(WHOLE, process_request=note) as url:
        play(url, ["reset"], is_async=is_async, compression=compression)
    assert seen == [offered]


def test_a_message_within_a_message_is_refused() -> None:
    connection, handshake = connecting()
    connection.receive(handshake)
    connection.receive(Frame(Opcode.TEXT, b"begun", fin=False).serialize(mask=False))
    connection.receive(as_one_frame(b"{}"))
    assert not connection.is_open
    assert connection.messages == []


@given(payload=PAYLOADS)
def test_servers_read_what_is_sent(payload: bytes) -> None:
    server = ServerProtocol(state=State.OPEN, max_size=None)
    server.receive_data(text_frame(payload, apply_mask))
    (frame,) = server.events_received()
    assert isinstance(frame, Frame)
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, payload)


@both_clients
def test_too_large_in_one_piece_is_too_large(is_async: bool) -> None:
    with speaking(observed({"stdout": "x" * 2_000}), compression=None) as url:
        with pytest.raises(rt.ConnectionLost, match="raise max_message_bytes"):
            play(url, ["reset"], is_async=is_async, compression="none", max_message_bytes=1_000)


# --- messages -----------------------------------------------------------------------------------

TEXT = "page " * 100_000
WHOLE = observed({"stdout": TEXT})
IN_PARTS = [WHOLE[start : start + 90_001] for start in range(0, len(WHOLE), 90_001)]


@pytest.mark.parametrize("compression", ["none", "deflate"])
@both_clients
def test_large_messages_whole_and_in_parts(compression: Any, is_async: bool) -> None:
    with speaking(WHOLE, IN_PARTS, WHOLE) as url:
        got = play(url, ["reset", "1", "2"], is_async=is_async, compression=compression)
    assert [result.observation.stdout for result in got] == [TEXT] * 3


@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("message", [WHOLE, IN_PARTS], ids=["whole", "in parts"])
@both_clients
def test_too_large_is_too_large(compression: Any, message: Any, is_async: bool) -> None:
    options = {"compression": compression, "max_message_bytes": 400_000}
    with speaking(message) as url:
        with pytest.raises(rt.ConnectionLost, match="raise max_message_bytes"):
            play(url, ["reset"], is_async=is_async, **options)


@both_clients
def test_a_request_that_is_too_large_for_the_server(is_async: bool) -> None:
    """Larger replies would not help."""
    with speaking(WHOLE, max_size=1_000) as url:
        with pytest.raises(rt.ConnectionLost, match="more than the server accepts") as caught:
            play(url, ["reset", "x" * 2_000], is_async=is_async)
    assert "max_message_bytes" not in str(caught.value)


def text(message: str, *, mask: bool = False) -> bytes:
    return Frame(Opcode.TEXT, message.encode()).serialize(mask=mask)


def to_requests(*replies: bytes) -> Answer:
    """Answer each request with these bytes, and nothing else."""
    return lambda frame: list(replies) if frame.opcode is Opcode.TEXT else []


@pytest.mark.parametrize("size", [1, 7, 70_000], ids=lambda size: f"{size} bytes each")
@both_clients
def test_a_message_arrives_however_its_bytes_are_cut(size: int, is_async: bool) -> None:
    reply = text(observed({"stdout": "x" * 300}))
    cut = [reply[start : start + size] for start in range(0, len(reply), size)]
    with raw_server(to_requests(*cut)) as url:
        got = play(url, ["reset", "1"], is_async=is_async)
    assert [result.observation.stdout for result in got] == ["x" * 300] * 2


@pytest.mark.parametrize(
    "data",
    [
        text(observed({}), mask=True),
        b"\x09\x00",
        b"\x89\x7e\x00\x7e" + b"x" * 126,
        b"\x83\x00",
        b"\xc1\x00",
        b"\x80\x00",
    ],
    ids=[
        "masked",
        "ping in fragments",
        "long ping",
        "unknown opcode",
        "reserved bit",
        "continuation of nothing",
    ],
)
@both_clients
def test_a_malformed_frame_loses_the_session(data: bytes, is_async: bool) -> None:
    # A valid reply follows: nothing after a protocol error may be taken for an answer.
    with raw_server(to_requests(data, text(observed({})))) as url:
        with pytest.raises(rt.ConnectionLost):
            play(url, ["reset"], is_async=is_async)


@both_clients
def test_an_idle_session_does_not_keep_its_last_message(is_async: bool) -> None:
    async def measure(url: str) -> int:
        async with AsyncCodingEnv(url, barrier="off") as env:
            await env.reset()
            return tracemalloc.get_traced_memory()[0]

    replies = to_requests(text(observed({"stdout": "x" * 4_000_000})))
    with raw_server(replies) as url:
        tracemalloc.start()
        try:
            if is_async:
                kept = asyncio.run(measure(url))
            else:
                with CodingEnv(url, barrier="off") as env:
                    env.reset()
                    kept = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
    assert kept < 2_000_000


# --- pings --------------------------------------------------------------------------------------


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ping many times a second."""
    monkeypatch.setattr(keepalive, "_PERIOD_S", 0.01)
    monkeypatch.setattr(websocket, "PING_INTERVAL_S", 0.01)
    monkeypatch.setattr(async_websocket, "PING_INTERVAL_S", 0.01)


class Pinged:
    """Answers requests, and counts pings; a step's reply waits for a ping that follows it."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.owed = False

    def answer(self, frame: Frame) -> list[bytes]:
        if frame.opcode is Opcode.TEXT and b'"step"' in bytes(frame.data):
            self.owed = True
        elif frame.opcode is Opcode.TEXT:
            return [text(observed({}))]
        elif frame.opcode is Opcode.PING:
            self.event.set()
            if self.owed:
                self.owed = False
                return [text(observed({"stdout": "pinged"}))]
        return []


@both_clients
@pytest.mark.usefixtures("often")
def test_an_idle_client_pings(is_async: bool) -> None:
    async def idle(url: str) -> None:
        async with AsyncCodingEnv(url, barrier="off") as env:
            await env.reset()
            server.event.clear()
            assert await asyncio.to_thread(server.event.wait, 10), "no ping arrived"

    server = Pinged()
    with raw_server(server.answer) as url:
        if is_async:
            asyncio.run(idle(url))
        else:
            with CodingEnv(url, barrier="off") as env:
                env.reset()
                server.event.clear()
                assert server.event.wait(10), "no ping arrived"


def test_frames_stay_whole_where_the_socket_has_little_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What there was no room for goes out before anything else does."""
    room = cycle([3, 0, 1, 0, 0, 2])
    write = websocket.WebSocketTransport._write
    monkeypatch.setattr(
        websocket.WebSocketTransport, "_write", lambda self, data: write(self, data[: next(room)])
    )
    with raw_server(to_requests(text(observed({"stdout": "whole"})))) as url:
        with CodingEnv(url, barrier="off") as env:
            env.reset()
            transport: Any = env._transport
            for _ in range(20):
                transport._next_ping = 0.0
                transport.service()
            assert env.step(code="1").observation.stdout == "whole"


FORKED = """
import os, threading
from envgen_runtime.transports import keepalive

class Session:
    def __init__(self):
        self.served = threading.Semaphore(0)

    def service(self):
        self.served.release()

keepalive._PERIOD_S = 0.01
parents, own = Session(), Session()
keepalive.KEEPALIVE.add(parents)
parents.served.acquire(timeout=20)
child = os.fork()
if child == 0:
    while parents.served.acquire(blocking=False):
        pass
    keepalive.KEEPALIVE.add(own)
    served = [own.served.acquire(timeout=20) for _ in range(3)]
    print("own", all(served), "parent's", parents.served.acquire(blocking=False), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_keeps_its_own_sessions_alive_alone() -> None:
    """If it read its parent's sockets, the parent would miss replies."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED], capture_output=True, text=True, check=True
    )
    assert done.stdout == "own True parent's False\n", done.stderr


@pytest.mark.usefixtures("often")
def test_the_thread_ends_with_the_last_session_though_none_was_closed() -> None:
    class Session:
        def __init__(self) -> None:
            self.served = threading.Event()

        def service(self) -> None:
            self.served.set()

    keeper, session = keepalive.KeepAlive(), Session()
    keeper.add(session)
    thread: Any = keeper._thread
    assert session.served.wait(10)
    del session
    thread.join(10)
    assert not thread.is_alive()
    assert keeper._thread is None


@both_clients
@pytest.mark.usefixtures("often")
def test_a_client_pings_while_it_waits_for_a_slow_reply(is_async: bool) -> None:
    server = Pinged()
    with raw_server(server.answer) as url:
        got = play(url, ["reset", "1"], is_async=is_async)
    assert got[1].observation.stdout == "pinged"
