"""From the server that a trainer is given to a client of its own for each rollout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from ..wire.retries import RetryPolicy
from .episode import AsyncClient, Client

ClientT = TypeVar("ClientT", Client, AsyncClient)

Server: TypeAlias = str | Callable[[], ClientT]
"""A server's address, or what makes a connected client: ``partial(CodingEnv, url, token=...)``."""

CAPACITY_WAIT_S = 600.0
"""How long a rollout waits for a free session by default, in seconds: others have to end first."""

_ATTEMPTS = 10
"""How often a reset is tried whose server isn't there: it waits about 40 s in all, less than a
reset's limit. Servers take seconds to restart, and a reset that fails ends most trainings."""


SHORT_WAIT_S = RetryPolicy().capacity_wait_s
"""How long to wait where no other session can end meanwhile, in seconds: a server takes a moment to
notice that one was closed."""


def client_of(
    client: type[ClientT], server: Server[ClientT], *, capacity_wait_s: float = CAPACITY_WAIT_S
) -> ClientT:
    """Return a client for a rollout. Nothing is connected yet.

    Args:
        client: the generated client's class.
        server: the server's address, or what makes a client. A client of an address waits for a
            server that restarts, as ``_ATTEMPTS`` says.
        capacity_wait_s: how long a reset waits for a free session of a full server, in seconds.
            What makes a client itself sets its own ``retry``.
    """
    if isinstance(server, str):
        return client(server, retry=RetryPolicy(_ATTEMPTS, capacity_wait_s=capacity_wait_s))
    return server()
