"""Everything the runtime raises, as one tree.

    EnvError
    ├── InvalidRequest          refused before sending: nothing reached the server
    ├── ConnectError            no session could be opened
    │   └── UpgradeRefused      the server answered the WebSocket handshake with an HTTP status
    ├── RequestTimeout          no reply within the time limit; the session is lost
    ├── ConnectionLost          the connection ended under a request; the session is lost
    ├── ProtocolError           a reply that is not what the protocol says; the session is lost
    ├── SessionError            the session can't take this call in its present state
    │   ├── NotReset            step() before reset()
    │   ├── SessionBusy         another request of this client is in flight
    │   ├── SessionLost         an earlier call lost the session; reset() opens a new one
    │   └── SessionClosed       close() was called
    ├── ServerError             the server answered with an error
    │   ├── ExecutionError      the environment failed on the request; the session lives on
    │   ├── ActionRejected      the request doesn't fit the server's own model
    │   ├── CapacityReached     the server has no free session
    │   ├── FactoryError        the server couldn't make an environment; the session is over
    │   └── ServerSessionError  the server gave the session up
    ├── ReplyMismatch           the reply doesn't fit the contract this client was built from
    ├── ContractDrift           the server's contract is another (on_drift="error")
    ├── ContractMissing         the client's package has no contract (it was written by hand)
    ├── ProviderError           what should start or stop the server failed
    │   ├── EngineError         the engine or tool that it needs can't be reached, or refused
    │   ├── FetchError          the image or the source can't be had
    │   ├── StartError          the server ended before it was ready, or could not be started
    │   └── ReadyTimeout        the server runs, and was not ready in time
    ├── TraceMismatch           a replayed episode goes another way than the recorded one
    └── MissingExtra            an optional library is needed that isn't installed

Two attributes tell a caller what may be done next, whatever the class: ``retryable`` (the same
call may succeed if sent again) and ``maybe_applied`` (the server may have acted on the request,
so that sending a step again could apply it twice).
"""

from __future__ import annotations

from collections.abc import Sequence

from .json_value import JsonValue


class EnvError(Exception):
    """Base of all errors of the runtime.

    Attributes:
        retryable: the same call may succeed when it is made again.
        maybe_applied: the server may have acted on the request that failed.
        request_id: identifies the request, where it had one.
        server_text: what the server said about it, in its own words; None where it said nothing.
        sent: any of the request may have left this client.
    """

    retryable: bool = False
    maybe_applied: bool = False
    sent: bool = False

    def __init__(
        self,
        message: str,
        *,
        retryable: bool | None = None,
        maybe_applied: bool | None = None,
        request_id: str | None = None,
        server_text: str | None = None,
    ) -> None:
        super().__init__(message)
        if retryable is not None:
            self.retryable = retryable
        if maybe_applied is not None:
            self.maybe_applied = maybe_applied
        self.request_id = request_id
        self.server_text = server_text


class InvalidRequest(EnvError, ValueError):
    """The request can't be sent: it doesn't fit the contract, or can't be written as JSON.

    Attributes:
        path: where in the request, as a JSON path such as ``$.board[3]``, where that is known.
    """

    def __init__(
        self, message: str, *, path: str | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.path = path


class ConnectError(EnvError, ConnectionError):
    """No session could be opened with the server."""

    retryable = True


class UpgradeRefused(ConnectError):
    """The server answered the WebSocket handshake with an HTTP status instead of an upgrade.

    Attributes:
        status: the HTTP status code.
        retry_after_s: how long the server asks to wait, in seconds, where it does.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        retry_after_s: float | None = None,
        server_text: str | None = None,
    ) -> None:
        super().__init__(message, retryable=status in PASSING_STATUSES, server_text=server_text)
        self.status = status
        self.retry_after_s = retry_after_s


PASSING_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
"""HTTP statuses that say that the same request may succeed later."""


class RequestTimeout(EnvError, TimeoutError):
    """No reply came within the time limit.

    The session is lost: a late reply can't be told from the next one, so the connection is closed
    rather than read again.
    """

    sent = True


class ConnectionLost(EnvError, ConnectionError):
    """The connection ended while a request was in flight; the episode went with it."""

    sent = True


class ProtocolError(EnvError):
    """The server sent something that no OpenEnv server sends in answer to this request."""

    sent = True


class SessionError(EnvError):
    """The session can't take this call in its present state; nothing was sent."""


class NotReset(SessionError):
    """``step()`` before the first ``reset()``: the environment has no episode yet."""


class SessionBusy(SessionError):
    """Another thread or task has a request in flight on this client."""


class SessionLost(SessionError):
    """An earlier call lost the session. ``reset()`` opens a new one and starts a new episode."""


class SessionClosed(SessionError):
    """The client was closed."""


class ServerError(EnvError):
    """The server answered with an error.

    Attributes:
        code: the server's code, such as ``EXECUTION_ERROR``, or ``HTTP_500``.
        data: what the server sent with the error.
        retry_after_s: how long the server asks to wait, in seconds, where it does.
    """

    sent = True

    def __init__(
        self,
        message: str,
        *,
        code: str,
        data: dict[str, JsonValue] | None = None,
        retryable: bool | None = None,
        maybe_applied: bool | None = None,
        request_id: str | None = None,
        server_text: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(
            message,
            retryable=retryable,
            maybe_applied=maybe_applied,
            request_id=request_id,
            server_text=server_text,
        )
        self.code = code
        self.data = data if data is not None else {}
        self.retry_after_s = retry_after_s

    @property
    def ends_session(self) -> bool:
        """Whether the server closes the session after an error of this code."""
        return self.code in _SESSION_ENDING_CODES


# A gateway that gave up waiting (502, 504) is a timeout: the server may still be at it.
_SESSION_ENDING_CODES = frozenset(
    {"CAPACITY_REACHED", "FACTORY_ERROR", "SESSION_ERROR", "HTTP_502", "HTTP_504"}
)


class ExecutionError(ServerError):
    """The environment failed on the request. The session lives on; the step may have counted."""


class FactoryError(ServerError):
    """The server couldn't make an environment for this session."""


class ServerSessionError(ServerError):
    """The server gave the session up, and the episode with it. ``reset()`` opens a new one."""


class ActionRejected(ServerError):
    """The server's own model refused the request; the environment was not stepped.

    Attributes:
        errors: one entry per refused field, as the server sent them.
        drift: as that of ``ReplyMismatch``.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        errors: Sequence[dict[str, JsonValue]] = (),
        data: dict[str, JsonValue] | None = None,
        request_id: str | None = None,
        server_text: str | None = None,
    ) -> None:
        super().__init__(
            message, code=code, data=data, request_id=request_id, server_text=server_text
        )
        self.errors = list(errors)
        self.drift: tuple[str, ...] = ()


class CapacityReached(ServerError):
    """All of the server's sessions are taken. Another attempt may find a free one."""

    retryable = True

    @property
    def active_sessions(self) -> int | None:
        """How many sessions the server has open, where it says so."""
        return _count(self.data.get("active_sessions"))

    @property
    def max_sessions(self) -> int | None:
        """How many sessions the server allows, where it says so."""
        return _count(self.data.get("max_sessions"))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


class ReplyMismatch(EnvError):
    """The reply doesn't fit the contract this client was generated from.

    Attributes:
        path: where in the reply, as a JSON path such as ``$.observation.board[3]``.
        drift: what the server's contract has that this client's hasn't, or the other way round;
            empty where that is nothing, or was not looked at.
    """

    sent = True

    def __init__(
        self,
        message: str,
        *,
        path: str,
        maybe_applied: bool | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, maybe_applied=maybe_applied, request_id=request_id)
        self.path = path
        self.drift: tuple[str, ...] = ()


class ContractDrift(EnvError):
    """The server's contract is not the one that this client was built from; nothing was sent.

    Attributes:
        drift: the differences, one line each.
    """

    def __init__(self, message: str, *, drift: Sequence[str]) -> None:
        super().__init__(message)
        self.drift = tuple(drift)


class ProviderError(EnvError):
    """What should start, watch or stop the environment's server failed.

    Attributes:
        log: the last lines that the server wrote, which the message ends with; empty where it
            wrote nothing, or never ran.
        exit_code: what the server exited with; None where it has not.
    """

    def __init__(
        self,
        message: str,
        *,
        log: str = "",
        exit_code: int | None = None,
        retryable: bool | None = None,
    ) -> None:
        shown = f"{message}\nIts log ends with:\n{log}" if log else message
        super().__init__(shown, retryable=retryable)
        self.log = log
        self.exit_code = exit_code


class EngineError(ProviderError):
    """The engine or tool that a provider works with can't be reached, or refused."""


class FetchError(ProviderError):
    """The image can't be pulled, or the source can't be cloned."""


class StartError(ProviderError):
    """The server could not be started, or ended before it was ready."""


class ReadyTimeout(ProviderError, TimeoutError):
    """The server was running, but not ready, when the time was up."""


class ContractMissing(EnvError, LookupError):
    """The client has no contract to look into: it was not generated by envgen."""


class TraceMismatch(EnvError, AssertionError):
    """A request is not the one that comes next in the trace that is replayed."""


class MissingExtra(EnvError, ImportError):
    """An optional library is needed and not installed.

    Attributes:
        extra: the extra of envgen-runtime that brings it.
    """

    def __init__(self, feature: str, *, extra: str) -> None:
        super().__init__(
            f"{feature} needs an optional library: pip install 'envgen-runtime[{extra}]'"
        )
        self.extra = extra
