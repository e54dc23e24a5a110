"""The synchronous client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar

from ..errors import EnvError, UpgradeRefused
from ..json_value import JsonValue
from ..result import StepResult, Transition
from ..transports import Transport
from ..wire.detection import judge
from ..wire.protocol import Request, read_http
from ..wire.redaction import scrub
from ..wire.retries import Attempts
from .base import LOOK_TIMEOUT_S, ClientBase
from .codec import ActT, ObsT, ResetT, StateT
from .constructors import StartsServers
from .session import Phase

T = TypeVar("T")


class EnvClient(StartsServers, ClientBase[ActT, ObsT, StateT, ResetT]):
    """A session with one environment. Generated clients subclass it with concrete types.

    A client is one session: one request at a time, from one thread at a time. Make several for
    several environments side by side.
    """

    _transport: Transport | None = None

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
            timeout_s: time limit in seconds, instead of the client's.
            extra: the environment's own reset parameters. OpenEnv servers drop, without a word,
                those that the environment doesn't know.

        Raises:
            ConnectError: no session could be opened.
            EnvError: as ``step``.
        """
        return self._reset_with(extra, seed=seed, episode_id=episode_id, timeout_s=timeout_s)

    def _reset_with(
        self,
        extra: Mapping[str, JsonValue],
        *,
        seed: int | None,
        episode_id: str | None,
        timeout_s: float | None,
    ) -> StepResult[ResetT]:
        """``reset`` with the environment's parameters by their wire names, whatever those are."""
        return self._call(
            self._reset_request(seed, episode_id, extra, timeout_s), self._parse_reset
        )

    def step(
        self, action: ActT, /, *, request_id: str | None = None, timeout_s: float | None = None
    ) -> StepResult[ObsT]:
        """Take one step. It is sent at most once.

        Args:
            action: what to do.
            request_id: names the request, in the server's log where it takes one (HTTP).
            timeout_s: time limit in seconds, instead of the client's.

        Raises:
            InvalidRequest: ``action`` is not one of this environment's.
            SessionError: there is no episode to step, or another request is in flight.
            ServerError: the server refused the action or failed on it.
            RequestTimeout: no reply in time; the session is lost.
            ConnectionLost: the connection ended; the session is lost.
            ReplyMismatch: the reply doesn't fit the contract.
        """
        return self._call(self._step_request(action, request_id, timeout_s), self._parse_result)

    def state(self, *, timeout_s: float | None = None) -> StateT:
        """The environment's state. Raises as ``step``."""
        return self._call(self._state_request(timeout_s), self._parse_state)

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
            policy: gives the action for an observation.
            seed: as for ``reset``.
            episode_id: as for ``reset``.
            max_steps: how many steps to take at most.

        Yields:
            What the policy saw, what it did, and what came of it, after every step.
        """
        before: StepResult[ObsT] | StepResult[ResetT] = self.reset(seed=seed, episode_id=episode_id)
        taken = 0
        while not before.done and (max_steps is None or taken < max_steps):
            action = policy(before.observation)
            result = self.step(action)
            yield Transition(before.observation, action, result)
            before, taken = result, taken + 1

    def server_contract(self, *, timeout_s: float | None = None) -> dict[str, JsonValue]:
        """What the server answers to GET ``/schema``; repeated where the retry policy allows it.

        Raises:
            ServerError: it answers with an error; servers before 0.2 have no ``/schema``.
            ConnectError: it can't be reached.
        """
        request = self._state_request(timeout_s)
        attempts = Attempts(self._retry)
        while True:
            try:
                return read_http(*self._get("/schema", request), request)
            except EnvError as error:
                delay = attempts.delay_after(error) if error.retryable else None
                if delay is None:
                    scrub(error, self._secrets)
                    raise
            time.sleep(delay)

    def is_healthy(self, *, timeout_s: float | None = None) -> bool:
        """Whether the server answers GET ``/health`` with 200, asked once."""
        try:
            status, _ = self._get("/health", self._state_request(timeout_s))
        except EnvError:
            return False
        return status == HTTPStatus.OK

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
        payload: dict[str, Any] | None = None
        began = 0.0
        try:
            try:
                request, began = self._began(request)
                payload = self._exchange(request, before)
            except BaseException as error:
                if not self._survives(error, request, before):
                    self._drop()
                    self._explain(error)
                raise
            self._settled(request, before)
            result = self._read(parse, payload, request)
        except BaseException as error:
            if self._wants_explanation(error):
                self._explain_drift(error, self._look_at_contract())
            self._ended(began, payload, error)
            raise
        self._ended(began, payload, None)
        return result

    def _exchange(self, request: Request, before: Phase) -> dict[str, Any]:
        attempts: Attempts | None = None
        while True:
            try:
                if self._transport is None:
                    self._transport = self._open(request)
                    if (closed := self._closed_meanwhile()) is not None:
                        self._transport.abort()
                        raise closed
                return self._transport.exchange(request)
            except EnvError as error:
                attempts = attempts or Attempts(self._retry)
                delay = self._delay(error, request, before, attempts)
                if delay is None:
                    raise
            self._drop()
            time.sleep(delay)
            if (closed := self._closed_meanwhile()) is not None:
                raise closed

    def _drop(self) -> None:
        if self._transport is not None and not self._transport.outlives_sessions:
            transport, self._transport = self._transport, None
            transport.abort()

    def _open(self, request: Request) -> Transport:
        # The libraries are imported here, not above: a client that never connects (a type checker,
        # a trainer that builds its prompts first) pays for neither.
        if self._replay is not None:
            from ..observe.trace import ReplayTransport

            return ReplayTransport(self._replay)
        if self._on_drift == "error" and self._drift != []:
            self._refuse_drift(self.server_contract())
        if self._transport_name != "http":
            from ..transports.websocket import WebSocketTransport

            headers = request.all_headers(self._options.headers)
            try:
                return WebSocketTransport(self._endpoint.websocket, self._options, headers)
            except UpgradeRefused as refusal:
                if self._transport_name == "websocket" or refusal.retryable:
                    raise
                schema, _ = self._get("/schema", request)
                health, _ = self._get("/health", request)
                error = judge(refusal, schema=schema, health=health, base_url=self.base_url)
                if error is not None:
                    raise error from refusal
                self._transport_name = "http"
        from ..transports.http import HttpTransport

        return HttpTransport(self._endpoint.http, self._options)

    def _get(self, path: str, request: Request) -> tuple[int, bytes]:
        """The status and body that a route answers, over a connection of its own."""
        from ..transports.http import HttpTransport

        http = HttpTransport(self._endpoint.http, self._options)
        try:
            answer = http.get(path, request)
        finally:
            http.close()
        return answer.status, answer.body

    def _look_at_contract(self) -> dict[str, JsonValue] | None:
        """The server's contract, asked for once in a client's life; None where it can't be had."""
        if self._looked or self._replay is not None:
            return None
        self._looked = True
        request = self._state_request(LOOK_TIMEOUT_S)
        try:
            return read_http(*self._get("/schema", request), request)
        except EnvError:
            return None
