"""The OpenEnv wire as plain functions: how requests are written and replies read. No I/O.

What servers do (measured on openenv-core 0.1.1 to openenv 0.10.0):

- over HTTP, an action travels as ``{"action": {...}, "timeout_s": n, "request_id": id}`` to
  ``POST /step``; over a WebSocket, as ``{"type": "step", "data": {<the action's fields>}}``, where
  anything beside the fields is refused;
- ``reward`` and ``done`` are moved out of the observation and stand beside it; ``metadata``
  stands in the observation, beside it, in both, or nowhere, depending on the server's version;
- only servers before 0.2 keep one environment behind their HTTP routes. Later ones create a new
  environment for every HTTP request, so an episode needs their WebSocket.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from time import monotonic
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

from pydantic_core import from_json, to_json

from ..errors import (
    PASSING_STATUSES,
    ActionRejected,
    CapacityReached,
    ExecutionError,
    FactoryError,
    InvalidRequest,
    ProtocolError,
    RequestTimeout,
    ServerError,
    ServerSessionError,
)
from ..json_value import JsonFields, as_array, as_object, first_not_json
from .diagnosis import NOT_UP_STATUSES, WAITS_UNTIL_UP

Operation = Literal[
    "reset", "step", "state", "list_tools", "schema", "health", "tasks", "create", "close"
]  # fmt: skip
"""The four requests of a session, the three that any client may make at any time, and the two that
begin and end a session on a server that has its own routes for it."""

COMMON_PARAMETERS = ("seed", "episode_id")
"""What every reset can be given. Contracts don't list them."""

_REPLY_TYPE: Mapping[str, str] = {
    "reset": "observation",
    "step": "observation",
    "state": "state",
    "list_tools": "mcp",
}
_MAX_EXCERPT = 200
_MAX_FIELD_ERRORS = 20
"""How many of a server's errors a message tells; the error has all of them."""
_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_NO_TRACE = "0" * 32


class Request(NamedTuple):
    """One request, before a transport encodes it.

    Attributes:
        operation: what is requested.
        data: the action's fields, the reset parameters, or the JSON-RPC request that lists tools;
            empty for ``state``.
        timeout_s: the time limit of the call, in seconds.
        deadline: when that is over, as ``time.monotonic`` counts. Whatever the call does shares it:
            connecting, every attempt, the waits in between, the exchange.
        request_id: identifies the request in errors, and in the server's log if it was sent (over
            HTTP).
        episode_id: the episode of a step, if the caller named it at reset.
        trace_id: the W3C trace of the episode, 32 hex digits.
        headers: the headers that observers add, if this request carries headers.
        holds_capacity_wait: whether the limit also holds the wait for a free session.
        barrier: whether a request for the state goes right behind it, in the same write, whose
            answer must come right behind the reply. Over a WebSocket alone.
    """

    operation: Operation
    data: dict[str, Any]
    timeout_s: float
    deadline: float
    request_id: str
    episode_id: str | None = None
    trace_id: str = _NO_TRACE
    headers: Mapping[str, str] = _NO_HEADERS
    holds_capacity_wait: bool = False
    barrier: bool = False

    @classmethod
    def begun(
        cls,
        operation: Operation,
        data: dict[str, Any],
        timeout_s: float,
        request_id: str,
        *,
        episode_id: str | None = None,
        trace_id: str = _NO_TRACE,
        holds_capacity_wait: bool = False,
    ) -> Self:
        """A request whose time begins now. The arguments are its attributes of the same name."""
        deadline = monotonic() + timeout_s
        return cls(
            operation, data, timeout_s, deadline, request_id, episode_id, trace_id, _NO_HEADERS,
            holds_capacity_wait,
        )  # fmt: skip

    def seconds_left(self, limit_s: float = math.inf) -> float:
        """The seconds until the deadline, at least 0 and at most ``limit_s``."""
        return min(max(self.deadline - monotonic(), 0.0), limit_s)

    def within(self, limit_s: float) -> Self:
        """This request with no more time than ``limit_s`` seconds."""
        left_s = self.seconds_left(limit_s)
        return self._replace(timeout_s=left_s, deadline=monotonic() + left_s)

    def all_headers(self, default: Mapping[str, str]) -> dict[str, str]:
        """The headers of a request or handshake, with names in lower case.

        The user's replace the runtime's own (``x-request-id``, ``traceparent``), an observer's
        both.
        """
        own = {
            "user-agent": "envgen-runtime",
            "x-request-id": self.request_id,
            "traceparent": f"00-{self.trace_id}-{secrets.token_hex(8)}-01",
        }
        given = {name.lower(): value for name, value in (*default.items(), *self.headers.items())}
        return {**own, **given}


# --- requests ---------------------------------------------------------------------------------


def websocket_frame(request: Request) -> bytes:
    """The text frame for a request. InvalidRequest: its data can't be written as JSON."""
    if request.operation == "state":  # servers refuse a state frame that has data
        return b'{"type":"state"}'
    if request.operation == "list_tools":
        return _with_data({"type": "mcp"}, "data", request)
    return _with_data({"type": request.operation}, "data", request)


class HttpCall(NamedTuple):
    """An HTTP request: method, path below the base URL, JSON body if it has one, own headers."""

    method: str
    path: str
    body: bytes | None
    headers: Mapping[str, str] = _NO_HEADERS


def http_call(request: Request) -> HttpCall:
    """The HTTP request for a request. InvalidRequest: its data can't be written as JSON."""
    path = f"/{request.operation}"
    if request.operation == "state":
        return HttpCall("GET", path, None)
    if request.operation == "reset":
        return HttpCall("POST", path, json_body(request.data, request))
    if request.operation == "list_tools":
        return HttpCall("POST", "/mcp", json_body(request.data, request))
    body: dict[str, Any] = {
        "timeout_s": whole_seconds(request.timeout_s),
        "request_id": request.request_id,
    }
    if request.episode_id is not None:
        body["episode_id"] = request.episode_id
    return HttpCall("POST", path, _with_data(body, "action", request))


def whole_seconds(timeout_s: float) -> int:
    """A time limit as servers take it: the first want whole seconds, and later ones refuse zero."""
    return max(1, math.ceil(timeout_s))


def json_body(value: Any, request: Request) -> bytes:
    """The body of an HTTP request.

    Raises:
        InvalidRequest: ``value`` can't be written as JSON.
    """
    try:
        return _encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        found = first_not_json(request.data)
        raise InvalidRequest(
            f"the {request.operation} request can't be written as JSON: {found or error}",
            path=found.path if found else None,
            request_id=request.request_id,
        ) from error


# Not in ASCII, so that half of a surrogate pair is refused: few servers can answer with it.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode
_JSON_TYPES = frozenset({str, int, float, bool, type(None), list, dict})


def _with_data(message: dict[str, Any], key: str, request: Request) -> bytes:
    """``message`` with the request's data under ``key``, as JSON."""
    data = request.data
    if type(data) is JsonFields and _JSON_TYPES.issuperset(map(type, data.values())):
        try:
            text = to_json({**message, key: dict(data)})
        except ValueError:  # half of a surrogate pair, which Python's writer tells as well
            pass
        else:
            if not _may_have_nan(text):  # put into a nested value since
                return text
    return json_body({**message, key: data}, request)


def _may_have_nan(text: bytes) -> bool:
    # A single byte is looked for much quicker than a word, and most arrays have neither letter.
    return (_N in text and b"NaN" in text) or (_I in text and b"Infinity" in text)


_N, _I = b"NI"

# --- replies ----------------------------------------------------------------------------------


def read_frame(frame: str | bytes, request: Request) -> dict[str, Any]:
    """The payload of the frame that answers ``request``.

    Raises ServerError if the frame carries one, ProtocolError if it isn't JSON, has another shape,
    or replies to another kind of request.
    """
    message = read_json(frame, request)
    kind, data = message.get("type"), as_object(message.get("data"))
    if data is None:
        raise malformed(f"a frame without a data object: {_excerpt(frame)}", request)
    if kind == "error":
        raise server_error(data, code=str(data.get("code", "UNKNOWN")), request=request)
    if kind != _REPLY_TYPE[request.operation]:
        raise malformed(f"a frame of type {kind!r} as the answer", request)
    return data


def read_http(
    status: int,
    body: bytes,
    request: Request,
    *,
    retry_after_s: float | None = None,
    told: str | None = None,
) -> dict[str, Any]:
    """The payload of an HTTP response; ServerError by its status, ProtocolError by its body.

    ``told`` is what the headers make of a body that isn't JSON: a page, a redirect.
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        try:
            return read_json(body, request)
        except ProtocolError as error:
            raise (malformed(told, request) if told else error) from error.__cause__
    try:
        data = as_object(json.loads(body))
    except (ValueError, RecursionError):
        data = None
    raise server_error(
        data or {"message": told or _excerpt(body)},
        code=f"HTTP_{status}",
        request=request,
        retry_after_s=retry_after_s,
    )


def server_error(
    data: dict[str, Any], *, code: str, request: Request, retry_after_s: float | None = None
) -> ServerError:
    """The error that an error frame or an HTTP status stands for."""
    text = str(data.get("message") or data.get("detail") or "no message")
    if code in ("VALIDATION_ERROR", f"HTTP_{HTTPStatus.UNPROCESSABLE_ENTITY}"):
        errors = _objects(data.get("errors") or data.get("detail"))
        # Over a WebSocket, servers also say so of what the environment itself raises in its step.
        return ActionRejected(
            f"the server refused the {request.operation} request: {_field_errors(errors) or text}",
            code=code,
            errors=errors,
            data=data,
            maybe_applied=request.operation == "step" and code == "VALIDATION_ERROR",
            request_id=request.request_id,
            server_text=text,
        )
    kind, message = _SERVER_ERRORS.get(code, (ServerError, _ANSWERED))
    passing = retry_after_s is not None or code in _PASSING_CODES
    hint = ""
    if kind is CapacityReached:
        hint = f"{_limit(data, text)}. RetryPolicy(capacity_wait_s=...) says how long to wait"
    elif code in _NOT_UP_CODES and request.operation == "reset":
        hint = f". {WAITS_UNTIL_UP}"
    said = text.rstrip(". ") if hint else text
    return (ExecutionError if code == _HTTP_500 else kind)(
        f"{message.format(operation=request.operation, code=code)}: {said}{hint}",
        code=code,
        data=data,
        retryable=True if passing and request.operation != "step" else None,
        maybe_applied=request.operation == "step",
        request_id=request.request_id,
        server_text=text,
        retry_after_s=retry_after_s,
    )


_ANSWERED = "the server answered the {operation} request with {code}"
_SERVER_ERRORS: Mapping[str, tuple[type[ServerError], str]] = {
    "CAPACITY_REACHED": (CapacityReached, "the server has no free session"),
    "EXECUTION_ERROR": (ExecutionError, "the environment failed on {operation} ({code})"),
    "FACTORY_ERROR": (FactoryError, "the server couldn't create an environment ({code})"),
    "SESSION_ERROR": (ServerSessionError, "the server ended the session ({code})"),
}
_HTTP_500 = f"HTTP_{HTTPStatus.INTERNAL_SERVER_ERROR}"
_NOT_UP_CODES = frozenset(f"HTTP_{status}" for status in NOT_UP_STATUSES)
_PASSING_CODES = frozenset(f"HTTP_{status}" for status in PASSING_STATUSES)


def _limit(data: dict[str, Any], text: str) -> str:
    """The server's limit of sessions, if it tells, and not in its own words."""
    limit = data.get("max_sessions")
    is_number = isinstance(limit, int) and not isinstance(limit, bool)
    return f"; it allows {limit}" if is_number and str(limit) not in text else ""


def _field_errors(errors: list[dict[str, Any]]) -> str:
    shown = "; ".join(
        f"{_place(error.get('loc'))}: {error.get('msg')}" for error in errors[:_MAX_FIELD_ERRORS]
    )
    more = len(errors) - _MAX_FIELD_ERRORS
    return f"{shown} (and {more} more)" if more > 0 else shown


def _place(loc: Any) -> str:
    return ".".join(map(str, as_array(loc) or ())) or "request"


def _objects(value: Any) -> list[dict[str, Any]]:
    """The objects in ``value``, if it is a JSON array."""
    return [item for item in map(as_object, as_array(value) or ()) if item is not None]


def read_json(text: str | bytes, request: Request) -> dict[str, Any]:
    """The JSON object in a reply to ``request``. ProtocolError: it has none."""
    value = as_object(parse_json(text, request))
    if value is None:
        raise malformed(f"JSON that is not an object: {_excerpt(text)}", request)
    return value


def parse_json(text: str | bytes, request: Request) -> Any:
    """The JSON in a reply to ``request``. ProtocolError: it is none."""
    try:
        return _parse(text)
    except (ValueError, RecursionError) as error:
        problem = str(error)
    # Without the parser's error as a cause: it holds the whole reply.
    raise malformed(f"something that is not JSON ({problem}): {_excerpt(text)}", request)


def _parse(text: str | bytes) -> Any:
    """Parse JSON in one pass over its bytes, without decoding all of it to a string.

    Python's own parser gets a second try: it accepts lone surrogates, which an environment sends
    if it has read a strange file name.
    """
    try:
        return from_json(text)
    except (ValueError, RecursionError):
        return json.loads(text)


def malformed(what: str, request: Request) -> ProtocolError:
    """The error for a reply to ``request`` that breaks the protocol."""
    return ProtocolError(
        f"the server sent {what}, in answer to {request.operation}",
        maybe_applied=request.operation == "step",
        request_id=request.request_id,
    )


def timed_out(request: Request, *, missing: str = "reply") -> RequestTimeout:
    """The error for a request whose reply, or what is ``missing``, didn't arrive in time."""
    return RequestTimeout(
        f"no {missing} to {request.operation} within {request.timeout_s:g} s; the session is lost, "
        "reset() opens a new one",
        maybe_applied=request.operation == "step",
        request_id=request.request_id,
    )


def _excerpt(text: str | bytes) -> str:
    shown = text if isinstance(text, str) else text[:_MAX_EXCERPT].decode(errors="replace")
    return shown if len(text) <= _MAX_EXCERPT else f"{shown[:_MAX_EXCERPT]}..."
