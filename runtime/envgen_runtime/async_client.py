"""The asynchronous client: the synchronous one, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from .base import ClientBase
from .errors import EnvError, UpgradeRefused
from .hooks import ActT, ObsT, ResetT, StateT
from .json_value import JsonValue
from .protocol import Request
from .result import StepResult
from .starting import AwaitsServers
from .transports import AsyncTransport

T = TypeVar("T")


class AsyncEnvClient(AwaitsServers, ClientBase[ActT, ObsT, StateT, ResetT]):
    """A session with one environment, for asyncio. Everything else is as in ``EnvClient``."""

    _transport: AsyncTransport | None = None

    async def reset(
        self, *, seed: int | None = None, episode_id: str | None = None, **extra: JsonValue
    ) -> StepResult[ResetT]:
        """Start an episode. As ``EnvClient.reset``."""
        return await self._call(self._reset_request(seed, episode_id, extra), self._parse_reset)

    async def step(self, action: ActT, *, request_id: str | None = None) -> StepResult[ObsT]:
        """Take one step. As ``EnvClient.step``; a cancelled step loses the session."""
        return await self._call(self._step_request(action, request_id), self._parse_result)

    async def state(self) -> StateT:
        """The environment's state. As ``EnvClient.state``."""
        return await self._call(self._state_request(), self._parse_state)

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
        try:
            if self._transport is None:
                self._transport = await self._open()
            payload = await self._transport.exchange(request)
        except BaseException as error:
            if not self._survives(error, request, before):
                self._drop()
                if isinstance(error, EnvError):
                    await asyncio.to_thread(self._explain, error)
            raise
        self._settled(request, before)
        return self._read(parse, payload, request)

    def _drop(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    async def _open(self) -> AsyncTransport:
        # Imported when needed, as in EnvClient.
        if self._transport_name != "http":
            from .transports.async_websocket import AsyncWebSocketTransport

            try:
                return await AsyncWebSocketTransport.open(
                    self._endpoint.websocket, self._options, self._options.headers
                )
            except UpgradeRefused as refusal:
                if self._transport_name == "websocket":
                    raise
                await self._require_stateful_http(refusal)
                self._transport_name = "http"
        from .transports.http import AsyncHttpTransport

        return AsyncHttpTransport(self._endpoint.http, self._options)

    async def _require_stateful_http(self, refusal: UpgradeRefused) -> None:
        from .transports.http import AsyncHttpTransport

        probe = AsyncHttpTransport(self._endpoint.http, self._options)
        try:
            error = self._no_session(
                refusal, await probe.status_of("/schema"), await probe.status_of("/health")
            )
        finally:
            await probe.close()
        if error is not None:
            raise error from refusal
