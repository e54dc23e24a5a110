"""One WebSocket connection without I/O: bytes in, messages out. The only user of websockets.

The library's sans-I/O core speaks the protocol; ``websocket`` and ``async_websocket`` move the
bytes. Its own connection classes are not used: the sync one hands every message from a thread to
another, both keep buffers and tasks per connection, and that is more than half of a step's cost.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from websockets.client import ClientProtocol
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
    PayloadTooBig,
)
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ..errors import (
    ConnectError,
    ConnectionLost,
    EnvError,
    ProtocolError,
    ServerError,
    UpgradeRefused,
)
from ..protocol import Request, read_frame, retry_after
from . import ConnectionOptions

if TYPE_CHECKING:
    from websockets.uri import WebSocketURI

KEEPALIVE_S = 20.0
"""Pings keep middleboxes from closing an idle socket. A missing pong proves nothing (some proxies
drop pings), and every request has a time limit of its own: so pings, but no limit for pongs."""

CLOSE_TIMEOUT_S = 2.0
"""How long a polite close waits for the server, in seconds."""

_CLOSE_FRAME = b'{"type":"close"}'
_MAX_SERVER_TEXT = 500


@cache
def _silent_logger() -> logging.Logger:
    """A logger for the library that says nothing: it would print handshake headers, tokens too."""
    logger = logging.Logger("envgen_runtime.websockets")  # noqa: LOG001 - nobody can switch it on
    logger.disabled = True
    logger.setLevel(logging.CRITICAL + 1)
    return logger


class FrameConnection:
    """The state of one client connection.

    Whoever does the I/O sends what ``outgoing`` gives after each call, and passes on what arrives
    to ``receive`` (nothing at all meaning the end of the stream).
    """

    __slots__ = ("_address", "_parts", "_protocol", "_response_seen", "messages")

    def __init__(
        self, address: str, options: ConnectionOptions, headers: Mapping[str, str]
    ) -> None:
        """Prepare the handshake.

        Raises:
            ConnectError: the address is not one of a WebSocket.
        """
        uri = _parsed(address)
        deflate = options.compression == "deflate" or (
            options.compression == "auto" and not _is_loopback(uri.host)
        )
        self._address = address
        self._protocol = ClientProtocol(
            uri,
            # Small windows: what a step compresses to is the same, and an idle session is cheap.
            extensions=[
                ClientPerMessageDeflateFactory(
                    server_max_window_bits=12,
                    client_max_window_bits=12,
                    compress_settings={"memLevel": 5},
                )
            ]
            if deflate
            else None,
            max_size=options.max_message_bytes,
            logger=_silent_logger(),
        )
        self._parts: list[bytes] = []
        self._response_seen = False
        self.messages: deque[bytes] = deque()
        """Whole messages that have arrived and were not taken yet."""
        request = self._protocol.connect()
        for name, value in headers.items():
            if name in request.headers:
                del request.headers[name]
            request.headers[name] = value
        self._protocol.send_request(request)

    # --- what happens -------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take what arrived; ``b""`` is the end of the stream."""
        protocol = self._protocol
        if data:
            protocol.receive_data(data)
        else:
            protocol.receive_eof()
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
            else:
                self._response_seen = True

    def _take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY:
            if frame.fin:
                self.messages.append(frame.data)  # type: ignore[arg-type]  # any bytes-like
            else:
                self._parts = [frame.data]  # type: ignore[list-item]
        elif frame.opcode is Opcode.CONT:
            self._parts.append(frame.data)  # type: ignore[arg-type]
            if frame.fin:
                self.messages.append(b"".join(self._parts))
                self._parts = []

    def send(self, message: str) -> None:
        """Queue a text message."""
        self._protocol.send_text(message.encode())

    def ping(self) -> None:
        """Queue a ping, if the connection is open."""
        if self.is_open:
            self._protocol.send_ping(b"")

    def close(self) -> None:
        """Queue the words of a polite end, if the connection is open."""
        if self.is_open:
            self._protocol.send_text(_CLOSE_FRAME)
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)

    def outgoing(self) -> list[bytes]:
        """What is to be sent now; an empty entry asks to end our side of the stream."""
        return self._protocol.data_to_send()

    # --- what is the case ---------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._protocol.state is State.OPEN

    @property
    def is_shaking_hands(self) -> bool:
        """Whether the server's answer to the handshake is still to come."""
        return self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None

    @property
    def was_opened(self) -> bool:
        """Whether the handshake succeeded; a full server may have ended the connection since."""
        protocol = self._protocol
        return protocol.state is not State.CONNECTING and protocol.handshake_exc is None

    @property
    def is_closed(self) -> bool:
        """Whether the stream has ended."""
        return self._protocol.state is State.CLOSED

    # --- errors -------------------------------------------------------------------------------

    def refusal(self) -> ConnectError:
        """Why the handshake failed."""
        return connect_error(
            self._address, self._protocol.handshake_exc or OSError("the connection ended")
        )

    def failure(self, request: Request, *, sent: bool) -> EnvError:
        """Why a connection that is not open any more can't carry ``request``.

        Its server may have said so: CAPACITY_REACHED and its like arrive unasked.

        Args:
            request: what was asked, or was about to be.
            sent: whether any of it may have reached the server.
        """
        if self.messages:
            error = self.unasked(request, sent=sent)
            if isinstance(error, ServerError):
                return error
        self._protocol.receive_eof()  # nothing that still arrives would change the answer
        closed = self._protocol.close_exc if self.is_closed else None
        too_big = closed is not None and (
            isinstance(closed.__cause__, PayloadTooBig)
            or (closed.sent is not None and closed.sent.code == CloseCode.MESSAGE_TOO_BIG)
        )
        when = "during" if sent else "before"
        error = ConnectionLost(
            f"the connection closed {when} {request.operation} ({closed or 'without a word'})"
            + ("; raise max_message_bytes to accept larger replies" if too_big else "")
            + "; the episode is gone, reset() starts another",
            maybe_applied=sent and request.operation == "step",
            request_id=request.request_id,
            server_text=_reason(closed),
        )
        error.sent = sent
        error.__cause__ = closed
        return error

    def unasked(self, request: Request, *, sent: bool) -> EnvError:
        """What a message means that arrived before ``request`` could be answered by it."""
        message = self.messages.popleft()
        try:
            read_frame(message, request)
        except ServerError as error:
            error.maybe_applied = error.maybe_applied and sent
            error.sent = sent
            return error
        except EnvError:
            pass
        return _out_of_step(request)


def _out_of_step(request: Request) -> ProtocolError:
    error = ProtocolError(
        f"the server had sent a message that nobody asked for before {request.operation}; from "
        "here on replies can't be told apart, so nothing was sent and the session is lost",
        request_id=request.request_id,
    )
    error.sent = False
    return error


def connect_error(address: str, error: BaseException) -> ConnectError:
    """Why no connection to ``address`` could be opened, as an error of ours."""
    if isinstance(error, InvalidStatus):
        status = error.response.status_code
        text = bytes(error.response.body or b"").decode(errors="replace")[:_MAX_SERVER_TEXT]
        return UpgradeRefused(
            f"{address} answered the WebSocket handshake with HTTP {status}",
            status=status,
            retry_after_s=retry_after(error.response.headers.get("Retry-After")),
            server_text=text or None,
        )
    if isinstance(error, TimeoutError):
        return ConnectError(f"{address} did not open a WebSocket in time")
    if isinstance(error, InvalidHandshake):
        return ConnectError(f"no WebSocket connection to {address}: {type(error).__name__}")
    return ConnectError(f"no WebSocket connection to {address}: {error}")


def _parsed(address: str) -> WebSocketURI:
    try:
        return parse_uri(address)
    except InvalidURI as error:
        raise ConnectError(f"{address} is no WebSocket address") from error


def _reason(closed: ConnectionClosed | None) -> str | None:
    return closed.rcvd.reason or None if closed is not None and closed.rcvd is not None else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
