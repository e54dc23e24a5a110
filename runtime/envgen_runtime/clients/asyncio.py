"""The asynchronous client: the effects of a call, performed by awaiting."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

from ..errors import ConnectError, EnvError
from ..json_value import JsonValue
from ..observe.trace import AsyncReplayTransport
from ..result import StepResult, Transition
from ..transports import AsyncTransport
from .base import ResetArguments
from .codec import ActT, ObsT, ResetT, StateT
from .comparison import look_in_background
from .constructors import AsyncConstructors
from .effects import Ask, Call, Diagnose, Drop, Effect, LookAtContract, Open, Send, Wait
from .misuse import checks_arguments
from .session import Flight, raise_closed
from .stock import explain_names
from .task_calls import TaskCalls
from .tool_calls import ToolCalls

if TYPE_CHECKING:
    from ..calling.dispatch import Outcome
    from ..tools import AsyncToolCaller, ToolReply, ToolResult, ToolResultMismatch
    from .tasks import AsyncTasks, TaskRow

T = TypeVar("T")
ToolsetT = TypeVar("ToolsetT")


class AsyncEnvClient(
    AsyncConstructors,
    ToolCalls[ActT, ObsT, StateT, ResetT],
    TaskCalls[ActT, ObsT, StateT, ResetT],
):
    """A session with one environment, for asyncio: ``EnvClient``, awaited."""

    _own_http_client = "AsyncClient"
    _transport: AsyncTransport | None = None

    @checks_arguments
    async def reset(
        self,
        *,
        seed: int | None = None,
        episode_id: str | None = None,
        timeout_s: float | None = None,
        **extra: JsonValue,
    ) -> StepResult[ResetT]:
        """Start an episode. As ``EnvClient.reset``."""
        return await self._reset_with(extra, seed=seed, episode_id=episode_id, timeout_s=timeout_s)

    async def _reset_with(
        self, extra: Mapping[str, JsonValue], **given: Unpack[ResetArguments]
    ) -> StepResult[ResetT]:
        """As ``EnvClient._reset_with``."""
        return await self._run(self._reset_call(extra, **given))

    @checks_arguments
    async def step(
        self, action: ActT, /, *, request_id: str | None = None, timeout_s: float | None = None
    ) -> StepResult[ObsT]:
        """Take one step. As ``EnvClient.step``; a cancelled step loses the session."""
        request = self._step_request(action, request_id, timeout_s)
        calls = self._calls
        flight = Flight(request)
        try:
            calls.begin(flight)
            transport = self._transport or raise_closed()
            reply = await transport.exchange(calls.announced(flight))
            return calls.answered(flight, reply, self._parse_result)
        except BaseException as error:
            await self._run(calls.failed(flight, error))
            raise

    @checks_arguments
    async def dispatch(
        self, call: object, *, strict: bool = False, timeout_s: float | None = None
    ) -> Outcome[ObsT]:
        """Make a model's tool call: validate it, then take the step or call the tool.

        Args:
            call: as ``parse_call`` takes it, or what that has returned.
            strict: as for ``parse_call``.
            timeout_s: time limit in seconds, instead of the client's.

        Raises:
            InvalidCall: the call can't be made, and nothing was sent; ``str(error)`` is for the
                model.
            ToolError: the tool failed; ``for_model()`` is for the model.
            EnvError: as ``step``.
        """
        from ..calling.dispatch import action_of

        made = self.parse_call(call, strict=strict)
        action = action_of(made)
        if made.kind == "tool":
            return await self._run(self._made_tool_call(made, timeout_s))
        return await self.step(action, timeout_s=timeout_s)

    @checks_arguments
    async def state(self, *, timeout_s: float | None = None) -> StateT:
        """The environment's state. As ``EnvClient.state``."""
        return await self._run(self._state_call(timeout_s))

    @checks_arguments
    async def list_tools(self, *, timeout_s: float | None = None) -> list[dict[str, JsonValue]]:
        """The tools that the session has now. As ``EnvClient.list_tools``."""
        return await self._run(self._tools_call(timeout_s))

    @checks_arguments
    async def call_tool(
        self,
        tool: str,
        arguments: Mapping[str, JsonValue] | None = None,
        /,
        *,
        timeout_s: float | None = None,
    ) -> ToolResult[JsonValue]:
        """Call a tool by its name. As ``EnvClient.call_tool``."""
        return await self._run(self._checked_tool_call(tool, arguments or {}, timeout_s))

    def _toolset(self, toolset: Callable[[AsyncToolCaller], ToolsetT]) -> ToolsetT:
        """A namespace of tools that calls them by steps of this client."""
        return toolset(_StepCaller(self))

    @checks_arguments
    async def episode(
        self,
        policy: Callable[[ObsT | ResetT], ActT | Awaitable[ActT]],
        *,
        seed: int | None = None,
        episode_id: str | None = None,
        max_steps: int | None = None,
    ) -> AsyncIterator[Transition[ActT, ObsT, ResetT]]:
        """Play an episode. As ``EnvClient.episode``; the policy may be a coroutine function."""
        before: StepResult[ObsT] | StepResult[ResetT] = await self.reset(
            seed=seed, episode_id=episode_id
        )
        taken = 0
        while not before.done and (max_steps is None or taken < max_steps):
            decided = policy(before.observation)
            action = cast("ActT", await decided if inspect.isawaitable(decided) else decided)
            result = await self.step(action)
            yield Transition(before.observation, action, result)
            before, taken = result, taken + 1

    @checks_arguments
    def tasks(self, split: str = "train") -> AsyncTasks[TaskRow]:
        """The environment's tasks in a split. As ``EnvClient.tasks``; see ``AsyncTasks``."""
        from .tasks import AsyncTasks

        return AsyncTasks(self, split)

    @checks_arguments
    async def splits(self, *, timeout_s: float | None = None) -> list[str]:
        """The names of the splits of the environment's tasks.

        Raises:
            ServerError: the server lists no tasks.
            EnvError: as ``server_contract``.
        """
        return await self._run(self._splits_call(timeout_s))

    @checks_arguments
    async def server_contract(self, *, timeout_s: float | None = None) -> dict[str, JsonValue]:
        """As ``EnvClient.server_contract``."""
        request = self._request("schema", {}, timeout_s)
        return await self._run(self._calls.server_contract(request))

    @checks_arguments
    async def is_healthy(self, *, timeout_s: float | None = None) -> bool:
        """As ``EnvClient.is_healthy``."""
        return await self._run(self._calls.is_healthy(self._request("health", {}, timeout_s)))

    @checks_arguments
    async def close(self) -> None:
        """End the session, and stop the provider if there is one. The second call does nothing."""
        ending = self._close_request()
        if not self._calls.session.close():
            return
        transport, self._transport = self._transport, None
        try:
            if transport is not None:
                if ending is not None:
                    with suppress(EnvError):
                        await transport.exchange(ending)
                await transport.close()
        finally:
            if self._calls.provider is not None:
                await asyncio.to_thread(self._calls.provider.stop_container)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()

    def after_fork(self) -> None:
        """Become a client without a session, in a forked child. See ``forks``."""
        super().after_fork()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.after_fork()

    def __del__(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._warn_unclosed()

    _running_loop = staticmethod(asyncio.get_running_loop)

    # --- effects ------------------------------------------------------------------------------

    async def _run(self, call: Call[T]) -> T:
        """Perform the effects of ``call`` until it returns."""
        try:
            effect = next(call)
            while True:
                try:
                    if type(effect) is Send and self._transport is not None:
                        outcome = await self._transport.exchange(effect.request)
                    else:
                        outcome = await self._perform(effect)
                except BaseException as error:  # noqa: BLE001 - the call decides
                    effect = call.throw(error)
                else:
                    effect = call.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _perform(self, effect: Effect) -> Any:
        match effect:
            case Send():
                raise_closed()
            case Open():
                _check_loop()
                self._drop()
                self._transport = await self._open(effect)
            case Drop():
                self._drop()
            case Ask(path, request, body):
                _check_loop()
                from ..transports.http import AsyncHttpTransport

                http = AsyncHttpTransport(self._endpoint.http, self._options)
                try:
                    return await http.ask(path, request, body)
                finally:
                    await http.close()
            case Wait(delay_s):
                await asyncio.sleep(delay_s)
            case LookAtContract():
                look_in_background(effect, self._endpoint.http, self._options)
            case Diagnose(provider, within_s):
                return await asyncio.to_thread(provider.diagnosis, within_s)
        return None

    # Imported when they are first used, as in EnvClient.

    async def _open(self, effect: Open) -> AsyncTransport:
        if self._replayed is not None:
            return AsyncReplayTransport(self._replayed)
        if effect.transport == "http":
            from ..transports.http import AsyncHttpTransport

            http = AsyncHttpTransport(self._endpoint.http, self._options)
            http.session = self._routed_session()
            return http
        from ..transports.async_websocket import AsyncWebSocketTransport

        headers = effect.request.all_headers(self._options.headers)
        limit_s = effect.request.seconds_left(self._options.connect_timeout_s)
        return await AsyncWebSocketTransport.open(
            self._endpoint.websocket, self._options, headers, timeout_s=limit_s
        )

    def _drop(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


def _check_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError as error:
        raise ConnectError(
            "no asyncio event loop runs here; a forked child doesn't run its parent's: call "
            "asyncio.run() in it",
            retryable=False,
        ) from error


class _StepCaller:
    """As in ``sync``, awaited."""

    def __init__(self, client: AsyncEnvClient[Any, Any, Any, Any]) -> None:
        self._client = client

    async def call(
        self, name: str, arguments: Mapping[str, JsonValue], *, timeout_s: float | None
    ) -> ToolReply:
        """Call a tool. As ``AsyncToolCaller.call``."""
        client = self._client
        return await client._run(client._tool_call(name, arguments, timeout_s))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    async def explain(self, error: ToolResultMismatch) -> None:
        """Add nothing. As in ``sync``."""


explain_names(AsyncEnvClient, is_async=True)
