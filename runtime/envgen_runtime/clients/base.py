"""What the sync and the async client share: options, copies, and the requests they make."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack
from urllib.parse import urlsplit

from .. import forks
from ..contract.conformance import check_action, check_reset, exact_part, takes_in_reset
from ..contract.contract import package_contract
from ..documented import documented
from ..errors import InvalidRequest
from ..json_value import JsonValue
from ..models.sending import sent_parameters
from ..observe.trace import Replay
from ..providers import AnyProvider
from ..result import StepResult
from ..transports import INHERITED, ConnectionOptions
from ..wire.address import check_address, endpoint
from ..wire.http_exchange import HttpSession
from ..wire.limits import refused_limit
from ..wire.protocol import Operation, Request
from ..wire.redaction import checked_headers, secrets_in, split_credentials
from ..wire.retries import RetryPolicy
from .call import Calls
from .codec import ActT, Codec, ObsT, ResetT, StateT
from .effects import Call
from .misuse import (
    check_calls,
    check_fields,
    check_request_id,
    checked_episode_id,
    checked_seed,
    needs_address,
)
from .options import ClientChanges, SessionOptions, check_provider, checked, timeouts
from .session import Phase
from .stock import check_limit

_CONNECTION_OPTIONS = (
    "connect_timeout_s", "max_message_bytes", "compression", "ssl_context", "http_client",
)  # fmt: skip

_CLOSE_LIMIT_S = 5.0  # closing waits no longer for a server that has routes of its own


class ResetArguments(TypedDict):
    """What every reset can be given."""

    seed: int | None
    episode_id: str | None
    timeout_s: float | None


class ClientBase(Codec[ActT, ObsT, StateT, ResetT]):
    """Everything but the I/O."""

    _own_http_client = "Client"
    """The class of httpx that ``http_client`` is of."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        check_calls(cls)

    @needs_address
    @documented(SessionOptions)
    def __init__(
        self,
        base_url: str,
        request_timeout_s: float = 60.0,
        default_headers: Mapping[str, str] | None = None,
        provider: AnyProvider | None = None,
        **options: Unpack[SessionOptions],
    ) -> None:
        """Describe a session; nothing is connected before the first request.

        Args:
            base_url: the server's address, as ``http://``, ``https://``, ``ws://`` or ``wss://``.
                The scheme doesn't choose the transport. ``user:password@`` and ``?query`` go with
                every request, and are shown nowhere.
            request_timeout_s: time limit for a whole reset, step or state, in seconds: connecting,
                all attempts and the waits between them share it. Only the wait for a free session
                on a full server comes on top, at most ``retry.capacity_wait_s``.
            default_headers: sent with every HTTP request and with the WebSocket handshake
                (authorization, tracing).
            provider: what started the server; ``close()`` stops it.
            options: by keyword:

        Raises:
            TypeError: an option that doesn't exist, or takes another type.
            ValueError: ``base_url`` is not a URL of these schemes, a limit is not positive, or a
                header can't be sent.
            MissingExtra: ``validate="exact"`` without the extra ``exact``.
        """
        check_address(base_url)
        check_provider(provider)
        known = checked(
            type(self).__name__,
            {
                "request_timeout_s": request_timeout_s,
                "default_headers": default_headers,
                **options,
                "transport": options.get("transport") or self.default_transport,
            },
            http_client=self._own_http_client,
        )
        self._given: dict[str, Any] = {"base_url": base_url, "provider": provider, **known}
        self._check_wire(known)
        self._exact = known["validate"] == "exact"
        if self._exact:
            exact_part(type(self), "action")  # an extra that is missing is reported now
        address, authorization = split_credentials(base_url)
        headers = checked_headers(default_headers or {})
        if authorization is not None:
            headers.setdefault("Authorization", authorization)
        self._endpoint = endpoint(address)
        self._timeouts = timeouts(known)
        self._options = ConnectionOptions(
            headers,
            query=self._endpoint.query,
            **{name: known[name] for name in _CONNECTION_OPTIONS},
        )
        hidden = secrets_in(headers, base_url)
        self._calls = Calls(type(self), self.base_url, hidden, self._given, self._running_loop)
        self._trace_id = secrets.token_hex(16)
        self._request_prefix = secrets.token_hex(6)
        self._request_count = 0
        self._replayed: Replay | None = None
        forks.track(self)

    def after_fork(self) -> None:
        """Become a client without a session, in a forked child. See ``forks``."""
        self._calls.after_fork()
        self._given["provider"] = None
        if self._options.http_client is not None:
            self._given["http_client"] = INHERITED
            self._options = replace(self._options, http_client=INHERITED)
        self._request_prefix = secrets.token_hex(6)

    @classmethod
    def from_trace(cls, path: str | Path) -> Self:
        """A client that plays what ``EpisodeTrace`` has recorded, without a server.

        Raises:
            OSError: the file can't be read.
            ValueError: it is not a trace.
        """
        once = RetryPolicy(attempts=1, capacity_wait_s=0)
        arguments = dict.fromkeys(cls.wire.arguments, "") if cls.wire else None
        client = cls(
            "http://replay.invalid",
            transport="http-unchecked",
            on_drift="ignore",
            retry=once,
            parameters=arguments,
        )
        client._replayed = Replay(path)
        return client

    @staticmethod
    def _running_loop() -> object:
        """The event loop that a connection opened now would belong to; None without asyncio."""
        return None

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

    @documented(ClientChanges)
    def with_options(self, **options: Unpack[ClientChanges]) -> Self:
        """A new client with these options changed. It has a session of its own, not opened yet.

        A provider stays with the client that has it, unless another is given.

        Args:
            options: by keyword:
        """
        given: dict[str, Any] = {**self._given, "provider": None, **options}
        return type(self)(**given)

    def __reduce__(self) -> tuple[Callable[[], Self], tuple[()]]:
        """Pickle as the options: the copy opens a session of its own, in another process or not.

        Raises:
            TypeError: the session is open, or there is a provider, which only one can own.
        """
        if self._calls.session.phase is not Phase.NEW or self._calls.provider is not None:
            raise TypeError(
                f"{self!r} can't be pickled: only a client that has not connected, and owns no "
                "provider. Use with_options() for a fresh one"
            )
        return partial(type(self), **self._given), ()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url} ({self._calls.session.phase.value})>"

    def _check_wire(self, options: Mapping[str, Any]) -> None:
        """Check the options that depend on whether the server has routes of its own."""
        name, parameters = type(self).__name__, options["parameters"]
        if self.wire is None:
            if parameters:
                raise ValueError(f"{name} takes no parameters: its server has OpenEnv's routes")
            return
        self.wire.check_arguments(name, parameters or {})
        if options["transport"] == "websocket":
            raise ValueError(f"{name} uses HTTP: its server has routes of its own, and no /ws")
        if options["on_drift"] == "error":
            raise ValueError(
                f"{name} can't compare contracts: its server has routes of its own, and no "
                "/schema. Use envgen diff or envgen sync --check"
            )

    def _routed_session(self) -> HttpSession | None:
        """A new session, if the server has routes of its own."""
        if self.wire is None:
            return None
        path = urlsplit(self.base_url).path
        return self.wire.begin(path, self._given["parameters"] or {})

    def _close_request(self) -> Request | None:
        """What ends the server's session, if it has a route for that and nothing is in flight."""
        if self.wire is None or not self.wire.ends_session:
            return None
        is_idle = self._calls.session.phase is Phase.READY
        return self._request("close", {}, _CLOSE_LIMIT_S) if is_idle else None

    def _warn_unclosed(self) -> None:
        """Warn that the client was garbage-collected with a connection."""
        if self._replayed is None:
            warnings.warn(
                f"unclosed client {self!r}: call close(), or use it in a with statement",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    # --- calls --------------------------------------------------------------------------------

    def _reset_call(
        self, extra: Mapping[str, JsonValue], **given: Unpack[ResetArguments]
    ) -> Call[StepResult[ResetT]]:
        timeout_s = given["timeout_s"]
        named = {
            "seed": checked_seed(given["seed"]),
            "episode_id": checked_episode_id(given["episode_id"]),
        }
        if "timeout" in extra and not takes_in_reset(type(self), "timeout"):
            check_limit("reset", extra, ())
        data = sent_parameters(
            {**extra, **{key: value for key, value in named.items() if value is not None}}
        )
        if self._exact:
            check_reset(type(self), data)
        self._trace_id = secrets.token_hex(16)
        return self._calls.exchange(self._request("reset", data, timeout_s), self._parse_reset)

    def _step_request(
        self, action: ActT, request_id: str | None, timeout_s: float | None
    ) -> Request:
        data = self._step_payload(action)
        check_fields(action, data)
        if self._exact:
            check_action(type(self), data)
        return self._request("step", data, timeout_s, request_id)

    def _state_call(self, timeout_s: float | None) -> Call[StateT]:
        if self.wire is not None and not self.wire.has_state:  # said before a session is made
            raise InvalidRequest(f"{self.env_name}'s server has no route for the state")
        return self._calls.exchange(self._request("state", {}, timeout_s), self._parse_state)

    def _request(
        self,
        operation: Operation,
        data: dict[str, Any],
        timeout_s: float | None,
        request_id: str | None = None,
    ) -> Request:
        if timeout_s is None:
            limit_s = self._timeouts[operation]
        else:
            if (refusal := refused_limit("timeout_s", timeout_s)) is not None:
                raise InvalidRequest(refusal)
            limit_s = float(timeout_s)
        if request_id is not None:
            check_request_id(request_id)
        self._request_count += 1
        return Request.begun(
            operation,
            data,
            limit_s,
            request_id or f"{self._request_prefix}-{self._request_count}",
            episode_id=self._calls.episode_id if operation == "step" else None,
            trace_id=self._trace_id,
            holds_capacity_wait=timeout_s is not None,
        )
