"""Sockets of httpcore that end with the request's limit.

Its own limits are for each read and write, and a TLS handshake that is cancelled keeps its socket.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import httpcore

_WRITE_BYTES = 64 * 1024


class DeadlineBackend(httpcore.NetworkBackend):
    """Sync I/O that ends by one deadline: httpcore's own limits are for each read and write.

    Attributes:
        deadline: when the request in flight expires, as ``time.monotonic`` counts.
    """

    def __init__(self) -> None:
        self._sockets = httpcore.SyncBackend()
        self.deadline = 0.0

    def remaining(self, limit: float | None = None) -> float:
        """The seconds left, at most ``limit``. Raises TimeoutError if there are none."""
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if limit is None else min(left, limit)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of ``host`` that answers.

        httpcore would give each address the whole limit.
        """
        end = time.monotonic() + self.remaining(timeout)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _addresses(host, port):
            left = end - time.monotonic()
            if left <= 0:
                break
            try:
                stream = self._sockets.connect_tcp(
                    address, port, left, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _DeadlineStream(stream, self)
        raise failure


def _addresses(host: str, port: int) -> list[str]:
    try:
        found: list[Any] = socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM)
    except OSError as error:
        raise httpcore.ConnectError(str(error)) from error
    # What IPv6 adds to host and port is a flow and a scope, which link-local addresses need.
    places = ((str(host), more[1:]) for *_, (host, _, *more) in found)
    return [f"{host}%{scope[0]}" if scope and scope[0] else host for host, scope in places]


class _DeadlineStream(httpcore.NetworkStream):
    """A stream of ``DeadlineBackend``. It sends a small request at once, in one packet.

    httpcore writes headers and body apart, and a second packet costs both sides a system call.
    """

    def __init__(self, stream: httpcore.NetworkStream, backend: DeadlineBackend) -> None:
        self._stream = stream
        self._backend = backend
        self._unsent = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        if self._unsent:
            with suppress(httpcore.WriteError):  # the server may have answered before it hung up
                self._flush()
        return self._stream.read(max_bytes, self._backend.remaining())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        if len(self._unsent) + len(buffer) <= _WRITE_BYTES:
            self._unsent += buffer
        else:
            self._flush()
            self._send(buffer)

    def _flush(self) -> None:
        unsent, self._unsent = self._unsent, b""
        self._send(unsent)

    def _send(self, buffer: bytes) -> None:
        for start in range(0, len(buffer), _WRITE_BYTES):
            chunk = buffer[start : start + _WRITE_BYTES]
            self._stream.write(chunk, self._backend.remaining())

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        limit = self._backend.remaining(timeout)
        stream = self._stream.start_tls(ssl_context, server_hostname, limit)
        return _DeadlineStream(stream, self._backend)


class TlsBackend(httpcore.AsyncNetworkBackend):
    """Async I/O that closes the socket of a TLS handshake that is cancelled."""

    def __init__(self) -> None:
        backend: Any = httpcore.AnyIOBackend  # without anyio, a substitute that type checkers see
        self._network: httpcore.AsyncNetworkBackend = backend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect, as httpcore asks."""
        arguments = (host, port, timeout, local_address, socket_options)
        return _BeforeTls(await self._network.connect_tcp(*arguments))


class _BeforeTls(httpcore.AsyncNetworkStream):
    """A stream of ``TlsBackend``, until TLS begins."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        return await self._stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            await self.aclose()
            raise
