"""Whether a server answers. On the standard library: this runs before anything heavy is needed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

READY = "ready"

_FIRST_PAUSE_S = 0.01
_LONGEST_PAUSE_S = 0.25
_GROWTH = 1.4


def pauses() -> Iterator[float]:
    """Yield the pause before each next probe, in seconds, growing to a limit."""
    for number in itertools.count():
        yield min(_FIRST_PAUSE_S * _GROWTH**number, _LONGEST_PAUSE_S)


def probe(
    base_url: str,
    *,
    timeout_s: float,
    headers: Mapping[str, str] | None = None,
    has_health: bool = True,
) -> str:
    """``READY``, or what the server answered instead, to be read by a person.

    Args:
        base_url: the server's address.
        timeout_s: time limit in seconds.
        headers: sent with the request.
        has_health: whether ``GET /health`` has to answer 200. If not, any answer will do that is
            no error of the server's.
    """
    import http.client  # not with the client: this takes a tenth of its import

    parts = urlsplit(base_url)
    secure = parts.scheme in ("https", "wss")
    connection = (http.client.HTTPSConnection if secure else http.client.HTTPConnection)(
        parts.hostname or "", parts.port, timeout=timeout_s
    )
    try:
        path = f"{parts.path.rstrip('/')}/{'health' if has_health else ''}"
        connection.request("GET", path, headers=dict(headers or {}))
        status = connection.getresponse().status
    except TimeoutError:
        return "none in time"
    except (OSError, http.client.HTTPException) as error:
        return str(error) or type(error).__name__
    finally:
        connection.close()
    is_ready = status == HTTPStatus.OK or (
        not has_health and status < HTTPStatus.INTERNAL_SERVER_ERROR
    )
    return READY if is_ready else f"HTTP {status}"
