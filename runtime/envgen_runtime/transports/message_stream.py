"""The messages of one WebSocket without I/O, within the limits of what a server may send.

The library's sans-I/O protocol does the handshake, control frames, fragments, compression and the
closing handshake. ``frames`` reads and writes whole messages without it. The library's own
connections are not used: the sync one passes every message from one thread to another, and both
keep buffers and tasks for each connection. That is more than half of a step's cost and most of an
idle session's memory.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping
from functools import cache

from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidURI
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.uri import WebSocketURI, parse_uri

try:
    from websockets.speedups import apply_mask
except ImportError:  # the library was built without its extension
    from websockets.utils import apply_mask

from ..errors import ConnectError
from ..wire.address import with_query
from . import ConnectionOptions
from .frames import MessageReader, frame_size, text_frame
from .limits import (
    MAX_ANSWER_BYTES,
    MAX_CONTROL_FRAMES_PER_S,
    PIECE_BYTES,
    ControlFrames,
    are_too_many,
)
from .proxies import is_loopback
from .refusals import AnswerTooLong

_CLOSE_MESSAGE = b'{"type":"close"}'
_ANSWER_BEGINNING = 64
_HEAD_END = b"\r\n\r\n"
_PONG = b"\x8a"  # how the frame of a pong begins
_SURPLUS = "a message that nothing asked for"
_OPEN = State.OPEN
_TEXT, _BINARY, _CONTINUATION = Opcode.TEXT, Opcode.BINARY, Opcode.CONT


class MessageStream:
    """The messages of one connection, and its handshakes.

    After each call, the caller sends what ``data_to_send`` returns. What the socket reads goes to
    ``receive``; no bytes mean the end of the stream. No bytes raise anything: what breaks the
    protocol or one of ``limits`` ends the connection.

    Attributes:
        messages: complete messages that arrived and were not taken yet.
        expected: how many messages the request in flight asks for. One more loses the session.
        is_open: whether messages can be sent.
        has_given_up: whether the server broke the protocol or a limit. Nothing that it sends is
            of use any more, so it needn't be read.
        broken_by: what the library raised, if it raised something that it doesn't foresee.
    """

    __slots__ = (
        "_answer",
        "_control_frames",
        "_fragments",
        "_fragments_size",
        "_is_closing",
        "_outgoing",
        "_pong",
        "_protocol",
        "_reader",
        "_unfinished",
        "broken_by",
        "expected",
        "has_given_up",
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
        self._answer = b""  # how the server's answer to the handshake begins
        self._control_frames = ControlFrames()
        self._fragments: list[bytes] = []
        self._fragments_size = 0
        self._is_closing = False
        self._outgoing: list[bytes] = []
        self._pong = b""
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
        self.broken_by: Exception | None = None
        self.expected = 0
        self.has_given_up = False
        self.is_open = False
        self.messages: list[bytes] = []  # a deque takes 700 bytes more
        request = self._protocol.connect()
        for name, value in headers.items():
            if name in request.headers:
                del request.headers[name]
            request.headers[name] = value
        self._protocol.send_request(request)

    # --- incoming -------------------------------------------------------------------------------

    def receive(self, data: bytes) -> bool:
        """Process bytes from the socket; ``b""`` is the end of the stream.

        Returns:
            Whether they were messages alone, so that there is nothing to send for them.
        """
        if self._unfinished == 0 and self.is_open and not self._fragments:
            messages = self.messages
            rest = self._reader.read(data, messages)
            if len(messages) > self.expected:
                self._give_up(_SURPLUS)
                return False
            if data and not rest:
                return True
            data = rest
        if not self.has_given_up:
            try:
                self._parse(data)
            except Exception as error:  # noqa: BLE001 - whatever a library makes of hostile bytes
                self.broken_by = error
                self.has_given_up = True
        self.is_open = not self.has_given_up and self._protocol.state is _OPEN
        return False

    def _parse(self, data: bytes) -> None:
        """Let the library parse bytes, a piece at a time."""
        protocol = self._protocol
        if not data:
            protocol.receive_eof()
            self._queue()
            return
        is_head = False
        if protocol.state is State.CONNECTING:
            self._answer += data[: _ANSWER_BEGINNING - len(self._answer)]
            is_head = self._unfinished == 0 and data.find(_HEAD_END) == len(data) - 4
        for start in range(0, len(data), PIECE_BYTES):
            if self.has_given_up or protocol.state is State.CLOSED:
                return
            piece = data[start : start + PIECE_BYTES]
            protocol.receive_data(piece)
            self._unfinished += len(piece)
            self._queue()
            self._process(protocol.events_received(), is_head=is_head)

    def _process(self, events: Iterable[object], *, is_head: bool) -> None:
        protocol = self._protocol
        controls = 0
        for event in events:
            if isinstance(event, Frame):
                self._unfinished -= frame_size(len(event.data))
                opcode = event.opcode  # compared by identity: hashing an enum's member is slow
                if opcode is _TEXT or opcode is _BINARY or opcode is _CONTINUATION:
                    self._take(event)
                else:
                    controls += 1
            elif protocol.handshake_exc is None and isinstance(event, Response):
                self._answer = b""
                event.headers.clear()  # the parser would keep them: 1.5 KiB for each session
                self._unfinished = 0 if is_head and not protocol.extensions else math.inf
        if controls and self._control_frames.is_flood(controls):
            self._give_up(f"more than {MAX_CONTROL_FRAMES_PER_S:,} control frames in a second")
        elif protocol.parser_exc is not None:
            self.has_given_up = True
        elif self.is_connecting and self._unfinished > MAX_ANSWER_BYTES:
            self.broken_by = AnswerTooLong()
            self.has_given_up = True

    def _take(self, frame: Frame) -> None:
        """Add a fragment, or all, of a message."""
        if self.has_given_up or self._is_closing:
            return
        self._fragments.append(bytes(frame.data))
        self._fragments_size += len(frame.data)
        frame.data = b""  # the library's parser keeps the frame until the next one arrives
        if frame.fin:
            self.messages.append(b"".join(self._fragments))
            self._fragments.clear()
            self._fragments_size = 0
            if len(self.messages) > self.expected:
                self._give_up(_SURPLUS)
        elif are_too_many(len(self._fragments), self._fragments_size):
            self._give_up(f"a message in {len(self._fragments):,} small fragments")
            self._fragments.clear()

    def _give_up(self, why: str) -> None:
        """End the connection with a close frame that says why (RFC 6455, 7.1.7)."""
        self.has_given_up = True
        self.is_open = False
        self._protocol.fail(CloseCode.POLICY_VIOLATION, why)
        self._queue()

    # --- outgoing -----------------------------------------------------------------------------

    def send_texts(self, *messages: bytes) -> list[bytes]:
        """Return the bytes to send for text messages, in one piece; a reply is expected to each."""
        self.expected = len(messages)
        if not self._protocol.extensions:
            if len(messages) == 1:
                return [text_frame(messages[0], apply_mask)]
            return [b"".join(text_frame(message, apply_mask) for message in messages)]
        for message in messages:
            self._protocol.send_text(message)
        return [b"".join(self.data_to_send())]

    def ping(self) -> None:
        """Queue a ping if the connection is open, and the one before has been sent."""
        if self.is_open and not self._outgoing:
            self._protocol.send_ping(b"")
            self._queue()

    def close(self) -> None:
        """Queue the session's last message and a close frame if the connection is open."""
        if self.is_open:
            self._protocol.send_text(_CLOSE_MESSAGE)
            self._protocol.send_close(CloseCode.NORMAL_CLOSURE)
            self.is_open = False
            self._is_closing = True  # what still arrives is of no use

    def _queue(self) -> None:
        """Queue what the library has written: of pongs, the newest alone (RFC 6455, 5.5.3)."""
        for written in self._protocol.data_to_send():
            if written[:1] == _PONG:
                self._pong = written
            else:
                self._outgoing.append(written)

    def data_to_send(self) -> list[bytes]:
        """Take what is to be sent. An empty piece, which can only be the last, ends the stream."""
        self._queue()
        outgoing, self._outgoing = self._outgoing, []
        if self._pong:
            outgoing.insert(0, self._pong)
            self._pong = b""
        return outgoing

    # --- state --------------------------------------------------------------------------------

    @property
    def has_unasked(self) -> bool:
        """Whether a message, or the first part of one, is there before anything was asked.

        Once a request is sent, the rest of that message would look like the reply.
        """
        is_within_frame = self._reader.is_within_message or 0 < self._unfinished < math.inf
        return bool(self.messages or self._fragments or is_within_frame)

    @property
    def is_connecting(self) -> bool:
        """Whether the server hasn't answered the handshake yet."""
        protocol = self._protocol
        is_answered = self.has_given_up or protocol.handshake_exc is not None
        return protocol.state is State.CONNECTING and not is_answered

    @property
    def was_opened(self) -> bool:
        """Whether the handshake succeeded; a full server may have closed the connection since."""
        protocol = self._protocol
        return protocol.state is not State.CONNECTING and protocol.handshake_exc is None

    @property
    def is_closed(self) -> bool:
        """Whether nothing more is awaited: the stream ended, or both sides sent a close frame."""
        protocol = self._protocol
        if self.has_given_up:
            return True
        if protocol.state is State.CLOSING:
            return protocol.close_rcvd is not None
        return protocol.state is State.CLOSED or protocol.handshake_exc is not None

    def how_it_closed(self) -> ConnectionClosed:
        """How the connection ended, as the library's exception, which users may know."""
        try:
            self._protocol.receive_eof()  # the session is lost, whatever else would arrive
            return self._protocol.close_exc
        except Exception as error:  # noqa: BLE001 - it broke before, and is of no use any more
            closed = ConnectionClosedError(None, None)
            closed.__cause__ = self.broken_by or error
            return closed


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
