"""The HTTP transport of the first servers: one stateful environment behind the routes.

The only module that knows httpx.
"""

from __future__ import annotations

from typing import Any

import httpx

from .. import protocol
from ..errors import ConnectError, ConnectionLost, EnvError, RequestTimeout
from ..protocol import Request
from . import ConnectionOptions

_JSON = {"content-type": "application/json"}


def _settings(options: ConnectionOptions) -> dict[str, Any]:
    return {
        "headers": dict(options.headers),
        "timeout": httpx.Timeout(options.connect_timeout_s),
    }


def _limit(seconds: float, connect_s: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(seconds, connect_s))


class HttpTransport:
    """A conversation over HTTP with a pooled connection."""

    def __init__(self, address: str, options: ConnectionOptions) -> None:
        self._address = address
        self._options = options
        self._client = httpx.Client(**_settings(options))

    def status_of(self, path: str) -> int:
        """The status that GET answers on a path below the base URL.

        Raises:
            ConnectError: the server could not be reached.
        """
        try:
            return self._client.get(self._address + path).status_code
        except httpx.TransportError as error:
            raise ConnectError(f"{self._address} could not be reached: {error}") from error

    def exchange(self, request: Request) -> dict[str, Any]:
        """The payload of the answer to ``request``."""
        call = protocol.http_call(request)
        try:
            response = self._client.request(
                call.method,
                self._address + call.path,
                content=call.body,
                headers=_JSON if call.body is not None else None,
                timeout=_limit(request.timeout_s, self._options.connect_timeout_s),
            )
        except httpx.TransportError as error:
            raise _failure(error, request, self._address) from error
        if response.is_server_error:
            # A server that failed hangs up a moment later, without having said so. The next
            # request mustn't be the one to find out: it may be a step, which is never sent twice.
            self._client.close()
            self._client = httpx.Client(**_settings(self._options))
        return protocol.read_http(response.status_code, response.content, request)

    def close(self) -> None:
        """Close the pooled connection."""
        self._client.close()

    abort = close


class AsyncHttpTransport:
    """As ``HttpTransport``, awaited."""

    def __init__(self, address: str, options: ConnectionOptions) -> None:
        self._address = address
        self._options = options
        self._client = httpx.AsyncClient(**_settings(options))

    async def status_of(self, path: str) -> int:
        """The status that GET answers on a path below the base URL.

        Raises:
            ConnectError: the server could not be reached.
        """
        try:
            return (await self._client.get(self._address + path)).status_code
        except httpx.TransportError as error:
            raise ConnectError(f"{self._address} could not be reached: {error}") from error

    async def exchange(self, request: Request) -> dict[str, Any]:
        """The payload of the answer to ``request``."""
        call = protocol.http_call(request)
        try:
            response = await self._client.request(
                call.method,
                self._address + call.path,
                content=call.body,
                headers=_JSON if call.body is not None else None,
                timeout=_limit(request.timeout_s, self._options.connect_timeout_s),
            )
        except httpx.TransportError as error:
            raise _failure(error, request, self._address) from error
        if response.is_server_error:  # as in HttpTransport
            await self._client.aclose()
            self._client = httpx.AsyncClient(**_settings(self._options))
        return protocol.read_http(response.status_code, response.content, request)

    async def close(self) -> None:
        """Close the pooled connection."""
        await self._client.aclose()

    def abort(self) -> None:
        """Nothing to drop: httpx closes the connection of a request that was given up."""


def _failure(error: httpx.TransportError, request: Request, address: str) -> EnvError:
    applied = request.operation == "step"
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return ConnectError(
            f"{address} could not be reached for {request.operation}: {error}",
        )
    if isinstance(error, httpx.TimeoutException):
        return RequestTimeout(
            f"no reply to {request.operation} within {request.timeout_s:g} s; "
            "the episode's state is unknown, reset() starts another",
            maybe_applied=applied,
            request_id=request.request_id,
        )
    return ConnectionLost(
        f"the connection to {address} ended during {request.operation}: {error}",
        maybe_applied=applied,
        request_id=request.request_id,
    )
