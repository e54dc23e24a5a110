"""The synchronous client of an MCP server: its connection lives in a thread of its own."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from threading import Lock
from typing import Any, Self, TypeVar

from ..errors import EnvError, SessionClosed
from ..json_value import JsonValue
from ..providers.cleanup import Cleanup
from ..tools.errors import ToolResultMismatch
from ..tools.live import contract_result
from ..tools.result import ToolReply, ToolResult
from ..tools.toolset import ToolCaller
from .background import Background
from .base import ToolsClientBase
from .connection import Connection
from .session import OnProgress

T = TypeVar("T")
ToolsetT = TypeVar("ToolsetT")


class _Link:
    """The connection behind a synchronous client, and the thread that it lives in."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.background = Background()
        # Also at the interpreter's end: a server that was started may not end by itself.
        self._cleanup = Cleanup(repr(connection), self._release)

    def close(self) -> None:
        """End the session and the thread, once."""
        self._cleanup.run()

    def _release(self) -> None:
        try:
            with suppress(SessionClosed):  # it was abandoned
                self.background.run(lambda _: self.connection.close())
        finally:
            self.background.stop()


class ToolsClient(ToolsClientBase):
    """A client of an MCP server's tools. Threads may share it; each waits for its own calls.

    The first call connects, or ``with``. A session that has ended stays so until ``connect()``:
    what its server kept for it is gone.
    """

    _link: _Link | None = None
    _failure: EnvError | None = None  # why the last attempt to connect failed

    def connect(self) -> Self:
        """Open a session, if none is open. For a command, this starts the server.

        Raises:
            StartError, ReadyTimeout: the server was not started, has ended, or doesn't answer;
                the message ends with the last lines of its log.
            ConnectError: it can't be reached, or refuses access.
            ServerError, ProtocolError: it answers with an error, or not as MCP says.
            MissingExtra: the SDK is not installed.
        """
        with self._connecting:
            self._connect()
        return self

    def _connect(self) -> None:
        if self._link is not None and self._session is not None and self._session.is_open:
            return
        self.close()
        link = self._link = _Link(self._new_connection())
        try:
            link.background.run(lambda _: link.connection.connect())
        except BaseException as error:
            if isinstance(error, EnvError):
                self._failure = error
            link.close()
            self._link = None
            raise
        self._connection = link.connection

    def _toolset(self, toolset: Callable[[ToolCaller], ToolsetT]) -> ToolsetT:
        """The namespace of typed tools of a generated client."""
        return toolset(_Caller(self._typed_call, self._explain))

    def _linked(self) -> _Link:
        """The link, which the first call makes. Threads that wait for that share its failure."""
        if self._session is None:
            known = self._failure
            with self._connecting:
                if self._failure is not None and self._failure is not known:
                    raise self._failure
                if self._session is None:
                    self._connect()
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
        return self._run(lambda connection, _: connection.list_tools(timeout_s))

    def call_tool(
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
        isn't in it or before arguments are refused. A call that is
        interrupted, as by Ctrl-C, is cancelled at the server, too.

        Args:
            name: the tool's name on the wire.
            arguments: by their names on the wire.
            timeout_s: time limit in seconds, instead of ``request_timeout_s``; for the call and for
                the list each.
            on_progress: called in this thread with the progress, the total (or None) and the
                message (or None) that the server tells. What it raises ends the call.

        Raises:
            ToolError: the call failed: ToolNotFound, ToolArgumentsInvalid, ToolTimeout or
                ToolExecutionFailed.
            RequestTimeout: there was no reply within this client's limit. The session goes on.
            ServerError: the server answers with another error. The session goes on.
            ConnectionLost: the session ended while the call was in flight.
            SessionLost, SessionClosed: it had ended before.
        """
        return self._run(
            lambda connection, told: connection.checked_call(
                name, arguments or {}, timeout_s=timeout_s, on_progress=told
            ),
            on_progress,
        )

    def dispatch(
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
        reply = self._typed_call(made.name, made.arguments, timeout_s)
        return contract_result(type(self), made.name, reply)

    def _typed_call(
        self, name: str, arguments: Mapping[str, JsonValue], timeout_s: float | None
    ) -> ToolReply:
        return self._run(
            lambda connection, _: connection.typed_call(name, arguments, timeout_s=timeout_s)
        )

    def _explain(self, error: ToolResultMismatch) -> None:
        with suppress(SessionClosed):  # the error is told without
            self._run(lambda connection, _: connection.explain(error))

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
        self._connecting = Lock()  # another thread of the parent's may have held it
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
        work: Callable[[Connection, OnProgress | None], Coroutine[Any, Any, T]],
        on_progress: OnProgress | None = None,
    ) -> T:
        link = self._linked()
        return link.background.run(lambda told: work(link.connection, told), on_progress)


class _Caller:
    """Calls tools for a namespace. Generated code knows it by ``ToolsClient._toolset``."""

    def __init__(
        self,
        call: Callable[[str, Mapping[str, JsonValue], float | None], ToolReply],
        explain: Callable[[ToolResultMismatch], None],
    ) -> None:
        self._call = call
        self._explain = explain

    def call(
        self, name: str, arguments: Mapping[str, JsonValue], *, timeout_s: float | None
    ) -> ToolReply:
        """Call a tool. As ``ToolCaller.call``."""
        return self._call(name, arguments, timeout_s)

    def explain(self, error: ToolResultMismatch) -> None:
        """Add how the server's list differs from the contract. As ``ToolCaller.explain``."""
        self._explain(error)
