"""Why a session was not opened, or has ended: from the server's log and the library's errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from ..errors import (
    LOG_FOLLOWS,
    ConnectError,
    ConnectionLost,
    EnvError,
    ReadyTimeout,
    StartError,
)
from ..transports.proxies import through_proxy
from ..wire.diagnosis import reason
from .servers import HttpServer, Server


def why_ended(
    server: Server, failure: BaseException | None, *, log: str, was_open: bool
) -> EnvError:
    """The error for what is in flight when a session ends by itself.

    Args:
        server: the server.
        failure: what the transport raised; None where the stream just ended.
        log: the last lines of the server's log.
        was_open: whether the server had answered.
    """
    leaf = _telling(failure)
    if isinstance(leaf, EnvError):
        return leaf
    why = f": {reason(leaf)}" if leaf is not None else ""
    via = through_proxy(server.url) if isinstance(server, HttpServer) else ""
    error: EnvError
    if was_open:
        ending = f"{LOG_FOLLOWS}{log}" if log else ""
        error = ConnectionLost(
            f"the session with {server.label} ended{via}{why}{ending}", maybe_applied=True
        )
        error.log = log
    elif isinstance(server, HttpServer):
        error = ConnectError(f"{server.label} could not be reached{via}{why}")
    else:
        error = StartError(f"{server.label} ended before it was ready{why}", log=log)
    error.__cause__ = leaf
    return error


def not_ready(server: Server, timeout_s: float, *, log: str) -> EnvError:
    """The error where a server has not answered in time."""
    if isinstance(server, HttpServer):
        return ConnectError(f"{server.label} didn't answer within {timeout_s:g} s")
    return ReadyTimeout(f"{server.label} was not ready within {timeout_s:g} s", log=log)


def _telling(error: BaseException | None) -> BaseException | None:
    """The error in a group that tells most: one of ours, else the first."""
    if error is None:
        return None
    leaves = [*_leaves(error)]
    return next((leaf for leaf in leaves if isinstance(leaf, EnvError)), leaves[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(inner)
    else:
        yield error
