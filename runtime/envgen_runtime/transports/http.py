"""The HTTP transport, sync and async, on httpcore, which is what httpx sends with.

A connection of httpcore is driven directly: a client sends one request at a time, and a pool would
be a third of a request's cost.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

import httpcore

from ..errors import ConnectError, ConnectionLost, EnvError, MissingExtra
from ..wire import protocol
from ..wire.address import with_query
from ..wire.diagnosis import reason
from ..wire.http_exchange import HttpResponse, HttpSession, Pause
from ..wire.protocol import Request
from ..wire.redaction import split_credentials
from . import ConnectionOptions
from .http_deadline import DeadlineBackend, TlsBackend
from .http_messages import (
    BodyTooLarge,
    HttpRequest,
    ResponseBody,
    exchange,
    http_request,
)
from .httpx_client import httpx_errors, users_client
from .loops import LoopConnection
from .proxies import proxy_for_url, through_proxy
from .tcp import default_ssl_context

if TYPE_CHECKING:
    import httpx

KEEPALIVE_EXPIRY_S = 2.0
"""A connection that was idle for longer is replaced, in seconds. Servers close idle connections
after five seconds and more, and a step that meets such a close is lost."""

_Explain = Callable[[Exception], EnvError]


class _HttpTransport:
    """What the two transports share: requests and errors, without I/O."""

    session: HttpSession | None = None
    """The session, if the server has routes of its own; None for OpenEnv's."""

    def __init__(self, address: str, options: ConnectionOptions) -> None:
        self._address = address
        self._options = options
        parts = urlsplit(address)
        name = (parts.hostname or "").encode("idna")
        self._base_path = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~").encode()
        self._url = partial(httpcore.URL, scheme=parts.scheme.encode(), host=name, port=parts.port)
        host = b"[%b]" % name if b":" in name else name
        self._host = host if parts.port is None else b"%b:%d" % (host, parts.port)
        # A client of the user's has proxies of its own.
        self._via = through_proxy(address) if options.http_client is None else ""
        self._settings = {} if options.http_client else _connection_settings(address, options)

    def _core_request(self, request: HttpRequest) -> httpcore.Request:
        headers = [(b"host", self._host)]
        headers += [(name.encode(), value.encode()) for name, value in request.headers.items()]
        if request.body is not None:
            headers.append((b"content-length", b"%d" % len(request.body)))
        return httpcore.Request(
            request.method.encode(),
            self._url(target=self._base_path + self._path(request).encode()),
            headers=headers,
            content=request.body,
            extensions={"timeout": {"connect": self._connect_timeout(request)}},
        )

    def _httpx_arguments(self, request: HttpRequest) -> dict[str, Any]:
        limit = request.timeout_s
        return {
            "method": request.method,
            "url": self._address + self._path(request),
            "content": request.body,
            "headers": dict(request.headers),
            "timeout": (self._connect_timeout(request), limit, limit, limit),
        }

    def _path(self, request: HttpRequest) -> str:
        return with_query(request.path, self._options.query)

    def _connect_timeout(self, request: HttpRequest) -> float:
        return min(self._options.connect_timeout_s, request.timeout_s)

    def _passed(self, response: HttpResponse, request: Request) -> HttpResponse:
        """A response, if it is the server's and not the proxy's."""
        if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise ConnectError(
                f"{self._address} could not be reached for {request.operation}{self._via}: "
                "HTTP 407, it wants a user and a password",
                request_id=request.request_id,
                retryable=False,
            )
        return response

    def _asked(self, path: str, request: Request, body: bytes | None) -> HttpRequest:
        call = protocol.HttpCall("GET" if body is None else "POST", path, body)
        return http_request(call, request, self._options)

    def _ask_error(self, error: Exception) -> ConnectError:
        why = "no answer in time" if isinstance(error, TIMED_OUT) else reason(error)
        return ConnectError(f"{self._address} could not be reached{self._via}: {why}")

    def _exchange_error(self, request: Request, error: Exception) -> EnvError:
        if isinstance(error, _UNREACHABLE):
            return ConnectError(
                f"{self._address} could not be reached for {request.operation}{self._via}: "
                f"{reason(error)}",
                request_id=request.request_id,
            )
        if isinstance(error, TIMED_OUT):
            return protocol.timed_out(request)
        return ConnectionLost(
            f"the connection to {self._address} ended during {request.operation}{self._via}: "
            f"{reason(error)}",
            maybe_applied=request.operation == "step",
            request_id=request.request_id,
        )


class HttpTransport(_HttpTransport):
    """A conversation over HTTP, on one connection that is kept alive.

    Args:
        address: the server's base URL.
        options: connection options.

    Raises:
        TypeError: the options have an ``httpx.AsyncClient``.
    """

    def __init__(self, address: str, options: ConnectionOptions) -> None:
        super().__init__(address, options)
        self._client: httpx.Client | None = users_client(options, "Client")
        self._network = DeadlineBackend()
        self._connection: httpcore.ConnectionInterface | None = None
        self._lock = threading.Lock()  # held while a request is in flight
        self._is_closed = False

    def ask(self, path: str, request: Request, body: bytes | None = None) -> HttpResponse:
        """Ask a route below the base URL; a response of any status is returned.

        Args:
            path: the path.
            request: gives the headers and the time limit.
            body: JSON that is sent by POST; without it, GET is sent.

        Raises:
            ConnectError: the server could not be reached, or not in time.
        """
        return self._send(self._asked(path, request, body), self._ask_error)

    def exchange(self, request: Request) -> dict[str, Any]:
        """Send ``request`` and return the payload of its reply."""
        explain = partial(self._exchange_error, request)
        calls = exchange(request, self.session)
        try:
            call = next(calls)
            while True:
                if isinstance(call, Pause):
                    time.sleep(call.delay_s)
                    call = next(calls)
                    continue
                try:
                    sent = http_request(call, request, self._options)
                    response = self._passed(self._send(sent, explain), request)
                except EnvError as error:
                    call = calls.throw(error)
                else:
                    call = calls.send(response)
        except StopIteration as end:
            payload: dict[str, Any] = end.value
            return payload

    def close(self) -> None:
        """Close the connection, or have the request in flight close it when it ends."""
        self._is_closed = True
        if self._lock.acquire(blocking=False):
            try:
                self._disconnect()
            finally:
                self._lock.release()

    abort = abandon = close

    def after_fork(self) -> None:
        """Close the descriptor."""
        self._disconnect()

    def _send(self, request: HttpRequest, explain: _Explain) -> HttpResponse:
        try:
            with self._lock:
                if self._client is not None:
                    return self._send_with(self._client, request)
                return self._send_directly(request)
        except _ERRORS as error:
            raise explain(error) from error
        finally:
            if self._is_closed:
                self.close()

    def _send_directly(self, request: HttpRequest) -> HttpResponse:
        self._network.deadline = time.monotonic() + request.timeout_s
        core_request = self._core_request(request)
        connection = self._connection
        if connection is None or not _is_reusable(connection):
            self._disconnect()
            pool = httpcore.ConnectionPool(**self._settings, network_backend=self._network)
            connection = self._connection = pool.create_connection(core_request.url.origin)
        arriving = connection.handle_request(core_request)
        try:
            body = ResponseBody(self._options.max_message_bytes)
            for chunk in arriving.iter_stream():
                body.add(chunk)
        finally:
            arriving.close()
        response = body.response(arriving.status, arriving.headers)
        if response.precedes_hang_up:
            self._disconnect()
        return response

    def _send_with(self, client: httpx.Client, request: HttpRequest) -> HttpResponse:
        deadline = time.monotonic() + request.timeout_s
        with httpx_errors(), client.stream(**self._httpx_arguments(request)) as arriving:
            body = ResponseBody(self._options.max_message_bytes)
            for chunk in arriving.iter_bytes():
                body.add(chunk)
                if time.monotonic() > deadline:
                    raise TimeoutError
        return body.response(arriving.status_code, arriving.headers.raw)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


class AsyncHttpTransport(_HttpTransport):
    """``HttpTransport`` for asyncio.

    Raises:
        TypeError: the options have an ``httpx.Client``.
    """

    def __init__(self, address: str, options: ConnectionOptions) -> None:
        super().__init__(address, options)
        self._client: httpx.AsyncClient | None = users_client(options, "AsyncClient")
        self._open: LoopConnection[httpcore.AsyncConnectionInterface] | None = None

    async def ask(self, path: str, request: Request, body: bytes | None = None) -> HttpResponse:
        """As ``HttpTransport.ask``."""
        return await self._send(self._asked(path, request, body), self._ask_error)

    async def exchange(self, request: Request) -> dict[str, Any]:
        """Send ``request`` and return the payload of its reply."""
        explain = partial(self._exchange_error, request)
        calls = exchange(request, self.session)
        try:
            call = next(calls)
            while True:
                if isinstance(call, Pause):
                    await asyncio.sleep(call.delay_s)
                    call = next(calls)
                    continue
                try:
                    sent = http_request(call, request, self._options)
                    response = self._passed(await self._send(sent, explain), request)
                except EnvError as error:
                    call = calls.throw(error)
                else:
                    call = calls.send(response)
        except StopIteration as end:
            payload: dict[str, Any] = end.value
            return payload

    async def close(self) -> None:
        """Close the connection."""
        opened, self._open = self._open, None
        if opened is not None:
            await opened.close()

    def abort(self) -> None:
        """Close the connection, in the loop that it belongs to."""
        opened, self._open = self._open, None
        if opened is not None:
            opened.abort()

    def after_fork(self) -> None:
        """Close the descriptor."""
        if self._open is not None:
            self._open.after_fork()

    async def _send(self, request: HttpRequest, explain: _Explain) -> HttpResponse:
        try:
            async with asyncio.timeout(request.timeout_s):
                if self._client is not None:
                    return await self._send_with(self._client, request)
                return await self._send_directly(request)
        except _ERRORS as error:
            raise explain(error) from error

    async def _send_directly(self, request: HttpRequest) -> HttpResponse:
        core_request = self._core_request(request)
        opened = self._open
        if opened is None or not opened.is_here or not _is_reusable(opened.connection):
            await self.close()
            network = TlsBackend() if self._address.startswith("https:") else None
            pool = httpcore.AsyncConnectionPool(**self._settings, network_backend=network)
            opened = LoopConnection(pool.create_connection(core_request.url.origin))
            await opened.watch()
            self._open = opened
        arriving = await opened.connection.handle_async_request(core_request)
        try:
            if opened.socket is None:
                extensions: dict[str, Any] = cast("Any", arriving).extensions
                opened.socket = extensions["network_stream"].get_extra_info("socket")
            body = ResponseBody(self._options.max_message_bytes)
            async for chunk in arriving.aiter_stream():
                body.add(chunk)
        finally:
            await arriving.aclose()
        response = body.response(arriving.status, arriving.headers)
        if response.precedes_hang_up:
            await self.close()
        return response

    async def _send_with(self, client: httpx.AsyncClient, request: HttpRequest) -> HttpResponse:
        with httpx_errors():
            async with client.stream(**self._httpx_arguments(request)) as arriving:
                body = ResponseBody(self._options.max_message_bytes)
                async for chunk in arriving.aiter_bytes():
                    body.add(chunk)
        return body.response(arriving.status_code, arriving.headers.raw)


# --- options ------------------------------------------------------------------------------------


def _connection_settings(address: str, options: ConnectionOptions) -> dict[str, Any]:
    """The arguments of httpcore's pools, which know how to connect through a proxy."""
    proxy = None
    if (named := proxy_for_url(address)) is not None:
        if named.is_socks and find_spec("socksio") is None:
            raise MissingExtra(f"SOCKS, for {named},", extra="socks")
        bare, _ = split_credentials(named.url)
        context = default_ssl_context() if bare.startswith("https:") else None
        proxy = httpcore.Proxy(bare, auth=named.credentials, ssl_context=context)
    context = options.ssl_context
    if context is None and address.startswith("https:"):
        context = default_ssl_context()
    return {"ssl_context": context, "proxy": proxy, "keepalive_expiry": KEEPALIVE_EXPIRY_S}


def _is_reusable(connection: Any) -> bool:
    """Whether the next response on this connection can only be that of the next request."""
    is_idle = connection.is_idle() and not connection.has_expired()
    while hasattr(connection, "_connection"):
        connection = connection._connection  # noqa: SLF001
    # What came behind the last response is in the parser, where httpcore doesn't look.
    return is_idle and not connection._h11_state.trailing_data[0]  # noqa: SLF001


# --- errors -------------------------------------------------------------------------------------

_UNREACHABLE = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError)
TIMED_OUT = (httpcore.TimeoutException, TimeoutError)
_FAILURES = (httpcore.NetworkError, httpcore.ProtocolError, BodyTooLarge)
_ERRORS = (*_UNREACHABLE, *TIMED_OUT, *_FAILURES)
