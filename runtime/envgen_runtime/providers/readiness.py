"""Whether a server answers. On the standard library: this runs before anything heavy is needed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

READY = "ready"
NO_CONNECTION = "no connection: "
"""What an answer begins with that is none: nothing accepted the connection, or it broke."""

_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.25
_GROWTH = 1.4


def pauses() -> Iterator[float]:
    """Yield the pause before each next probe, in seconds, growing to a limit."""
    for number in itertools.count():
        yield min(_FIRST_PAUSE_S * _GROWTH**number, _LONGEST_PAUSE_S)


def probe(base_url: str, *, timeout_s: float, headers: Mapping[str, str] | None = None) -> str:
    """``READY``, or what ``GET /health`` answered instead, to be read by a person."""
    import http.client  # not with the client: this takes a tenth of its import

    parts = urlsplit(base_url)
    secure = parts.scheme in ("https", "wss")
    connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(
        parts.hostname or "", parts.port, timeout=timeout_s
    )
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/health", headers=dict(headers or {}))
        status = connection.getresponse().status
    except TimeoutError:
        return "none in time"
    except (OSError, http.client.HTTPException) as error:
        return NO_CONNECTION + (str(error) or type(error).__name__)
    finally:
        connection.close()
    return READY if status == HTTPStatus.OK else f"HTTP {status}"
