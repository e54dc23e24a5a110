"""What both clients of an MCP server have behind them: a session, and the calls over it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

from .. import forks
from ..errors import EnvError, InvalidRequest, ServerError, SessionLost
from ..json_value import JsonValue
from ..tools.errors import ToolArgumentsInvalid, ToolResultMismatch
from ..tools.live import LiveTools
from ..tools.result import ToolReply, ToolResult, read_result
from ..transports.loops import is_running
from ..wire.limits import refused_limit
from ..wire.redaction import redact
from ..wire.tools import ToolPages
from .comparison import Comparison
from .replies import call_error, may_be_unknown, may_say_missing, not_found
from .servers import Server
from .session import OnProgress, Session

_LOOK_TIMEOUT_S = 5.0  # a call that nothing refuses waits no longer for the server's list


class Connection:
    """A session with a server, opened by the first call, and again by ``connect`` alone.

    It belongs to the event loop that it was connected in.

    Args:
        server: the server.
        client: the class of the client that it is for.
        options: ``ToolsOptions``, complete.

    Attributes:
        session: the last session that was open.
    """

    def __init__(self, server: Server, client: type, options: Mapping[str, Any]) -> None:
        self.session: Session | None = None
        self._opening: Session | None = None
        self._failure: EnvError | None = None  # why the last attempt to open one failed
        self._server = server
        self._client = client
        self._options = options
        self._comparison = Comparison(client, server, options["on_drift"])
        self._listed: LiveTools | None = None  # what the session's server has listed
        forks.track(self)

    def after_fork(self) -> None:
        """Leave the session to the parent, in a forked child. See ``forks``."""
        for session in (self.session, self._opening):
            if session is not None:
                session.after_fork()

    def __repr__(self) -> str:
        state = "new" if self.session is None else "open" if self.session.is_open else "ended"
        return f"<{self._client.__name__} {self._server.label} ({state})>"

    # --- the session --------------------------------------------------------------------------

    @cached_property
    def _connecting(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def connect(self) -> Session:
        """Return the session that is open, or open one."""
        async with self._connecting:
            before = self.session
            if before is not None and before.is_open:
                self._check_loop(before)
                return before
            if before is not None:
                await before.close()
            session = self._opening = Session(
                self._server, max_message_bytes=self._options["max_message_bytes"]
            )
            self._listed = None
            self._comparison = Comparison(self._client, self._server, self._options["on_drift"])
            try:
                await session.open(self._options["connect_timeout_s"])
            except EnvError as error:
                self._failure = error
                raise
            finally:
                self._opening = None
            self.session = session
            return session

    async def close(self) -> None:
        """End the session. The second call does nothing."""
        for session in (self._opening, self.session):
            if session is not None:
                await session.close()

    async def _opened(self) -> Session:
        """The session, which the first call opens. Calls that wait for that share its failure."""
        session, known = self.session, self._failure
        if session is None and self._opening is not None:
            async with self._connecting:
                pass
            if self._failure is not None and self._failure is not known:
                raise self._failure
            session = self.session
        if session is None:
            session = await self.connect()
        self._check_loop(session)
        return session

    def _check_loop(self, session: Session) -> None:
        if session.loop is not None and not is_running(session.loop):
            raise SessionLost(
                f"{self!r} was connected in another event loop; make a client for this one"
            )

    # --- calls --------------------------------------------------------------------------------

    async def list_tools(self, timeout_s: float | None = None) -> list[dict[str, JsonValue]]:
        """The server's tools, of all its pages."""
        session, pages = await self._opened(), ToolPages()
        now = asyncio.get_running_loop().time
        deadline = now() + self._limit(timeout_s)
        while pages.add(
            await session.request("tools/list", pages.params, timeout_s=deadline - now())
        ):
            pass
        return pages.tools

    async def call(
        self,
        name: str,
        arguments: Mapping[str, JsonValue],
        *,
        timeout_s: float | None,
        on_progress: OnProgress | None = None,
    ) -> ToolReply:
        """Call a tool; nothing is checked, and a tool that failed says so in the reply.

        Raises:
            ToolNotFound, ToolArgumentsInvalid, ToolTimeout: the server says so.
            EnvError: there is no reply.
        """
        session, limit_s = await self._opened(), self._limit(timeout_s)
        params: dict[str, JsonValue] = {"name": name, "arguments": dict(arguments)}
        try:
            sent = await session.request(
                "tools/call", params, timeout_s=limit_s, on_progress=on_progress
            )
        except ServerError as error:
            is_known = not may_be_unknown(error) or await self._lists(name, limit_s)
            told = call_error(error, name, is_known=is_known)
            if told is error:
                raise
            raise told from error
        reply = ToolReply(sent, secrets=self._server.credentials)
        if sent.get("isError") is True and await self._is_missing(name, sent, limit_s):
            missing = not_found(name, sent)
            redact(missing, reply.secrets)
            raise missing
        return reply

    async def _is_missing(self, name: str, sent: Mapping[str, Any], timeout_s: float) -> bool:
        """Whether a call failed because the server has no such tool.

        The official SDK's servers say that as if the tool had failed, so their list is asked.
        """
        if self._known.has(name) and not may_say_missing(sent):
            return False
        return not await self._lists(name, timeout_s)

    async def _lists(self, name: str, timeout_s: float) -> bool:
        """Whether the server lists a tool; True if it doesn't say: then a call's error counts."""
        try:
            listed = await self.list_tools(timeout_s)
        except EnvError:
            return True
        self._listed = LiveTools(listed, is_exact=False)
        return self._listed.has(name)

    async def typed_call(
        self, name: str, arguments: Mapping[str, JsonValue], *, timeout_s: float | None
    ) -> ToolReply:
        """Call a tool of the contract, with arguments that were checked against that.

        Raises:
            ContractDrift: the server lists other tools, and the client refuses that.
            EnvError: as ``call``.
        """
        await self._opened()  # a session begins with a comparison of its own
        if self._comparison.is_due:
            async with self._comparing:
                if self._comparison.is_due:
                    await self._compare(timeout_s)
        return await self.call(name, arguments, timeout_s=timeout_s)

    async def explain(self, error: ToolResultMismatch) -> None:
        """Add to an error, which is about to be raised, how the server's list differs."""
        comparison = self._comparison
        if comparison.wants_a_look:
            with suppress(EnvError):
                comparison.look(await self.list_tools(_LOOK_TIMEOUT_S))
        comparison.explain(error)

    @cached_property
    def _comparing(self) -> asyncio.Lock:
        return asyncio.Lock()

    async def _compare(self, timeout_s: float | None) -> None:
        """Compare the server's list with the contract. One that doesn't list its tools has none."""
        comparison, limit_s = self._comparison, self._limit(timeout_s)
        comparison.begin()
        try:
            if comparison.is_strict:
                listed = await self.list_tools(limit_s)
            else:
                listed = await self.list_tools(min(limit_s, _LOOK_TIMEOUT_S))
        except ServerError:
            comparison.give_up()
            return
        except EnvError:
            if comparison.is_strict:
                raise
            return  # a call doesn't fail for an answer that nobody needs
        self._listed = LiveTools(listed, is_exact=False)
        comparison.end(listed)

    async def checked_call(
        self,
        name: str,
        arguments: Mapping[str, JsonValue],
        *,
        timeout_s: float | None,
        on_progress: OnProgress | None,
    ) -> ToolResult[JsonValue]:
        """Call a tool that may not be in a contract, checked against the server's list.

        Raises:
            ToolError: the arguments don't fit, or the call failed.
            EnvError: there is no reply.
        """
        is_new = self._listed is None or not self._listed.has(name)
        known = await self._list(timeout_s) if is_new else self._known
        try:
            known.check(name, arguments)
        except ToolArgumentsInvalid:
            if is_new:
                raise
            known = await self._list(timeout_s)  # the server's tools may have changed
            known.check(name, arguments)
        reply = await self.call(name, arguments, timeout_s=timeout_s, on_progress=on_progress)
        return read_result(reply, tool=name, is_wrapped=known.is_wrapped(name))

    @property
    def _known(self) -> LiveTools:
        return self._listed or LiveTools([], is_exact=False)

    async def _list(self, timeout_s: float | None) -> LiveTools:
        """Ask for the server's tools. One that doesn't list them checks calls itself."""
        try:
            listed = await self.list_tools(timeout_s)
        except ServerError:
            listed = []
        self._listed = LiveTools(listed, is_exact=False)
        return self._listed

    def _limit(self, timeout_s: float | None) -> float:
        if timeout_s is None:
            return float(self._options["request_timeout_s"])
        if (refusal := refused_limit("timeout_s", timeout_s)) is not None:
            raise InvalidRequest(refusal)
        return float(timeout_s)
