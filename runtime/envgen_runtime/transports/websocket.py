"""The blocking WebSocket transport: one socket is one environment."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from ..errors import ConnectError
from ..wire import protocol
from ..wire.protocol import Request
from . import ConnectionOptions
from .frames import CLOSE_TIMEOUT_S, KEEPALIVE_S, FrameConnection, connect_error
from .keepalive import KEEPER
from .sockets import default_ssl_context, open_socket

_CHUNK = 256 * 1024
_NOTHING_THERE = (BlockingIOError, ssl.SSLWantReadError)


class WebSocketTransport:
    """A session over a blocking WebSocket.

    The thread that asks also reads: no other takes part, so that a step costs two system calls and
    little else. ``keeper`` answers the server's pings between requests.
    """

    outlives_sessions = False

    def __init__(
        self, address: str, options: ConnectionOptions, headers: Mapping[str, str]
    ) -> None:
        """Open the socket.

        Args:
            address: the server's ``/ws``, as a URL.
            options: how to connect.
            headers: sent with the handshake.

        Raises:
            UpgradeRefused: the server answered with an HTTP status.
            ConnectError: it could not be reached, or not in time.
        """
        self._using = threading.Lock()  # held by whoever reads or writes the socket
        self._frames = FrameConnection(address, options, headers)
        deadline = time.monotonic() + options.connect_timeout_s
        try:
            self._socket = _connected(address, options)
        except ConnectError:
            raise
        except (OSError, ValueError) as error:
            raise connect_error(address, error) from error
        try:
            self._flush(deadline)
            while self._frames.is_shaking_hands:
                self._receive(deadline)
        except BaseException as error:
            self._socket.close()
            if isinstance(error, OSError):
                raise connect_error(address, error) from error
            raise
        if not self._frames.was_opened:
            self._socket.close()
            raise self._frames.refusal()
        self._next_ping = time.monotonic() + KEEPALIVE_S
        KEEPER.add(self)

    def exchange(self, request: Request) -> dict[str, Any]:
        """The payload of the frame that answers ``request``."""
        frame = protocol.websocket_frame(request)
        with self._using:
            self._catch_up()
            frames = self._frames
            if frames.messages:
                raise frames.unasked(request, sent=False)
            if not frames.is_open:
                raise frames.failure(request, sent=False)
            deadline = time.monotonic() + request.timeout_s
            frames.send(frame)
            try:
                self._flush(deadline)
                while frames.is_open and not frames.messages:
                    self._receive(deadline)
            except TimeoutError as error:
                raise protocol.timed_out(request) from error
            except OSError:
                frames.receive(b"")  # reset by the other side: nothing more will come
            if not frames.messages:
                raise frames.failure(request, sent=True)
            return protocol.read_frame(frames.messages.popleft(), request)

    def look_after(self) -> None:
        """Answer the server's pings, and ping it when it is time, unless a request is in flight."""
        if not self._using.acquire(blocking=False):
            return
        try:
            self._catch_up()
            if time.monotonic() >= self._next_ping:
                self._ping(time.monotonic() + CLOSE_TIMEOUT_S)
        except OSError:
            pass  # the next request will find the socket closed, and say so
        finally:
            self._using.release()

    def close(self) -> None:
        """Tell the server that the session is over, then close the socket."""
        KEEPER.remove(self)
        if not self._using.acquire(blocking=False):
            self.abort()  # another thread waits for a reply; it will see the end of the stream
            return
        try:
            deadline = time.monotonic() + CLOSE_TIMEOUT_S
            with suppress(OSError):
                self._frames.close()
                self._flush(deadline)
                while not self._frames.is_closed:
                    self._receive(deadline)
            self._socket.close()
        finally:
            self._using.release()

    def abort(self) -> None:
        """Shut the socket down without a closing handshake."""
        KEEPER.remove(self)
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._using.acquire(blocking=False):
            self._socket.close()
            self._using.release()

    # --- bytes --------------------------------------------------------------------------------

    def _catch_up(self) -> None:
        """Take what has arrived already, without waiting."""
        self._socket.settimeout(0)
        try:
            while not self._frames.is_closed:
                self._read()
        except _NOTHING_THERE:
            pass
        except OSError:
            self._frames.receive(b"")
        outgoing = self._frames.outgoing()
        if outgoing:
            with suppress(OSError):
                self._send(outgoing, time.monotonic() + CLOSE_TIMEOUT_S)

    def _receive(self, deadline: float) -> None:
        """Wait for bytes and take them; answer pings, and ping when it is time."""
        now = time.monotonic()
        if now >= deadline:
            raise TimeoutError
        wait = deadline - now
        if self._frames.is_open:
            wait = min(wait, max(self._next_ping - now, 0.001))
        self._socket.settimeout(wait)
        try:
            self._read()
        except TimeoutError:
            if self._frames.is_open and time.monotonic() < deadline:
                self._ping(deadline)
            return
        self._flush(deadline)

    def _read(self) -> None:
        into = self._frames.wanted()
        if into is None:
            self._frames.receive(self._socket.recv(_CHUNK))
            return
        with into:
            count = self._socket.recv_into(into)
        self._frames.filled(count)

    def _ping(self, deadline: float) -> None:
        self._next_ping = time.monotonic() + KEEPALIVE_S
        self._frames.ping()
        self._flush(deadline)

    def _flush(self, deadline: float) -> None:
        outgoing = self._frames.outgoing()
        if outgoing:
            self._send(outgoing, deadline)

    def _send(self, outgoing: list[bytes], deadline: float) -> None:
        for data in outgoing:
            if data:
                self._socket.settimeout(max(deadline - time.monotonic(), 0.001))
                self._socket.sendall(data)
            else:
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_WR)


def _connected(address: str, options: ConnectionOptions) -> socket.socket:
    parts = urlsplit(address)
    secure = parts.scheme == "wss"
    host = parts.hostname or ""
    port = parts.port or (443 if secure else 80)
    opened = open_socket(host, port, secure=secure, timeout_s=options.connect_timeout_s)
    if not secure:
        return opened
    try:
        context = options.ssl_context or default_ssl_context()
        return context.wrap_socket(opened, server_hostname=host)
    except BaseException:
        opened.close()
        raise
