"""The asyncio WebSocket transport: one socket is one environment."""

from __future__ import annotations

import asyncio
import math
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlsplit

from ..errors import EnvError
from ..wire import protocol
from ..wire.protocol import Request
from . import ConnectionOptions
from .frames import in_one_piece
from .loops import LoopEnd, is_running
from .proxies import proxy_for
from .refusals import connect_error
from .tcp import (
    close_inherited,
    default_ssl_context,
    hang_up,
    open_socket,
    readiness,
)
from .websocket_protocol import CLOSE_TIMEOUT_S, PING_INTERVAL_S, WebSocketConnection

# Shared by all sessions: bytes are processed before the next are read. Below 128 KiB, as the C
# library takes fresh pages for a larger copy.
_SCRATCH = memoryview(bytearray(64 * 1024))


class AsyncWebSocketTransport(asyncio.BufferedProtocol):
    """A session over a WebSocket, for asyncio. Make one with ``open``.

    It is the event loop's protocol object itself: bytes go from the loop to the connection, and
    messages to the one future that waits, without a task, queue or lock in between.
    """

    __slots__ = (
        "_connection",
        "_deadline",
        "_expiry",
        "_has_unread",
        "_is_choked",
        "_keepalive",
        "_loop",
        "_loop_end",
        "_transport",
        "_waiter",
    )

    def __init__(self, connection: WebSocketConnection, loop: asyncio.AbstractEventLoop) -> None:
        self._connection = connection
        self._loop = loop
        self._loop_end = LoopEnd(self.close)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._keepalive: asyncio.TimerHandle | None = None
        self._expiry: asyncio.TimerHandle | None = None
        self._deadline = math.inf
        self._has_unread: Callable[[], bool] = _never
        self._is_choked = False  # whether the server doesn't read what is sent

    @classmethod
    async def open(
        cls,
        address: str,
        options: ConnectionOptions,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> AsyncWebSocketTransport:
        """Open the socket.

        Args:
            address: the URL of the server's ``/ws``.
            options: connection options.
            headers: sent with the handshake.
            timeout_s: time limit for all of it, in seconds.

        Raises:
            UpgradeRefused: the server answered with an HTTP status.
            ConnectError: it could not be reached, or not in time.
        """
        connection = WebSocketConnection(address, options, headers)
        opened = cls(connection, asyncio.get_running_loop())
        try:
            async with asyncio.timeout(timeout_s):
                await opened._connect(address, options, time.monotonic() + timeout_s)
                while connection.is_connecting:
                    await opened._wait()
        except BaseException as error:
            opened.abort()
            if isinstance(error, OSError | ValueError) and not isinstance(error, EnvError):
                raise connect_error(address, error, timeout_s=timeout_s) from error
            raise
        if not connection.was_opened:
            opened.abort()
            raise connection.refusal()
        opened._ping_later()
        await opened._loop_end.watch()
        return opened

    async def _connect(self, address: str, options: ConnectionOptions, deadline: float) -> None:
        parts = urlsplit(address)
        secure = parts.scheme == "wss"
        host = parts.hostname or ""
        port = parts.port or (443 if secure else 80)
        tls: dict[str, Any] = {}
        if secure:
            tls = {"ssl": options.ssl_context or default_ssl_context(), "server_hostname": host}
        if proxy_for(host, port, secure=secure) is None:
            await self._loop.create_connection(lambda: self, host, port, **tls)
            return
        tunnel = await asyncio.to_thread(open_socket, host, port, secure=secure, deadline=deadline)
        await self._loop.create_connection(lambda: self, sock=tunnel, **tls)

    # --- requests -----------------------------------------------------------------------------

    async def exchange(self, request: Request) -> dict[str, Any]:
        """Send ``request`` and return the payload of its reply."""
        frame = protocol.websocket_frame(request)
        connection = self._connection
        if self._has_unread():
            await asyncio.sleep(0)  # the loop reads them and calls buffer_updated
            await asyncio.sleep(0)
        if connection.has_unasked:
            raise connection.unexpected_message(request, sent=False)
        if not connection.is_open:
            raise connection.failure(request, sent=False)
        self._send(connection.send(frame, with_barrier=request.barrier))
        self._expire_at(self._loop.time() + request.seconds_left())
        try:
            while connection.awaits(request):
                await self._wait()
        except TimeoutError as error:
            raise connection.timed_out(request) from error
        finally:
            self._deadline = math.inf
        return connection.reply(request)

    async def close(self) -> None:
        """End the session with a closing handshake, then close the socket."""
        if self._waiter is not None or not is_running(self._loop):
            self.abort()  # a task that is waiting for a reply sees the end of the stream
            return
        try:
            if self._connection.is_open:
                self._connection.close()
                self._flush()
                with suppress(TimeoutError):
                    async with asyncio.timeout(CLOSE_TIMEOUT_S):
                        while not self._connection.is_closed:
                            await self._wait()
        finally:  # also if it is cancelled: nobody else has the socket any more
            self.abort()

    def abort(self) -> None:
        """Drop the socket without a closing handshake."""
        if self._transport is not None:
            hang_up(self._transport.get_extra_info("socket"))
        if is_running(self._loop):
            self._abort()
        else:
            with suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._abort)

    def after_fork(self) -> None:
        """Close the descriptor."""
        self._loop_end.forget()
        if self._transport is not None:
            close_inherited(self._transport.get_extra_info("socket"))

    def _abort(self) -> None:
        self._loop_end.forget()
        for timer in (self._keepalive, self._expiry):
            if timer is not None:
                timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    # --- called by the event loop ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the handshake."""
        self._transport = cast("asyncio.Transport", transport)
        opened = transport.get_extra_info("socket")
        if opened is not None:
            with suppress(OSError):
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._has_unread = readiness(opened)
        self._flush()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Return the buffer that the loop reads into."""
        return _SCRATCH

    def buffer_updated(self, nbytes: int) -> None:
        """Process the bytes that the loop has read."""
        connection = self._connection
        was_open = connection.is_open
        if not connection.receive(bytes(_SCRATCH[:nbytes])):
            self._flush()
            if connection.has_given_up and self._transport is not None:
                self._transport.abort()  # or a flood would go on, and take the loop's time
        if connection.messages or not (was_open and connection.is_open):
            self._wake()

    def pause_writing(self) -> None:
        """Note that the loop holds much that the server doesn't read. Nothing is added to it."""
        self._is_choked = True

    def resume_writing(self) -> None:
        """Note that the server reads again."""
        self._is_choked = False
        self._flush()

    def eof_received(self) -> None:
        """Note that the server ended its side."""
        self._end()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Note that the socket is closed."""
        self._has_unread = _never
        self._transport = None
        self._end()

    def _end(self) -> None:
        self._connection.receive(b"")
        self._wake()

    # --- bytes --------------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Wait until something arrives. Raises TimeoutError if the request expires first."""
        if self._loop.time() >= self._deadline:
            raise TimeoutError
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _expire_at(self, deadline: float) -> None:
        """Make the waiting request expire at ``deadline``, in the loop's time.

        The timer is kept from one request to the next and checks the deadline when it fires:
        creating and cancelling one for every step would be a good part of a step's cost.
        """
        self._deadline = deadline
        if self._expiry is not None:
            if self._expiry.when() <= deadline:
                return
            self._expiry.cancel()
        self._expiry = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        if self._loop.time() < self._deadline:
            if self._deadline < math.inf:
                self._expire_at(self._deadline)
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def _flush(self) -> None:
        """Send what is queued, or leave it there, a pong and a ping at most."""
        if self._is_choked:
            return
        outgoing = self._connection.data_to_send()
        if outgoing:
            self._send(in_one_piece(outgoing))

    def _send(self, outgoing: list[bytes]) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        for data in outgoing:
            if data:
                transport.write(data)
            elif transport.can_write_eof():
                transport.write_eof()

    def _keep_alive(self) -> None:
        self._connection.ping()
        self._flush()
        self._ping_later()

    def _ping_later(self) -> None:
        self._keepalive = self._loop.call_later(PING_INTERVAL_S, self._keep_alive)


def _never() -> bool:
    return False
