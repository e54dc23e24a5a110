"""Release everything this process started, on every exit path.

A provider registers a ``Cleanup`` before it creates anything. A cleanup that is still registered
runs when the interpreter exits, and on SIGTERM if the program has no handler of its own. A process
that is killed outright can't do that; ``envgen prune`` finds what it left by labels and records.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from .. import forks

_EXIT_LIMIT_S = 20.0

_log = logging.getLogger("envgen_runtime")
_pending: dict[int, Cleanup] = {}
_is_registered = False


class Cleanup:
    """A release that runs once, in the process that registered it. Its ``name`` is for the log.

    ``release`` must be bounded in time and harmless when repeated.

    Attributes:
        is_ours: whether this process registered it; False in a forked child.
    """

    def __init__(self, name: str, release: Callable[[], None]) -> None:
        self.name = name
        self._release = release
        self.is_ours = True
        self._lock = threading.Lock()
        self._is_done = False
        install_handlers()
        forks.track(self)
        _pending[id(self)] = self

    def after_fork(self) -> None:
        """Leave the release to the parent, in a forked child."""
        self.is_ours = False
        _pending.pop(id(self), None)

    def run(self) -> None:
        """Release it, once. After a failure it stays registered, and another call tries again.

        A concurrent caller waits for the first. A forked child does nothing: the server is its
        parent's.
        """
        if self.is_ours:  # first: the parent may have forked with the lock held
            with self._lock:
                if not self._is_done:
                    self.run_unlocked()

    def run_unlocked(self) -> None:
        """Release it without waiting for a concurrent ``run``: for a process about to end."""
        if self.is_ours:
            self._release()
            self._is_done = True
            _pending.pop(id(self), None)


def install_handlers() -> None:
    """Run pending cleanups at exit and on SIGTERM.

    Python sets signal handlers from the main thread only. A program that starts its first server
    in another thread calls this once in the main thread.
    """
    global _is_registered  # noqa: PLW0603
    if not _is_registered:
        _is_registered = True
        atexit.register(run_all)
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, _on_sigterm)


arm = install_handlers
"""The name of ``install_handlers`` in envgen 0.1."""


def run_all() -> None:
    """Run all pending cleanups in parallel, within a time limit; log those that fail."""
    workers: list[threading.Thread] = []
    for cleanup in list(_pending.values()):
        worker = threading.Thread(target=_try, args=(cleanup,), daemon=True)
        try:
            worker.start()
        except RuntimeError:  # Python 3.12 and later start no threads while the interpreter exits
            _try(cleanup)
        else:
            workers.append(worker)
    for worker in workers:
        worker.join(_EXIT_LIMIT_S)


def _try(cleanup: Cleanup) -> None:
    try:
        cleanup.run_unlocked()
    except Exception:  # noqa: BLE001 - the other cleanups must still run
        _log.exception("%s was not removed; run `envgen prune` to remove it", cleanup.name)


def _on_sigterm(number: int, _frame: FrameType | None) -> None:
    # Cleanups run in threads of their own: the interrupted thread may hold the engine's connection.
    run_all()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)  # end as if there had been no handler
