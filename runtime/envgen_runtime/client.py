"""The synchronous client."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from .base import ClientBase
from .errors import UpgradeRefused
from .hooks import ActT, ObsT, ResetT, StateT
from .json_value import JsonValue
from .protocol import Request
from .result import StepResult
from .starting import StartsServers
from .transports import Transport

T = TypeVar("T")


class EnvClient(StartsServers, ClientBase[ActT, ObsT, StateT, ResetT]):
    """A session with one environment. Generated clients subclass it with concrete types.

    A client is one session: one request at a time, from one thread at a time. Make several for
    several environments side by side.
    """

    _transport: Transport | None = None

    def reset(
        self, *, seed: int | None = None, episode_id: str | None = None, **extra: JsonValue
    ) -> StepResult[ResetT]:
        """Start an episode, in a new session if there is none or the last one was lost.

        Args:
            seed: for environments that take one.
            episode_id: a name for the episode, for environments that take one.
            extra: the environment's own reset parameters. OpenEnv servers drop, without a word,
                those that the environment doesn't know.

        Raises:
            ConnectError: no session could be opened.
            EnvError: as ``step``.
        """
        return self._call(self._reset_request(seed, episode_id, extra), self._parse_reset)

    def step(self, action: ActT, *, request_id: str | None = None) -> StepResult[ObsT]:
        """Take one step. It is sent at most once.

        Args:
            action: what to do.
            request_id: names the request, in the server's log where it takes one (HTTP).

        Raises:
            InvalidRequest: ``action`` is not one of this environment's.
            SessionError: there is no episode to step, or another request is in flight.
            ServerError: the server refused the action or failed on it.
            RequestTimeout: no reply in time; the session is lost.
            ConnectionLost: the connection ended; the session is lost.
            ReplyMismatch: the reply doesn't fit the contract.
        """
        return self._call(self._step_request(action, request_id), self._parse_result)

    def state(self) -> StateT:
        """The environment's state. Raises as ``step``."""
        return self._call(self._state_request(), self._parse_state)

    def close(self) -> None:
        """End the session, and stop the provider if there is one. The second call does nothing."""
        if not self._session.close():
            return
        try:
            if self._transport is not None:
                self._transport.close()
        finally:
            self._transport = None
            if self._provider is not None:
                self._provider.stop_container()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, request: Request, parse: Callable[[dict[str, Any]], T]) -> T:
        before = self._session.begin(request.operation)
        try:
            if self._transport is None:
                self._transport = self._open()
            payload = self._transport.exchange(request)
        except BaseException as error:
            if not self._survives(error, request, before):
                self._drop()
                self._explain(error)
            raise
        self._settled(request, before)
        return self._read(parse, payload, request)

    def _drop(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def _open(self) -> Transport:
        # The libraries are imported here, not above: a client that never connects (a type checker,
        # a trainer that builds its prompts first) pays for neither.
        if self._transport_name != "http":
            from .transports.websocket import WebSocketTransport

            try:
                return WebSocketTransport(
                    self._endpoint.websocket, self._options, self._options.headers
                )
            except UpgradeRefused as refusal:
                if self._transport_name == "websocket":
                    raise
                self._require_stateful_http(refusal)
                self._transport_name = "http"
        from .transports.http import HttpTransport

        return HttpTransport(self._endpoint.http, self._options)

    def _require_stateful_http(self, refusal: UpgradeRefused) -> None:
        from .transports.http import HttpTransport

        probe = HttpTransport(self._endpoint.http, self._options)
        try:
            error = self._no_session(
                refusal, probe.status_of("/schema"), probe.status_of("/health")
            )
        finally:
            probe.close()
        if error is not None:
            raise error from refusal
