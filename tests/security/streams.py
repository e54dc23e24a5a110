"""Connections without sockets, and what was made of the bytes that they were given."""

from __future__ import annotations

from typing import Any

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request as Handshake
from websockets.server import ServerProtocol

import envgen_runtime as rt
from envgen_runtime.transports import Compression, ConnectionOptions
from envgen_runtime.transports.websocket_protocol import WebSocketConnection
from envgen_runtime.wire.protocol import Operation, Request, websocket_frame

LIMIT = 100_000
"""The largest message that these connections accept, in bytes."""


def connecting(compression: Compression = "none", limit: int = LIMIT) -> WebSocketConnection:
    """A connection that has sent its handshake."""
    options = ConnectionOptions(
        {}, connect_timeout_s=1, max_message_bytes=limit, compression=compression
    )
    return WebSocketConnection("ws://127.0.0.1/ws", options, {})


def handshake(connection: WebSocketConnection) -> bytes:
    """An honest server's answer to it."""
    server = ServerProtocol(extensions=[ServerPerMessageDeflateFactory()])
    server.receive_data(b"".join(connection.data_to_send()))
    (asked,) = server.events_received()
    assert isinstance(asked, Handshake)
    server.send_response(server.accept(asked))
    return b"".join(server.data_to_send())


def opened(compression: Compression = "none", limit: int = LIMIT) -> WebSocketConnection:
    """A connection whose handshake is over."""
    connection = connecting(compression, limit)
    connection.receive(handshake(connection))
    assert connection.is_open
    return connection


def request(operation: Operation = "step", *, barrier: bool = False) -> Request:
    return Request.begun(operation, {}, 3, "id")._replace(barrier=barrier)


def asked(connection: WebSocketConnection, *, barrier: bool = False) -> Request:
    """Send a request, whose reply is awaited from then on."""
    sent = request("reset" if barrier else "step", barrier=barrier)
    connection.send(websocket_frame(sent), with_barrier=barrier)
    return sent


def outcome(connection: WebSocketConnection, sent: Request) -> dict[str, Any] | rt.EnvError:
    """What the request comes to, as the transports ask for it. Nothing but an EnvError is caught.

    Without a socket, waiting for more is the end of the stream.
    """
    if connection.awaits(sent):
        connection.receive(b"")
    try:
        return connection.reply(sent)
    except rt.EnvError as error:
        return error
