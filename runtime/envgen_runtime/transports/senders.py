"""What sends HTTP requests. The only module that knows httpx, and httpcore beneath it.

The sync client sends over ``plain``, and over httpx where there is a proxy or a client of the
user's own; the async one through httpcore, which is what httpx sends with, at half its cost.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterable, Iterable
from typing import Any, Protocol, cast

import httpcore
import httpx

from . import ConnectionOptions
from .calls import Answer, Broken, Call, Expired, Unreachable
from .plain import PlainSender
from .tcp import default_ssl_context, http_proxy_for

# As in ``plain``.
_KEEPALIVE_EXPIRY_S = 2.0


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
        if http_proxy_for(url) is None:
            return PlainSender(url, options)
        context = options.ssl_context or default_ssl_context()
        return _ClientSender(httpx.Client(verify=context), options, owned=True)
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


class _ClientSender:
    """Sends with a client of httpx: the user's own, whose settings stay as they are."""

    def __init__(
        self, client: httpx.Client, options: ConnectionOptions, *, owned: bool = False
    ) -> None:
        self._client = client
        self._options = options
        self._owned = owned

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
        pass  # httpx keeps its own connections

    def close(self) -> None:
        if self._owned:
            self._client.close()


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
