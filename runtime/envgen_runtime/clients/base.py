"""What the sync and the async client share: everything but the awaiting."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from pydantic import ValidationError

from ..contract.conformance import check_action, check_reply, check_reset, exact_part
from ..contract.contract import has_contract, package_contract
from ..contract.drift import differences
from ..errors import (
    ActionRejected,
    ConnectError,
    ConnectionLost,
    ContractDrift,
    EnvError,
    InvalidRequest,
    ReplyMismatch,
    RequestTimeout,
    ServerError,
    SessionClosed,
)
from ..json_value import JsonValue
from ..observe.observers import Observer, ReplyEvent, RequestEvent, RetryEvent, Watch
from ..providers import AnyProvider, Provider
from ..transports import Compression, ConnectionOptions, TransportName
from ..wire import protocol
from ..wire.mismatch import explain_drift, misfit
from ..wire.protocol import Request
from ..wire.redaction import checked_headers, scrub, secrets_in, split_credentials
from ..wire.retries import Attempts, RetryPolicy, may_repeat
from . import options as option
from .codec import ActT, EnvHooks, ObsT, ResetT, StateT
from .options import ClientOptions, OnDrift, Validation
from .session import Phase, Session

if TYPE_CHECKING:
    import ssl

    import httpx

    from ..observe.trace import Replay

T = TypeVar("T")

LOOK_TIMEOUT_S = 5.0
"""How long a look at the server's contract may take, in seconds, on the way to an error."""


class ClientBase(EnvHooks[ActT, ObsT, StateT, ResetT]):
    """Options, the session's state, and how requests are made and replies read."""

    def __init__(
        self,
        base_url: str,
        request_timeout_s: float = 15.0,
        default_headers: Mapping[str, str] | None = None,
        provider: AnyProvider | None = None,
        *,
        connect_timeout_s: float = 10.0,
        reset_timeout_s: float | None = None,
        step_timeout_s: float | None = None,
        state_timeout_s: float | None = None,
        transport: TransportName | None = None,
        validate: Validation = "types",
        on_drift: OnDrift = "check",
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        observers: Sequence[Observer] = (),
        max_message_bytes: int = 100 * 1024 * 1024,
        compression: Compression = "auto",
        ssl_context: ssl.SSLContext | None = None,
        http_client: httpx.Client | httpx.AsyncClient | None = None,
    ) -> None:
        """Describe a session; nothing is connected before the first request.

        Args:
            base_url: the server, as ``http://``, ``https://``, ``ws://`` or ``wss://``. The scheme
                doesn't choose the transport.
            request_timeout_s: time limit for a reset, step or state as a whole, in seconds.
            default_headers: sent with every HTTP request and with the WebSocket handshake
                (authorization, tracing).
            provider: what started the server; ``close()`` stops it.
            connect_timeout_s: time limit for opening a connection, in seconds.
            reset_timeout_s: for resets instead of ``request_timeout_s``.
            step_timeout_s: for steps instead of ``request_timeout_s``.
            state_timeout_s: for states instead of ``request_timeout_s``.
            transport: ``auto`` uses the WebSocket, or HTTP where the server is one of the first
                (before 0.2), whose environment is behind HTTP. ``http`` on a later server gives a
                fresh environment to every request. None is the class's ``default_transport``.
            validate: ``types`` checks messages with the generated classes, which are wider than
                the contract where Python can't say it, and lets replies have more fields than
                the contract. ``exact`` checks them against the contract itself too, to the
                letter: a reply with a field that the contract forbids is a ``ReplyMismatch``,
                even where a newer server added it.
            on_drift: when to compare the server's contract with the one that the client was built
                from. ``check`` does it once something doesn't fit, to say what has changed;
                ``error`` before the first request, raising ``ContractDrift``; ``ignore`` never.
            retry: how what may be repeated is repeated; a step never is.
            observers: see every request and how it ended.
            max_message_bytes: the largest reply that is accepted.
            compression: ``auto`` deflates WebSocket messages unless the server is on this machine.
            ssl_context: for https and wss, instead of the system's trust store.
            http_client: your own ``httpx.Client`` (or ``httpx.AsyncClient`` for an async client),
                for all HTTP requests. You close it.

        Raises:
            ValueError: ``base_url`` is not a URL of these schemes, a limit is not positive, or a
                header can't be sent.
            MissingExtra: ``validate="exact"`` without the extra ``exact``.
        """
        self._given = ClientOptions(
            base_url=base_url,
            request_timeout_s=request_timeout_s,
            default_headers=default_headers,
            provider=provider,
            connect_timeout_s=connect_timeout_s,
            reset_timeout_s=reset_timeout_s,
            step_timeout_s=step_timeout_s,
            state_timeout_s=state_timeout_s,
            transport=transport or self.default_transport,
            validate=validate,
            on_drift=on_drift,
            retry=retry,
            observers=observers,
            max_message_bytes=max_message_bytes,
            compression=compression,
            ssl_context=ssl_context,
            http_client=http_client,
        )
        option.check(self._given)
        self._exact = validate == "exact"
        if self._exact:
            exact_part(type(self), "action")  # what is missing is said here, not amid an episode
        address, authorization = split_credentials(base_url)
        self._endpoint = protocol.endpoint(address)
        headers = checked_headers(default_headers or {})
        if authorization is not None:
            headers.setdefault("Authorization", authorization)
        self._secrets = secrets_in(headers)
        self._timeouts = option.timeouts(self._given)
        self._provider = provider
        self._transport_name: TransportName = transport or self.default_transport
        self._options = ConnectionOptions(
            headers=headers,
            connect_timeout_s=float(connect_timeout_s),
            max_message_bytes=max_message_bytes,
            compression=compression,
            ssl_context=ssl_context,
            http_client=http_client,
        )
        self._retry = retry
        self._on_drift = on_drift
        self._drift: list[str] | None = None
        self._looked = False
        self._watch = Watch(observers)
        self._event: RequestEvent | None = None
        self._session = Session()
        self._replay: Replay | None = None
        self._episode_id: str | None = None
        self._trace_id = secrets.token_hex(16)
        self._request_prefix = secrets.token_hex(6)
        self._request_count = 0

    @classmethod
    def from_trace(cls, path: str | Path) -> Self:
        """A client that plays what ``EpisodeTrace`` has recorded, without a server.

        Raises:
            OSError: the file can't be read.
            ValueError: it is not a trace.
        """
        from ..observe.trace import Replay

        client = cls("http://replay.invalid")
        client._replay = Replay(path)
        return client

    @property
    def base_url(self) -> str:
        """The server's HTTP address, without a trailing slash."""
        return self._endpoint.http

    @property
    def contract(self) -> dict[str, JsonValue]:
        """The contract that this client was generated from, as a copy.

        Raises:
            ContractMissing: the client was written by hand.
        """
        return package_contract(type(self))

    def with_options(self, **changes: Unpack[ClientOptions]) -> Self:
        """A new client with these options changed, and a session of its own, not opened yet.

        A provider stays with the client that has it, unless another is given.
        """
        given: dict[str, Any] = {**self._given, "provider": None, **changes}
        return type(self)(**given)

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        """Pickle as the options: the copy opens a session of its own, in another process or not.

        Raises:
            TypeError: the session is open, or there is a provider, which only one can own.
        """
        if self._session.phase is not Phase.NEW or self._provider is not None:
            raise TypeError(
                f"{self!r} can't be pickled: only a client that has not connected, and owns no "
                "provider. Use with_options() for a fresh one"
            )
        return partial(type(self), **self._given), ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url} ({self._session.phase.value})>"

    # --- requests -----------------------------------------------------------------------------

    def _reset_request(
        self,
        seed: int | None,
        episode_id: str | None,
        extra: Mapping[str, JsonValue],
        timeout_s: float | None = None,
    ) -> Request:
        named = {"seed": seed, "episode_id": episode_id}
        data = {**extra, **{key: value for key, value in named.items() if value is not None}}
        if self._exact:
            check_reset(type(self), data)
        self._trace_id = secrets.token_hex(16)
        return self._request("reset", data, None, timeout_s)

    def _step_request(
        self, action: ActT, request_id: str | None, timeout_s: float | None = None
    ) -> Request:
        data = self._step_payload(action)
        if self._exact:
            check_action(type(self), data)
        return self._request("step", data, request_id, timeout_s)

    def _state_request(self, timeout_s: float | None = None) -> Request:
        return self._request("state", {}, None, timeout_s)

    def _request(
        self,
        operation: protocol.Operation,
        data: dict[str, Any],
        request_id: str | None,
        timeout_s: float | None,
    ) -> Request:
        if timeout_s is not None and not timeout_s > 0:
            raise ValueError(f"timeout_s must be greater than zero, not {timeout_s!r}")
        self._request_count += 1
        return Request(
            operation,
            data,
            timeout_s if timeout_s is not None else self._timeouts[operation],
            request_id or f"{self._request_prefix}-{self._request_count}",
            self._episode_id if operation == "step" else None,
            self._trace_id,
        )

    # --- a call, from its beginning to its end ------------------------------------------------

    def _began(self, request: Request) -> tuple[Request, float]:
        """Tell observers of ``request``; give it back with the headers that they want."""
        if not self._watch.is_on:
            return request, 0.0
        self._event = RequestEvent(
            self.env_name, self.base_url, request.operation, request.request_id, request.data
        )
        self._watch.request(self._event)
        return request._replace(headers=self._event.headers), time.perf_counter()

    def _ended(
        self, began: float, payload: dict[str, Any] | None, error: BaseException | None
    ) -> None:
        event, self._event = self._event, None
        if event is not None:
            self._watch.reply(ReplyEvent(event, time.perf_counter() - began, payload, error))

    def _settled(self, request: Request, before: Phase) -> None:
        """The server has answered ``request``."""
        if request.operation == "reset":
            self._episode_id = request.data.get("episode_id")
        self._session.settle(Phase.READY if request.operation == "reset" else before)

    def _survives(self, error: BaseException, request: Request, before: Phase) -> bool:
        """Settle the session after ``error`` if it outlives it; else it is lost.

        A request that was never sent changes nothing. A server's error keeps the session, unless it
        is of a kind that ends it; an episode whose reset failed has not begun.
        """
        if isinstance(error, EnvError):
            scrub(error, self._secrets)
        if isinstance(error, InvalidRequest):
            self._session.settle(before)
        elif isinstance(error, ServerError) and not error.ends_session:
            self._session.settle(Phase.NEW if request.operation == "reset" else before)
        elif isinstance(error, EnvError) and before is Phase.NEW and request.operation != "step":
            self._session.settle(Phase.NEW)  # there was no episode to lose
            return False
        else:
            if isinstance(error, EnvError) and request.operation != "reset":
                error.retryable = False  # the next call would only hear that the session is lost
            self._session.lose(error)
            return False
        return True

    def _explain(self, error: BaseException) -> None:
        """Add to ``error`` what the provider knows: that the server ended, and its last lines."""
        lost = isinstance(error, ConnectError | ConnectionLost | RequestTimeout)
        if not lost or not isinstance(self._provider, Provider):
            return
        # Who has waited for a reply already need not wait for this as well.
        within_s = 0.0 if isinstance(error, RequestTimeout) else 1.0
        if why := self._provider.diagnosis(within_s):
            error.add_note(why)

    def _delay(
        self, error: EnvError, request: Request, before: Phase, attempts: Attempts
    ) -> float | None:
        """How long to wait before ``request`` is made again; None where it must not be."""
        has_episode, over_http = before is not Phase.NEW, self._transport_name == "http"
        if not may_repeat(error, request, has_episode=has_episode, over_http=over_http):
            return None
        delay = attempts.delay_after(error)
        if delay is not None:
            event = self._event or RequestEvent(
                self.env_name, self.base_url, request.operation, request.request_id, request.data
            )
            scrub(error, self._secrets)
            self._watch.retry(RetryEvent(event, attempts.count, delay, error))
        return delay

    def _closed_meanwhile(self) -> SessionClosed | None:
        """What to raise where ``close()`` was called while a request was waiting to be repeated."""
        closed = self._session.phase is Phase.CLOSED
        return SessionClosed("the client was closed during the request") if closed else None

    def _read(
        self, parse: Callable[[dict[str, Any]], T], payload: dict[str, Any], request: Request
    ) -> T:
        try:
            if self._exact:
                check_reply(type(self), request.operation, payload)
            return parse(payload)
        except ValidationError as error:
            raise misfit(error, request, env_name=self.env_name) from error
        except ReplyMismatch as error:
            error.request_id = request.request_id
            error.maybe_applied = request.operation == "step"
            raise

    # --- drift --------------------------------------------------------------------------------

    def _wants_explanation(self, error: BaseException) -> bool:
        """Whether the server's contract should be looked at, to say why ``error`` happened."""
        fits_not = isinstance(error, ReplyMismatch | ActionRejected)
        return fits_not and self._on_drift == "check" and has_contract(type(self))

    def _explain_drift(self, error: BaseException, server: Mapping[str, Any] | None) -> None:
        if isinstance(error, ReplyMismatch | ActionRejected):
            if server is not None:
                self._drift = differences(package_contract(type(self)), server)
            explain_drift(error, self._drift, url=self.base_url)

    def _refuse_drift(self, server: Mapping[str, Any]) -> None:
        """Raises ContractDrift where the server's contract is another than ours."""
        self._drift = differences(package_contract(type(self)), server)
        if self._drift:
            raise ContractDrift(
                f"{self.base_url} has another contract than {self.env_name}'s client was built "
                f"from: {'; '.join(self._drift)}. Regenerate with: envgen build {self.base_url}",
                drift=self._drift,
            )
