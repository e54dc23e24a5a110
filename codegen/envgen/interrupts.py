"""Signals that ask a process to end: kept back while files are written, and never lost.

An exception that a signal's handler raises is printed and dropped where it lands in a destructor or
in a callback, of which every import has several. So handlers take notes, and the main thread raises
what they noted where it waits.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")

_Handler = Callable[[int, FrameType | None], object]

ENDING = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)  # Windows has no SIGHUP
]
raised: list[int] = []
"""What a handler of the program has raised as an exception."""


class Interrupts:
    """Notes signals while it is entered; ``check``, and every wait of it, raise what was noted.

    Signals that the program ignores are left alone, and only the main thread gets any. A second
    signal is raised where it lands: whoever sends it doesn't want to wait.
    """

    def __init__(self) -> None:
        self._noted: list[int] = []
        self._handlers: dict[int, _Handler] = {}
        self._wake: SimpleQueue[None] = SimpleQueue()  # may be put to within a handler

    def __enter__(self) -> Self:
        raise_dropped()
        self._handlers = _handlers()
        for number in self._handlers:
            signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self.check()

    def check(self) -> None:
        """Raise what was noted, by calling the handler that the signal would have had."""
        if self._noted:
            number = self._noted.pop()
            self._handlers[number](number, None)

    def sleep(self, seconds: float | None) -> None:
        """Wait as long, or for ever, and no longer than until a signal."""
        with suppress(Empty):
            self._wake.get(timeout=seconds)
        self.check()

    def result(self, future: Future[T]) -> T:
        """Wait for what another thread finds, and no longer than until a signal."""
        future.add_done_callback(lambda _: self._wake.put(None))
        self.check()
        while not future.done():
            self.sleep(None)
        return future.result()

    def run(self, function: Callable[[str], T], argument: str) -> T:
        """Call a function that may wait in a thread of its own, and wait for its result."""
        from concurrent.futures import Future

        future: Future[T] = Future()

        def call() -> None:
            try:
                future.set_result(function(argument))
            except BaseException as error:  # noqa: BLE001 - who waits for it raises it
                future.set_exception(error)

        threading.Thread(target=call, daemon=True).start()
        return self.result(future)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self._noted:
            self._handlers[number](number, frame)
        self._noted.append(number)
        self._wake.put(None)


def raise_dropped() -> None:
    """Raise again what was raised and dropped: whoever comes here was not ended by it."""
    handlers = _handlers()
    for number in raised:
        if number in handlers:
            handlers[number](number, None)


@contextmanager
def uninterrupted() -> Generator[None]:
    """Let signals wait until the block has ended: what is written together is written whole."""
    waiting: list[int] = []
    handlers = _handlers()
    for number in handlers:
        signal.signal(number, lambda number, _frame: waiting.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])


def _handlers() -> dict[int, _Handler]:
    """The handlers of this thread, which has none unless it is the main one."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in ENDING}
    return {number: handler for number, handler in found.items() if callable(handler)}
