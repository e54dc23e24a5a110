"""The asynchronous client of an MCP server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self, TypeVar

from ..json_value import JsonValue
from ..tools.errors import ToolResultMismatch
from ..tools.live import contract_result
from ..tools.result import ToolReply, ToolResult
from ..tools.toolset import AsyncToolCaller
from .base import ToolsClientBase
from .connection import Connection
from .session import OnProgress

ToolsetT = TypeVar("ToolsetT")


class AsyncToolsClient(ToolsClientBase):
    """A client of an MCP server's tools. Many calls may be in flight.

    The first call connects, or ``async with``. A session that has ended stays so until
    ``connect()``: what its server kept for it is gone.
    """

    async def connect(self) -> Self:
        """Open a session, if none is open. For a command, this starts the server.

        Raises:
            StartError, ReadyTimeout: the server was not started, has ended, or doesn't answer;
                the message ends with the last lines of its log.
            ConnectError: it can't be reached, or refuses access.
            ServerError, ProtocolError: it answers with an error, or not as MCP says.
            MissingExtra: the SDK is not installed.
        """
        await self._connection.connect()
        return self

    async def list_tools(self, *, timeout_s: float | None = None) -> list[dict[str, JsonValue]]:
        """The server's tools, of all its pages, as it sent them.

        Args:
            timeout_s: time limit for all pages, in seconds, instead of ``request_timeout_s``.

        Raises:
            ProtocolError: the list can't be read, or doesn't end.
            EnvError: as ``call_tool``.
        """
        return await self._connection.list_tools(timeout_s)

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, JsonValue] | None = None,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> ToolResult[JsonValue]:
        """Call a tool by its name, such as one that is not in the contract.

        The arguments are checked against what the server lists: names, types and values at the top
        of the input schema. The list is asked for once in a session, and again for a tool that
        isn't in it or before arguments are refused. A cancelled call is
        cancelled at the server, too.

        Args:
            name: the tool's name on the wire.
            arguments: by their names on the wire.
            timeout_s: time limit in seconds, instead of ``request_timeout_s``; for the call and for
                the list each.
            on_progress: called with the progress, the total (or None) and the message (or None)
                that the server tells. What it raises ends the call.

        Raises:
            ToolError: the call failed: ToolNotFound, ToolArgumentsInvalid, ToolTimeout or
                ToolExecutionFailed.
            RequestTimeout: there was no reply within this client's limit. The session goes on.
            ServerError: the server answers with another error. The session goes on.
            ConnectionLost: the session ended while the call was in flight.
            SessionLost, SessionClosed: it had ended before.
        """
        return await self._connection.checked_call(
            name, arguments or {}, timeout_s=timeout_s, on_progress=on_progress
        )

    async def dispatch(
        self, call: object, *, strict: bool = False, timeout_s: float | None = None
    ) -> ToolResult[JsonValue]:
        """Make a model's tool call: validate it by the contract, then call the tool.

        Args:
            call: as ``parse_call`` takes it, or what that has returned.
            strict: as for ``parse_call``.
            timeout_s: time limit in seconds, instead of ``request_timeout_s``.

        Raises:
            InvalidCall: the call can't be made, and nothing was sent; ``str(error)`` is for the
                model.
            ToolError: the tool failed; ``for_model()`` is for the model.
            EnvError: as ``call_tool``.
        """
        made = self.parse_call(call, strict=strict)
        reply = await self._connection.typed_call(made.name, made.arguments, timeout_s=timeout_s)
        return contract_result(type(self), made.name, reply)

    async def close(self) -> None:
        """End the session, and the server if it was started. The second call does nothing."""
        await self._connection.close()

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def _toolset(self, toolset: Callable[[AsyncToolCaller], ToolsetT]) -> ToolsetT:
        """The namespace of typed tools of a generated client."""
        return toolset(_Caller(self._connection))


class _Caller:
    """Calls tools for a namespace. Generated code knows it by ``AsyncToolsClient._toolset``."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def call(
        self, name: str, arguments: Mapping[str, JsonValue], *, timeout_s: float | None
    ) -> ToolReply:
        """Call a tool. As ``AsyncToolCaller.call``."""
        return await self._connection.typed_call(name, arguments, timeout_s=timeout_s)

    async def explain(self, error: ToolResultMismatch) -> None:
        """Add to an error how the server's list differs from the contract."""
        await self._connection.explain(error)
