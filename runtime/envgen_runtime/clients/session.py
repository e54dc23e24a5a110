"""The session as a state machine, without I/O.

    NEW ──reset──> READY <──> IN_FLIGHT ──timeout, cancellation, drop──> LOST ──reset──> READY
    any ──close──> CLOSED

A session allows one request at a time. The socket carries no ids, so a reply can only be matched
to its request while no other request is outstanding.
"""

from __future__ import annotations

import threading
from enum import Enum

from ..errors import (
    EnvError,
    InvalidRequest,
    NotReset,
    ServerError,
    SessionBusy,
    SessionClosed,
    SessionLost,
)
from ..wire.protocol import Operation


class Phase(Enum):
    """The state of a session."""

    NEW = "new"
    READY = "ready"
    IN_FLIGHT = "in flight"
    LOST = "lost"
    CLOSED = "closed"


# Looking a member up in its class is slow on Python 3.11, and every step does it several times.
_NEW, _READY, _IN_FLIGHT, _LOST, _CLOSED = Phase


class Session:
    """Decides which request may be made now, and what its end does to the session. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._phase = _NEW
        self._before = _NEW
        self._operation: Operation = "reset"
        self._cause: BaseException | None = None

    @property
    def phase(self) -> Phase:
        """The state of the session now."""
        return self._phase

    @property
    def had_episode(self) -> bool:
        """Whether there was an episode, running or lost, before the request in flight."""
        return self._before is not _NEW

    def begin(self, operation: Operation) -> None:
        """Take the session for one request.

        Raises:
            SessionError: the session can't take ``operation`` now; nothing has changed.
        """
        with self._lock:
            phase = self._phase
            if phase is not _READY and (refusal := self._refusal(phase, operation)) is not None:
                raise refusal
            self._before = phase
            self._operation = operation
            self._phase = _IN_FLIGHT

    def succeed(self) -> None:
        """End the request in flight: the server has answered it."""
        self._end(_READY if self._operation == "reset" else self._before)

    def fail(self, error: BaseException) -> bool:
        """End the request in flight with ``error``, and return whether the connection survives it.

        A request that was never sent changes nothing. An error that the server reports keeps the
        session, unless it is of a kind that ends it; a reset that failed started no episode. After
        any other error the state of the server is unknown, and the session is lost.
        """
        is_reset = self._operation == "reset"
        if isinstance(error, InvalidRequest):
            self._end(self._before)
            return True
        if isinstance(error, ServerError) and not error.ends_session:
            self._end(_NEW if is_reset else self._before)
            return True
        if isinstance(error, EnvError) and not self.had_episode:
            self._end(_NEW)
            return False
        if isinstance(error, EnvError) and not is_reset:
            error.retryable = False  # another try would only raise SessionLost
        self._end(_LOST, error)
        return False

    def close(self) -> bool:
        """Close for good. Returns whether this call was the first to do so."""
        with self._lock:
            first = self._phase is not _CLOSED
            self._phase = _CLOSED
            return first

    def _end(self, phase: Phase, cause: BaseException | None = None) -> None:
        with self._lock:
            if self._phase is _IN_FLIGHT:  # otherwise it was closed meanwhile
                self._phase = phase
                self._cause = cause or self._cause

    def _refusal(self, phase: Phase, operation: Operation) -> EnvError | None:
        if phase is _IN_FLIGHT:
            return SessionBusy(
                f"{operation}() while another request is in flight: one client is one session. "
                "Use one client per thread or task."
            )
        if phase is _CLOSED:
            return SessionClosed(f"{operation}() on a closed client: create a new one.")
        if phase is _LOST and operation != "reset":
            cause = str(self._cause) or type(self._cause).__name__
            error = SessionLost(
                f"{operation}() on a lost session: {cause}. The episode is gone; "
                "call reset() to open a new session and start another."
            )
            error.__cause__ = self._cause
            return error
        if phase is _NEW and operation == "step":
            return NotReset("step() before reset(): call reset() to start an episode.")
        return None
