"""The session as a state machine, without I/O.

    NEW ──reset──> READY <──> IN_FLIGHT ──timeout, cancellation, drop──> LOST ──reset──> READY
    any ──close──> CLOSED

A session allows one request at a time. The socket carries no ids, so a reply can only be matched
to its request while no other request is outstanding.

A session belongs to the process, and with asyncio to the event loop, in which it was opened.
Elsewhere it counts as lost: a step or a state raises and nothing is sent, and a reset opens
another session there. In its own process and loop it goes on.
"""

from __future__ import annotations

import threading
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NoReturn

from ..errors import (
    ConnectError,
    ConnectionLost,
    EnvError,
    InvalidRequest,
    NotReset,
    ProtocolError,
    RequestTimeout,
    ServerError,
    SessionBusy,
    SessionClosed,
    SessionLost,
)
from ..observe.observers import RequestEvent
from ..wire.protocol import Operation, Request
from ..wire.retries import may_succeed_again


class Phase(Enum):
    """The state of a session."""

    NEW = "new"
    READY = "ready"
    IN_FLIGHT = "in flight"
    LOST = "lost"
    CLOSED = "closed"


# Looking a member up in its class is slow on Python 3.11, and every step does it several times.
_NEW, _READY, _IN_FLIGHT, _LOST, _CLOSED = Phase


class Flight:
    """A request in flight.

    Attributes:
        request: the request.
        event: what observers were told of it, if there are any.
        reply: the payload of its reply, once it has arrived.
    """

    __slots__ = ("event", "reply", "request")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.event: RequestEvent | None = None
        self.reply: dict[str, Any] | None = None


class Session:
    """Decides which request may be made now, and what its end does to the session. Thread-safe.

    Args:
        running_loop: returns the event loop that the caller runs in; None without asyncio.

    Attributes:
        is_open: whether there is a connection for the next request.
    """

    def __init__(self, running_loop: Callable[[], object]) -> None:
        self.is_open = False
        self._running_loop = running_loop
        self._loop: object = None  # the one that the connection belongs to, if it belongs to one
        self._lock = threading.Lock()
        self._phase = _NEW
        self._before = _NEW
        self._holder: object = None  # the request in flight
        self._operation: Operation = "reset"
        self._cause: BaseException | None = None

    @property
    def phase(self) -> Phase:
        """The state of the session now."""
        is_free = self._holder is None or self._phase is _CLOSED
        return self._phase if is_free else _IN_FLIGHT

    @property
    def had_episode(self) -> bool:
        """Whether there was an episode, running or lost, before the request in flight."""
        return self._before is not _NEW

    def is_held_by(self, holder: object) -> bool:
        """Whether a request has taken the session, and is not at its end."""
        return self._holder is holder

    def begin(self, operation: Operation, holder: object) -> None:
        """Take the session for one request.

        An interrupt may come between any two instructions. So one assignment takes the session
        and one gives it back, and ``is_held_by`` tells which of them were reached.

        Args:
            operation: what is requested.
            holder: the request, by its identity.

        Raises:
            SessionError: the session can't take ``operation`` now; nothing has changed.
        """
        with self._lock:
            if self._loop is not None and self._loop is not self._running_loop():
                self._enter_loop(operation)
            phase = self._phase
            if (phase is not _READY or self._holder is not None) and (
                refusal := self._refusal(self.phase, operation)
            ) is not None:
                raise refusal
            self._before = phase
            self._operation = operation
            self._holder = holder

    def opened(self, *, in_loop: bool) -> None:
        """Note that the connection is open.

        Args:
            in_loop: whether it can be used in the running event loop only.
        """
        self.is_open = True
        self._loop = self._running_loop() if in_loop else None

    def dropped(self) -> None:
        """Note that there is no connection any more."""
        self.is_open = False
        self._loop = None

    def after_fork(self) -> None:
        """Leave the session to the parent, in a forked child. A closed client stays closed."""
        self._lock = threading.Lock()  # another thread of the parent may have held it
        self.dropped()
        if self.phase is not _NEW and self._phase is not _CLOSED:
            self._phase = _LOST
            self._cause = SessionLost("it belongs to the process that this one was forked from")
        self._holder = None

    def succeed(self) -> None:
        """End the request in flight: the server has answered it."""
        with self._lock:
            if self._phase is not _CLOSED:
                self._phase = _READY if self._operation == "reset" else self._before
            self._holder = None

    def fail(self, error: BaseException) -> bool:
        """End the request in flight with ``error``, and return whether the connection survives it.

        A request that was never sent changes nothing. An error that the server reports keeps the
        session, unless it is of a kind that ends it; a reset that failed started no episode. After
        any other error the state of the server is unknown, and the session is lost, if there was
        an episode in it.

        ``error`` is told what that means: ``retryable`` and ``episode_lost``.
        """
        is_reset = self._operation == "reset"
        if isinstance(error, EnvError) and (is_reset or not self.had_episode):
            error.retryable = may_succeed_again(error)  # there is nothing to lose
        if isinstance(error, InvalidRequest):
            self._end(self._before)
            return True
        if isinstance(error, ServerError) and not error.ends_session:
            self._end(_NEW if is_reset else self._before)
            return True
        if not self.had_episode:
            self._end(_NEW)
            return False
        if isinstance(error, EnvError) and not is_reset:
            error.retryable = False  # another try would only raise SessionLost
            error.episode_lost = True
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
            if self._phase is not _CLOSED:
                self._phase = phase
                self._cause = cause or self._cause
            self._holder = None

    def _enter_loop(self, operation: Operation) -> None:
        """Begin ``operation`` in another event loop than the connection's.

        Raises:
            SessionLost: the operation needs the session that is there; nothing has changed.
        """
        if self._holder is not None or self._phase is _CLOSED:
            return  # refused for that
        if self._phase is _READY:
            elsewhere = SessionLost("it belongs to the event loop that it was opened in")
            if operation != "reset":
                raise self._lost(operation, elsewhere)
            self._phase, self._cause = _LOST, elsewhere
        self.dropped()

    def _refusal(self, phase: Phase, operation: Operation) -> EnvError | None:
        if phase is _IN_FLIGHT:
            return SessionBusy(
                f"{operation}() while another request is in flight: one client is one session. "
                "Use one client per thread or task."
            )
        if phase is _CLOSED:
            return SessionClosed(f"{operation}() on a closed client: create a new one.")
        if phase is _LOST and operation != "reset":
            return self._lost(operation, self._cause)
        if phase is _NEW and operation == "step":
            return NotReset("step() before reset(): call reset() to start an episode.")
        return None

    def _lost(self, operation: Operation, cause: BaseException | None) -> SessionLost:
        error = SessionLost(
            f"{operation}() on a lost session: {self._why(cause)}. "
            "Call reset() to open a new session and start another episode."
        )
        error.__cause__ = cause
        return error

    def _why(self, cause: BaseException | None) -> str:
        """What lost the session, in a few words. The rest is in the cause itself."""
        if isinstance(cause, SessionLost):
            return str(cause)
        kind = next((kind for kind in _WHY if isinstance(cause, kind)), BaseException)
        name = cause.code if isinstance(cause, ServerError) else type(cause).__name__
        return _WHY[kind].format(last=self._operation, name=name)


def closed_meanwhile(error: EnvError | None = None) -> SessionClosed:
    """The error for a request during which ``close()`` was called, and which failed by it."""
    closed = SessionClosed("the client was closed during the request")
    if error is not None:
        closed.sent, closed.maybe_applied = error.sent, error.maybe_applied
        closed.request_id = error.request_id
    return closed


def raise_closed() -> NoReturn:
    """Raise ``closed_meanwhile``, where an expression has no transport."""
    raise closed_meanwhile()


_WHY: Mapping[type[BaseException], str] = {
    RequestTimeout: "its last {last} timed out",
    ConnectionLost: "its connection ended with its last {last}",
    ConnectError: "its connection ended with its last {last}",
    ProtocolError: "the reply to its last {last} broke the protocol",
    ServerError: "the server ended it with {name} in answer to its last {last}",
    EnvError: "its last {last} failed with {name}",
    CancelledError: "its last {last} was cancelled",
    BaseException: "its last {last} was interrupted by {name}",
}
