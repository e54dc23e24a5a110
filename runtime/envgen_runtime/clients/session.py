"""The session as a state machine, without I/O.

    NEW ──reset──> READY <──> IN_FLIGHT ──timeout, cancellation, drop──> LOST ──reset──> READY
    any ──close──> CLOSED

A session allows one request at a time: there are no ids on the socket, so that the only proof
that a reply belongs to a request is that no other is outstanding.
"""

from __future__ import annotations

import threading
from enum import Enum

from ..errors import EnvError, NotReset, SessionBusy, SessionClosed, SessionLost
from ..wire.protocol import Operation


class Phase(Enum):
    """Where a session stands."""

    NEW = "new"
    READY = "ready"
    IN_FLIGHT = "in flight"
    LOST = "lost"
    CLOSED = "closed"


class Session:
    """Decides which call may be made now. Safe to ask from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._phase = Phase.NEW
        self._cause: BaseException | None = None

    @property
    def phase(self) -> Phase:
        """Where the session stands."""
        return self._phase

    def begin(self, operation: Operation) -> Phase:
        """Take the session for one request; return the phase it was in.

        Raises:
            SessionError: the session can't take ``operation`` now; nothing has changed.
        """
        with self._lock:
            before = self._phase
            refusal = self._refusal(before, operation)
            if refusal is not None:
                raise refusal
            self._phase = Phase.IN_FLIGHT
            return before

    def _refusal(self, phase: Phase, operation: Operation) -> EnvError | None:
        if phase is Phase.IN_FLIGHT:
            return SessionBusy(
                f"{operation}() while another request is in flight: one client is one session. "
                "Use one client per thread or task."
            )
        if phase is Phase.CLOSED:
            return SessionClosed(f"{operation}() on a closed client: make a new one.")
        if phase is Phase.LOST and operation != "reset":
            error = SessionLost(
                f"{operation}() on a lost session: {self._cause}. The episode is gone; "
                "call reset() to open a new session and start another."
            )
            error.__cause__ = self._cause
            return error
        if phase is Phase.NEW and operation == "step":
            return NotReset("step() before reset(): call reset() to start an episode.")
        return None

    def settle(self, phase: Phase) -> None:
        """End the request in flight; the session stands at ``phase`` now."""
        with self._lock:
            if self._phase is Phase.IN_FLIGHT:
                self._phase = phase

    def lose(self, cause: BaseException) -> None:
        """End the request in flight; what the server thinks of the session is no longer known."""
        with self._lock:
            if self._phase is Phase.IN_FLIGHT:
                self._phase = Phase.LOST
                self._cause = cause

    def close(self) -> bool:
        """Close for good. Returns whether this call was the one that did."""
        with self._lock:
            first = self._phase is not Phase.CLOSED
            self._phase = Phase.CLOSED
            return first
