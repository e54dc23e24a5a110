"""The blocking WebSocket transport: one socket is one environment."""

from __future__ import annotations

import math
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from ..errors import ConnectError
from ..wire import protocol
from ..wire.protocol import Request
from . import ConnectionOptions
from .frames import in_one_piece
from .keepalive import KEEPALIVE
from .limits import MAX_READS_PER_TURN
from .refusals import connect_error
from .tcp import default_ssl_context, open_socket, readiness
from .websocket_protocol import CLOSE_TIMEOUT_S, PING_INTERVAL_S, WebSocketConnection

# Below 128 KiB: the C library gives a larger block back to the system after each read, and the page
# faults of the next one cost 14 us a step.
_CHUNK = 64 * 1024
_NOT_READY = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class WebSocketTransport:
    """A session over a blocking WebSocket.

    The calling thread does all reading and writing, so a step costs two system calls and little
    else. Between requests, ``KEEPALIVE`` answers the server's pings.
    """

    def __init__(
        self,
        address: str,
        options: ConnectionOptions,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> None:
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
        self._lock = threading.Lock()  # held while the socket is read or written
        self._is_abandoned = False
        self._unsent = b""  # what the socket had no room for, sent before anything else
        self._connection = WebSocketConnection(address, options, headers)
        deadline = time.monotonic() + timeout_s
        try:
            self._socket = _connected(address, options, deadline)
        except ConnectError:
            raise
        except (OSError, ValueError) as error:
            raise connect_error(address, error, timeout_s=timeout_s) from error
        self._socket.setblocking(False)
        self._is_readable = self._may_have_unread = readiness(self._socket)
        self._has_decrypted: Callable[[], int] = _none
        if isinstance(self._socket, ssl.SSLSocket):
            # Bytes that TLS has decrypted are no longer in the socket: only a read finds them.
            self._may_have_unread = _maybe
            self._has_decrypted = self._socket.pending
        self._next_ping = time.monotonic() + PING_INTERVAL_S
        try:
            self._send(self._connection.data_to_send(), deadline)
            while self._connection.is_connecting:
                self._receive(deadline)
        except BaseException as error:
            self._socket.close()
            if isinstance(error, OSError):
                raise connect_error(address, error, timeout_s=timeout_s) from error
            raise
        if not self._connection.was_opened:
            self._socket.close()
            raise self._connection.refusal()
        KEEPALIVE.add(self)

    def exchange(self, request: Request) -> dict[str, Any]:
        """Send ``request`` and return the payload of its reply."""
        try:
            return self._exchange(request)
        finally:
            if self._is_abandoned:  # by a thread that left the socket to this one
                self.abandon()

    def _exchange(self, request: Request) -> dict[str, Any]:
        frame = protocol.websocket_frame(request)
        with self._lock:
            connection = self._connection
            if self._may_have_unread() and not self._catch_up(request.deadline):
                raise connection.timed_out(request, sent=False)
            if connection.has_unasked:
                raise connection.unexpected_message(request, sent=False)
            if not connection.is_open:
                raise connection.failure(request, sent=False)
            try:
                self._send(connection.send(frame, with_barrier=request.barrier), request.deadline)
                while connection.awaits(request):
                    self._receive(request.deadline)
            except TimeoutError as error:
                raise connection.timed_out(request) from error
            except OSError:
                self._catch_up(request.deadline)  # it may have said why while we were sending
                connection.receive(b"")  # reset by the server: nothing more will arrive
            return connection.reply(request)

    def service(self) -> None:
        """Answer the server's pings and send one when due, unless a request is in flight.

        It never waits: other sessions are served by the same thread.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            self._catch_up(math.inf, reads=MAX_READS_PER_TURN)
            if time.monotonic() >= self._next_ping:
                self._ping()
        except OSError:
            pass  # the next request will find the socket closed and report it
        finally:
            self._lock.release()
            if self._is_abandoned:
                self.abandon()

    def close(self) -> None:
        """End the session with a closing handshake, then close the socket."""
        KEEPALIVE.remove(self)
        if not self._lock.acquire(blocking=False):
            self.abort()  # another thread is waiting for a reply; it sees the end of the stream
            return
        try:
            deadline = time.monotonic() + CLOSE_TIMEOUT_S
            with suppress(OSError):
                if self._connection.is_open:
                    self._connection.close()
                    self._send(in_one_piece(self._connection.data_to_send()), deadline)
                    while not self._connection.is_closed:
                        self._receive(deadline)
            self._socket.close()
        finally:
            self._lock.release()

    def abort(self) -> None:
        """Shut the socket down without a closing handshake."""
        KEEPALIVE.remove(self)
        self.abandon()

    def abandon(self) -> None:
        """``abort``, without the locks that what garbage collection interrupts may hold."""
        self._is_abandoned = True
        with suppress(OSError):
            # Not TLS's own: behind that, a thread that reads takes TLS's bytes for the server's.
            socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
        if self._lock.acquire(blocking=False):
            self._socket.close()
            self._lock.release()

    def after_fork(self) -> None:
        """Close the descriptor."""
        self._socket.close()

    # --- bytes --------------------------------------------------------------------------------

    # The socket doesn't block: with a time limit, each call on it would ask the system to wait for
    # it first, and each change of the limit is a call as well.

    def _catch_up(self, deadline: float, *, reads: float = math.inf) -> bool:
        """Process what has already arrived, without waiting for more.

        Args:
            deadline: when to stop, as ``time.monotonic`` counts.
            reads: after how many reads to stop.

        Returns:
            Whether all was read, or as much as is of use.
        """
        connection = self._connection
        try:
            # A message here is one that nothing asked for: it closes the connection.
            while connection.is_open and self._may_have_unread():
                if reads <= 0 or time.monotonic() >= deadline:
                    return False
                reads -= 1
                self._read()
        except _NOT_READY:
            pass
        except OSError:
            connection.receive(b"")
        finally:
            with suppress(OSError):
                self._flush()
        return True

    def _receive(self, deadline: float) -> None:
        """Wait for bytes and process them; answer pings and send one when due."""
        now = time.monotonic()
        if now >= deadline:
            raise TimeoutError
        wait = min(deadline - now, PING_INTERVAL_S)
        is_open = self._connection.is_open
        if is_open:
            wait = min(wait, max(self._next_ping - now, 0.001))
        if not self._has_decrypted() and not self._is_readable(wait):
            if is_open and time.monotonic() < deadline:
                self._ping()
            return
        try:
            is_all = self._read()
        except _NOT_READY:  # of a TLS record, a part is there
            return
        if not is_all:
            self._flush()

    def _read(self) -> bool:
        return self._connection.receive(self._socket.recv(_CHUNK))

    def _ping(self) -> None:
        self._next_ping = time.monotonic() + PING_INTERVAL_S
        self._connection.ping()
        self._flush()

    def _flush(self) -> None:
        """Send what is queued as far as there is room for it.

        The rest waits, here and in the connection, which queues one pong and one ping at most.
        """
        if self._unsent:
            self._unsent = self._unsent[self._write(self._unsent) :]
        if self._unsent:
            return
        for data in in_one_piece(self._connection.data_to_send()):
            if data:
                self._unsent = data[self._write(data) :]
            else:
                self._end_stream()

    def _send(self, outgoing: list[bytes], deadline: float) -> None:
        """Send all of this, behind what is unsent. Raises TimeoutError at the deadline."""
        if self._unsent:
            outgoing = in_one_piece([self._unsent, *outgoing])
            self._unsent = b""
        for data in outgoing:
            if not data:
                self._end_stream()
            elif (sent := self._write(data)) < len(data):
                self._send_rest(memoryview(data)[sent:], deadline)

    def _end_stream(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def _write(self, data: bytes | memoryview) -> int:
        try:
            return self._socket.send(data)
        except _NOT_READY:
            return 0

    def _send_rest(self, data: memoryview, deadline: float) -> None:
        is_writable = readiness(self._socket, to="write")
        while data:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            if is_writable(min(left, PING_INTERVAL_S)):
                data = data[self._write(data) :]


def _connected(address: str, options: ConnectionOptions, deadline: float) -> socket.socket:
    parts = urlsplit(address)
    secure = parts.scheme == "wss"
    host = parts.hostname or ""
    port = parts.port or (443 if secure else 80)
    opened = open_socket(host, port, secure=secure, deadline=deadline)
    if not secure:
        return opened
    try:
        opened.settimeout(max(deadline - time.monotonic(), 0.001))
        context = options.ssl_context or default_ssl_context()
        return context.wrap_socket(opened, server_hostname=host)
    except BaseException:
        opened.close()
        raise


def _none() -> int:
    return 0


def _maybe(_within_s: float = 0.0) -> bool:
    return True
