"""Opens TCP connections, through a proxy if there is one."""

from __future__ import annotations

import http.client
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Literal
from urllib.parse import urlsplit

from ..errors import ConnectError
from ..wire.diagnosis import reason
from ..wire.redaction import split_credentials
from .proxies import Proxy, proxy_for


@cache
def default_ssl_context() -> ssl.SSLContext:
    """The system's trust store, loaded once: loading takes tens of milliseconds."""
    return ssl.create_default_context()


def tunnel(proxy: Proxy, host: str, port: int, *, deadline: float) -> socket.socket:
    """A connection to ``host`` through an HTTP proxy.

    Raises:
        ConnectError: the proxy is not an HTTP proxy, can't be reached, or refuses.
        TimeoutError: there was no answer in time.
    """
    parts = urlsplit(proxy.url)
    if proxy.is_socks:
        raise ConnectError(
            f"{proxy} speaks SOCKS, which can't carry a WebSocket here: name an http:// proxy in "
            f"{proxy.variable}, or exempt the server with NO_PROXY",
            retryable=False,
        )
    secure_proxy = parts.scheme == "https"
    connection_class = http.client.HTTPSConnection if secure_proxy else http.client.HTTPConnection
    connection = connection_class(parts.hostname or "", parts.port, timeout=_left(deadline))
    _, authorization = split_credentials(proxy.url)
    headers = {"Proxy-Authorization": authorization} if authorization else {}
    connection.set_tunnel(host, port, headers)
    try:
        connection.connect()
    except (OSError, http.client.HTTPException) as error:
        was_reached = connection.sock is not None
        connection.close()
        if isinstance(error, TimeoutError):
            raise
        failed = "did not open a tunnel" if was_reached else "can't be reached"
        raise ConnectError(f"{proxy} {failed}: {reason(error).strip()}") from error
    opened = connection.sock
    connection.sock = None  # else the connection object would close the socket
    return opened


def open_socket(host: str, port: int, *, secure: bool, deadline: float) -> socket.socket:
    """Open a TCP connection to a server. TLS is left to the caller.

    Args:
        host: the server's name or address.
        port: its port.
        secure: whether TLS will follow, which decides the proxy.
        deadline: when to give up, as ``time.monotonic`` counts. The system's resolver doesn't know
            it.

    Raises:
        ConnectError: a proxy refuses.
        OSError: the server or the proxy can't be reached, or not in time.
    """
    proxy = proxy_for(host, port, secure=secure)
    if proxy is not None:
        opened = tunnel(proxy, host, port, deadline=deadline)
    else:
        opened = _connect(host, port, deadline)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def _connect(host: str, port: int, deadline: float) -> socket.socket:
    """Connect to the first address of ``host`` that answers.

    ``socket.create_connection`` would give each address the whole limit, and names have two where
    there is IPv6.
    """
    failure: OSError = OSError(f"{host} has no address")
    for family, kind, number, _, address in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
        limit_s = _left(deadline)
        try:
            opened = socket.socket(family, kind, number)
        except OSError as error:  # a family that this machine doesn't have
            failure = error
            continue
        try:
            opened.settimeout(limit_s)
            opened.connect(address)
        except BaseException as error:
            opened.close()
            if not isinstance(error, OSError):
                raise
            failure = error
        else:
            return opened
    raise failure


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def hang_up(opened: socket.socket | None) -> None:
    """End the connection of an asyncio transport's socket at once, from any thread.

    An aborted transport over TLS has none any more.
    """
    if opened is None:
        return
    with suppress(OSError):  # it is closed already
        try:
            opened.shutdown(socket.SHUT_RDWR)
        except TypeError:  # uvloop's sockets can't
            with socket.socket(fileno=os.dup(opened.fileno())) as own:
                own.shutdown(socket.SHUT_RDWR)


def close_inherited(opened: socket.socket | None) -> None:
    """Close the descriptor of an asyncio transport's socket, in a forked child.

    The transport can't be asked to: its loop shares its selector with the parent's. It will close
    the same number once more, which is therefore not set free but taken by the null device.
    """
    if opened is None:
        return
    with suppress(OSError):
        close_inherited_number(opened.fileno())


def close_inherited_number(number: int) -> None:
    """Close a descriptor by its number, as ``close_inherited``."""
    null = os.open(os.devnull, os.O_RDWR)
    with suppress(OSError):
        os.dup2(null, number, inheritable=False)
    os.close(null)


def readiness(
    opened: socket.socket, *, to: Literal["read", "write"] = "read"
) -> Callable[..., bool]:
    """A function that tells whether a socket has something to read, or room for what is written.

    It waits for that, if it is given a number of seconds. The end of the stream can be read.
    """
    number = opened.fileno()
    if not hasattr(select, "poll"):

        def select_one(within_s: float = 0.0) -> bool:
            read, write = ([number], []) if to == "read" else ([], [number])
            return any(map(bool, select.select(read, write, [], within_s)))

        return select_one
    poll = select.poll()
    poll.register(number, select.POLLIN if to == "read" else select.POLLOUT)

    def poll_one(within_s: float = 0.0) -> bool:
        return bool(poll.poll(within_s * 1e3))

    return poll_one
