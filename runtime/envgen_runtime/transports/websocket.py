"""The WebSocket transport: one socket is one environment. The only module that knows websockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, suppress
from typing import Any

from websockets.asyncio.client import ClientConnection as AsyncConnection
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
    PayloadTooBig,
)
from websockets.frames import CloseCode
from websockets.sync.client import connect as connect_sync

from .. import protocol
from ..errors import (
    ConnectError,
    ConnectionLost,
    EnvError,
    RequestTimeout,
    ServerError,
    UpgradeRefused,
)
from ..protocol import Request
from . import ConnectionOptions

_CLOSE_FRAME = '{"type":"close"}'
_CLOSE_TIMEOUT_S = 2.0


# Pings keep middleboxes from closing an idle socket. A missing pong proves nothing (some proxies
# drop pings), and every request has a time limit of its own: so pings, but no pong timeout.
_PONG_TIMEOUT_S = None


class WebSocketTransport:
    """A session over a blocking WebSocket."""

    def __init__(self, address: str, options: ConnectionOptions) -> None:
        """Open the socket.

        Raises:
            UpgradeRefused: the server answered with an HTTP status.
            ConnectError: it could not be reached, or not in time.
        """
        self._exit = ExitStack()
        try:
            self._connection = self._exit.enter_context(
                connect_sync(
                    address,
                    additional_headers=dict(options.headers),
                    open_timeout=options.connect_timeout_s,
                    close_timeout=_CLOSE_TIMEOUT_S,
                    ping_timeout=_PONG_TIMEOUT_S,
                    max_size=options.max_message_bytes,
                )
            )
        except (OSError, InvalidHandshake, InvalidURI) as error:
            raise _connect_error(address, error) from error

    def exchange(self, request: Request) -> dict[str, Any]:
        """The payload of the frame that answers ``request``."""
        frame = protocol.websocket_frame(request)
        try:
            self._connection.send(frame)
            reply = self._connection.recv(timeout=request.timeout_s)
        except TimeoutError as error:
            raise _timeout(request) from error
        except ConnectionClosed as closed:
            raise self._last_words(request) or _connection_lost(request, closed) from closed
        return protocol.read_frame(reply, request)

    def _last_words(self, request: Request) -> ServerError | None:
        """The error that a server sends unasked before it closes, such as CAPACITY_REACHED."""
        with suppress(ConnectionClosed, TimeoutError):
            return _ending(self._connection.recv(timeout=0), request)
        return None

    def close(self) -> None:
        """Tell the server that the session is over, then close the socket."""
        with suppress(ConnectionClosed, OSError):
            self._connection.send(_CLOSE_FRAME)
        self._exit.close()

    def abort(self) -> None:
        """Shut the socket down without a closing handshake."""
        with suppress(OSError):
            self._connection.socket.shutdown(socket.SHUT_RDWR)
        self._exit.close()


class AsyncWebSocketTransport:
    """A session over an asyncio WebSocket. Make one with ``open``."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    @classmethod
    async def open(cls, address: str, options: ConnectionOptions) -> AsyncWebSocketTransport:
        """Open the socket.

        Raises:
            UpgradeRefused: the server answered with an HTTP status.
            ConnectError: it could not be reached, or not in time.
        """
        try:
            connection = await connect_async(
                address,
                additional_headers=dict(options.headers),
                open_timeout=options.connect_timeout_s,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_timeout=_PONG_TIMEOUT_S,
                max_size=options.max_message_bytes,
            )
        except (OSError, InvalidHandshake, InvalidURI) as error:
            raise _connect_error(address, error) from error
        return cls(connection)

    async def exchange(self, request: Request) -> dict[str, Any]:
        """The payload of the frame that answers ``request``."""
        frame = protocol.websocket_frame(request)
        try:
            async with asyncio.timeout(request.timeout_s):
                await self._connection.send(frame)
                reply = await self._connection.recv()
        except TimeoutError as error:
            raise _timeout(request) from error
        except ConnectionClosed as closed:
            raise await self._last_words(request) or _connection_lost(request, closed) from closed
        return protocol.read_frame(reply, request)

    async def _last_words(self, request: Request) -> ServerError | None:
        with suppress(ConnectionClosed):  # on a closed connection, recv never waits
            return _ending(await self._connection.recv(), request)
        return None

    async def close(self) -> None:
        """Tell the server that the session is over, then close the socket."""
        with suppress(ConnectionClosed):
            await self._connection.send(_CLOSE_FRAME)
        await self._connection.close()

    def abort(self) -> None:
        """Drop the socket without a closing handshake."""
        self._connection.transport.abort()


def _connect_error(address: str, error: Exception) -> ConnectError:
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        return UpgradeRefused(
            f"{address} answered the WebSocket handshake with HTTP {status}", status=status
        )
    if isinstance(error, TimeoutError):
        return ConnectError(f"{address} did not open a WebSocket in time")
    return ConnectError(f"no WebSocket connection to {address}: {error}")


def _timeout(request: Request) -> RequestTimeout:
    return RequestTimeout(
        f"no reply to {request.operation} within {request.timeout_s:g} s; the session is lost, "
        "reset() opens a new one",
        maybe_applied=request.operation == "step",
        request_id=request.request_id,
    )


def _connection_lost(request: Request, closed: ConnectionClosed) -> ConnectionLost:
    too_big = isinstance(closed.__cause__, PayloadTooBig) or (
        closed.sent is not None and closed.sent.code == CloseCode.MESSAGE_TOO_BIG
    )
    hint = "; raise max_message_bytes to accept larger replies" if too_big else ""
    return ConnectionLost(
        f"the connection closed during {request.operation} ({closed}){hint}; "
        "the episode is gone, reset() starts another",
        maybe_applied=request.operation == "step",
        request_id=request.request_id,
    )


def _ending(frame: str | bytes, request: Request) -> ServerError | None:
    try:
        protocol.read_frame(frame, request)
    except ServerError as error:
        return error
    except EnvError:
        return None
    return None
