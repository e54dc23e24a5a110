"""Random and mutated streams of WebSocket bytes: nothing but EnvError, within limits and memory.

The corpus is what a conversation is made of, right and wrong. A stream is handed to the connection
as it comes from a socket, in any pieces; fewer of them go to both clients over real sockets.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import tracemalloc
import zlib
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

import envgen_runtime as rt
from envgen_runtime.transports import Compression, limits
from envgen_runtime.transports.websocket_protocol import WebSocketConnection
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime.servers import STATE, observed
from tests.security.hostile import EMPTY_FRAGMENT, PING, REPLY, accepted, frame, serving
from tests.security.streams import LIMIT, asked, connecting, handshake, opened, outcome, request

OBSERVED = observed({"stdout": "1"}).encode()


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-12)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


def compressed(data: bytes) -> bytes:
    plain = frame(Opcode.TEXT, deflated(data))
    return bytes([plain[0] | 0x40]) + plain[1:]


CORPUS = [
    b"",
    b"\x00",
    b"\xff" * 14,
    REPLY,
    frame(Opcode.TEXT, STATE.encode()),
    frame(Opcode.TEXT, b'{"type":"error","data":{"code":"EXECUTION_ERROR","message":"no"}}'),
    frame(Opcode.TEXT, b'{"type":"error","data":{"code":"CAPACITY_REACHED","message":"full"}}'),
    frame(Opcode.TEXT, b"\xff\xfe"),
    frame(Opcode.TEXT, b"[" * 5_000),
    frame(Opcode.TEXT, b"1" * 5_000),
    frame(Opcode.TEXT, b'{"type":"observation","data":{"observation":"\\ud800"}}'),
    frame(Opcode.BINARY, OBSERVED),
    frame(Opcode.TEXT, b"x" * LIMIT),
    frame(Opcode.TEXT, b"x" * (LIMIT + 1)),
    frame(Opcode.TEXT, OBSERVED[:9], fin=False),
    frame(Opcode.CONT, OBSERVED[9:]),
    EMPTY_FRAGMENT,
    EMPTY_FRAGMENT * 5_000,
    compressed(OBSERVED),
    compressed(b"\0" * 50 * LIMIT),
    bytes([0x41]) + frame(Opcode.TEXT, deflated(OBSERVED))[1:],
    b"\xc1\x05hello",
    b"\xc0\x00",
    PING,
    PING * 300,
    PING * 2 * limits.MAX_CONTROL_FRAMES_PER_S,
    frame(Opcode.PONG, b"x" * 125),
    b"\x89\x7e\x00\x7e" + b"x" * 126,
    b"\x09\x00",
    frame(Opcode.CLOSE),
    frame(Opcode.CLOSE, b"\x03\xe8"),
    frame(Opcode.CLOSE, b"\x03\xf1too big"),
    frame(Opcode.CLOSE, b"\x03\xe8\xff\xfe"),
    frame(Opcode.CLOSE, b"\x00\x00"),
    frame(Opcode.CLOSE, b"\x13\x87" + b"\xe2\x82\xac" * 41),
    b"\x88\x01\x03",
    b"\x83\x00",
    b"\x8f\x7f",
    b"\x81\x80abcd",
    b"\x81\x7f" + b"\xff" * 8,
    b"\x81\x7f" + (1 << 63).to_bytes(8),
    b"\x81\x7e\x00",
]
HEADS = [
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nabc",
    b"HTTP/1.1 302 Found\r\nlocation: http://elsewhere\xff/\r\n\r\n",
    b"HTTP/1.1 503 x\r\nretry-after: \xb2\r\n\r\nabc",
    b"HTTP/1.1 503 x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    b"\x15\x03\x03\x00\x02\x02\x28",
]

PIECES = st.one_of(st.sampled_from(CORPUS), st.binary(max_size=40))


@st.composite
def mutated(draw: st.DrawFn, pieces: st.SearchStrategy[bytes] = PIECES) -> bytes:
    """A few pieces, of whose bytes a few are replaced, dropped or doubled."""
    stream = bytearray(b"".join(draw(st.lists(pieces, max_size=6))))
    for _ in range(draw(st.integers(0, 4)) if stream else 0):
        at = draw(st.integers(0, len(stream) - 1))
        match draw(st.sampled_from(["replace", "flip", "drop", "double", "cut"])):
            case "replace":
                stream[at] = draw(st.integers(0, 255))
            case "flip":
                stream[at] ^= 1 << draw(st.integers(0, 7))
            case "drop":
                del stream[at]
            case "double":
                stream[at:at] = stream[at : at + draw(st.integers(1, 64))]
            case _:
                del stream[at:]
        if not stream:
            break
    return bytes(stream)


def cut(draw: st.DrawFn, stream: bytes) -> list[bytes]:
    """The stream as some reads may find it."""
    if not stream:
        return []
    near = st.integers(0, min(len(stream), 200)) | st.integers(0, len(stream))
    places = sorted({0, len(stream), *draw(st.lists(near, max_size=8))})
    reads = [stream[start:end] for start, end in pairwise(places)]
    return [part for read in reads for part in _chunks(read)]


def _chunks(read: bytes) -> list[bytes]:
    return [read[start : start + 65536] for start in range(0, len(read), 65536)]


def check_held(connection: WebSocketConnection) -> None:
    """The connection holds no more than it may, however much it has read."""
    assert len(connection.messages) <= limits.MAX_KEPT_MESSAGES
    assert all(len(message) <= LIMIT for message in connection.messages)
    assert len(connection.data_to_send()) <= 4, "a pong, a ping, a close frame and the end"


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[bytes], str, Compression]:
    """What a socket reads, what the connection is doing meanwhile, and whether it inflates."""
    state = draw(st.sampled_from(["idle", "in flight", "with a barrier", "closing"]))
    compression: Compression = draw(st.sampled_from(["none", "deflate"]))
    return cut(draw, draw(mutated())), state, compression


def read(reads: list[bytes], state: str, compression: Compression) -> None:
    """Read a stream as the transports do, and ask what came of it."""
    connection = opened(compression, LIMIT)
    sent = request()
    is_asked = state in ("in flight", "with a barrier")
    if state == "closing":
        connection.close()
    elif is_asked:
        sent = asked(connection, barrier=state == "with a barrier")
    for data in reads:
        if is_asked and not connection.awaits(sent):
            break
        connection.receive(data)
        connection.ping()
    check_held(connection)
    if is_asked:
        outcome(connection, sent)
    elif connection.messages:
        assert isinstance(connection.unexpected_message(sent, sent=False), rt.EnvError)
    else:
        assert isinstance(connection.failure(sent, sent=False), rt.EnvError)


@pytest.mark.slow
@settings(max_examples=300)
@given(conversations())
def test_any_stream(conversation: tuple[list[bytes], str, Compression]) -> None:
    read(*conversation)


@pytest.mark.slow
@settings(max_examples=20_000)
@given(conversations())
def test_many_streams(conversation: tuple[list[bytes], str, Compression]) -> None:
    read(*conversation)


@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("number", range(len(CORPUS)))
def test_memory(number: int, compression: Compression) -> None:
    """What is read of the corpus, over and over: some messages, and the frames of one piece."""
    stream = CORPUS[number] * (10 * LIMIT // max(1, len(CORPUS[number])))
    connection = opened(compression, LIMIT)
    asked(connection)
    tracemalloc.start()
    try:
        for data in _chunks(stream):
            connection.receive(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    check_held(connection)
    assert peak < 12 * LIMIT + 1_000_000


@settings(max_examples=200)
@given(
    head=mutated(st.sampled_from(HEADS)) | st.none(),
    noise=mutated(),
    flips=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=2),
    compression=st.sampled_from(["none", "deflate"]),
    data=st.data(),
)
def test_any_answer_to_the_handshake(
    head: bytes | None,
    noise: bytes,
    flips: list[tuple[int, int]],
    compression: Compression,
    data: st.DataObject,
) -> None:
    connection = connecting(compression)
    answer = bytearray(handshake(connection) if head is None else head)
    for at, byte in flips:
        if at < len(answer):
            answer[at] = byte
    for part in cut(data.draw, bytes(answer) + noise):
        connection.receive(part)
    if connection.is_connecting:
        connection.receive(b"")
    assert not connection.is_connecting
    check_held(connection)
    error = (
        connection.failure(request(), sent=False) if connection.was_opened else connection.refusal()
    )
    assert isinstance(error, rt.EnvError)
    str(error)


@settings(max_examples=100)
@given(stream=mutated(), data=st.data())
def test_the_pieces_in_which_bytes_arrive_change_nothing(
    stream: bytes, data: st.DataObject
) -> None:
    """What a request comes to depends on the bytes alone, up to the end of its reply."""

    def result(reads: list[bytes]) -> Any:
        connection = opened()
        sent = asked(connection)
        for read in reads:
            if not connection.awaits(sent):
                break
            connection.receive(read)
        came = outcome(connection, sent)
        return (type(came), str(came)) if isinstance(came, rt.EnvError) else came

    assert result(cut(data.draw, stream)) == result(_chunks(stream))


# --- both clients, on sockets ---------------------------------------------------------------------


@settings(max_examples=25)
@given(
    streams=st.lists(mutated(), min_size=1, max_size=6),
    compression=st.sampled_from(["none", "deflate"]),
    is_answered=st.booleans(),
)
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_any_server(
    streams: list[bytes], compression: Compression, is_answered: bool, is_async: bool
) -> None:
    """A session for each stream, whose server then hangs up."""
    left = iter(streams)
    lock = threading.Lock()

    def script(connection: socket.socket) -> None:
        with lock:
            stream = next(left, b"")
        accepted(connection, deflate=True)
        if is_answered:
            connection.recv(65536)
        connection.sendall(stream)
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):
            pass

    options: dict[str, Any] = {
        "barrier": "off",
        "on_drift": "ignore",
        "compression": compression,
        "max_message_bytes": LIMIT,
        "retry": rt.RetryPolicy(attempts=1),
    }
    met: list[Any] = []

    async def play(url: str) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: met.append(context))
        async with AsyncCodingEnv(url, **options) as env:
            for _ in streams:
                with suppress(rt.EnvError):
                    await env.reset()
                    await env.step(code="1")

    def play_sync(url: str) -> None:
        with CodingEnv(url, **options) as env:
            for _ in streams:
                with suppress(rt.EnvError):
                    env.reset()
                    env.step(code="1")

    with serving(script) as host:
        if is_async:
            asyncio.run(play(f"http://{host}"))
        else:
            play_sync(f"http://{host}")
    assert met == []
