"""The synchronous client: the effects of a call, performed by blocking."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from ..errors import EnvError
from ..json_value import JsonValue
from ..observe.trace import ReplayTransport
from ..result import StepResult, Transition
from ..transports import Transport
from .base import ResetArguments
from .codec import ActT, ObsT, ResetT, StateT
from .comparison import look_in_background
from .constructors import Constructors
from .effects import Ask, Call, Diagnose, Drop, Effect, LookAtContract, Open, Send, Wait
from .misuse import checks_arguments
from .session import Flight, raise_closed
from .stock import explain_names
from .task_calls import TaskCalls
from .tool_calls import ToolCalls

if TYPE_CHECKING:
    from ..calling.dispatch import Outcome
    from ..tools import ToolCaller, ToolReply, ToolResult, ToolResultMismatch
    from .tasks import TaskRow, Tasks

T = TypeVar("T")
ToolsetT = TypeVar("ToolsetT")


class EnvClient(
    Constructors,
    ToolCalls[ActT, ObsT, StateT, ResetT],
    TaskCalls[ActT, ObsT, StateT, ResetT],
):
    """A session with one environment. Generated clients subclass it with concrete types.

    A client is one session: one request at a time, from one thread at a time. Use several clients
    for several environments side by side.
    """

    _transport: Transport | None = None

    @checks_arguments
    def reset(
        self,
        *,
        seed: int | None = None,
        episode_id: str | None = None,
        timeout_s: float | None = None,
        **extra: JsonValue,
    ) -> StepResult[ResetT]:
        """Start an episode, in a new session if there is none or the last one was lost.

        Args:
            seed: for environments that take one.
            episode_id: a name for the episode, for environments that take one.
            timeout_s: time limit in seconds, instead of the client's: for all of the call,
                the wait for a free session included.
            extra: the environment's own reset parameters. OpenEnv servers silently drop
                those that the environment doesn't know.

        Raises:
            ConnectError: no session could be opened.
            EnvError: as ``step``.
        """
        return self._reset_with(extra, seed=seed, episode_id=episode_id, timeout_s=timeout_s)

    def _reset_with(
        self, extra: Mapping[str, JsonValue], **given: Unpack[ResetArguments]
    ) -> StepResult[ResetT]:
        """``reset``, with the environment's own parameters by their wire names."""
        return self._run(self._reset_call(extra, **given))

    @checks_arguments
    def step(
        self, action: ActT, /, *, request_id: str | None = None, timeout_s: float | None = None
    ) -> StepResult[ObsT]:
        """Take one step. It is sent at most once.

        Args:
            action: the action to take.
            request_id: identifies the request in errors, and in the server's log (over HTTP).
            timeout_s: time limit in seconds, instead of the client's.

        Raises:
            InvalidRequest: ``action`` is not one of this environment's.
            SessionError: there is no episode to step, or another request is in flight.
            ServerError: the server refused the action or failed on it.
            RequestTimeout: no reply in time; the session is lost.
            ConnectionLost: the connection ended; the session is lost.
            ReplyMismatch: the reply doesn't fit the contract.
        """
        request = self._step_request(action, request_id, timeout_s)
        calls = self._calls
        flight = Flight(request)
        try:
            calls.begin(flight)
            transport = self._transport or raise_closed()
            reply = transport.exchange(calls.announced(flight))
            return calls.answered(flight, reply, self._parse_result)
        except BaseException as error:
            self._run(calls.failed(flight, error))
            raise

    @checks_arguments
    def dispatch(
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
            return self._run(self._made_tool_call(made, timeout_s))
        return self.step(action, timeout_s=timeout_s)

    @checks_arguments
    def state(self, *, timeout_s: float | None = None) -> StateT:
        """The environment's state. Raises as ``step``."""
        return self._run(self._state_call(timeout_s))

    @checks_arguments
    def list_tools(self, *, timeout_s: float | None = None) -> list[dict[str, JsonValue]]:
        """The tools that the session has now, as MCP describes them. No step is taken.

        The typed methods of ``tools``, where a client has them, are those of its contract.

        Raises:
            ServerError: the server doesn't list tools.
            EnvError: as ``state``.
        """
        return self._run(self._tools_call(timeout_s))

    @checks_arguments
    def call_tool(
        self,
        tool: str,
        arguments: Mapping[str, JsonValue] | None = None,
        /,
        *,
        timeout_s: float | None = None,
    ) -> ToolResult[JsonValue]:
        """Call a tool by its name, such as one that is not in the contract. It is a step.

        The arguments are checked against what the server lists now: the names, types and values at
        the top of the input schema, or all of it with ``validate="exact"``.

        Args:
            tool: the tool's name on the wire.
            arguments: by their names on the wire.
            timeout_s: time limit in seconds, instead of the client's.

        Raises:
            ToolError: the call failed. The episode goes on.
            EnvError: as ``step``.
        """
        return self._run(self._checked_tool_call(tool, arguments or {}, timeout_s))

    def _toolset(self, toolset: Callable[[ToolCaller], ToolsetT]) -> ToolsetT:
        """A namespace of tools that calls them by steps of this client."""
        return toolset(_StepCaller(self))

    @checks_arguments
    def episode(
        self,
        policy: Callable[[ObsT | ResetT], ActT],
        *,
        seed: int | None = None,
        episode_id: str | None = None,
        max_steps: int | None = None,
    ) -> Iterator[Transition[ActT, ObsT, ResetT]]:
        """Play an episode: reset, then step as ``policy`` says until the environment is done.

        Args:
            policy: returns the action for an observation.
            seed: as for ``reset``.
            episode_id: as for ``reset``.
            max_steps: the most steps to take; by default no limit.

        Yields:
            After every step: what the policy saw, the action that it chose, and the result.
        """
        before: StepResult[ObsT] | StepResult[ResetT] = self.reset(seed=seed, episode_id=episode_id)
        taken = 0
        while not before.done and (max_steps is None or taken < max_steps):
            action = policy(before.observation)
            result = self.step(action)
            yield Transition(before.observation, action, result)
            before, taken = result, taken + 1

    @checks_arguments
    def tasks(self, split: str = "train") -> Tasks[TaskRow]:
        """The environment's tasks in a split, as rows that ``reset`` and data sets take.

        Nothing is asked yet: see ``Tasks``. A row's columns ``split`` and ``index`` are what
        ``reset`` is given to play that task. No session is needed, and an open one isn't disturbed.

        Args:
            split: the split's name; ``splits()`` lists them.
        """
        from .tasks import Tasks

        return Tasks(self, split)

    @checks_arguments
    def splits(self, *, timeout_s: float | None = None) -> list[str]:
        """The names of the splits of the environment's tasks.

        Raises:
            ServerError: the server lists no tasks.
            EnvError: as ``server_contract``.
        """
        return self._run(self._splits_call(timeout_s))

    @checks_arguments
    def server_contract(self, *, timeout_s: float | None = None) -> dict[str, JsonValue]:
        """The server's contract, from GET ``/schema``; repeated as the retry policy allows.

        Raises:
            ServerError: it answers with an error; servers before 0.2 have no ``/schema``.
            ConnectError: it can't be reached.
            InvalidRequest: it has routes of its own, and no ``/schema``.
        """
        return self._run(self._calls.server_contract(self._request("schema", {}, timeout_s)))

    @checks_arguments
    def is_healthy(self, *, timeout_s: float | None = None) -> bool:
        """Whether the server answers GET ``/health`` with 200, and no web page. Asks once.

        A server with routes of its own is healthy if it answers at all.
        """
        return self._run(self._calls.is_healthy(self._request("health", {}, timeout_s)))

    @checks_arguments
    def close(self) -> None:
        """End the session, and stop the provider if there is one. The second call does nothing."""
        ending = self._close_request()
        if not self._calls.session.close():
            return
        transport, self._transport = self._transport, None
        try:
            if transport is not None:
                if ending is not None:
                    with suppress(EnvError):
                        transport.exchange(ending)
                transport.close()
        finally:
            if self._calls.provider is not None:
                self._calls.provider.stop_container()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def after_fork(self) -> None:
        """Become a client without a session, in a forked child. See ``forks``."""
        super().after_fork()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.after_fork()

    def __del__(self) -> None:
        if self._transport is not None:
            self._transport.abandon()
            self._warn_unclosed()

    # --- effects ------------------------------------------------------------------------------

    def _run(self, call: Call[T]) -> T:
        """Perform the effects of ``call`` until it returns."""
        try:
            effect = next(call)
            while True:
                try:
                    if type(effect) is Send and self._transport is not None:
                        outcome = self._transport.exchange(effect.request)
                    else:
                        outcome = self._perform(effect)
                except BaseException as error:  # noqa: BLE001 - the call decides
                    effect = call.throw(error)
                else:
                    effect = call.send(outcome)
        except StopIteration as end:
            result: T = end.value
            return result

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case Send():
                raise_closed()
            case Open():
                self._drop()
                self._transport = self._open(effect)
            case Drop():
                self._drop()
            case Ask(path, request, body):
                from ..transports.http import HttpTransport

                with closing(HttpTransport(self._endpoint.http, self._options)) as http:
                    return http.ask(path, request, body)
            case Wait(delay_s):
                time.sleep(delay_s)
            case LookAtContract():
                look_in_background(effect, self._endpoint.http, self._options)
            case Diagnose(provider, within_s):
                return provider.diagnosis(within_s)
        return None

    # The transports and their libraries are imported when they are first used: a client that never
    # connects (under a type checker, or while a trainer builds its prompts) pays for neither.

    def _open(self, effect: Open) -> Transport:
        if self._replayed is not None:
            return ReplayTransport(self._replayed)
        if effect.transport == "http":
            from ..transports.http import HttpTransport

            http = HttpTransport(self._endpoint.http, self._options)
            http.session = self._routed_session()
            return http
        from ..transports.websocket import WebSocketTransport

        headers = effect.request.all_headers(self._options.headers)
        limit_s = effect.request.seconds_left(self._options.connect_timeout_s)
        return WebSocketTransport(
            self._endpoint.websocket, self._options, headers, timeout_s=limit_s
        )

    def _drop(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()


class _StepCaller:
    """Calls tools by steps of a client. Generated code knows it by ``EnvClient._toolset``."""

    def __init__(self, client: EnvClient[Any, Any, Any, Any]) -> None:
        self._client = client

    def call(
        self, name: str, arguments: Mapping[str, JsonValue], *, timeout_s: float | None
    ) -> ToolReply:
        """Call a tool. As ``ToolCaller.call``."""
        client = self._client
        return client._run(client._tool_call(name, arguments, timeout_s))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    def explain(self, error: ToolResultMismatch) -> None:
        """Add nothing: what has changed was told before the call. As ``ToolCaller.explain``."""


explain_names(EnvClient, is_async=False)
