"""The addresses of a server: for its HTTP routes, and for its WebSocket."""

from __future__ import annotations

from dataclasses import dataclass, field
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


def endpoint(base_url: str) -> Endpoint:
    """The two addresses of a base URL in any of the schemes, with or without trailing slashes.

    Raises ValueError if it is not an absolute http, https, ws or wss URL.
    """
    parts = url_parts(base_url)
    has_scheme = "://" in base_url
    shown = without_secrets(base_url)
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if not has_scheme and (address := shown.strip("/")):
        raise ValueError(f"base_url needs a scheme: http://{address} or https://{address}")
    if parts.scheme not in schemes or not parts.hostname:
        raise ValueError(
            f"base_url must look like http://host:port or ws://host:port, not {shown!r}"
        )
    if not _is_host_name(parts.hostname):
        raise ValueError(f"base_url has a host that can't be looked up: {shown!r}")
    if _port(parts) == 0:
        raise ValueError(f"base_url has a port that nothing can listen on: {shown!r}")
    if parts.fragment:
        raise ValueError(f"base_url takes no fragment: {shown!r}")
    path = parts.path.rstrip("/")
    socket_scheme = schemes[parts.scheme]
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
