"""The addresses of a server: for its HTTP routes, and for its WebSocket."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, quote, urlunsplit

from .redaction import url_parts, without_secrets

QUERY_SAFE = "!$&'()*+,;=:@/?%-._~"
"""The characters of a query that stay as they are (RFC 3986, and what is encoded already)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's two addresses: ``http`` for its routes, ``websocket`` for its ``/ws``.

    Attributes:
        query: goes with every request and with the handshake; it may be a secret.
    """

    http: str
    websocket: str
    query: str = field(default="", repr=False)


_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_LIKE = "http://host:port or ws://host:port"
_ELSEWHERE = {
    "hf": "a Space is started, or connected to, with from_hub('OWNER/NAME')",
    "docker": "an image is started with from_docker_image('IMAGE')",
}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(/*)")


def check_address(base_url: Any) -> None:
    """Refuse what is no absolute URL of the four schemes, with what to write.

    Raises:
        TypeError: it is no text.
        ValueError: it is another text.
    """
    if not isinstance(base_url, str):
        kind = "None" if base_url is None else type(base_url).__name__
        hint = ": write str(url)" if kind == "URL" else ""
        raise TypeError(f"base_url takes a str, such as 'http://localhost:8000', not {kind}{hint}")
    text = base_url.strip()
    if not text:
        raise ValueError(f"base_url is empty: it must look like {_LIKE}")
    found = _SCHEME.match(text)
    scheme = found[1].lower() if found else ""
    slashes = found[2] if found else ""
    is_login = len(slashes) < len("//") and "@" in text  # as in user:/password@host
    if found is None or is_login or not (slashes or scheme in _SCHEMES):  # as in localhost:8000
        address = without_secrets(text.lstrip("/")).strip("/")
        raise ValueError(f"base_url needs a scheme: http://{address} or https://{address}")
    if scheme not in _SCHEMES:
        hint = _ELSEWHERE.get(scheme, f"it must look like {_LIKE}")
        raise ValueError(f"base_url can't begin with {scheme}:{slashes}; {hint}")
    if len(slashes) != len("//"):
        raise ValueError(f"base_url needs two slashes behind {scheme}: it must look like {_LIKE}")
    if not url_parts(text).hostname:
        raise ValueError(f"base_url has no host: it must look like {_LIKE}")


def endpoint(base_url: str) -> Endpoint:
    """The two addresses of a base URL in any of the schemes, with or without trailing slashes.

    Raises ValueError if it is not an absolute http, https, ws or wss URL.
    """
    check_address(base_url)
    parts = url_parts(base_url)
    shown = without_secrets(base_url)
    if not _is_host_name(parts.hostname or ""):
        raise ValueError(f"base_url has a host that can't be looked up: {shown!r}")
    if _port(parts) == 0:
        raise ValueError(f"base_url has a port that nothing can listen on: {shown!r}")
    if parts.fragment:
        raise ValueError(f"base_url takes no fragment: {shown!r}")
    path = parts.path.rstrip("/")
    socket_scheme = _SCHEMES[parts.scheme]
    http_scheme = "https" if socket_scheme == "wss" else "http"
    socket_path = path if path.endswith("/ws") else f"{path}/ws"
    return Endpoint(
        http=urlunsplit((http_scheme, parts.netloc, socket_path.removesuffix("/ws"), "", "")),
        websocket=urlunsplit((socket_scheme, parts.netloc, socket_path, "", "")),
        query=quote(parts.query, safe=QUERY_SAFE),
    )


def _is_host_name(host: str) -> bool:
    try:
        host.encode("idna")
    except UnicodeError:  # an empty label, or one of more than 63 characters
        return False
    return True


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port
    except ValueError:  # its message has the text in place of a port, which may be a password
        return 0


def with_query(path: str, query: str) -> str:
    """A path, which may have a query of its own, with another one."""
    return f"{path}{'&' if '?' in path else '?'}{query}" if query else path
