"""Opening a TCP connection, through the proxy that the environment names if there is one."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import urllib.request
from base64 import b64encode
from collections.abc import Callable
from functools import cache
from urllib.parse import unquote, urlsplit

from ..errors import ConnectError


@cache
def default_ssl_context() -> ssl.SSLContext:
    """The system's trust store, loaded once: that takes tens of milliseconds."""
    return ssl.create_default_context()


def proxy_for(host: str, port: int, *, secure: bool) -> str | None:
    """The URL of the proxy for a WebSocket to ``host``, from the usual environment variables."""
    if urllib.request.proxy_bypass(f"{host}:{port}"):
        return None
    proxies = urllib.request.getproxies()
    names = ("wss", "socks", "https") if secure else ("ws", "socks", "https", "http")
    return next((proxies[name] for name in names if name in proxies), None)


def http_proxy_for(url: str) -> str | None:
    """The URL of the proxy for an HTTP request to ``url``, from the same variables."""
    parts = urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


def tunnel(proxy: str, host: str, port: int, *, timeout_s: float) -> socket.socket:
    """A connection to ``host`` through an HTTP proxy.

    Raises:
        ConnectError: the proxy is of another kind, or refuses.
        OSError: it can't be reached.
    """
    parts = urlsplit(proxy)
    shown = f"{parts.scheme}://{parts.hostname}:{parts.port or ''}".rstrip(":")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConnectError(
            f"the proxy {shown} can't carry a WebSocket: only http and https proxies are spoken; "
            "name another in HTTPS_PROXY, or exempt the server with NO_PROXY",
            retryable=False,
        )
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=timeout_s)
    headers: dict[str, str] = {}
    if parts.username is not None:
        words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = f"Basic {b64encode(words.encode()).decode()}"
    connection.set_tunnel(host, port, headers)
    try:
        connection.connect()
    except http.client.HTTPException as error:
        raise ConnectError(f"the proxy {shown} did not open a tunnel: {error}") from error
    opened = connection.sock
    connection.sock = None  # the connection object mustn't close what it gives away
    return opened


def open_socket(host: str, port: int, *, secure: bool, timeout_s: float) -> socket.socket:
    """A TCP connection to a server, ready for TLS where that is wanted.

    Raises:
        ConnectError: a proxy refuses.
        OSError: nobody can be reached.
    """
    proxy = proxy_for(host, port, secure=secure)
    if proxy is not None:
        opened = tunnel(proxy, host, port, timeout_s=timeout_s)
    else:
        opened = socket.create_connection((host, port), timeout=timeout_s)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def unread_check(opened: socket.socket) -> Callable[[], bool]:
    """A function that tells whether a socket has something to read, be it the end of the stream."""
    number = opened.fileno()
    if not hasattr(select, "poll"):
        return lambda: bool(select.select([number], [], [], 0)[0])
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return lambda: bool(poll.poll(0))
