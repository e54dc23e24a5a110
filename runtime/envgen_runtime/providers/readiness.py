"""Whether a server answers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING

from ..errors import ConnectError
from ..transports import ConnectionOptions
from ..wire.address import endpoint
from ..wire.diagnosis import is_redirect, redirect
from ..wire.protocol import Request
from ..wire.redaction import split_credentials

if TYPE_CHECKING:
    import ssl

READY = "ready"
NO_CONNECTION = "no connection: "
"""What an answer begins with that is none: nothing accepted the connection, or it broke."""

NO_ANSWER = "none in time"
"""What stands for an answer where the probe's time was up."""

REDIRECT = "a redirect: "
"""What an answer begins with that sends the client elsewhere."""

_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.25
_GROWTH = 1.4
_MOST_BYTES = 1 << 20


def pauses() -> Iterator[float]:
    """Yield the pause before each next probe, in seconds, growing to a limit."""
    for number in itertools.count():
        yield min(_FIRST_PAUSE_S * _GROWTH**number, _LONGEST_PAUSE_S)


def probe(
    base_url: str,
    *,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    has_health: bool = True,
) -> str:
    """``READY``, or what ``GET /health`` answered instead, to be read by a person.

    Without ``has_health``, any answer will do that is no error of the server's.
    """
    # Not with the provider: its library is heavy.
    from ..transports.http import TIMED_OUT, HttpTransport

    address, authorization = split_credentials(base_url)
    own = {"Authorization": authorization} if authorization else {}
    server = endpoint(address)
    options = ConnectionOptions(
        {**own, **(headers or {})},
        timeout_s,
        _MOST_BYTES,
        ssl_context=ssl_context,
        query=server.query,
    )
    request = Request.begun("health", {}, timeout_s, "ready")
    try:
        with closing(HttpTransport(server.http, options)) as http:
            response = http.ask("/health" if has_health else "/", request)
    except ConnectError as error:
        is_late = isinstance(error.__cause__, TIMED_OUT)
        return NO_ANSWER if is_late else f"{NO_CONNECTION}{error}"
    if not has_health and response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return READY
    if is_redirect(response.status):
        return f"{REDIRECT}{redirect(response.headers.get('location'), '/health')}"
    if response.status != HTTPStatus.OK:
        return f"HTTP {response.status}"
    return response.page or READY
