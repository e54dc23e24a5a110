"""One WebSocket connection without I/O: bytes in, messages out. The only user of websockets.

The library shakes hands, compresses and writes frames; ``reader`` takes them apart, and
``websocket`` and ``async_websocket`` move the bytes. The library's own connections are not used:
the sync one hands every message from a thread to another, both keep buffers and tasks for each
connection, and that is more than half of a step's cost and most of an idle session's memory.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from websockets.client import ClientProtocol
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedError,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidStatus,
    InvalidURI,
    PayloadTooBig,
    ProtocolError,
)
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Close, CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from .. import errors
from ..errors import ConnectError, ConnectionLost, EnvError, ServerError, UpgradeRefused
from ..wire.protocol import Request, read_frame, retry_after
from . import ConnectionOptions, reader
from .reader import BadFrame, FrameReader, RawFrame, TooLarge

if TYPE_CHECKING:
    from websockets.extensions import Extension
    from websockets.uri import WebSocketURI

KEEPALIVE_S = 20.0
"""Pings keep middleboxes from closing an idle socket. A missing pong proves nothing (some proxies
drop pings), and every request has a time limit of its own: so pings, but no limit for pongs."""

CLOSE_TIMEOUT_S = 2.0
"""How long a polite close waits for the server, in seconds."""

_CLOSE_FRAME = b'{"type":"close"}'
_MAX_SERVER_TEXT = 500
_HEAD_END = b"\r\n\r\n"
_UPGRADED = b"HTTP/1.1 101"
_MAX_HEAD = 64 * 1024
_POLITE = frozenset({CloseCode.NORMAL_CLOSURE, CloseCode.GOING_AWAY, CloseCode.NO_STATUS_RCVD})


def _extensions(options: ConnectionOptions, host: str) -> list[ClientPerMessageDeflateFactory]:
    """What to offer. Small windows: a step compresses as well, and an idle session is cheap."""
    if options.compression == "none" or (options.compression == "auto" and _is_loopback(host)):
        return []
    return [
        ClientPerMessageDeflateFactory(
            server_max_window_bits=12,
            client_max_window_bits=12,
            compress_settings={"memLevel": 5},
        )
    ]


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

    __slots__ = (
        "_address", "_cause", "_ended", "_extensions", "_handshake", "_head", "_max", "_outgoing",
        "_parts", "_reader", "_received", "_refused", "_sent", "messages",
    )  # fmt: skip

    def __init__(
        self, address: str, options: ConnectionOptions, headers: Mapping[str, str]
    ) -> None:
        """Prepare the handshake.

        Raises:
            ConnectError: the address is not one of a WebSocket.
        """
        uri = _parsed(address)
        self._address = address
        self._max = options.max_message_bytes
        self._reader = FrameReader(self._max)
        self._handshake: ClientProtocol | None = ClientProtocol(
            uri, extensions=_extensions(options, uri.host) or None, logger=_silent_logger()
        )
        self._head: bytes | None = b""
        self._refused: Exception | None = None
        self._extensions: Sequence[Extension] = ()
        self._parts: list[bytes] = []
        self._received: Close | None = None
        self._sent: Close | None = None
        self._ended = False
        self._cause: Exception | None = None
        self.messages: deque[bytes] = deque()
        """Whole messages that have arrived and were not taken yet."""
        request = self._handshake.connect()
        for name, value in headers.items():
            if name in request.headers:
                del request.headers[name]
            request.headers[name] = value
        self._handshake.send_request(request)
        self._outgoing = self._handshake.data_to_send()

    # --- what happens -------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Take what arrived; ``b""`` is the end of the stream."""
        if self._handshake is not None:
            self._shake_hands(self._handshake, data)
        elif data:
            self._take_all(self._reader.feed(data))
        else:
            self._ended = True

    def wanted(self) -> memoryview | None:
        """Where a large message goes; None where what arrives should be given to ``receive``."""
        return self._reader.wanted() if self.is_open else None

    def filled(self, count: int) -> None:
        """Take ``count`` bytes that were put where ``wanted`` said; none is the end."""
        if count:
            self._take_all(self._reader.filled(count))
        else:
            self._ended = True

    def _shake_hands(self, handshake: ClientProtocol, data: bytes) -> None:
        """Give the library the server's answer, and no byte of what follows an upgrade."""
        rest = b""
        if self._head is not None:
            self._head += data
            end = self._head.find(_HEAD_END) + len(_HEAD_END)
            if end < len(_HEAD_END) and data and len(self._head) < _MAX_HEAD:
                return
            data, self._head = self._head, None
            if data.startswith(_UPGRADED):
                data, rest = data[:end], data[end:]
        if data:
            handshake.receive_data(data)
        else:
            handshake.receive_eof()
        self._outgoing += handshake.data_to_send()
        if handshake.handshake_exc is not None:
            self._refused, self._handshake, self._ended = handshake.handshake_exc, None, True
        elif handshake.state is State.OPEN:
            self._extensions, self._handshake = handshake.extensions, None
            if rest:
                self.receive(rest)

    def _take_all(self, frames: Iterator[RawFrame]) -> None:
        if not self.is_open:
            return  # after the end has been agreed on, nothing counts
        try:
            for frame in frames:
                self._take(frame)
        except TooLarge as error:
            self._fail(CloseCode.MESSAGE_TOO_BIG, error)
        except PayloadTooBig as error:
            self._fail(CloseCode.MESSAGE_TOO_BIG, error)
        except (BadFrame, ProtocolError) as error:
            self._fail(CloseCode.PROTOCOL_ERROR, error)

    def _take(self, frame: RawFrame) -> None:
        if frame.rsv and (frame.opcode >= reader.CLOSE or not self._extensions):
            raise BadFrame("a frame with bits that no extension explains")
        if frame.opcode >= reader.CLOSE:
            self._control(frame.opcode, frame.payload)
            return
        payload = self._unpacked(frame) if self._extensions else frame.payload
        if frame.opcode != reader.CONTINUATION:
            if frame.opcode > reader.BINARY or self._parts:
                raise BadFrame("a frame of an unknown kind, or amid a message in parts")
            if frame.fin:
                self.messages.append(payload)
            else:
                self._parts = [payload]
            return
        if not self._parts:
            raise BadFrame("a continuation of nothing")
        self._parts.append(payload)
        if sum(map(len, self._parts)) > self._max:
            raise TooLarge(f"a message in parts of more than {self._max} bytes")
        if frame.fin:
            whole, self._parts = b"".join(self._parts), []
            self.messages.append(whole)

    def _unpacked(self, raw: RawFrame) -> bytes:
        bits = [bool(raw.rsv & bit) for bit in (4, 2, 1)]
        frame = Frame(Opcode(raw.opcode), raw.payload, raw.fin, *bits)
        for extension in reversed(self._extensions):
            frame = extension.decode(frame, max_size=self._max)
        frame.check()
        return bytes(frame.data)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == reader.PING:
            self._write(Opcode.PONG, payload)
        elif opcode == reader.CLOSE:
            self._received = Close.parse(payload)
            if self._sent is None:
                self._write(Opcode.CLOSE, payload)
                self._sent = self._received
        elif opcode != reader.PONG:
            raise BadFrame("a control frame of an unknown kind")

    def _fail(self, code: CloseCode, error: Exception) -> None:
        self._cause = error
        if self._sent is None:
            self._sent = Close(code, "")
            self._write(Opcode.CLOSE, self._sent.serialize())

    def _write(self, opcode: Opcode, payload: bytes) -> None:
        frame = Frame(opcode, payload)
        self._outgoing.append(frame.serialize(mask=True, extensions=self._extensions))

    def send(self, message: str) -> None:
        """Queue a text message."""
        self._write(Opcode.TEXT, message.encode())

    def ping(self) -> None:
        """Queue a ping, if the connection is open."""
        if self.is_open:
            self._write(Opcode.PING, b"")

    def close(self) -> None:
        """Queue the words of a polite end, if the connection is open."""
        if self.is_open:
            self._write(Opcode.TEXT, _CLOSE_FRAME)
            self._sent = Close(CloseCode.NORMAL_CLOSURE, "")
            self._write(Opcode.CLOSE, self._sent.serialize())

    def outgoing(self) -> list[bytes]:
        """What is to be sent now; an empty entry asks to end our side of the stream."""
        outgoing = self._outgoing
        if outgoing:
            self._outgoing = []
        return outgoing

    # --- what is the case ---------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return (
            self._sent is None
            and not self._ended
            and self._handshake is None
            and self._received is None
        )

    @property
    def is_shaking_hands(self) -> bool:
        """Whether the server's answer to the handshake is still to come."""
        return self._handshake is not None

    @property
    def was_opened(self) -> bool:
        """Whether the handshake succeeded; a full server may have ended the connection since."""
        return self._handshake is None and self._refused is None

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will come: the stream has ended, or both sides have said goodbye."""
        return self._ended or (self._received is not None and self._sent is not None)

    # --- errors -------------------------------------------------------------------------------

    def refusal(self) -> ConnectError:
        """Why the handshake failed."""
        return connect_error(self._address, self._refused or OSError("the connection ended"))

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
        closed = self._closed()
        too_big = isinstance(self._cause, TooLarge | PayloadTooBig) or (
            self._received is not None and self._received.code == CloseCode.MESSAGE_TOO_BIG
        )
        when = "during" if sent else "before"
        error = ConnectionLost(
            f"the connection closed {when} {request.operation} ({self._cause or closed})"
            + ("; raise max_message_bytes to accept larger replies" if too_big else "")
            + "; the episode is gone, reset() starts another",
            maybe_applied=sent and request.operation == "step",
            request_id=request.request_id,
            server_text=_reason(closed),
        )
        error.sent = sent
        error.__cause__ = closed
        return error

    def _closed(self) -> ConnectionClosed:
        """How the connection ended, in the library's words: users may know them."""
        both = self._received is not None and self._sent is not None
        polite = both and {self._received.code, self._sent.code} <= _POLITE  # type: ignore[union-attr]
        kind = ConnectionClosedOK if polite else ConnectionClosedError
        closed = kind(self._received, self._sent, (self._received is self._sent) if both else None)
        closed.__cause__ = self._cause
        return closed

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


def _out_of_step(request: Request) -> errors.ProtocolError:
    error = errors.ProtocolError(
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


def _reason(closed: ConnectionClosed) -> str | None:
    return closed.rcvd.reason or None if closed.rcvd is not None else None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
