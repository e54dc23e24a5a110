"""Keeps idle blocking sockets alive: one thread for all of a process's sync sessions.

A server pings, and hangs up on who doesn't answer; but a sync client has no event loop, and while
its user thinks between two steps nobody reads the socket. So this thread looks at every idle
session a few times a minute, answers what came and pings. It never touches a session that has a
request in flight: that one's own thread reads the socket then.
"""

from __future__ import annotations

import threading
from typing import Protocol
from weakref import WeakSet

_PERIOD_S = 2.0
_JOIN_S = 1.0


class Idle(Protocol):
    """A session that may have to be looked at while nobody uses it."""

    def look_after(self) -> None:
        """Answer pings and send one when it is time, unless the session is in use. Never raises."""
        ...


class _Keeper:
    """The thread, which is there while there are sessions."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sessions: WeakSet[Idle] = WeakSet()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, session: Idle) -> None:
        """Look after ``session`` until it is removed or forgotten."""
        with self._lock:
            self._sessions.add(session)
            if self._thread is None or not self._thread.is_alive():  # a fork leaves threads behind
                self._over = threading.Event()
                self._thread = threading.Thread(
                    target=self._run, args=(self._over,), name="envgen-keepalive", daemon=True
                )
                self._thread.start()

    def remove(self, session: Idle) -> None:
        """Stop looking after ``session``."""
        with self._lock:
            self._sessions.discard(session)
            if self._thread is None or self._sessions:
                return
            ending, self._thread = self._thread, None
            self._over.set()
        ending.join(_JOIN_S)

    def _run(self, over: threading.Event) -> None:
        while not over.wait(_PERIOD_S):
            with self._lock:
                sessions = list(self._sessions)
                if not sessions and not over.is_set():  # all were forgotten
                    self._thread = None
                    return
            for session in sessions:
                session.look_after()
            del sessions


KEEPER = _Keeper()
