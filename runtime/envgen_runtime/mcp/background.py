"""An event loop in a thread of its own, for a client that isn't asynchronous."""

from __future__ import annotations

import asyncio
import os
import selectors
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from .. import forks
from ..errors import SessionClosed
from ..transports.tcp import close_inherited_number
from .session import OnProgress

T = TypeVar("T")

_CANCEL_LIMIT_S = 3.0
_STOP_LIMIT_S = 15.0


class Background:
    """Runs coroutines in its thread, and waits for them in the caller's. Threads may share it."""

    def __init__(self) -> None:
        # Known here, because a forked child has to close what is registered in it.
        self._selector = selectors.DefaultSelector() if hasattr(os, "fork") else None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        started = threading.Event()
        self._thread = threading.Thread(
            target=self._main, args=(started,), name="envgen-mcp", daemon=True
        )
        forks.track(self)
        self._thread.start()
        started.wait()

    def run(
        self,
        work: Callable[[OnProgress | None], Coroutine[Any, Any, T]],
        on_progress: OnProgress | None = None,
    ) -> T:
        """Run a coroutine and return its result. What interrupts the wait cancels it.

        Args:
            work: makes the coroutine, with what it calls with its progress.
            on_progress: called in this thread with that progress.

        Raises:
            SessionClosed: the loop was stopped.
        """
        loop, ended = self._loop, threading.Event()
        told: SimpleQueue[tuple[float, float | None, str | None] | None] = SimpleQueue()

        def tell(progress: float, total: float | None, message: str | None) -> None:
            told.put((progress, total, message))

        async def watched() -> T:
            try:
                return await work(None if on_progress is None else tell)
            except asyncio.CancelledError:
                if self._stopping.is_set():
                    raise SessionClosed("the client was closed", maybe_applied=True) from None
                raise
            finally:
                ended.set()
                told.put(None)

        if loop is None or self._stopping.is_set():
            raise SessionClosed("the client was closed; connect() opens a new session")
        future = asyncio.run_coroutine_threadsafe(watched(), loop)
        try:
            if on_progress is not None:
                while (progress := told.get()) is not None:
                    on_progress(*progress)
            return future.result()
        except BaseException:
            if not future.done():
                future.cancel()
                ended.wait(_CANCEL_LIMIT_S)  # the server is told
            raise

    def stop(self) -> None:
        """End the thread, and what still runs in it."""
        self.stop_soon()
        if self._loop is not None and threading.current_thread() is not self._thread:
            self._thread.join(_STOP_LIMIT_S)

    def stop_soon(self) -> None:
        """``stop`` without waiting."""
        if self._loop is not None:
            with suppress(RuntimeError):  # it is closed
                self._loop.call_soon_threadsafe(self._stopping.set)

    def after_fork(self) -> None:
        """Close the descriptors of the parent's loop, in a forked child, which has no thread."""
        self._loop = None
        if self._selector is not None:
            for key in [*(self._selector.get_map() or {}).values()]:
                close_inherited_number(key.fd)

    def _main(self, started: threading.Event) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            started.set()
            await self._stopping.wait()

        with asyncio.Runner(loop_factory=self._new_loop) as runner:
            runner.run(serve())

    def _new_loop(self) -> asyncio.AbstractEventLoop:
        if self._selector is None:
            return asyncio.new_event_loop()
        return asyncio.SelectorEventLoop(self._selector)
