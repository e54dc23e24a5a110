"""Transports, which move bytes: HTTP and WebSocket, each sync and async."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..wire.protocol import Request

if TYPE_CHECKING:
    import ssl

    import httpx

TransportName = Literal["auto", "websocket", "http", "http-unchecked"]
Compression = Literal["auto", "deflate", "none"]

INHERITED: Any = object()
"""What a forked child has as its ``http_client``: the parent's, whose replies it would take."""


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """Connection options.

    Attributes:
        headers: sent with every HTTP request and with the WebSocket handshake; left out of
            reprs, because they carry tokens.
        connect_timeout_s: time limit for opening a connection, in seconds.
        max_message_bytes: the largest message that is accepted.
        compression: whether WebSocket messages are deflated; ``auto`` deflates unless the server
            is on this machine.
        ssl_context: for https and wss; None means the system's trust store.
        http_client: the user's own client for HTTP requests; the user closes it.
        query: the query of the server's address, which goes with every request; left out of
            reprs, because it may be a secret.
    """

    headers: Mapping[str, str] = field(repr=False)
    connect_timeout_s: float
    max_message_bytes: int
    compression: Compression = "auto"
    ssl_context: ssl.SSLContext | None = None
    http_client: httpx.Client | httpx.AsyncClient | None = None
    query: str = field(default="", repr=False)


class Transport(Protocol):
    """Sends requests and waits for their replies."""

    def exchange(self, request: Request) -> dict[str, Any]:
        """Send ``request`` and return the payload of its reply, or raise an EnvError; no other."""
        ...

    def close(self) -> None:
        """Close gracefully. Safe to call twice."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, without waiting for the server. Safe to call twice."""
        ...

    def abandon(self) -> None:
        """``abort`` as garbage collection needs it: wherever it interrupts, no lock is awaited."""
        ...

    def after_fork(self) -> None:
        """Close the descriptors, in a forked child. The connection is the parent's, and goes on."""
        ...


class AsyncTransport(Protocol):
    """``Transport`` for asyncio. ``abort`` isn't awaited: it is called during cancellation.

    A connection belongs to the event loop that it was opened in. ``close`` and ``abort`` may be
    called from anywhere else too: from another loop, another thread, or after the loop's end.
    """

    async def exchange(self, request: Request) -> dict[str, Any]:
        """Send ``request`` and return the payload of its reply, or raise an EnvError; no other."""
        ...

    async def close(self) -> None:
        """Close gracefully. Safe to call twice."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, without waiting for the server. Safe to call twice."""
        ...

    def after_fork(self) -> None:
        """As ``Transport.after_fork``."""
        ...
