"""One MCP session: requests and their replies by number, over a transport of the SDK's.

A task of the event loop holds the transport open and reads it. JSON-RPC's numbers tell which reply
belongs to which request, so many may be in flight, and one that is given up costs no session.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Any

from ..errors import (
    EnvError,
    RequestTimeout,
    SessionClosed,
    SessionLost,
)
from ..json_value import JsonValue, as_object, is_refused
from ..printable import printable
from ..wire.redaction import redact
from .endings import not_ready, why_ended
from .http import Guard
from .log import LogTail
from .messages import (
    agreed_version,
    checked_call,
    introduction,
    no_result,
    refused_reply,
    refused_texts,
    request_number,
    server_error,
    shown_request,
)
from .sdk import load_sdk
from .servers import HttpServer, Server
from .streams import over_http, over_stdio

OnProgress = Callable[[float, float | None, str | None], object]
"""Called with how far a call is: the progress, the total if it is known, and maybe a message."""

_NOTICE_LIMIT_S = 0.2  # beyond the limit of the call that is given up
_CLOSE_LIMIT_S = 10.0  # the SDK gives a server two seconds to end, and two more after SIGTERM
_LOG_LIMIT_S = 1.0
_MAX_ANSWERS = 100  # to requests of a server that doesn't read them
_NOISE_LINES = 3
_NOISE_CHARACTERS = 200


@dataclass(slots=True)
class Waiting:
    """A request in flight."""

    reply: asyncio.Future[dict[str, Any]]
    on_progress: OnProgress | None
    is_answered: bool = False


class Session:
    """A session with an MCP server, opened once.

    Args:
        server: the server.
        max_message_bytes: the largest reply over HTTP that is accepted.

    Attributes:
        greeting: the reply to ``initialize``, once it is open.
        loop: the event loop that it belongs to, once it was opened.
    """

    def __init__(self, server: Server, *, max_message_bytes: int) -> None:
        self.greeting: dict[str, Any] = {}
        self.loop: asyncio.AbstractEventLoop | None = None
        self._server = server
        self._max_message_bytes = max_message_bytes
        self._sdk = load_sdk()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, Waiting] = {}
        self._version: str | None = None
        self._write: Any = None
        self._reading: Any = None
        self._owner: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[None] | None = None
        self._lost: EnvError | None = None
        self._is_closed = False
        self._log: LogTail | None = None
        self._noise: deque[str] = deque(maxlen=_NOISE_LINES)
        self._errands: set[asyncio.Task[None]] = set()  # loops hold their tasks weakly

    @property
    def is_open(self) -> bool:
        """Whether requests can be made."""
        return bool(self.greeting) and self._lost is None and not self._is_closed

    async def open(self, timeout_s: float) -> None:
        """Connect, and agree on the version of the protocol. After a failure nothing is left.

        Args:
            timeout_s: how long it may take, in seconds, with the start of the server.

        Raises:
            StartError, ReadyTimeout: the server was not started, or has ended, or doesn't answer.
            ConnectError: the server can't be reached.
            ServerError, ProtocolError: it answers with an error, or not as MCP says.
        """
        self.loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = self.loop.create_future()
        self._opened = opened
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                self._owner = asyncio.create_task(self._hold(opened))
                await opened
                greeting = await self._exchange("initialize", introduction(), None)
                self._version = agreed_version(self._server, greeting)
                await self._send("notifications/initialized")
        except TimeoutError as error:
            if not limit.expired():
                raise
            await self.close()
            late = not_ready(self._server, timeout_s, log=self._said())
            redact(late, self._server.secrets)
            raise late from error
        except BaseException as error:
            await self.close()
            if isinstance(error, EnvError):
                redact(error, self._server.secrets)
            raise
        self.greeting = greeting

    async def request(
        self,
        method: str,
        params: Mapping[str, JsonValue],
        *,
        timeout_s: float,
        on_progress: OnProgress | None = None,
    ) -> dict[str, Any]:
        """Make a request and return its result.

        Args:
            method: such as ``tools/list``.
            params: its parameters.
            timeout_s: time limit in seconds.
            on_progress: called with the progress that the server tells. What it raises ends the
                request.

        Raises:
            ToolNotFound, ToolArgumentsInvalid: JSON doesn't have what a tool is called with, so
                nothing was sent.
            RequestTimeout: there was no reply in time. The session goes on.
            ServerError: the server answers with an error. The session goes on.
            ProtocolError: the reply can't be read.
            ConnectionLost: the session ended while the request was in flight.
            SessionLost, SessionClosed: it had ended before.
        """
        if self._lost is not None or self._is_closed:
            raise self.ended_before()
        if method == "tools/call":
            params = checked_call(params)
        limit = asyncio.timeout(timeout_s)
        try:
            async with limit:
                return await self._exchange(method, params, on_progress)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise RequestTimeout(
                f"no reply to {shown_request(method, params)} within {timeout_s:g} s; the session "
                "goes on",
                maybe_applied=method == "tools/call",
            ) from error
        except EnvError as error:
            redact(error, self._server.secrets)
            raise

    async def close(self) -> None:
        """End the session, and the server if it was started for it. Bounded in time."""
        self._is_closed = True
        for number in [*self._waiting]:
            closed = SessionClosed("the client was closed", maybe_applied=True)
            self._settle(number, error=closed)
        if self._opened is not None and not self._opened.done():  # the task may not have begun
            self._opened.set_exception(SessionClosed("the client was closed"))
        owner = self._owner
        if owner is None:
            return
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({owner}, timeout=_CLOSE_LIMIT_S)
        if not owner.done():
            owner.cancel()
            await asyncio.wait({owner}, timeout=_CLOSE_LIMIT_S)

    def after_fork(self) -> None:
        """Leave the session to the parent, in a forked child."""
        self._owner, self.loop = None, None
        if not self._is_closed and self._lost is None:
            self._lost = SessionLost("the session is another process's")

    # --- requests -----------------------------------------------------------------------------

    async def _exchange(
        self, method: str, params: Mapping[str, JsonValue], on_progress: OnProgress | None
    ) -> dict[str, Any]:
        number = next(self._numbers)
        if on_progress is not None:
            meta = as_object(params.get("_meta")) or {}
            params = {**params, "_meta": {**meta, "progressToken": number}}
        message = self._sdk.request(number, method, params, self._version)
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        waiting = self._waiting[number] = Waiting(reply, on_progress)
        try:
            await self._deliver(message)
            return await reply
        except (self._sdk.anyio.BrokenResourceError, self._sdk.anyio.ClosedResourceError):
            if self._owner is not None:  # it is about to know why
                await asyncio.wait({self._owner}, timeout=_CLOSE_LIMIT_S)
            waiting.is_answered = True
            raise self.ended_before() from self._lost
        finally:
            del self._waiting[number]
            reply.cancel()
            if not waiting.is_answered and method != "initialize":
                await self._give_up(number)

    async def _give_up(self, number: int) -> None:
        """Tell the server that nobody waits for a reply any more."""
        params: dict[str, JsonValue] = {"requestId": number, "reason": "the caller gave up"}
        errand = self._in_background(self._send("notifications/cancelled", params))
        with suppress(asyncio.CancelledError):  # it goes on without us
            await asyncio.wait({errand}, timeout=_NOTICE_LIMIT_S)

    async def _send(self, method: str, params: Mapping[str, JsonValue] | None = None) -> None:
        await self._deliver(self._sdk.notification(method, params, self._version))

    async def _deliver(self, message: Any) -> None:
        await self._write.send(message)

    def _in_background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        async def quietly() -> None:
            with suppress(self._sdk.anyio.BrokenResourceError, self._sdk.anyio.ClosedResourceError):
                await work

        errand = asyncio.create_task(quietly())
        self._errands.add(errand)
        errand.add_done_callback(self._errands.discard)
        return errand

    # --- the transport ------------------------------------------------------------------------

    async def _hold(self, opened: asyncio.Future[None]) -> None:
        """Hold the transport open and read it, until it ends or the session is closed."""
        failure: BaseException | None = None
        try:
            # Both streams are closed here: version 1 leaves that to whoever reads them.
            async with self._transport() as (read, self._write, *_), read, self._write:
                with self._sdk.anyio.CancelScope() as self._reading:
                    if not opened.done():
                        opened.set_result(None)
                    async for item in read:
                        self._receive(item)
                if not self._is_closed:  # before the transport waits for the server's end
                    await self._end(None, opened)
        except asyncio.CancelledError:
            failure = SessionClosed("the client was closed")
            raise
        except BaseException as error:  # noqa: BLE001 - groups, and whatever a library raises
            failure = error
        finally:
            await self._end(failure, opened)

    def _transport(self) -> AbstractAsyncContextManager[Any]:
        if isinstance(self._server, HttpServer):
            guard = Guard(self._sdk, self._server.label, self._max_message_bytes, self._refused)
            return over_http(self._sdk, self._server, guard)
        self._log = LogTail()
        return over_stdio(self._sdk, self._server, self._log)

    async def _end(self, failure: BaseException | None, opened: asyncio.Future[None]) -> None:
        """Fail what is in flight, and every later request."""
        if self._lost is None:
            self._lost = await self._explained(failure)
            redact(self._lost, self._server.secrets)
        if not opened.done():
            opened.set_exception(self._lost)
        for number in [*self._waiting]:
            self._settle(number, error=self._lost)

    async def _explained(self, failure: BaseException | None) -> EnvError:
        """Why the session has ended."""
        if self._is_closed:
            return SessionClosed("the client was closed", maybe_applied=bool(self._waiting))
        if self._log is not None:
            with suppress(RuntimeError):  # the interpreter is ending, and starts no threads
                await asyncio.to_thread(self._log.ended, _LOG_LIMIT_S)
        return why_ended(self._server, failure, log=self._said(), was_open=bool(self.greeting))

    def _said(self) -> str:
        """The last lines of the server's log, and what it printed that isn't MCP."""
        lines = [self._log.text] if self._log is not None and self._log.text else []
        lines += [f"(on stdout, where MCP belongs) {line}" for line in self._noise]
        return "\n".join(lines)

    def ended_before(self) -> EnvError:
        """The error of a request after the end."""
        if self._is_closed:
            return SessionClosed("the client was closed; connect() opens a new session")
        why = f": {self._lost.args[0]}" if self._lost is not None else ""
        error = SessionLost(f"there is no session until connect() opens one{why}")
        error.log = self._lost.log if self._lost is not None else ""
        return error

    # --- what the server sends ----------------------------------------------------------------

    def _receive(self, item: Any) -> None:
        if isinstance(item, Exception):
            self._receive_noise(item)
            return
        message = getattr(item.message, "root", item.message)
        method, number = getattr(message, "method", None), getattr(message, "id", None)
        if method is None:
            error = getattr(message, "error", None)
            if error is None:
                self._settle(number, result=message.result)
            else:
                self._settle(number, error=server_error(error.code, error.message, error.data))
        elif number is not None and len(self._errands) < _MAX_ANSWERS:
            answer = self._sdk.answer(number, self._version, is_ping=method == "ping")
            self._in_background(self._deliver(answer))
        elif method == "notifications/progress":
            self._progress(message.params or {})

    def _receive_noise(self, error: Exception) -> None:
        """What is not JSON-RPC: a line that the server printed, or a reply that can't be read."""
        for text in refused_texts(error):
            self._noise.append(printable(text.strip(), _NOISE_CHARACTERS))
        number, problem = refused_reply(error)
        if isinstance(self._server, HttpServer) and number < 0 and len(self._waiting) == 1:
            (number,) = self._waiting
        self._settle(number, error=problem)

    def _refused(self, number: int, error: EnvError) -> None:
        """The server answered a request with an HTTP status of an error."""
        if isinstance(error, SessionLost):
            self._lost = error
        self._settle(number, error=error)

    def _progress(self, params: Mapping[str, Any]) -> None:
        waiting = self._waiting.get(request_number(params.get("progressToken")))
        if waiting is None or waiting.on_progress is None or waiting.reply.done():
            return
        progress, total = (_number(params.get(key)) for key in ("progress", "total"))
        message = params.get("message")
        if progress is not None:
            try:
                waiting.on_progress(progress, total, message if isinstance(message, str) else None)
            except Exception as error:  # noqa: BLE001 - it is the caller's, and ends its call
                waiting.reply.set_exception(error)

    def _settle(
        self, number: Any, *, result: Any = None, error: BaseException | None = None
    ) -> None:
        waiting = self._waiting.get(request_number(number))
        if waiting is None or waiting.reply.done():
            return
        waiting.is_answered = True
        fields = as_object(result)
        if error is not None:
            waiting.reply.set_exception(error)
        elif fields is None:
            waiting.reply.set_exception(no_result())
        else:
            waiting.reply.set_result(fields)


def _number(value: Any) -> float | None:
    """A number of JSON's, which has no infinite ones."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and not is_refused(value) else None
