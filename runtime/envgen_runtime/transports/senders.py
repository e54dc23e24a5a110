"""HTTP requests and what answers them. The only module that knows httpx, and httpcore beneath it.

A client that was given no ``httpx.Client`` sends through httpcore, which is what httpx sends with:
that halves the cost of a step, and there a request can have a time limit as a whole. httpx's are
for each read, so that a server which trickles its answer is never too late.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterable, Iterable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol, cast

import httpcore
import httpx

from . import ConnectionOptions
from .sockets import default_ssl_context, http_proxy_for

# Servers drop idle connections after five seconds and more. A step that meets such an end halfway
# is lost, so connections are given up well before.
_KEEPALIVE_EXPIRY_S = 2.0


class Unreachable(Exception):
    """No connection could be opened: nothing was sent."""


class Expired(Exception):
    """The time limit ran out."""


class Broken(Exception):
    """The connection ended, or what came over it was not HTTP or too large."""


class Answer(NamedTuple):
    """An HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Call(NamedTuple):
    """An HTTP request; ``timeout_s`` is for all of it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float


class Sender(Protocol):
    """Sends requests, one at a time."""

    def send(self, call: Call) -> Answer:
        """The answer. Raises ``Unreachable``, ``Expired`` and ``Broken``, and nothing else."""
        ...

    def renew(self) -> None:
        """Give up the open connection: the server is about to."""
        ...

    def close(self) -> None:
        """Give up everything that this sender opened."""
        ...


class AsyncSender(Protocol):
    """As ``Sender``, awaited."""

    async def send(self, call: Call) -> Answer:
        """As ``Sender.send``."""
        ...

    async def renew(self) -> None:
        """As ``Sender.renew``."""
        ...

    async def close(self) -> None:
        """As ``Sender.close``."""
        ...


def sender(url: str, options: ConnectionOptions) -> Sender:
    """What sends to ``url``.

    Raises:
        TypeError: the options have an ``httpx.AsyncClient``.
    """
    if options.http_client is None:
        return _PoolSender(url, options)
    if not isinstance(options.http_client, httpx.Client):
        raise TypeError("a sync client takes an httpx.Client as its http_client")
    return _ClientSender(options.http_client, options)


def async_sender(url: str, options: ConnectionOptions) -> AsyncSender:
    """What sends to ``url``, for asyncio.

    Raises:
        TypeError: the options have an ``httpx.Client``.
    """
    if options.http_client is None:
        return _AsyncPoolSender(url, options)
    if not isinstance(options.http_client, httpx.AsyncClient):
        raise TypeError("an async client takes an httpx.AsyncClient as its http_client")
    return _AsyncClientSender(options.http_client, options)


# --- what the four share ------------------------------------------------------------------------


class _Size:
    """Counts what arrives, and stops at what is allowed."""

    def __init__(self, allowed: int) -> None:
        self._left = allowed

    def add(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0:
            raise Broken("the answer is larger than allowed; raise max_message_bytes")
        return chunk


def _request(call: Call, connect_s: float) -> httpcore.Request:
    length = [(b"content-length", str(len(call.body)).encode())] if call.body is not None else []
    url = httpcore.URL(call.url)
    return httpcore.Request(
        call.method,
        url,
        headers=[
            (b"host", _host(url)),
            *((name.encode(), value.encode()) for name, value in call.headers.items()),
            *length,
        ],
        content=call.body,
        extensions={"timeout": {"connect": min(connect_s, call.timeout_s)}},
    )


def _host(url: httpcore.URL) -> bytes:
    host = b"[" + url.host + b"]" if b":" in url.host else url.host
    return host if url.port is None else host + b":" + str(url.port).encode()


def _answer(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Answer:
    return Answer(
        status, {name.lower().decode(): value.decode("latin-1") for name, value in headers}, body
    )


_UNREACHABLE = (
    httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError,
    httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError,
)  # fmt: skip
_EXPIRED = (httpcore.TimeoutException, httpx.TimeoutException)
_BROKEN = (
    httpcore.NetworkError, httpcore.ProtocolError, httpx.TransportError, httpx.DecodingError,
    httpx.InvalidURL, httpcore.UnsupportedProtocol,
)  # fmt: skip


class _translated:  # noqa: N801 - a context manager, used like a function
    """Turns the libraries' errors into the three of this module."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, _UNREACHABLE):
            raise Unreachable(str(error) or type(error).__name__) from error
        if isinstance(error, (*_EXPIRED, TimeoutError, Expired)):
            raise Expired from error
        if isinstance(error, _BROKEN):
            raise Broken(str(error) or type(error).__name__) from error


def _pool_settings(url: str, options: ConnectionOptions) -> dict[str, Any]:
    secure = url.startswith("https:")
    proxy = http_proxy_for(url)
    context: ssl.SSLContext | None = options.ssl_context
    if context is None and (secure or (proxy is not None and proxy.startswith("https:"))):
        context = default_ssl_context()
    return {
        "ssl_context": context,
        "proxy": httpcore.Proxy(proxy) if proxy is not None else None,
        "max_connections": 1,
        "keepalive_expiry": _KEEPALIVE_EXPIRY_S,
    }


# --- sync ---------------------------------------------------------------------------------------


class _PoolSender:
    def __init__(self, url: str, options: ConnectionOptions) -> None:
        self._settings = _pool_settings(url, options)
        self._connect_s = options.connect_timeout_s
        self._limits = _Limits(self._connect_s)
        self._allowed = options.max_message_bytes
        self._pool = self._new_pool()

    def _new_pool(self) -> httpcore.ConnectionPool:
        return httpcore.ConnectionPool(
            **self._settings, network_backend=_LimitedBackend(self._limits)
        )

    def send(self, call: Call) -> Answer:
        self._limits.start(call.timeout_s)
        size = _Size(self._allowed)
        with _translated():
            response = self._pool.handle_request(_request(call, self._connect_s))
            try:
                chunks = cast("Iterable[bytes]", response.stream)
                body = b"".join(map(size.add, chunks))
            finally:
                response.close()
        return _answer(response.status, response.headers, body)

    def renew(self) -> None:
        self._pool.close()
        self._pool = self._new_pool()

    def close(self) -> None:
        self._pool.close()


class _Limits:
    """When the request that is under way has to be over."""

    def __init__(self, connect_s: float) -> None:
        self._connect_s = connect_s
        self._deadline = 0.0

    def start(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left

    def connect(self) -> float:
        return min(self._connect_s, self.left())


class _LimitedBackend(httpcore.NetworkBackend):
    """Gives every operation on the network what is left of the request's time, and no more."""

    def __init__(self, limits: _Limits) -> None:
        self._limits = limits
        self._backend = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - ours instead
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._backend.connect_tcp(
            host, port, self._limits.connect(), local_address, socket_options
        )
        return _LimitedStream(stream, self._limits)


class _LimitedStream(httpcore.NetworkStream):
    """Also sends a request in one piece: httpcore writes its head and its body by themselves."""

    def __init__(self, stream: httpcore.NetworkStream, limits: _Limits) -> None:
        self._stream = stream
        self._limits = limits
        self._unsent: list[bytes] = []

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        with suppress(httpcore.WriteError):  # the server may have answered before it hung up
            self._flush()
        return self._stream.read(max_bytes, self._limits.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._unsent.append(buffer)

    def _flush(self) -> None:
        if self._unsent:
            whole, self._unsent = b"".join(self._unsent), []
            self._stream.write(whole, self._limits.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        self._flush()
        stream = self._stream.start_tls(ssl_context, server_hostname, self._limits.connect())
        return _LimitedStream(stream, self._limits)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _ClientSender:
    """Sends with the user's own client, whose settings stay as they are."""

    def __init__(self, client: httpx.Client, options: ConnectionOptions) -> None:
        self._client = client
        self._options = options

    def send(self, call: Call) -> Answer:
        deadline = time.monotonic() + call.timeout_s
        size = _Size(self._options.max_message_bytes)
        with (
            _translated(),
            self._client.stream(
                call.method,
                call.url,
                content=call.body,
                headers=dict(call.headers),
                timeout=_timeout(call, self._options),
            ) as response,
        ):
            chunks: list[bytes] = []
            for chunk in response.iter_bytes():
                chunks.append(size.add(chunk))
                if time.monotonic() > deadline:
                    raise Expired
        return Answer(response.status_code, response.headers, b"".join(chunks))

    def renew(self) -> None:
        pass  # the user's client keeps its own connections

    def close(self) -> None:
        pass


def _timeout(call: Call, options: ConnectionOptions) -> httpx.Timeout:
    return httpx.Timeout(call.timeout_s, connect=min(call.timeout_s, options.connect_timeout_s))


# --- async --------------------------------------------------------------------------------------


class _AsyncPoolSender:
    def __init__(self, url: str, options: ConnectionOptions) -> None:
        self._settings = _pool_settings(url, options)
        self._connect_s = options.connect_timeout_s
        self._allowed = options.max_message_bytes
        self._pool = httpcore.AsyncConnectionPool(**self._settings)

    async def send(self, call: Call) -> Answer:
        size = _Size(self._allowed)
        request = _request(call, self._connect_s)
        with _translated():
            async with asyncio.timeout(call.timeout_s):
                response = await self._pool.handle_async_request(request)
                try:
                    stream = cast("AsyncIterable[bytes]", response.stream)
                    chunks = [size.add(chunk) async for chunk in stream]
                finally:
                    await response.aclose()
        return _answer(response.status, response.headers, b"".join(chunks))

    async def renew(self) -> None:
        await self._pool.aclose()
        self._pool = httpcore.AsyncConnectionPool(**self._settings)

    async def close(self) -> None:
        await self._pool.aclose()


class _AsyncClientSender:
    def __init__(self, client: httpx.AsyncClient, options: ConnectionOptions) -> None:
        self._client = client
        self._options = options

    async def send(self, call: Call) -> Answer:
        size = _Size(self._options.max_message_bytes)
        with _translated():
            async with (
                asyncio.timeout(call.timeout_s),
                self._client.stream(
                    call.method,
                    call.url,
                    content=call.body,
                    headers=dict(call.headers),
                    timeout=_timeout(call, self._options),
                ) as response,
            ):
                chunks = [size.add(chunk) async for chunk in response.aiter_bytes()]
        return Answer(response.status_code, response.headers, b"".join(chunks))

    async def renew(self) -> None:
        pass  # as _ClientSender

    async def close(self) -> None:
        pass
