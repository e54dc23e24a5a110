"""Open a server's two streams of messages, as context managers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from ..errors import StartError
from ..wire.diagnosis import reason
from .http import Guard
from .log import LogTail
from .sdk import Sdk
from .servers import HttpServer, StdioServer


@asynccontextmanager
async def over_http(sdk: Sdk, server: HttpServer, guard: Guard) -> AsyncGenerator[Any]:
    """The streams of a server that runs; ``guard`` checks its responses."""
    async with (
        sdk.http_client(server, guard.check) as client,
        sdk.http(server, client, guard.max_bytes) as streams,
    ):
        yield streams


@asynccontextmanager
async def over_stdio(sdk: Sdk, server: StdioServer, log: LogTail) -> AsyncGenerator[Any]:
    """Start a server, and end it when the block is left; ``log`` gets its standard error.

    Raises:
        StartError: it can't be started.
    """
    opening = sdk.stdio(server, log.stream)
    try:
        streams = await opening.__aenter__()
    except (OSError, ValueError) as error:
        raise StartError(
            f"{server.label} can't be started: {reason(error)}", retryable=False
        ) from error
    finally:
        log.start()
    try:
        yield streams
    except BaseException as error:
        if not await opening.__aexit__(type(error), error, error.__traceback__):
            raise
    else:
        await opening.__aexit__(None, None, None)
