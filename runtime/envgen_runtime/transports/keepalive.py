"""Keeps idle sync sessions alive: one thread for all sessions of a process.

A server pings its clients and drops those that don't answer, but nothing reads a sync client's
socket while its user is busy between two steps. So this thread visits every idle session a few
times a minute, answers pings and sends its own. It never touches a session with a request in
flight: that request's own thread reads the socket.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet

from .. import forks

_PERIOD_S = 2.0
_JOIN_S = 1.0


class IdleSession(Protocol):
    """A session that needs service while it is idle."""

    def service(self) -> None:
        """Answer pings and send one when due, unless a request is in flight.

        It takes little time and waits for nothing, because other sessions are waiting for it.
        """
        ...


class KeepAlive:
    """The thread that services idle sessions; it runs only while there are sessions."""

    def __init__(self) -> None:
        forks.track(self)
        self.after_fork()

    def after_fork(self) -> None:
        """Begin anew: a forked child has neither the thread nor the sessions."""
        self._lock = threading.Lock()
        self._sessions: WeakSet[IdleSession] = WeakSet()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, session: IdleSession) -> None:
        """Service ``session`` until it is removed or garbage-collected."""
        with self._lock:
            self._sessions.add(session)
            if self._thread is None:
                self._stopping = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._stopping,), name="envgen-keepalive", daemon=True
                )
                self._thread.start()

    def remove(self, session: IdleSession) -> None:
        """Stop servicing ``session``."""
        with self._lock:
            self._sessions.discard(session)
            if self._thread is None or self._sessions:
                return
            thread, self._thread = self._thread, None
            self._stopping.set()
        thread.join(_JOIN_S)

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(_PERIOD_S):
            with self._lock:
                sessions = list(self._sessions)
                if not sessions and not stopping.is_set():  # all were garbage-collected
                    self._thread = None
                    return
            while sessions:  # no name holds the last one: it would never be garbage-collected
                with suppress(Exception):  # the others must be serviced, whatever fails in one
                    sessions.pop().service()


KEEPALIVE = KeepAlive()
