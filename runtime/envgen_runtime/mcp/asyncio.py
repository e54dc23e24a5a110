"""The asynchronous client of an MCP server."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Self, TypeVar

from ..errors import ServerError, SessionLost
from ..json_value import JsonValue
from ..tools.result import ToolReply
from ..tools.toolset import AsyncToolCaller
from ..transports.loops import is_running
from .base import ToolPages, ToolsClientBase, call_error, may_be_unknown
from .session import OnProgress, Session

ToolsetT = TypeVar("ToolsetT")


class AsyncToolsClient(ToolsClientBase):
    """A client of an MCP server's tools. Many calls may be in flight.

    The first call connects, or ``async with``. A session that has ended stays so until
    ``connect()``: what its server kept for it is gone.
    """

    @cached_property
    def _connecting(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def connect(self) -> Self:
        """Open a session, if none is open. For a command, this starts the server.

        Raises:
            StartError, ReadyTimeout: the server was not started, has ended, or doesn't answer;
                the message ends with the last lines of its log.
            ConnectError: it can't be reached, or refuses access.
            ServerError, ProtocolError: it answers with an error, or not as MCP says.
            MissingExtra: the SDK is not installed.
        """
        await self._connected()
        return self

    async def list_tools(self, *, timeout_s: float | None = None) -> list[dict[str, JsonValue]]:
        """The server's tools, of all its pages, as it sent them.

        Args:
            timeout_s: time limit for all pages, in seconds, instead of ``request_timeout_s``.

        Raises:
            ProtocolError: the list can't be read, or doesn't end.
            EnvError: as ``call_tool``.
        """
        session, pages = await self._opened(), ToolPages()
        now = asyncio.get_running_loop().time
        deadline = now() + self._limit(timeout_s)
        while pages.add(
            await session.request("tools/list", pages.params, timeout_s=deadline - now())
        ):
            pass
        return pages.tools

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, JsonValue] | None = None,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> dict[str, JsonValue]:
        """Call a tool and return its result as the server sent it.

        That is MCP's ``CallToolResult``: ``content``, and maybe ``structuredContent``, ``isError``
        and ``_meta``. A tool that fails says so in ``isError``. A cancelled call is cancelled at
        the server, too.

        Args:
            name: the tool's name.
            arguments: its arguments.
            timeout_s: time limit in seconds, instead of ``request_timeout_s``.
            on_progress: called with the progress, the total (or None) and the message (or None)
                that the server tells. What it raises ends the call.

        Raises:
            ToolNotFound, ToolArgumentsInvalid, ToolTimeout: the server says so.
            RequestTimeout: there was no reply within this client's limit. The session goes on.
            ServerError: the server answers with another error. The session goes on.
            ConnectionLost: the session ended while the call was in flight.
            SessionLost, SessionClosed: it had ended before.
        """
        session, limit_s = await self._opened(), self._limit(timeout_s)
        params: dict[str, JsonValue] = {"name": name, "arguments": dict(arguments or {})}
        try:
            return await session.request(
                "tools/call", params, timeout_s=limit_s, on_progress=on_progress
            )
        except ServerError as error:
            is_known = not may_be_unknown(error) or any(
                tool.get("name") == name for tool in await self.list_tools(timeout_s=limit_s)
            )
            told = call_error(error, name, is_known=is_known)
            if told is error:
                raise
            raise told from error

    async def close(self) -> None:
        """End the session, and the server if it was started. The second call does nothing."""
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    @property
    def session(self) -> Session | None:
        """The last session that was opened."""
        return self._session

    def _toolset(self, toolset: Callable[[AsyncToolCaller], ToolsetT]) -> ToolsetT:
        """The namespace of typed tools of a generated client."""
        return toolset(_Caller(self))

    async def _connected(self) -> Session:
        async with self._connecting:
            before = self._session
            if before is not None and before.is_open:
                self._check_loop(before)
                return before
            if before is not None:
                await before.close()
            session = self._session = self._new_session()
            await session.open(self._options["connect_timeout_s"])
            return session

    async def _opened(self) -> Session:
        session = self._session
        if session is None:
            session = await self._connected()
        self._check_loop(session)
        return session

    def _check_loop(self, session: Session) -> None:
        if session.loop is not None and not is_running(session.loop):
            raise SessionLost(
                f"{self!r} was connected in another event loop; make a client for this one"
            )


class _Caller:
    """Calls tools for a namespace. Generated code knows it by ``AsyncToolsClient._toolset``."""

    def __init__(self, client: AsyncToolsClient) -> None:
        self._client = client

    async def call(
        self, name: str, arguments: Mapping[str, JsonValue], *, timeout_s: float | None
    ) -> ToolReply:
        """Call a tool. As ``AsyncToolCaller.call``."""
        return ToolReply(await self._client.call_tool(name, arguments, timeout_s=timeout_s))
