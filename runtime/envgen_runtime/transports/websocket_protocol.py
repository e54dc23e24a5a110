"""One WebSocket connection without I/O: bytes in, messages out.

The library's sans-I/O protocol does the handshake, control frames, fragments, compression and the
closing handshake. ``frames`` reads and writes whole messages without it. ``websocket`` and
``async_websocket`` move the bytes. The library's own connections are not used: the sync one passes
every message from one thread to another, and both keep buffers and tasks for each connection. That
is more than half of a step's cost and most of an idle session's memory.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from functools import cache
from typing import Any

from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidURI, PayloadTooBig
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

try:
    from websockets.speedups import apply_mask
except ImportError:  # the library was built without its extension
    from websockets.utils import apply_mask

from .. import errors
from ..errors import ConnectError, ConnectionLost, EnvError, ServerError
from ..wire import barrier, protocol
from ..wire.address import with_query
from ..wire.protocol import Request, read_frame, websocket_frame
from . import ConnectionOptions
from .frames import MessageReader, frame_size, text_frame
from .proxies import is_loopback
from .refusals import connect_error

PING_INTERVAL_S = 20.0
"""Pings stop middleboxes from closing an idle socket. Pongs have no time limit: a missing one
proves nothing (some proxies drop pings), and every request has a time limit of its own."""

CLOSE_TIMEOUT_S = 2.0
"""How long a graceful close waits for the server, in seconds."""

_CLOSE_MESSAGE = b'{"type":"close"}'
_ANSWER_BEGINNING = 64
_HEAD_END = b"\r\n\r\n"
_OPEN = State.OPEN
_TEXT, _BINARY, _CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.CONT


class WebSocketConnection:
    """The state of one client connection.

    After each call, the caller sends what ``data_to_send`` returns. What the socket reads goes to
    ``receive``; no bytes mean the end of the stream.

    Attributes:
        messages: complete messages that arrived and were not taken yet.
        is_open: whether messages can be sent.
    """

    __slots__ = (
        "_address",
        "_answer",
        "_fragments",
        "_marks",
        "_protocol",
        "_reader",
        "_unfinished",
        "data_to_send",
        "is_open",
        "messages",
    )

    def __init__(
        self, address: str, options: ConnectionOptions, headers: Mapping[str, str]
    ) -> None:
        """Prepare the handshake.

        Raises:
            ConnectError: the address is not a WebSocket URL.
        """
        uri = _parsed(address, options.query)
        self._address = address
        self._answer = b""  # how the server's answer to the handshake begins
        self._fragments: list[bytes] = []
        self._marks = barrier.Marks()
        self._reader = MessageReader(options.max_message_bytes)
        # How many bytes of a frame the library has begun to read. At 0, the next byte begins a
        # frame; infinity means that the library reads all frames.
        self._unfinished: float = 0
        self._protocol = ClientProtocol(
            uri,
            extensions=_extensions(options, uri.host) or None,
            max_size=options.max_message_bytes,
            logger=_silent_logger(),
        )
        self.data_to_send = self._protocol.data_to_send
        self.is_open = False
        self.messages: list[bytes] = []  # a deque takes 700 bytes more
        request = self._protocol.connect()
        for name, value in headers.items():
            if name in request.headers:
                del request.headers[name]
            request.headers[name] = value
        self._protocol.send_request(request)

    # --- events -------------------------------------------------------------------------------

    def receive(self, data: bytes) -> bool:
        """Process bytes from the socket; ``b""`` is the end of the stream.

        Returns:
            Whether they were messages alone, so that there is nothing to send for them.
        """
        if self._unfinished == 0 and self.is_open and not self._fragments:
            rest = self._reader.read(data, self.messages)
            if data and not rest:
                return True
            data = rest
        protocol = self._protocol
        if protocol.state is State.CONNECTING and len(self._answer) < _ANSWER_BEGINNING:
            self._answer += data[:_ANSWER_BEGINNING]
        if not data:
            protocol.receive_eof()
        elif self.is_open or protocol.state is not State.CLOSED:
            protocol.receive_data(data)
        self._unfinished += len(data)
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._unfinished -= frame_size(len(event.data))
                self._take(event)
            elif protocol.handshake_exc is None and isinstance(event, Response):
                self._answer = b""
                event.headers.clear()  # the parser would keep them: 1.5 KiB for each session
                has_ended = self._unfinished == len(data) and data.find(_HEAD_END) == len(data) - 4
                self._unfinished = 0 if has_ended and not protocol.extensions else math.inf
        self.is_open = protocol.state is _OPEN
        return False

    def _take(self, frame: Frame) -> None:
        opcode = frame.opcode  # compared by identity: hashing an enum's member is slow
        if opcode is _TEXT or opcode is _BINARY or opcode is _CONTINUATION:
            self._fragments.append(bytes(frame.data))
            frame.data = b""  # the library's parser keeps the frame until the next one arrives
            if frame.fin:
                self.messages.append(b"".join(self._fragments))
                self._fragments.clear()

    def send(self, message: bytes, *, with_barrier: bool = False) -> list[bytes]:
        """Return the bytes to send for a text message, in one piece.

        Args:
            message: the text.
            with_barrier: whether a request for the state goes right behind it.
        """
        if not self._protocol.extensions:
            sent = text_frame(message, apply_mask)
            if with_barrier:
                sent += text_frame(self._marks.next_frame(), apply_mask)
            return [sent]
        self._protocol.send_text(message)
        if with_barrier:
            self._protocol.send_text(self._marks.next_frame())
        return [b"".join(self.data_to_send())]

    # --- replies ------------------------------------------------------------------------------

    def awaits(self, request: Request) -> bool:
        """Whether more must arrive to answer ``request``, which was sent, and still can."""
        if not self.is_open:
            return False
        arrived = len(self.messages)
        if not request.barrier or not arrived:
            return not arrived
        return arrived == 1 and barrier.is_awaited(self.messages[0], request)

    def reply(self, request: Request) -> dict[str, Any]:
        """The payload of the reply that has arrived.

        Raises:
            ServerError: it is an error.
            ConnectionLost: the connection ended before it arrived.
            ProtocolError: it, or what is behind it, breaks the protocol.
        """
        messages = self.messages
        if not messages:
            raise self.failure(request, sent=True)
        message = messages.pop(0)
        try:
            payload = read_frame(message, request)
        except ServerError as error:
            barrier.check_error(message, request)
            if request.barrier and messages and not error.ends_session:
                self._marks.check(messages.pop(0), request)
                barrier.check_behind(messages, message, request)
            raise
        if not request.barrier:
            return payload
        if not messages:
            failure = self.failure(request, sent=True)
            barrier.note_missing(failure, request)
            raise failure
        self._marks.check(messages.pop(0), request)
        barrier.check_behind(messages, message, request)
        return payload

    def timed_out(self, request: Request) -> errors.RequestTimeout:
        """The error for a request that wasn't answered in time."""
        if not self.messages:
            return protocol.timed_out(request)
        error = protocol.timed_out(request, missing="state behind the reply")
        barrier.note_missing(error, request)
        return error

    def ping(self) -> None:
        """Queue a ping if the connection is open."""
        if self.is_open:
            self._protocol.send_ping(b"")

    def close(self) -> None:
        """Queue the session's last message and a close frame if the connection is open."""
        if self.is_open:
            self._protocol.send_text(_CLOSE_MESSAGE)
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self.is_open = False

    # --- state --------------------------------------------------------------------------------

    @property
    def is_connecting(self) -> bool:
        """Whether the server hasn't answered the handshake yet."""
        protocol = self._protocol
        return protocol.state is State.CONNECTING and protocol.handshake_exc is None

    @property
    def was_opened(self) -> bool:
        """Whether the handshake succeeded; a full server may have closed the connection since."""
        return not self.is_connecting and self._protocol.handshake_exc is None

    @property
    def is_closed(self) -> bool:
        """Whether nothing more will arrive: the stream ended, or both sides sent a close frame."""
        protocol = self._protocol
        if protocol.state is State.CLOSING:
            return protocol.close_rcvd is not None
        return protocol.state is State.CLOSED or protocol.handshake_exc is not None

    # --- errors -------------------------------------------------------------------------------

    def refusal(self) -> ConnectError:
        """Why the handshake failed."""
        reason = self._protocol.handshake_exc or OSError("the connection ended")
        return connect_error(self._address, reason, self._answer)

    def failure(self, request: Request, *, sent: bool) -> EnvError:
        """Why ``request`` can't be carried by a connection that is no longer open.

        The server may have given the reason: errors such as CAPACITY_REACHED arrive unasked.

        Args:
            request: the request that failed.
            sent: whether any of it may have reached the server.
        """
        if self.messages:
            error = self.unexpected_message(request, sent=sent)
            if isinstance(error, ServerError):
                return error
        closed = self._closed()
        hint = ""
        if isinstance(closed.__cause__, PayloadTooBig):
            hint = "; raise max_message_bytes to accept larger replies"
        elif closed.rcvd is not None and closed.rcvd.code == CloseCode.MESSAGE_TOO_BIG:
            size = len(websocket_frame(request))
            hint = f"; the request has {size:,} bytes, more than the server accepts"
        when = "during" if sent else "before"
        error = ConnectionLost(
            f"the connection closed {when} {request.operation} ({closed}){hint}; "
            "the episode is gone, reset() starts another",
            maybe_applied=sent and request.operation == "step",
            request_id=request.request_id,
            server_text=(closed.rcvd.reason or None) if closed.rcvd is not None else None,
        )
        error.sent = sent
        error.__cause__ = closed
        return error

    def _closed(self) -> ConnectionClosed:
        """How the connection ended, as the library's exception, which users may know."""
        self._protocol.receive_eof()  # the session is lost, whatever else would arrive
        return self._protocol.close_exc

    def unexpected_message(self, request: Request, *, sent: bool) -> EnvError:
        """The error for a message that arrived before ``request`` could be answered by it.

        An error may be why the session ends. Any other one is the repeated answer to an earlier
        request.
        """
        message = self.messages.pop(0)
        try:
            read_frame(message, request)
        except ServerError as error:
            if error.ends_session or not self.is_open:
                error.maybe_applied = error.maybe_applied and sent
                error.sent = sent
                return error
        except EnvError:
            pass
        unexpected = errors.ProtocolError(
            f"the server sent a message before {request.operation} that nothing had asked for. "
            "Replies can no longer be matched to requests, so nothing was sent and the session "
            "is lost",
            request_id=request.request_id,
        )
        unexpected.sent = False
        return unexpected


def _parsed(address: str, query: str) -> WebSocketURI:
    try:
        return parse_uri(with_query(address, query))
    except InvalidURI as error:
        raise ConnectError(f"{address} is not a WebSocket URL") from error


def _extensions(options: ConnectionOptions, host: str) -> list[ClientPerMessageDeflateFactory]:
    """The extensions to offer. Small windows compress a step as well, and use less memory."""
    if options.compression == "none" or (options.compression == "auto" and is_loopback(host)):
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
    """A logger that discards everything: the library would log handshake headers with tokens."""
    logger = logging.Logger("envgen_runtime.websockets")  # noqa: LOG001 - users can't enable it
    logger.disabled = True
    logger.setLevel(logging.CRITICAL + 1)
    return logger
