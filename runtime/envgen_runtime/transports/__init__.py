"""What moves bytes: HTTP and WebSocket, each sync and async."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ..wire.protocol import Request

if TYPE_CHECKING:
    import ssl

    import httpx

TransportName = Literal["auto", "websocket", "http"]
Compression = Literal["auto", "deflate", "none"]


@dataclass(frozen=True, slots=True)
class ConnectionOptions:
    """How to connect.

    Attributes:
        headers: sent with every HTTP request and with the WebSocket handshake; not in reprs,
            because tokens travel here.
        connect_timeout_s: time limit for opening a connection, in seconds.
        max_message_bytes: the largest message that is accepted.
        compression: whether WebSocket messages are deflated; ``auto`` does it unless the server
            is on this machine.
        ssl_context: for https and wss; the system's trust store where there is none.
        http_client: the user's own, for HTTP requests; closed by whoever made it.
    """

    headers: Mapping[str, str] = field(repr=False)
    connect_timeout_s: float
    max_message_bytes: int
    compression: Compression = "auto"
    ssl_context: ssl.SSLContext | None = None
    http_client: httpx.Client | httpx.AsyncClient | None = None


class Transport(Protocol):
    """Sends a request and waits for the answer."""

    def exchange(self, request: Request) -> dict[str, Any]:
        """The payload of the answer. Raises ``EnvError`` and nothing else of its library's."""
        ...

    def close(self) -> None:
        """End the conversation politely. Safe to call twice."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, without waiting for the other side. Safe to call twice."""
        ...


class AsyncTransport(Protocol):
    """As ``Transport``, awaited. ``abort`` is not: it is called while a task is being cancelled."""

    async def exchange(self, request: Request) -> dict[str, Any]:
        """The payload of the answer. Raises ``EnvError`` and nothing else of its library's."""
        ...

    async def close(self) -> None:
        """End the conversation politely. Safe to call twice."""
        ...

    def abort(self) -> None:
        """Drop the connection at once, without waiting for the other side. Safe to call twice."""
        ...
