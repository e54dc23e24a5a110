"""One request from beginning to end, without I/O.

A ``Call`` is a generator. It yields the effect that it needs next: open the transport, send the
request, wait. The client performs the effect and sends the outcome back, or throws the error in.
In the end the call returns the result, or raises the error that the caller gets.

What may be repeated, what loses the session and how an error is explained are decided here, for
both clients. A client is a loop that performs effects; the sync and the async client differ in
awaiting alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

from pydantic import ValidationError

from ..contract.conformance import check_reply, observation_place
from ..errors import (
    ConnectError,
    ConnectionLost,
    EnvError,
    InvalidRequest,
    ReplyMismatch,
    RequestTimeout,
    StepAfterDoneWarning,
    UpgradeRefused,
)
from ..json_value import JsonValue
from ..observe.observers import Notifier, RequestEvent
from ..providers import AnyProvider, Provider
from ..result import StepResult
from ..transports import TransportName
from ..wire.detection import explain_refused_upgrade, holds_episode, no_episode
from ..wire.mismatch import reply_mismatch
from ..wire.protocol import Request
from ..wire.redaction import redact
from ..wire.retries import SESSIONLESS, Attempts, RetryPolicy, may_repeat
from .codec import Codec
from .comparison import Comparison, server_schema
from .effects import Ask, Call, Diagnose, Drop, Open, Send, Wait
from .options import Barrier
from .session import Flight, Phase, Session, closed_meanwhile
from .warning import warn_user

T = TypeVar("T")

_DIAGNOSIS_TIMEOUT_S = 1.0  # an error waits no longer for the end of the provider's server


def _is_done(result: object) -> bool:
    return isinstance(result, StepResult) and result.done


class Calls:
    """Makes the calls of one client, and keeps what they share.

    Attributes:
        session: which request may be made now.
        transport: the transport to open, as given, or ``http`` once detection has chosen it.
        episode_id: the name that the last reset gave to its episode.
        provider: what started the server, if it is this client's to stop.
        secrets: what no error shows.
    """

    def __init__(
        self,
        client: type[Codec[Any, Any, Any, Any]],
        url: str,
        secrets: tuple[str, ...],
        options: Mapping[str, Any],
        running_loop: Callable[[], object],
    ) -> None:
        self.session = Session(running_loop)
        given: TransportName = "http-unchecked" if client.wire else options["transport"]
        self.transport: TransportName = "http" if given == "http-unchecked" else given
        self._checks_http = given == "http"
        self._has_episodes = True
        self.episode_id: str | None = None
        self._client = client
        self._wire = client.wire
        self._url = url
        self.secrets = secrets
        self._notifier = Notifier(
            options["observers"], env_name=client.env_name, url=url, secrets=secrets
        )
        self.provider: AnyProvider | None = options["provider"]
        self._retry: RetryPolicy = options["retry"]
        self._comparison = Comparison(
            client,
            url,
            options["on_drift"],
            secrets,
            has_own_http=options["http_client"] is not None,
        )
        self._exact: bool = options["validate"] == "exact"
        self._barrier: Barrier = options["barrier"]
        self._is_done: bool | None = False  # None once that was warned about

    def after_fork(self) -> None:
        """Leave the session and the provider to the parent, in a forked child."""
        self.session.after_fork()
        self.provider = None

    # --- calls --------------------------------------------------------------------------------

    def exchange(
        self,
        request: Request,
        parse: Callable[[dict[str, Any]], T],
        *,
        is_observed: bool = True,
    ) -> Call[T]:
        """Make one request of the session, and read the reply.

        A step has one effect, which is to be sent, once: clients do that themselves between
        ``begin`` and ``answered``, for a generator in between costs a step 6 % of its CPU time.
        Only the call of a tool, which may begin with other requests, takes its step here.

        Args:
            request: the request.
            parse: reads the payload of the reply.
            is_observed: whether observers are told of it. A trace has what its user asked for.

        Raises:
            SessionError: the session can't take the request now; nothing has changed.
            EnvError: the request failed, as ``EnvClient.step`` says.
        """
        flight = Flight(request)
        try:
            self.begin(flight)
            if is_observed:
                request = self.announced(flight)
            if request.operation == "step":  # sent once, whatever happens
                reply: dict[str, Any] = yield Send(request)
            else:
                reply = yield from self._repeat(self._open_and_send, request, flight.event)
            return self.answered(flight, reply, parse)
        except BaseException as error:
            yield from self.failed(flight, error)
            raise

    def begin(self, flight: Flight) -> None:
        """Take the session for a request, until ``answered`` or ``failed``.

        Raises:
            SessionError: the session can't take the request now; nothing has changed.
        """
        self._check_episode(flight.request)
        self.session.begin(flight.request.operation, flight)

    def announced(self, flight: Flight) -> Request:
        """Tell the observers that the request is about to be sent, and return it as it is sent."""
        request = flight.request
        if self._notifier.is_on:
            flight.event = self._notifier.began(request)
            request = flight.request = request._replace(headers=flight.event.headers)
        if self._barrier == "step" and request.operation == "step":
            return self._with_barrier(request)
        return request

    def answered(
        self, flight: Flight, reply: dict[str, Any], parse: Callable[[dict[str, Any]], T]
    ) -> T:
        """Read the reply. The session can take the next request, whether it is read or not."""
        flight.reply = reply
        self.session.succeed()
        result = self._read(parse, reply, flight.request)
        event, flight.event = flight.event, None  # told once, even if telling is interrupted
        if event is not None:
            self._notifier.ended(event, reply, None)
        return result

    def failed(self, flight: Flight, error: BaseException) -> Call[None]:
        """Explain an error that was raised in ``begin`` or since, and end the request.

        Raises:
            BaseException: what the caller gets in place of ``error``.
        """
        is_held = self.session.is_held_by(flight)
        if not is_held and flight.reply is None:
            return  # the session didn't take it
        failure = error
        try:
            if is_held:
                failure = yield from self._fail(error, flight.request)
            yield from self._comparison.explain(error, flight.request)
        except BaseException as interruption:
            failure = interruption
            raise
        finally:
            if isinstance(error, EnvError):  # last: what is added may quote the server, too
                redact(error, self.secrets)
            if flight.event is not None:
                self._notifier.ended(flight.event, flight.reply, failure)
        if failure is not error:
            raise failure from error

    def compare_tools(self, ask: Callable[[], Call[list[Any]]]) -> Call[None]:
        """Compare the server's tools with the contract's before the first call of one.

        Args:
            ask: lists the server's tools.

        Raises:
            ContractDrift: they differ, and ``on_drift`` is ``error``.
        """
        if self.session.phase is Phase.READY:
            yield from self._comparison.before_tool(ask)

    def server_contract(self, request: Request) -> Call[dict[str, JsonValue]]:
        """Ask for ``/schema``. The session takes no part in it."""
        if self._wire is not None:
            raise InvalidRequest(
                f"{self._client.env_name}'s server has routes of its own, and no /schema; "
                f"compare its contract with: envgen diff PACKAGE {self._url}"
            )
        return self._repeat(server_schema, request)

    def read_only(self, request: Request, attempt: Callable[[Request], Call[T]]) -> Call[T]:
        """Ask what only reads, as often as the policy allows. The session takes no part in it."""
        return self._repeat(attempt, request)

    def is_healthy(self, request: Request) -> Call[bool]:
        """Ask once whether the server is healthy. The session takes no part in it."""
        try:
            response = yield Ask("/health" if self._wire is None else "/", request)
        except EnvError:
            return False
        if self._wire is not None:
            return bool(response.status < HTTPStatus.INTERNAL_SERVER_ERROR)
        return bool(response.status == HTTPStatus.OK and response.page is None)

    # --- attempts -----------------------------------------------------------------------------

    def _repeat(
        self,
        attempt: Callable[[Request], Call[T]],
        request: Request,
        event: RequestEvent | None = None,
    ) -> Call[T]:
        """Make an attempt; make another while the policy allows it and nothing can be lost."""
        attempts = Attempts(self._retry, request)
        while True:
            try:
                return (yield from attempt(attempts.request))
            except EnvError as error:
                redact(error, self.secrets)
                has_episode, over_http = self.session.had_episode, self.transport == "http"
                if not may_repeat(error, request, has_episode=has_episode, over_http=over_http):
                    raise
                delay_s = attempts.delay_after(error)
                if delay_s is None:
                    raise
                failed = error
                self._notifier.retry(
                    event, request, attempt=attempts.count, delay_s=delay_s, error=error
                )
            if request.operation not in SESSIONLESS and self._wire is None:
                yield from self._drop()
            yield Wait(delay_s)
            attempts.resume(after=failed)

    def _open_and_send(self, request: Request) -> Call[dict[str, Any]]:
        self._check_not_closed()
        if not self.session.is_open:
            yield from self._open(request)
        if request.operation == "reset" and self._barrier != "off":
            request = self._with_barrier(request)
        payload: dict[str, Any] = yield Send(request)
        return payload

    def _with_barrier(self, request: Request) -> Request:
        return request if self.transport == "http" else request._replace(barrier=True)

    def _open(self, request: Request) -> Call[None]:
        """Open the transport that the server wants."""
        yield from self._comparison.before_opening(request)
        if self.transport != "http":
            try:
                yield Open("websocket", request)
            except UpgradeRefused as refusal:
                if self.transport == "websocket" or refusal.retryable:
                    raise
                schema = yield Ask("/schema", request)
                health = yield Ask("/health", request)
                error = explain_refused_upgrade(
                    refusal,
                    schema=schema.status,
                    health=health.status,
                    base_url=self._url,
                    page=schema.page,
                )
                if error is not None:
                    raise error from refusal
                self.transport = "http"
        if self.transport == "http":
            if self._checks_http:
                yield from self._check_http(request)
            yield Open("http", request)
        if (look := self._comparison.in_background(request)) is not None:
            yield look
        if self._wire is not None and self._wire.creates_session:
            yield Send(request._replace(operation="create", data={}))
        self.session.opened(in_loop=self.transport != "http")
        self._check_not_closed()

    def _check_http(self, request: Request) -> Call[None]:
        """Ask once whether HTTP, chosen by the user, holds an episode."""
        schema = yield Ask("/schema", request)
        self._has_episodes = holds_episode(
            schema.status, schema.page, schema.headers.get("location"), base_url=self._url
        )
        self._checks_http = False
        self._check_episode(request)

    def _check_episode(self, request: Request) -> None:
        """Refuse what needs an episode where there is none; warn of a step after its end.

        A reset by itself is answered rightly by a server that makes an environment per request.
        """
        if not self._has_episodes and request.operation != "reset":
            raise no_episode(self._url)
        if self._is_done and request.operation == "step":
            self._warn_done()

    def _drop(self) -> Call[None]:
        """Drop the connection of a session.

        OpenEnv's HTTP has none: its next request needs no other. A server with routes of its own
        may: its cookies and ids go.
        """
        if self.transport != "http" or self._wire is not None:
            self.session.dropped()
            yield Drop()

    def _check_not_closed(self) -> None:
        if self.session.phase is Phase.CLOSED:
            raise closed_meanwhile()

    # --- replies and errors -------------------------------------------------------------------

    def _read(
        self, parse: Callable[[dict[str, Any]], T], payload: dict[str, Any], request: Request
    ) -> T:
        if request.operation == "reset":
            self.episode_id = request.data.get("episode_id")
            self._is_done = False
        try:
            if self._exact and request.operation != "list_tools":
                check_reply(self._client, request.operation, payload)
            result = parse(payload)
        except ValidationError as error:
            place = observation_place(self._client, request.operation)
            raise reply_mismatch(
                error, request, env_name=self._client.env_name, place=place
            ) from error
        except ReplyMismatch as error:
            error.request_id = request.request_id
            error.maybe_applied = request.operation == "step"
            raise
        if self._is_done is False:
            self._is_done = _is_done(result)
        return result

    def _fail(self, error: BaseException, request: Request) -> Call[BaseException]:
        """End the request in flight, and return the error for the caller.

        It has a note if the provider's server has ended.
        """
        if self.session.fail(error):
            return error
        if isinstance(error, GeneratorExit):  # the client was interrupted, and performs no more
            self.session.dropped()
            return error
        yield from self._drop()
        if self.session.phase is Phase.CLOSED and isinstance(error, EnvError):
            return closed_meanwhile(error)
        is_cut_off = isinstance(error, ConnectError | ConnectionLost | RequestTimeout)
        if is_cut_off and isinstance(self.provider, Provider):
            # A caller that has waited for a reply already doesn't wait for this as well.
            is_late = isinstance(error, RequestTimeout)
            within_s = 0.0 if is_late else request.seconds_left(_DIAGNOSIS_TIMEOUT_S)
            if (diagnosis := (yield Diagnose(self.provider, within_s))) is not None:
                error.add_note(diagnosis)
        return error

    def _warn_done(self) -> None:
        self._is_done = None
        warn_user(
            "step() after the episode was done: what the environment answers is undefined. Call "
            "reset() to start another episode",
            StepAfterDoneWarning,
            beside=self._client.__module__,
        )
