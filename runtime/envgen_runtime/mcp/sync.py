"""The synchronous client of an MCP server: the asynchronous one, in a thread of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Self, TypeVar

from ..errors import SessionClosed
from ..json_value import JsonValue
from ..providers.cleanup import Cleanup
from ..tools.result import ToolReply
from ..tools.toolset import ToolCaller
from .asyncio import AsyncToolsClient
from .background import Background
from .base import ToolsClientBase
from .session import OnProgress

T = TypeVar("T")
ToolsetT = TypeVar("ToolsetT")


class _Link:
    """The asynchronous client behind a synchronous one, and the thread that it lives in."""

    def __init__(self, client: AsyncToolsClient) -> None:
        self.client = client
        self.background = Background()
        # Also at the interpreter's end: a server that was started may not end by itself.
        self._cleanup = Cleanup(repr(client), self._release)

    def close(self) -> None:
        """End the session and the thread, once."""
        self._cleanup.run()

    def _release(self) -> None:
        try:
            with suppress(SessionClosed):  # it was abandoned
                self.background.run(lambda _: self.client.close())
        finally:
            self.background.stop()


class ToolsClient(ToolsClientBase):
    """A client of an MCP server's tools. Threads may share it; each waits for its own calls.

    The first call connects, or ``with``. A session that has ended stays so until ``connect()``:
    what its server kept for it is gone.
    """

    _link: _Link | None = None

    def connect(self) -> Self:
        """Open a session, if none is open. For a command, this starts the server.

        Raises:
            StartError, ReadyTimeout: the server was not started, has ended, or doesn't answer;
                the message ends with the last lines of its log.
            ConnectError: it can't be reached, or refuses access.
            ServerError, ProtocolError: it answers with an error, or not as MCP says.
            MissingExtra: the SDK is not installed.
        """
        if self._link is not None and self._session is not None and self._session.is_open:
            return self
        self.close()
        link = self._link = _Link(AsyncToolsClient(self._server, **self._options))
        try:
            link.background.run(lambda _: link.client.connect())
        except BaseException:
            self.close()
            raise
        self._session = link.client.session
        return self

    def _toolset(self, toolset: Callable[[ToolCaller], ToolsetT]) -> ToolsetT:
        """The namespace of typed tools of a generated client."""
        return toolset(_Caller(self))

    def _linked(self) -> _Link:
        if self._session is None:
            self.connect()
        if self._link is None:
            raise SessionClosed("the client was closed; connect() opens a new session")
        return self._link

    def list_tools(self, *, timeout_s: float | None = None) -> list[dict[str, JsonValue]]:
        """The server's tools, of all its pages, as it sent them.

        Args:
            timeout_s: time limit for all pages, in seconds, instead of ``request_timeout_s``.

        Raises:
            ProtocolError: the list can't be read, or doesn't end.
            EnvError: as ``call_tool``.
        """
        return self._run(lambda client, _: client.list_tools(timeout_s=timeout_s))

    def call_tool(
        self,
        name: str,
        arguments: Mapping[str, JsonValue] | None = None,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
    ) -> dict[str, JsonValue]:
        """Call a tool and return its result as the server sent it.

        That is MCP's ``CallToolResult``: ``content``, and maybe ``structuredContent``, ``isError``
        and ``_meta``. A tool that fails says so in ``isError``. A call that is interrupted, as by
        Ctrl-C, is cancelled at the server, too.

        Args:
            name: the tool's name.
            arguments: its arguments.
            timeout_s: time limit in seconds, instead of ``request_timeout_s``.
            on_progress: called in this thread with the progress, the total (or None) and the
                message (or None) that the server tells. What it raises ends the call.

        Raises:
            ToolNotFound, ToolArgumentsInvalid, ToolTimeout: the server says so.
            RequestTimeout: there was no reply within this client's limit. The session goes on.
            ServerError: the server answers with another error. The session goes on.
            ConnectionLost: the session ended while the call was in flight.
            SessionLost, SessionClosed: it had ended before.
        """
        return self._run(
            lambda client, told: client.call_tool(
                name, arguments, timeout_s=timeout_s, on_progress=told
            ),
            on_progress,
        )

    def close(self) -> None:
        """End the session, and the server if it was started. The second call does nothing."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, *error: object) -> None:
        self.close()

    def after_fork(self) -> None:
        """Leave the session and its thread to the parent, in a forked child. See ``forks``."""
        self._link = None
        super().after_fork()

    def __del__(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            warnings.warn(
                f"unclosed client {self!r}: call close(), or use it in a with statement",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )
            link.background.stop_soon()

    def _run(
        self,
        work: Callable[[AsyncToolsClient, OnProgress | None], Coroutine[Any, Any, T]],
        on_progress: OnProgress | None = None,
    ) -> T:
        link = self._linked()
        return link.background.run(lambda told: work(link.client, told), on_progress)


class _Caller:
    """Calls tools for a namespace. Generated code knows it by ``ToolsClient._toolset``."""

    def __init__(self, client: ToolsClient) -> None:
        self._client = client

    def call(
        self, name: str, arguments: Mapping[str, JsonValue], *, timeout_s: float | None
    ) -> ToolReply:
        """Call a tool. As ``ToolCaller.call``."""
        return ToolReply(self._client.call_tool(name, arguments, timeout_s=timeout_s))
