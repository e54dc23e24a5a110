"""What a call asks its client to do, as data."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Literal, NamedTuple, TypeVar

from ..providers import Provider
from ..wire.protocol import Request

T = TypeVar("T")


class Open(NamedTuple):
    """Open a transport for the session. No outcome."""

    transport: Literal["websocket", "http"]
    request: Request


class Send(NamedTuple):
    """Send a request over the transport. The outcome is the payload of the reply."""

    request: Request


class Drop(NamedTuple):
    """Close the transport at once, without a closing handshake. No outcome."""


class Ask(NamedTuple):
    """Ask a route over a connection of its own. The outcome is the HTTP response.

    It is asked by GET, or by POST if there is a body.
    """

    path: str
    request: Request
    body: bytes | None = None


class Wait(NamedTuple):
    """Let time pass. No outcome."""

    delay_s: float


class Diagnose(NamedTuple):
    """Ask the provider whether its server has ended. The outcome is what it says, or None."""

    provider: Provider
    within_s: float


class LookAtContract(NamedTuple):
    """Compare the server's contract in the background, and warn of what differs. No outcome."""

    warn: Callable[[Request], Call[None]]
    request: Request


Effect = Open | Send | LookAtContract | Drop | Ask | Wait | Diagnose
Call = Generator[Effect, Any, T]
