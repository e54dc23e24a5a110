"""Everything the runtime raises, as one tree.

    EnvError
    ├── InvalidRequest          refused before sending: nothing reached the server
    │   └── InvalidCall         a model's tool call that can't be made (in calling)
    ├── ConnectError            no session could be opened
    │   └── UpgradeRefused      the server answered the WebSocket handshake with an HTTP status
    ├── RequestTimeout          no reply within the time limit; the session is lost
    ├── ConnectionLost          the connection ended under a request; the session is lost
    ├── ProtocolError           a reply that is not what the protocol says; the session is lost
    ├── SessionError            the session can't take this call in its present state
    │   ├── NotReset            step() before reset()
    │   ├── SessionBusy         another request of this client is in flight
    │   ├── SessionLost         it was lost, or is another process's; reset() opens a new one
    │   └── SessionClosed       close() was called
    ├── ServerError             the server answered with an error
    │   ├── ExecutionError      the environment failed on the request; the session survives
    │   ├── ActionRejected      the request doesn't fit the server's own model
    │   ├── CapacityReached     the server has no free session
    │   ├── FactoryError        the server couldn't create an environment; the session is over
    │   └── ServerSessionError  the server ended the session
    ├── ReplyMismatch           the reply doesn't fit the contract this client was built from
    ├── ContractDrift           the server has another contract (on_drift="error")
    ├── ContractMissing         the client's package has no contract (it was written by hand)
    ├── ProviderError           the server could not be started, watched or stopped
    │   ├── EngineError         the engine or tool of the provider can't be reached, or refused
    │   ├── FetchError          the image or the source can't be fetched
    │   ├── StartError          the server ended before it was ready, or could not be started
    │   └── ReadyTimeout        the server runs, and was not ready in time
    ├── ToolError               a call of a tool failed: envgen_runtime.tools has its kinds
    ├── TraceMismatch           a replayed episode differs from the recorded one
    ├── EpisodeLost             a trainer's episode that was lost (in adapters)
    ├── ToolFailed              a model's call that failed in TRL, and is told (in adapters.trl)
    └── MissingExtra            an optional library isn't installed

Three attributes of every error tell a caller what to do next: ``retryable`` (the same call may
succeed if made again), ``episode_lost`` (the episode is over, and may be played anew) and
``maybe_applied`` (the server may have acted on the request, so sending a step again could apply it
twice). Errors can be pickled, so they may cross to another process.

A message may hold a server's text. ``str(error)`` shows it bounded, in one line, and without
control characters or workflow commands (``printable``); a server's log and notes keep their lines.
``server_text`` and ``data`` have it as it was sent, without the client's secrets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack

from .json_value import JsonValue
from .printable import LINES, printable

LOG_FOLLOWS = "\nIts log ends with:\n"


class _Known(TypedDict, total=False):
    """What may be known of any error; None for what isn't."""

    retryable: bool | None
    maybe_applied: bool | None
    request_id: str | None
    server_text: str | None


class EnvError(Exception):
    """Base of all errors of the runtime.

    Attributes:
        retryable: the same call may succeed when it is made again. A failed reset may, unless the
            error shows that it can't: a refused request, another contract, a closed client.
        episode_lost: the episode ended with this error or an earlier one, and not by an action:
            its result is unknown, and it may be played anew after ``reset()``. False where the
            episode goes on, and for a reset, which has begun none: there, see ``retryable``.
        maybe_applied: the server may have acted on the request that failed.
        request_id: identifies the request, if it had an id.
        server_text: the server's own message; None if it sent none.
        sent: any part of the request may have left this client.
        log: the last lines of a started server's log, if they end the message.
    """

    retryable: bool = False
    episode_lost: bool = False
    maybe_applied: bool = False
    sent: bool = False
    request_id: str | None = None
    server_text: str | None = None
    log: str = ""

    def __init__(self, message: str, **known: Unpack[_Known]) -> None:
        super().__init__(message)
        for name, value in known.items():
            if value is not None:
                setattr(self, name, value)

    def __str__(self) -> str:
        text = super().__str__()
        message = text.removesuffix(f"{LOG_FOLLOWS}{self.log}") if self.log else text
        return printable(message) + printable(text[len(message) :], keep=LINES)

    def add_note(self, note: str, /) -> None:
        """Add a note to the message, as ``str`` shows it; it may have several lines."""
        super().add_note(printable(note, keep=LINES))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with all attributes and notes, whatever ``__init__`` takes; without the cause."""
        return _rebuilt, (type(self), self.args), self.__dict__


def _rebuilt(cls: type[EnvError], args: tuple[Any, ...]) -> EnvError:
    error = cls.__new__(cls, *args)
    builtin: Any = next(base for base in cls.__mro__ if base.__module__ == "builtins")
    builtin.__init__(error, *args)  # what an OSError or ImportError keeps outside of __dict__
    return error


class InvalidRequest(EnvError, ValueError):
    """The request can't be sent: it doesn't fit the contract, or can't be written as JSON.

    Attributes:
        path: the place in the request, as a JSON path such as ``$.board[3]``, if known.
    """

    def __init__(self, message: str, *, path: str | None = None, **known: Unpack[_Known]) -> None:
        super().__init__(message, **known)
        self.path = path


class ConnectError(EnvError, ConnectionError):
    """No session could be opened with the server."""

    retryable = True


class UpgradeRefused(ConnectError):
    """The server answered the WebSocket handshake with an HTTP status instead of an upgrade.

    Attributes:
        status: the HTTP status code.
        retry_after_s: how long the server asks to wait, in seconds, if it does.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        retry_after_s: float | None = None,
        **known: Unpack[_Known],
    ) -> None:
        known.setdefault("retryable", status in PASSING_STATUSES)
        super().__init__(message, **known)
        self.status = status
        self.retry_after_s = retry_after_s


PASSING_STATUSES = frozenset({408, 425, 429, 502, 503, 504})
"""HTTP statuses of errors that may pass: the same request may succeed later."""


class RequestTimeout(EnvError, TimeoutError):
    """No reply came within the time limit.

    The session is lost: a late reply would look like the next one, so the connection is closed.
    """

    sent = True


class ConnectionLost(EnvError, ConnectionError):
    """The connection ended while a request was in flight. The episode is lost."""

    sent = True


class ProtocolError(EnvError):
    """The server's reply breaks the OpenEnv protocol."""

    sent = True


class SessionError(EnvError):
    """The session can't take this call in its present state; nothing was sent.

    Only the ``SessionClosed`` of a request that was in flight when ``close()`` was called may have
    been sent: see ``sent`` and ``maybe_applied``.
    """


class NotReset(SessionError):
    """``step()`` before the first ``reset()``: the environment has no episode yet."""


class SessionBusy(SessionError):
    """Another thread or task has a request in flight on this client."""


class SessionLost(SessionError):
    """An earlier call lost the session, or it belongs to another process or event loop.

    ``reset()`` opens a new one and starts a new episode.
    """

    episode_lost = True


class SessionClosed(SessionError):
    """The client was closed, before the request or while it was in flight."""


class ServerError(EnvError):
    """The server answered with an error.

    Attributes:
        code: the server's code, such as ``EXECUTION_ERROR``, or ``HTTP_500``.
        data: the data that the server sent with the error.
        retry_after_s: how long the server asks to wait, in seconds, if it does.
    """

    sent = True

    def __init__(
        self,
        message: str,
        *,
        code: str,
        data: dict[str, JsonValue] | None = None,
        retry_after_s: float | None = None,
        **known: Unpack[_Known],
    ) -> None:
        super().__init__(message, **known)
        self.code = code
        self.data = data if data is not None else {}
        self.retry_after_s = retry_after_s

    @property
    def ends_session(self) -> bool:
        """Whether the server closes the session after an error of this code."""
        return self.code in _SESSION_ENDING_CODES


# A gateway that gave up waiting (502, 504) is a timeout: the server may still be working.
_SESSION_ENDING_CODES = frozenset(
    {"CAPACITY_REACHED", "FACTORY_ERROR", "SESSION_ERROR", "HTTP_502", "HTTP_504"}
)


class ExecutionError(ServerError):
    """The environment failed on the request. The session survives; the step may have counted."""


class FactoryError(ServerError):
    """The server couldn't create an environment for this session."""


class ServerSessionError(ServerError):
    """The server ended the session, and the episode with it. ``reset()`` opens a new one."""


class ActionRejected(ServerError):
    """The server refused the request as not valid. The session survives.

    Its own model checks an action before the environment is stepped. But over a WebSocket OpenEnv's
    servers answer alike if the environment itself raises a ``ValidationError`` in a step, so there
    ``maybe_applied`` is true; ``errors`` say what was refused.

    Attributes:
        errors: one entry per refused field, as the server sent them.
        drift: as in ``ReplyMismatch``.
    """

    drift: tuple[str, ...] = ()

    def __init__(
        self,
        message: str,
        *,
        code: str,
        errors: Sequence[dict[str, JsonValue]] = (),
        data: dict[str, JsonValue] | None = None,
        **known: Unpack[_Known],
    ) -> None:
        super().__init__(message, code=code, data=data, **known)
        self.errors = list(errors)


class CapacityReached(ServerError):
    """All of the server's sessions are taken. Another attempt may find a free one."""

    retryable = True

    @property
    def active_sessions(self) -> int | None:
        """The number of open sessions, if the server says."""
        return _count(self.data.get("active_sessions"))

    @property
    def max_sessions(self) -> int | None:
        """The number of sessions that the server allows, if it says."""
        return _count(self.data.get("max_sessions"))


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class ReplyMismatch(EnvError):
    """The reply doesn't fit the contract this client was generated from.

    Attributes:
        path: the place in the reply, as a JSON path such as ``$.observation.board[3]``.
        drift: the differences between the server's contract and this client's, one line each;
            empty if there are none, or the server was not asked.
    """

    sent = True
    drift: tuple[str, ...] = ()

    def __init__(self, message: str, *, path: str, **known: Unpack[_Known]) -> None:
        super().__init__(message, **known)
        self.path = path


class ContractDrift(EnvError):
    """The server has another contract than the one this client was built from. Nothing was sent.

    Attributes:
        drift: the differences, one line each.
    """

    def __init__(self, message: str, *, drift: Sequence[str]) -> None:
        super().__init__(message)
        self.drift = tuple(drift)


class ProviderError(EnvError):
    """The environment's server could not be started, watched or stopped.

    Attributes:
        log: the last lines of the server's log, which end the message; empty if it wrote nothing
            or never ran.
        exit_code: the server's exit code; None if it hasn't exited.
    """

    def __init__(
        self,
        message: str,
        *,
        log: str = "",
        exit_code: int | None = None,
        **known: Unpack[_Known],
    ) -> None:
        super().__init__(f"{message}{LOG_FOLLOWS}{log}" if log else message, **known)
        self.log = log
        self.exit_code = exit_code


class EngineError(ProviderError):
    """The engine or tool of a provider can't be reached, or refused."""


class FetchError(ProviderError):
    """The image can't be pulled, or the source can't be cloned."""


class StartError(ProviderError):
    """The server could not be started, or ended before it was ready."""


class ReadyTimeout(ProviderError, TimeoutError):
    """The server was running, but not ready, when the time ran out."""


class ContractMissing(EnvError, LookupError):
    """The client has no contract: it was not generated by envgen."""


class TraceMismatch(EnvError, AssertionError):
    """The trace that is replayed has another request next."""


class StepAfterDoneWarning(UserWarning):
    """``step()`` after the episode was done, and before another ``reset()``.

    What environments then answer is undefined. Warned of once per episode; the step is taken.
    """


class MissingExtra(EnvError, ImportError):
    """An optional library isn't installed.

    Attributes:
        extra: the extra of envgen-runtime that installs it.
    """

    def __init__(self, feature: str, *, extra: str) -> None:
        super().__init__(
            f"{feature} needs an optional library: pip install 'envgen-runtime[{extra}]'"
        )
        self.extra = extra
