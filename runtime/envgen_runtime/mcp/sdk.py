"""The official MCP SDK as this package uses it: its transports, and the messages they carry.

The only module that knows the SDK. Versions 1 and 2 differ in where the messages' classes are, in
their HTTP library, and in who tells the server the version of the protocol.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from importlib import import_module
from inspect import signature
from typing import Any, TextIO

from ..errors import MissingExtra, ProtocolError
from ..json_value import JsonValue
from ..providers.process.processes import server_environment
from ..transports.proxies import proxy_for_url
from ..transports.tcp import default_ssl_context
from .servers import HttpServer, StdioServer

PROTOCOL_VERSION = "2025-11-25"
"""The newest version of the protocol that this client speaks."""

SPOKEN_VERSIONS = frozenset({"2024-11-05", "2025-03-26", "2025-06-18", PROTOCOL_VERSION})

Transport = AbstractAsyncContextManager[Any]
"""Opens to a stream of what the server sends, one for what it is sent, and maybe more."""

OnResponse = Callable[[Any], Awaitable[None]]
"""Called with each HTTP response before its body is read."""


class Sdk:
    """The parts of an installed SDK.

    Attributes:
        anyio: the library that its streams are made with.
    """

    def __init__(self) -> None:
        self.anyio: Any = import_module("anyio")
        self._stdio: Any = import_module("mcp.client.stdio")
        self._connect: Any = import_module("mcp.client.streamable_http").streamable_http_client
        self._message: Any = import_module("mcp.shared.message")
        try:
            self._types: Any = import_module("mcp_types")
            self._http: Any = import_module("httpx2")
            self._is_first = False
        except ModuleNotFoundError:
            self._types = import_module("mcp.types")
            self._http = import_module("httpx")
            self._is_first = True

    def stdio(self, server: StdioServer, stderr: TextIO) -> Transport:
        """A transport that starts a server, and ends it when it is left."""
        parameters = self._stdio.StdioServerParameters(
            command=server.command[0],
            args=list(server.command[1:]),
            env=server_environment(server.env),
            cwd=server.cwd,
            encoding_error_handler="replace",  # the server may print anything
        )
        transport: Transport = self._stdio.stdio_client(parameters, errlog=stderr)
        return transport

    def http_client(self, server: HttpServer, on_response: OnResponse) -> Any:
        """An HTTP client for a server: each request has its caller's time limit, not the client's.

        Raises:
            MissingExtra: the proxy needs a library.
            ConnectError: the proxy's variable can't be used.
        """
        proxy = proxy_for_url(server.url)
        try:
            return self._http.AsyncClient(
                headers={**server.headers, "accept-encoding": "identity"},
                timeout=None,
                limits=self._http.Limits(max_connections=None, max_keepalive_connections=20),
                proxy=None if proxy is None else proxy.url,
                trust_env=False,  # the proxies are ours to find, and there is no other setting
                verify=default_ssl_context(),
                follow_redirects=True,  # on_response refuses those to another host
                event_hooks={"response": [on_response]},
            )
        except ImportError as error:
            raise MissingExtra(f"{proxy}, which speaks SOCKS,", extra="socks") from error

    def http(self, server: HttpServer, client: Any, max_bytes: int) -> Transport:
        """A transport over streamable HTTP."""
        limits: dict[str, Any] = {}
        if "max_sse_event_size" in signature(self._connect).parameters:
            limits["max_sse_event_size"] = max_bytes
        transport: Transport = self._connect(server.url, http_client=client, **limits)
        return transport

    def watched(self, stream: Any, max_bytes: int, on_end: Callable[[bool], None]) -> Any:
        """A response's stream of bytes that is watched.

        Args:
            stream: the stream.
            max_bytes: where it is longer, it raises ``ProtocolError``.
            on_end: called when it has ended or broken off, with whether it was one of events that
                the server can resume.
        """

        class Watched(self._http.AsyncByteStream):  # type: ignore[name-defined, misc]
            async def __aiter__(self) -> AsyncGenerator[bytes]:
                left, last, can_resume = max_bytes, b"\n", False
                try:
                    async for chunk in stream:
                        left -= len(chunk)
                        if left < 0:
                            raise ProtocolError(f"a reply is larger than {max_bytes} bytes")
                        can_resume |= b"\nid:" in last + chunk
                        last = chunk[-3:]
                        yield chunk
                finally:
                    on_end(can_resume)

            async def aclose(self) -> None:
                await stream.aclose()

        return Watched()

    # --- messages -----------------------------------------------------------------------------

    def request(
        self, number: int, method: str, params: Mapping[str, JsonValue], version: str | None
    ) -> Any:
        """A request. ``version`` is that of the protocol, once it is agreed."""
        request = self._types.JSONRPCRequest(
            jsonrpc="2.0", id=number, method=method, params=dict(params)
        )
        return self._sent(request, version)

    def notification(
        self, method: str, params: Mapping[str, JsonValue] | None, version: str | None
    ) -> Any:
        """A notification."""
        given = {} if params is None else {"params": dict(params)}
        notification = self._types.JSONRPCNotification(jsonrpc="2.0", method=method, **given)
        return self._sent(notification, version)

    def answer(self, number: int | str, version: str | None, *, is_ping: bool) -> Any:
        """The answer to a request of the server's: to a ping, or to what this client can't do."""
        if is_ping:
            result = self._types.JSONRPCResponse(jsonrpc="2.0", id=number, result={})
            return self._sent(result, version)
        refusal = self._types.ErrorData(code=-32601, message="this client has no such method")
        return self._sent(
            self._types.JSONRPCError(jsonrpc="2.0", id=number, error=refusal), version
        )

    def _sent(self, message: Any, version: str | None) -> Any:
        if self._is_first:  # its transport reads the version out of the first reply
            return self._message.SessionMessage(self._types.JSONRPCMessage(message))
        headers = {"mcp-protocol-version": version} if version is not None else None
        metadata = self._message.ClientMessageMetadata(headers=headers)
        return self._message.SessionMessage(message, metadata)


@cache
def load_sdk() -> Sdk:
    """Import the SDK.

    Raises:
        MissingExtra: it is not installed, or older than is supported.
    """
    # What the SDK logs, such as a line on stdout that isn't JSON, is in the session's errors where
    # it matters. Without this, Python prints a traceback of each unless logging is set up.
    logging.getLogger("mcp.client").addHandler(logging.NullHandler())
    try:
        return Sdk()
    except (ImportError, AttributeError) as error:
        raise MissingExtra("a connection to an MCP server", extra="mcp") from error
