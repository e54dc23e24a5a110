"""Signals that end the process: deferred while files are written, and never lost.

Python prints and drops an exception that a signal handler raises within a destructor or a callback,
and every import runs several of those. So handlers only record the signal, and the main thread
raises it where it waits.
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
"""Signals that a handler of the program has raised as exceptions."""


class Interrupts:
    """Records signals while it is entered; ``check`` and the waits raise what was recorded.

    Ignored signals stay ignored, and only the main thread receives any. A second signal is raised
    at once, because its sender doesn't want to wait.
    """

    def __init__(self) -> None:
        self._recorded: list[int] = []
        self._handlers: dict[int, _Handler] = {}
        self._wake: SimpleQueue[None] = SimpleQueue()  # may be put to within a handler

    def __enter__(self) -> Self:
        raise_dropped()
        self._handlers = _handlers()
        for number in self._handlers:
            signal.signal(number, self._record)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self.check()

    def check(self) -> None:
        """Raise what was recorded, by calling the handler that the signal would have had."""
        if self._recorded:
            number = self._recorded.pop()
            self._handlers[number](number, None)

    def sleep(self, seconds: float | None) -> None:
        """Wait, for ever if ``seconds`` is None. A signal ends the wait."""
        with suppress(Empty):
            self._wake.get(timeout=seconds)
        self.check()

    def result(self, future: Future[T]) -> T:
        """Wait for the result of another thread. A signal ends the wait."""
        future.add_done_callback(lambda _: self._wake.put(None))
        self.check()
        while not future.done():
            self.sleep(None)
        return future.result()

    def _record(self, number: int, frame: FrameType | None) -> None:
        if self._recorded:
            self._handlers[number](number, frame)
        self._recorded.append(number)
        self._wake.put(None)


def in_thread(function: Callable[[], T]) -> Future[T]:
    """Call a function in a thread of its own, which an interrupted command doesn't wait for."""
    from concurrent.futures import Future  # not with this module, which every command imports

    future: Future[T] = Future()

    def call() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - future.result() raises it
            future.set_exception(error)

    threading.Thread(target=call, daemon=True).start()
    return future


def raise_dropped() -> None:
    """Raise again what Python has dropped: otherwise the program would have ended by now."""
    handlers = _handlers()
    for number in raised:
        if number in handlers:
            handlers[number](number, None)


@contextmanager
def uninterrupted() -> Generator[None]:
    """Defer signals to the end of the block, so that related files are all written or none."""
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
    """The current signal handlers. Only the main thread can have any."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    found = {number: signal.getsignal(number) for number in ENDING}
    return {number: handler for number, handler in found.items() if callable(handler)}
