"""The tools of an episode, called from another process of the same machine.

Trainers run servers of tools as processes of their own, but a session belongs to the process that
opened it. So the episode stays where it is scored, and a tool server relays each call to it: over
loopback, one connection for each call, a line of JSON each way. A caller sends the episode's token
first: no more is read of one who hasn't it.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import suppress
from typing import Any

from ..json_value import as_object
from .episode import AsyncEpisode
from .losses import EpisodeLost
from .shown import called_result, listed_tools

_MAX_LINE = 64 * 1024 * 1024
"""The longest line, in bytes: results may hold images."""


_TOKEN_LIMIT_S = 10.0
"""How long a caller may take to send its token, in seconds: any user of the machine can connect."""


class ToolRelay:
    """Answers for the tools of one episode, until it is closed.

    Attributes:
        episode: the episode that calls are made in.
        address: the address that it listens on, as ``host:port``; "" before ``open``.
        token: what a caller has to show.
    """

    def __init__(self, episode: AsyncEpisode) -> None:
        self.episode = episode
        self.address = ""
        self.token = secrets.token_urlsafe(24)
        self._server: asyncio.Server | None = None
        self._answering: set[asyncio.Task[None]] = set()
        self._one_at_a_time = asyncio.Lock()

    async def open(self) -> None:
        """Listen on loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_MAX_LINE)
        host, port = self._server.sockets[0].getsockname()[:2]
        self.address = f"{host}:{port}"

    async def close(self) -> None:
        """Stop listening. A call in flight is cancelled, which loses the episode."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in self._answering:
            task.cancel()
        await asyncio.gather(*self._answering, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine of asyncio's streams runs in a task
        self._answering.add(task)
        try:
            async with asyncio.timeout(_TOKEN_LIMIT_S):
                token = await reader.readexactly(len(self.token))
            if secrets.compare_digest(token, self.token.encode()):
                request = as_object(json.loads(await reader.readline())) or {}
                answer = await self._while_connected(reader, request)
                writer.write(self._line(answer))
                await writer.drain()
        except (ValueError, RecursionError, OSError, EOFError, asyncio.CancelledError):
            pass  # the caller is gone, or this isn't one
        finally:
            self._answering.discard(task)
            writer.close()

    def _line(self, answer: dict[str, Any]) -> bytes:
        """An answer as a line that its caller reads: one that is too long can't be told."""
        line = json.dumps(answer).encode() + b"\n"
        if len(line) <= _MAX_LINE:
            return line
        self.episode.score.interrupted(ValueError(f"a result of {len(line):,} bytes"))
        return json.dumps(lost_result()).encode() + b"\n"

    async def _while_connected(
        self, reader: asyncio.StreamReader, request: dict[str, Any]
    ) -> dict[str, Any]:
        """Answer. A caller that hangs up has given up its call, and may make it again."""
        answering = asyncio.create_task(self._answer(request))
        hanging_up = asyncio.create_task(reader.read(1))
        try:
            await asyncio.wait({answering, hanging_up}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                raise asyncio.CancelledError
            return answering.result()
        finally:
            for task in (answering, hanging_up):
                task.cancel()
            await asyncio.gather(answering, hanging_up, return_exceptions=True)

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        name = request.get("name")
        if name is None:
            return {"tools": listed_tools(type(self.episode.client))}
        async with self._one_at_a_time:  # models make several calls at once; a session takes one
            try:
                turn = await self.episode.call({"name": name, "arguments": request["arguments"]})
            except EpisodeLost as error:
                return lost_result(str(error))
            except Exception as error:  # noqa: BLE001 - such as of a user's `read`
                self.episode.score.interrupted(error)
                return lost_result()
        return called_result(turn)


def lost_result(text: str = EpisodeLost.MESSAGE) -> dict[str, Any]:
    """What a call comes to when the episode is lost, as the result of an MCP ``tools/call``."""
    return {"content": [{"type": "text", "text": text}], "isError": True}


async def list_relayed(address: str, token: str) -> list[dict[str, Any]]:
    """The tools of an episode in another process, as MCP lists them. Raises OSError."""
    tools: list[dict[str, Any]] = (await _ask(address, token, {}))["tools"]
    return tools


async def call_relayed(
    address: str, token: str, name: str, arguments: dict[str, Any]
) -> dict[str, Any]:
    """Call a tool of an episode in another process. Returns MCP's result, also for a loss."""
    try:
        return await _ask(address, token, {"name": name, "arguments": arguments})
    except OSError:
        return lost_result()


async def _ask(address: str, token: str, request: dict[str, Any]) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=_MAX_LINE)
    try:
        writer.write(token.encode() + json.dumps(request).encode() + b"\n")
        await writer.drain()
        line = await reader.readline()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    if not line:
        raise ConnectionError(f"{address} hung up")
    found: dict[str, Any] = json.loads(line)
    return found
