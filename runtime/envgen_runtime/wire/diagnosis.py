"""What stands between a client and a server, told from what was read. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus

from ..printable import excerpt, printable
from .redaction import without_secrets

_OLD_STATUS_LINE = re.compile(rb"HTTP/1\.0 (\d{3})\b")
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5]\d\d)\b")
_TLS_RECORDS = (b"\x15\x03", b"\x16\x03")
_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
)


NOT_UP_STATUSES = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
"""HTTP statuses of what stands before a server that isn't up."""

WAITS_UNTIL_UP = "from_url() waits for a server that starts or wakes up"


def reason(error: BaseException) -> str:
    """Why a connection failed, from the errors that a library has wrapped in its own."""
    import ssl  # a client that never connects, and the generator, need none of it

    deepest = error
    for link in _chain(error):
        if isinstance(link, ssl.SSLError) and link.reason in _NO_TLS:
            return "the server doesn't speak TLS there: write http:// in place of https://"
        if isinstance(link, OSError) and str(link):
            deepest = link
    return str(deepest) or type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__  # not the context, which may be an error that the caller handles


def old_status(answer: bytes) -> int | None:
    """The status of an HTTP/1.0 response, whose first bytes these are; None if it is none."""
    found = _OLD_STATUS_LINE.match(answer)
    return int(found[1]) if found else None


def status(answer: bytes) -> int | None:
    """The status of an HTTP/1.1 response, whose first bytes these are; None if it is none."""
    found = _STATUS_LINE.match(answer)
    return int(found[1]) if found else None


def no_handshake(answer: bytes, error: BaseException) -> str:
    """Why no WebSocket was opened: from the first bytes of the answer, else from the library."""
    if not answer:
        return "it hung up without an answer, as servers do that want https://"
    if answer.startswith(_TLS_RECORDS):
        return "the server speaks TLS there: write https:// in place of http://"
    if not answer.startswith(b"HTTP/"):
        return f'what answers there doesn\'t speak HTTP; it sent "{excerpt(answer)}"'
    return "; ".join(dict.fromkeys(text for link in _chain(error) if (text := excerpt(str(link)))))


def is_redirect(status: int) -> bool:
    """Whether an HTTP status sends the client elsewhere."""
    return HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST


def redirect(location: str | None, route: str) -> str:
    """Where a redirect leads, and what to do.

    Args:
        location: the response's ``Location``.
        route: the route that was asked for, such as ``/reset``.
    """
    if not location:
        return "a redirect that names no target"
    path = location.lstrip("/")
    slashes = location[: len(location) - len(path)]
    if slashes == "/":  # a path has no user and no password
        return f"it redirects to {printable(re.split('[?#]', location, maxsplit=1)[0], 1000)}"
    target = without_secrets(path) if slashes else without_secrets(location)
    if "://" not in target:
        return f"it redirects to {slashes}{target}"
    base = target.rstrip("/").removesuffix(route)
    scheme, _, rest = base.partition("://")
    scheme = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    return f"it redirects to {target}; if that is the server, its base URL is {scheme}://{rest}"
