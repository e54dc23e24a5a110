"""HTTP/1.1 over one connection of the standard library's: the quick way for the sync client.

A step over ``http.client`` costs half of one over httpx's own transport. What it lacks is added
here: a limit for a request as a whole, and the request in one piece.
"""

from __future__ import annotations

import http.client
import io
import select
import socket
import ssl
import time
from typing import Any, cast
from urllib.parse import urlsplit

from . import ConnectionOptions
from .calls import Answer, Broken, Call, Expired, Unreachable
from .tcp import default_ssl_context

# Servers drop idle connections after five seconds and more. A step that meets such an end halfway
# is lost, so connections are given up well before.
_KEEPALIVE_EXPIRY_S = 2.0


class PlainSender:
    """Sends requests to one server, over a connection that is kept while it is young."""

    def __init__(self, url: str, options: ConnectionOptions) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._options = options
        self._connection: http.client.HTTPConnection | None = None
        self._used = 0.0

    def send(self, call: Call) -> Answer:
        """The answer. Raises ``Unreachable``, ``Expired`` and ``Broken``, and nothing else."""
        deadline = time.monotonic() + call.timeout_s
        connection = self._open(deadline)
        opened = cast("_LimitedSocket", connection.sock)
        opened.deadline = deadline
        target = urlsplit(call.url)
        try:
            connection.request(call.method, target.path or "/", call.body, dict(call.headers))
            with connection.getresponse() as response:
                body = response.read(self._options.max_message_bytes + 1)
                headers = {name.lower(): value for name, value in response.getheaders()}
                answer = Answer(response.status, headers, body)
                lasts = not response.will_close
                missing = response.length  # read(n) doesn't say that the body ended early
        except BaseException as error:
            self.renew()
            if isinstance(error, TimeoutError):
                raise Expired from error
            if isinstance(error, OSError | http.client.HTTPException):
                raise Broken(str(error) or type(error).__name__) from error
            raise
        self._used = time.monotonic()
        if not lasts:
            self.renew()
        if len(body) > self._options.max_message_bytes:
            self.renew()
            raise Broken("the answer is larger than allowed; raise max_message_bytes")
        if missing:
            self.renew()
            raise Broken(f"the answer ended {missing} bytes early")
        return answer

    def _open(self, deadline: float) -> http.client.HTTPConnection:
        if self._connection is not None:
            opened = cast("_LimitedSocket", self._connection.sock)
            if time.monotonic() - self._used < _KEEPALIVE_EXPIRY_S and not opened.has_ended():
                return self._connection
            self.renew()
        connection = http.client.HTTPConnection(self._host, self._port)
        limit = min(self._options.connect_timeout_s, deadline - time.monotonic())
        try:
            plain = socket.create_connection((self._host, self._port), timeout=limit)
        except OSError as error:
            raise Unreachable(str(error) or type(error).__name__) from error
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._secure:
                context = self._options.ssl_context or default_ssl_context()
                plain = context.wrap_socket(plain, server_hostname=self._host)
        except OSError as error:
            plain.close()
            raise Unreachable(str(error) or type(error).__name__) from error
        connection.sock = cast("socket.socket", _LimitedSocket(plain))
        self._connection = connection
        return connection

    def renew(self) -> None:
        """Give up the open connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    close = renew


class _LimitedSocket:
    """What ``http.client`` wants of a socket, with a deadline over all that it does."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self._unsent: list[bytes] = []
        self._is_read = False
        self._is_over = False
        self.deadline = 0.0

    def sendall(self, data: bytes) -> None:
        self._unsent.append(data)  # the head; the body follows

    def makefile(self, _mode: str, *_others: Any) -> io.BufferedReader:
        whole, self._unsent = b"".join(self._unsent), []
        self._limit()
        self._socket.sendall(whole)
        self._is_read = True
        return io.BufferedReader(_Reading(self))

    def read_into(self, buffer: Any) -> int:
        self._limit()
        return self._socket.recv_into(buffer)

    def _limit(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)

    def has_ended(self) -> bool:
        """Whether there is something to read: between two requests, that can only be the end."""
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            return True
        if not hasattr(select, "poll"):
            return bool(select.select([self._socket], [], [], 0)[0])
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close, or do it once the response has been read: http.client closes early."""
        self._is_over = True
        if not self._is_read:
            self._socket.close()

    def end_reading(self) -> None:
        self._is_read = False
        if self._is_over:
            self._socket.close()


class _Reading(io.RawIOBase):
    def __init__(self, opened: _LimitedSocket) -> None:
        self._opened = opened

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._opened.read_into(buffer)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._opened.end_reading()
