"""Signals that wait: what is written together is written whole."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def uninterrupted() -> Generator[None]:
    """Let Ctrl-C and SIGTERM wait until the block has ended.

    In the main thread, which alone gets signals; and only those that Python handles.
    """
    waiting: list[int] = []
    handlers = {
        number: signal.getsignal(number)
        for number in _ENDING
        if threading.current_thread() is threading.main_thread()
        and callable(signal.getsignal(number))
    }
    for number in handlers:
        signal.signal(number, lambda number, _frame: waiting.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if waiting:
            signal.raise_signal(waiting[0])
