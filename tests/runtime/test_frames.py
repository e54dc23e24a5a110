"""Frames and connections without I/O, against what the websockets library makes of the same."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import pytest
import websockets.asyncio.server as ws
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

import envgen_runtime as rt
from envgen_runtime.transports.reader import BadFrame, FrameReader, TooLarge
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime.servers import observed

sizes = st.sampled_from([0, 1, 125, 126, 65535, 65536, 70_000])
frames = st.builds(
    lambda kind, size, fin: Frame(kind, b"x" * size, fin),
    st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.CONT]),
    sizes,
    st.booleans(),
) | st.builds(
    lambda kind, size: Frame(kind, b"c" * size),
    st.sampled_from([Opcode.PING, Opcode.PONG, Opcode.CLOSE]),
    st.integers(0, 125),
)


@given(st.lists(frames, max_size=5), st.lists(st.integers(1, 80_000), max_size=8), st.booleans())
def test_frames_arrive_however_they_are_cut(
    sent: list[Frame], cuts: list[int], directly: bool
) -> None:
    data = b"".join(frame.serialize(mask=False) for frame in sent)
    reader = FrameReader(10**6)
    got: list[Any] = []
    lengths = iter([*cuts, *[70_000] * len(data)])
    while data:
        view = reader.wanted()
        if view is not None and directly:
            count = min(next(lengths), len(view), len(data))
            view[:count] = data[:count]
            view.release()
            got += reader.filled(count)
        else:
            count = next(lengths)
            got += reader.feed(data[:count])
        data = data[count:]
    assert [(frame.opcode, frame.fin, bytes(frame.payload)) for frame in got] == [
        (int(frame.opcode), frame.fin, bytes(frame.data)) for frame in sent
    ]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (Frame(Opcode.TEXT, b"x").serialize(mask=True), BadFrame),
        (b"\x09\x00", BadFrame),  # a ping in fragments
        (b"\x89\x7e\x00\x7e", BadFrame),  # a ping of 126 bytes
        (b"\x81\x7f" + (2**62).to_bytes(8, "big"), TooLarge),
    ],
    ids=["masked", "ping in fragments", "long ping", "too large"],
)
def test_what_no_server_may_send(data: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(FrameReader(1000).feed(data))


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


TEXT = "page " * 100_000
WHOLE = observed({"stdout": TEXT})
IN_PARTS = [WHOLE[start : start + 90_001] for start in range(0, len(WHOLE), 90_001)]


@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("is_async", [False, True])
def test_large_messages_whole_and_in_parts(compression: Any, is_async: bool) -> None:
    async def play(url: str) -> list[str]:
        async with AsyncCodingEnv(url, compression=compression) as env:
            results = [await env.reset(), await env.step(code="1"), await env.step(code="2")]
        return [result.observation.stdout for result in results]

    def play_sync(url: str) -> list[str]:
        with CodingEnv(url, compression=compression) as env:
            results = [env.reset(), env.step(code="1"), env.step(code="2")]
        return [result.observation.stdout for result in results]

    with speaking(WHOLE, IN_PARTS, WHOLE) as url:
        got = asyncio.run(play(url)) if is_async else play_sync(url)
    assert got == [TEXT] * 3


@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("message", [WHOLE, IN_PARTS], ids=["whole", "in parts"])
def test_too_large_is_too_large(compression: Any, message: Any) -> None:
    with speaking(message) as url:
        with CodingEnv(url, compression=compression, max_message_bytes=400_000) as env:
            with pytest.raises(rt.ConnectionLost, match="raise max_message_bytes"):
                env.reset()
