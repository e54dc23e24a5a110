"""HTTP requests and responses as values, without I/O and without a library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..wire import protocol
from ..wire.http_exchange import HttpExchange, HttpResponse, HttpSession
from ..wire.protocol import HttpCall, Request
from . import ConnectionOptions
from .limits import are_too_many

_ACCEPT = {"accept": "application/json"}


class HttpRequest(NamedTuple):
    """An HTTP request.

    Attributes:
        path: the path below the server's base URL, with its query.
        headers: all headers but ``host`` and ``content-length``.
        timeout_s: time limit for the request as a whole, in seconds.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float


def exchange(request: Request, session: HttpSession | None) -> HttpExchange:
    """What to do for ``request``: OpenEnv's call, or the session's."""
    if session is not None:
        return session.exchange(request)
    return _openenv_exchange(request)


def _openenv_exchange(request: Request) -> HttpExchange:
    response: HttpResponse = yield protocol.http_call(request)
    return response.payload(request)


def http_request(call: HttpCall, request: Request, options: ConnectionOptions) -> HttpRequest:
    """The HTTP request for a call that ``request`` needs, with its headers and time limit."""
    headers = {**_ACCEPT, **request.all_headers(options.headers), **call.headers}
    if call.body is not None:
        headers.setdefault("content-type", "application/json")
    return HttpRequest(call.method, call.path, headers, call.body, request.seconds_left())


class BodyTooLarge(Exception):
    """A response's body is larger than allowed, or in too many chunks."""


class ResponseBody:
    """Collects a body while it arrives, up to ``max_bytes``."""

    def __init__(self, max_bytes: int) -> None:
        self._left = self._max_bytes = max_bytes
        self._chunks: list[bytes] = []

    def add(self, chunk: bytes) -> None:
        """Add a part. Raises BodyTooLarge if the body exceeds its limit, or has too many parts."""
        self._left -= len(chunk)
        if self._left < 0:
            raise BodyTooLarge("the reply is larger than allowed; raise max_message_bytes")
        self._chunks.append(chunk)
        if are_too_many(len(self._chunks), self._max_bytes - self._left):
            raise BodyTooLarge(f"the reply came in {len(self._chunks):,} small chunks")

    def response(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> HttpResponse:
        """The complete response, of which this is the body."""
        decoded = [
            (name.decode("latin-1").lower(), text.decode("latin-1")) for name, text in headers
        ]
        cookies = tuple(text for name, text in decoded if name == "set-cookie")
        return HttpResponse(status, dict(decoded), b"".join(self._chunks), cookies)
