"""That nothing is left running: what this process started is released on every way out of it.

Whatever a provider starts is held here until it is released. At the interpreter's exit, and at
SIGTERM where the program has no handler of its own, what is still held is released. A process that
is killed outright can't do that; the labels and records of what it held let ``envgen prune`` do it.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

_EXIT_LIMIT_S = 20.0

_log = logging.getLogger("envgen_runtime")
_held: dict[int, Held] = {}
_armed = False


class Held:
    """Something to be released, once.

    Args:
        name: what it is, for the log.
        release: does it. Must be bounded in time and do no harm when repeated.
    """

    def __init__(self, name: str, release: Callable[[], None]) -> None:
        self.name = name
        self._release = release
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._done = False
        arm()
        _held[id(self)] = self

    def release(self) -> None:
        """Release it, unless that is done. What fails stays held, to be tried again.

        A second caller waits until the first has done it. In a forked child this does nothing:
        what the parent started is the parent's.
        """
        if os.getpid() != self._process:
            return
        with self._lock:
            if not self._done:
                self.release_now()

    def release_now(self) -> None:
        """Release it without waiting for anyone: for the last moments of a process."""
        self._release()
        self._done = True
        _held.pop(id(self), None)


def arm() -> None:
    """See to it that what is held is released at exit.

    A signal's handler can be set from the main thread only, so those who start things from
    another thread call this first from where they come.
    """
    global _armed  # noqa: PLW0603
    if not _armed:
        _armed = True
        atexit.register(release_all)
        os.register_at_fork(after_in_child=_held.clear)
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, _on_sigterm)


def release_all() -> None:
    """Release all that is held, side by side, within a bounded time; failures are logged."""
    workers: list[threading.Thread] = []
    for held in list(_held.values()):
        worker = threading.Thread(target=_try, args=(held,), daemon=True)
        try:
            worker.start()
        except RuntimeError:  # from Python 3.12 on, no thread begins once the interpreter ends
            _try(held)
        else:
            workers.append(worker)
    for worker in workers:
        worker.join(_EXIT_LIMIT_S)


def _try(held: Held) -> None:
    try:
        held.release_now()
    except Exception:  # noqa: BLE001 - the others must be released as well
        _log.exception("%s is left behind; `envgen prune` removes it", held.name)


def _on_sigterm(number: int, _frame: FrameType | None) -> None:
    # In threads of their own, so that whatever this one was amid of is not entered again.
    release_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)  # and end as it would have without us
