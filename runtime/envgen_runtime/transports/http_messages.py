"""HTTP requests and responses as values, without I/O and without a library."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from ..wire import protocol
from ..wire.detection import web_page
from ..wire.diagnosis import is_redirect, redirect
from ..wire.protocol import Request
from ..wire.routes import RoutedSession
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


class HttpResponse(NamedTuple):
    """A complete HTTP response. The names of its headers are in lower case.

    ``set_cookies`` are the values of its ``Set-Cookie`` headers.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    set_cookies: tuple[str, ...] = ()

    @property
    def precedes_hang_up(self) -> bool:
        """Whether the server may be about to close the connection without announcing it.

        The first servers do so a few milliseconds after a 500. The next request must not be the
        one to find out: it may be a step, which is never sent twice.
        """
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR

    def payload(self, request: Request) -> dict[str, Any]:
        """The payload of the reply to ``request``. As ``protocol.read_http``."""
        after_s = protocol.retry_after(self.headers.get("retry-after"))
        if is_redirect(self.status):
            told: str | None = redirect(self.headers.get("location"), f"/{request.operation}")
        else:
            told = web_page(self.headers, self.body)
        return protocol.read_http(self.status, self.body, request, retry_after_s=after_s, told=told)


def get_request(path: str, request: Request, options: ConnectionOptions) -> HttpRequest:
    """GET ``path``, with the headers and the time limit of ``request``."""
    return HttpRequest("GET", path, _headers(request, options), None, request.seconds_left())


def exchange_request(
    request: Request, options: ConnectionOptions, session: RoutedSession | None = None
) -> HttpRequest:
    """The HTTP request that carries ``request``. As ``protocol.http_call``, or the session's."""
    call = protocol.http_call(request) if session is None else session.call(request)
    headers = {**_headers(request, options), **call.headers}
    if call.body is not None:
        headers.setdefault("content-type", "application/json")
    return HttpRequest(call.method, call.path, headers, call.body, request.seconds_left())


def exchange_reply(
    response: HttpResponse, request: Request, session: RoutedSession | None = None
) -> dict[str, Any]:
    """The payload of the reply to ``request``, from which the session takes what it needs.

    As ``protocol.read_http``; and a ProtocolError if the reply lacks a value of the session.
    """
    if session is None:
        return response.payload(request)
    session.keep_cookies(response.set_cookies)
    if request.operation == "close" and not response.body:
        return {}
    payload = response.payload(request)
    session.received(request, payload, response.headers)
    return payload


def _headers(request: Request, options: ConnectionOptions) -> dict[str, str]:
    return {**_ACCEPT, **request.all_headers(options.headers)}


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
