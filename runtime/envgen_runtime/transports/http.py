"""The HTTP transport: the routes of the first servers, and /schema and /health of all."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from ..errors import ConnectError, ConnectionLost, EnvError
from ..wire import protocol
from ..wire.protocol import Request
from . import ConnectionOptions
from .calls import Answer, Broken, Call, Expired, Unreachable
from .senders import async_sender, sender

_ACCEPT = {"accept": "application/json"}


class HttpTransport:
    """A conversation over HTTP with a pooled connection."""

    outlives_sessions = True

    def __init__(self, address: str, options: ConnectionOptions) -> None:
        self._address = address
        self._options = options
        self._sender = sender(address, options)

    def get(self, path: str, request: Request) -> Answer:
        """What GET answers on a path below the base URL, whatever its status.

        Args:
            path: the path.
            request: on whose behalf; gives the headers and the time limit.

        Raises:
            ConnectError: the server could not be reached, or not in time.
        """
        call = _get(self._address, path, request, self._options)
        try:
            return self._sender.send(call)
        except (Unreachable, Expired, Broken) as error:
            raise _unreachable(self._address, error) from error

    def exchange(self, request: Request) -> dict[str, Any]:
        """The payload of the answer to ``request``."""
        call = _call(self._address, request, self._options)
        try:
            answer = self._sender.send(call)
        except (Unreachable, Expired, Broken) as error:
            raise _failure(error, request, self._address) from error
        if _is_failing(answer):
            # A server that failed hangs up a moment later, without having said so. The next
            # request mustn't be the one to find out: it may be a step, which is never sent twice.
            self._sender.renew()
        return _read(answer, request)

    def close(self) -> None:
        """Close the pooled connection."""
        self._sender.close()

    def abort(self) -> None:
        """Nothing to drop: the connection of a request that was given up is closed already."""


class AsyncHttpTransport:
    """As ``HttpTransport``, awaited."""

    outlives_sessions = True

    def __init__(self, address: str, options: ConnectionOptions) -> None:
        self._address = address
        self._options = options
        self._sender = async_sender(address, options)

    async def get(self, path: str, request: Request) -> Answer:
        """As ``HttpTransport.get``."""
        call = _get(self._address, path, request, self._options)
        try:
            return await self._sender.send(call)
        except (Unreachable, Expired, Broken) as error:
            raise _unreachable(self._address, error) from error

    async def exchange(self, request: Request) -> dict[str, Any]:
        """The payload of the answer to ``request``."""
        call = _call(self._address, request, self._options)
        try:
            answer = await self._sender.send(call)
        except (Unreachable, Expired, Broken) as error:
            raise _failure(error, request, self._address) from error
        if _is_failing(answer):  # as in HttpTransport
            await self._sender.renew()
        return _read(answer, request)

    async def close(self) -> None:
        """Close the pooled connection."""
        await self._sender.close()

    def abort(self) -> None:
        """Nothing to drop: the connection of a request that was given up is closed already."""


def _get(address: str, path: str, request: Request, options: ConnectionOptions) -> Call:
    headers = {**_ACCEPT, **request.all_headers(options.headers)}
    return Call("GET", address + path, headers, None, request.timeout_s)


def _call(address: str, request: Request, options: ConnectionOptions) -> Call:
    call = protocol.http_call(request)
    headers = {**_ACCEPT, **request.all_headers(options.headers)}
    if call.body is not None:
        headers.setdefault("content-type", "application/json")
    return Call(call.method, address + call.path, headers, call.body, request.timeout_s)


def _is_failing(answer: Answer) -> bool:
    return answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _read(answer: Answer, request: Request) -> dict[str, Any]:
    after = protocol.retry_after(answer.headers.get("retry-after"))
    return protocol.read_http(answer.status, answer.body, request, retry_after_s=after)


def _unreachable(address: str, error: Exception) -> ConnectError:
    why = "no answer in time" if isinstance(error, Expired) else str(error)
    return ConnectError(f"{address} could not be reached: {why}")


def _failure(error: Exception, request: Request, address: str) -> EnvError:
    if isinstance(error, Unreachable):
        return ConnectError(
            f"{address} could not be reached for {request.operation}: {error}",
            request_id=request.request_id,
        )
    if isinstance(error, Expired):
        return protocol.timed_out(request)
    return ConnectionLost(
        f"the connection to {address} ended during {request.operation}: {error}",
        maybe_applied=request.operation == "step",
        request_id=request.request_id,
    )
