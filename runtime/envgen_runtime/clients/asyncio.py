"""The asynchronous client: the synchronous one, awaited."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from ..errors import EnvError, UpgradeRefused
from ..json_value import JsonValue
from ..result import StepResult, Transition
from ..transports import AsyncTransport
from ..wire.detection import judge
from ..wire.protocol import Request, read_http
from ..wire.redaction import scrub
from ..wire.retries import Attempts
from .base import LOOK_TIMEOUT_S, ClientBase
from .codec import ActT, ObsT, ResetT, StateT
from .constructors import AwaitsServers
from .session import Phase

T = TypeVar("T")


class AsyncEnvClient(AwaitsServers, ClientBase[ActT, ObsT, StateT, ResetT]):
    """A session with one environment, for asyncio. Everything else is as in ``EnvClient``."""

    _transport: AsyncTransport | None = None

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
        self,
        extra: Mapping[str, JsonValue],
        *,
        seed: int | None,
        episode_id: str | None,
        timeout_s: float | None,
    ) -> StepResult[ResetT]:
        """As ``EnvClient._reset_with``."""
        return await self._call(
            self._reset_request(seed, episode_id, extra, timeout_s), self._parse_reset
        )

    async def step(
        self, action: ActT, /, *, request_id: str | None = None, timeout_s: float | None = None
    ) -> StepResult[ObsT]:
        """Take one step. As ``EnvClient.step``; a cancelled step loses the session."""
        return await self._call(
            self._step_request(action, request_id, timeout_s), self._parse_result
        )

    async def state(self, *, timeout_s: float | None = None) -> StateT:
        """The environment's state. As ``EnvClient.state``."""
        return await self._call(self._state_request(timeout_s), self._parse_state)

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

    async def server_contract(self, *, timeout_s: float | None = None) -> dict[str, JsonValue]:
        """As ``EnvClient.server_contract``."""
        request = self._state_request(timeout_s)
        attempts = Attempts(self._retry)
        while True:
            try:
                return read_http(*await self._get("/schema", request), request)
            except EnvError as error:
                delay = attempts.delay_after(error) if error.retryable else None
                if delay is None:
                    scrub(error, self._secrets)
                    raise
            await asyncio.sleep(delay)

    async def is_healthy(self, *, timeout_s: float | None = None) -> bool:
        """As ``EnvClient.is_healthy``."""
        try:
            status, _ = await self._get("/health", self._state_request(timeout_s))
        except EnvError:
            return False
        return status == HTTPStatus.OK

    async def close(self) -> None:
        """End the session, and stop the provider if there is one. The second call does nothing."""
        if not self._session.close():
            return
        try:
            if self._transport is not None:
                await self._transport.close()
        finally:
            self._transport = None
            if self._provider is not None:
                await asyncio.to_thread(self._provider.stop_container)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _call(self, request: Request, parse: Callable[[dict[str, Any]], T]) -> T:
        before = self._session.begin(request.operation)
        payload: dict[str, Any] | None = None
        began = 0.0
        try:
            try:
                request, began = self._began(request)
                payload = await self._exchange(request, before)
            except BaseException as error:
                if not self._survives(error, request, before):
                    self._drop()
                    if self._provider is not None and isinstance(error, EnvError):
                        await asyncio.to_thread(self._explain, error)
                raise
            self._settled(request, before)
            result = self._read(parse, payload, request)
        except BaseException as error:
            if self._wants_explanation(error):
                self._explain_drift(error, await self._look_at_contract())
            self._ended(began, payload, error)
            raise
        self._ended(began, payload, None)
        return result

    async def _exchange(self, request: Request, before: Phase) -> dict[str, Any]:
        attempts: Attempts | None = None
        while True:
            try:
                if self._transport is None:
                    self._transport = await self._open(request)
                    if (closed := self._closed_meanwhile()) is not None:
                        self._transport.abort()
                        raise closed
                return await self._transport.exchange(request)
            except EnvError as error:
                attempts = attempts or Attempts(self._retry)
                delay = self._delay(error, request, before, attempts)
                if delay is None:
                    raise
            self._drop()
            await asyncio.sleep(delay)
            if (closed := self._closed_meanwhile()) is not None:
                raise closed

    def _drop(self) -> None:
        if self._transport is not None and not self._transport.outlives_sessions:
            transport, self._transport = self._transport, None
            transport.abort()

    async def _open(self, request: Request) -> AsyncTransport:
        # Imported when needed, as in EnvClient.
        if self._replay is not None:
            from ..observe.trace import AsyncReplayTransport

            return AsyncReplayTransport(self._replay)
        if self._on_drift == "error" and self._drift != []:
            self._refuse_drift(await self.server_contract())
        if self._transport_name != "http":
            from ..transports.async_websocket import AsyncWebSocketTransport

            headers = request.all_headers(self._options.headers)
            try:
                return await AsyncWebSocketTransport.open(
                    self._endpoint.websocket, self._options, headers
                )
            except UpgradeRefused as refusal:
                if self._transport_name == "websocket" or refusal.retryable:
                    raise
                schema, _ = await self._get("/schema", request)
                health, _ = await self._get("/health", request)
                error = judge(refusal, schema=schema, health=health, base_url=self.base_url)
                if error is not None:
                    raise error from refusal
                self._transport_name = "http"
        from ..transports.http import AsyncHttpTransport

        return AsyncHttpTransport(self._endpoint.http, self._options)

    async def _get(self, path: str, request: Request) -> tuple[int, bytes]:
        """As ``EnvClient._get``."""
        from ..transports.http import AsyncHttpTransport

        http = AsyncHttpTransport(self._endpoint.http, self._options)
        try:
            answer = await http.get(path, request)
        finally:
            await http.close()
        return answer.status, answer.body

    async def _look_at_contract(self) -> dict[str, JsonValue] | None:
        """As ``EnvClient._look_at_contract``."""
        if self._looked or self._replay is not None:
            return None
        self._looked = True
        request = self._state_request(LOOK_TIMEOUT_S)
        try:
            return read_http(*await self._get("/schema", request), request)
        except EnvError:
            return None
