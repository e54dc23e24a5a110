"""One WebSocket connection without I/O: requests out, replies in.

``message_stream`` has the messages, and ``websocket`` and ``async_websocket`` move the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from websockets.exceptions import InvalidHandshake, PayloadTooBig
from websockets.frames import CloseCode

from .. import errors
from ..errors import ConnectError, ConnectionLost, EnvError, ServerError
from ..wire import barrier, protocol
from ..wire.protocol import Request, read_frame, websocket_frame
from . import ConnectionOptions
from .message_stream import MessageStream
from .refusals import connect_error

PING_INTERVAL_S = 20.0
"""Pings stop middleboxes from closing an idle socket. Pongs have no time limit: a missing one
proves nothing (some proxies drop pings), and every request has a time limit of its own."""

CLOSE_TIMEOUT_S = 2.0
"""How long a graceful close waits for the server, in seconds."""


class WebSocketConnection(MessageStream):
    """The state of one client connection: a ``MessageStream`` that carries requests."""

    __slots__ = ("_address", "_awaits_state", "_marks")

    def __init__(
        self, address: str, options: ConnectionOptions, headers: Mapping[str, str]
    ) -> None:
        """Prepare the handshake.

        Raises:
            ConnectError: the address is not a WebSocket URL.
        """
        super().__init__(address, options, headers)
        self._address = address
        self._awaits_state: bool | None = None  # behind the reply; None if that has to be read
        self._marks = barrier.Marks()

    # --- requests -----------------------------------------------------------------------------

    def send(self, message: bytes, *, with_barrier: bool = False) -> list[bytes]:
        """Return the bytes to send for a request, in one piece.

        Args:
            message: the request.
            with_barrier: whether a request for the state goes right behind it.
        """
        self._awaits_state = None
        if with_barrier:
            return self.send_texts(message, self._marks.next_frame())
        return self.send_texts(message)

    def awaits(self, request: Request) -> bool:
        """Whether more must arrive to answer ``request``, which was sent, and still can."""
        if not self.is_open:
            return False
        arrived = len(self.messages)
        if not request.barrier or not arrived:
            return not arrived
        if self._awaits_state is None:  # once: a large reply takes long to read
            self._awaits_state = barrier.is_awaited(self.messages[0], request)
        return self._awaits_state and arrived == 1

    def reply(self, request: Request) -> dict[str, Any]:
        """The payload of the reply that has arrived.

        Raises:
            ServerError: it is an error.
            ConnectionLost: the connection ended before it arrived.
            ProtocolError: it, or what is behind it, breaks the protocol.
        """
        self.expected = 0
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

    def timed_out(self, request: Request, *, sent: bool = True) -> errors.RequestTimeout:
        """The error for a request that wasn't answered in time, or not even sent."""
        if not sent:
            error = protocol.timed_out(request)
            error.sent = error.maybe_applied = False
            return error
        if not self.messages:
            return protocol.timed_out(request)
        error = protocol.timed_out(request, missing="state behind the reply")
        barrier.note_missing(error, request)
        return error

    # --- errors -------------------------------------------------------------------------------

    def refusal(self) -> ConnectError:
        """Why the handshake failed."""
        reason = self._protocol.handshake_exc or self.broken_by or OSError("the connection ended")
        if self.broken_by is reason and not isinstance(reason, InvalidHandshake):
            reason = InvalidHandshake(f"the answer can't be read ({reason!r})")
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
        closed = self.how_it_closed()
        hint = ""
        if self.broken_by is not None:
            hint = f"; the server sent what can't be read: {self.broken_by!r}"
        elif isinstance(closed.__cause__, PayloadTooBig):
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

    def unexpected_message(self, request: Request, *, sent: bool) -> EnvError:
        """The error for a message that arrived before ``request`` could be answered by it.

        An error may be why the session ends. Any other one is the repeated answer to an earlier
        request.
        """
        message = self.messages.pop(0) if self.messages else b""  # of one, a part is there
        try:
            read_frame(message, request)
        except ServerError as error:
            has_ended = not self.is_open and not self.has_given_up  # by the server, not by us
            if error.ends_session or has_ended:
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
