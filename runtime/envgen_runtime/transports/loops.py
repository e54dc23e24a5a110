"""Connections and the event loops that they belong to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from .tcp import close_inherited, hang_up


def is_running(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the caller runs in ``loop``."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class LoopEnd:
    """Closes a connection when its event loop shuts down, as at the end of ``asyncio.run``.

    Nothing can close it later: a closed loop runs nothing, and the server would go on to hold a
    session that nobody can use. Loops tell asynchronous generators alone that they are about to
    end, and wait for them, so this is one.

    Args:
        close: closes the connection.
    """

    __slots__ = ("_close", "_generator")

    def __init__(self, close: Callable[[], Awaitable[None]]) -> None:
        self._close = close
        self._generator: AsyncGenerator[None] | None = None

    async def watch(self) -> None:
        """Begin, in the connection's loop."""
        self._generator = _wait_for_end(self._close)
        await anext(self._generator)

    def forget(self) -> None:
        """End, when the connection is closed. Not while the loop runs in another thread."""
        generator, self._generator = self._generator, None
        if generator is not None:
            with suppress(StopAsyncIteration, RuntimeError):  # it ends; or it is what calls this
                anext(generator).__await__().__next__()


async def _wait_for_end(close: Callable[[], Awaitable[None]]) -> AsyncGenerator[None]:
    try:
        yield
    except GeneratorExit:
        await close()
        raise


class AsyncCloseable(Protocol):
    """A connection of an asyncio library."""

    async def aclose(self) -> None:
        """Close it, in its event loop."""
        ...


C = TypeVar("C", bound=AsyncCloseable)


class LoopConnection(Generic[C]):
    """A connection of a library, and the event loop that it belongs to.

    Attributes:
        connection: the library's.
        socket: its socket, once known.
    """

    def __init__(self, connection: C) -> None:
        self.connection = connection
        self.socket: socket.socket | None = None
        self._loop = asyncio.get_running_loop()
        self._loop_end = LoopEnd(connection.aclose)

    async def watch(self) -> None:
        """Have it closed at the latest when its loop shuts down."""
        await self._loop_end.watch()

    @property
    def is_here(self) -> bool:
        """Whether the caller runs in the connection's loop."""
        return is_running(self._loop)

    async def close(self) -> None:
        """Close it, from any loop."""
        if self.is_here:
            self._loop_end.forget()
            await self.connection.aclose()
        else:
            self.abort()

    def abort(self) -> None:
        """Close it, from anywhere: its loop does the rest when it next runs."""
        if self.socket is not None:
            hang_up(self.socket)
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._close_soon)

    def after_fork(self) -> None:
        """Close the descriptor, in a forked child."""
        self._loop_end.forget()
        if self.socket is not None:
            close_inherited(self.socket)

    def _close_soon(self) -> None:
        closing = self._loop.create_task(self.close())
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)


_closing: set[asyncio.Task[None]] = set()  # loops hold their tasks weakly
