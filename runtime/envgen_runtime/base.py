"""What the sync and the async client share: everything but the awaiting."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Literal, TypeVar

from pydantic import ValidationError

from . import protocol
from .conformance import check_action, check_reply, check_reset, exact_part
from .errors import (
    ConnectError,
    ConnectionLost,
    EnvError,
    InvalidRequest,
    ReplyMismatch,
    ServerError,
    UpgradeRefused,
)
from .hooks import ActT, EnvHooks, ObsT, ResetT, StateT
from .json_value import JsonValue, json_path
from .protocol import Request
from .providers import ContainerProvider, Provider
from .session import Phase, Session
from .transports import ConnectionOptions, TransportName

T = TypeVar("T")
Validation = Literal["types", "exact"]

_MAX_SHOWN_ERRORS = 3


class ClientBase(EnvHooks[ActT, ObsT, StateT, ResetT]):
    """Options, the session's state, and how requests are made and replies read."""

    def __init__(
        self,
        base_url: str,
        request_timeout_s: float = 15.0,
        default_headers: Mapping[str, str] | None = None,
        provider: ContainerProvider | None = None,
        *,
        transport: TransportName = "auto",
        connect_timeout_s: float = 10.0,
        max_message_bytes: int = 100 * 1024 * 1024,
        validate: Validation = "types",
    ) -> None:
        """Describe a session; nothing is connected before the first request.

        Args:
            base_url: the server, as ``http://``, ``https://``, ``ws://`` or ``wss://``. The scheme
                doesn't choose the transport.
            request_timeout_s: time limit for each reset, step and state, in seconds.
            default_headers: sent with every HTTP request and with the WebSocket handshake
                (authorization, tracing).
            provider: what started the server; ``close()`` stops it.
            transport: ``auto`` uses the WebSocket, or HTTP where the server is one of the first
                (before 0.2), which have no WebSocket and keep their environment behind HTTP.
                ``http`` on a later server gives a fresh environment to every request.
            connect_timeout_s: time limit for opening a connection, in seconds.
            max_message_bytes: the largest reply that is accepted over the WebSocket.
            validate: ``types`` checks messages with the generated classes, which are wider than
                the contract where Python can't say it, and lets replies have more fields than
                the contract. ``exact`` checks them against the contract itself too, to the
                letter: a reply with a field that the contract forbids is a ``ReplyMismatch``,
                even where a newer server added it.

        Raises:
            ValueError: ``base_url`` is not a URL of these schemes, or a limit is not positive.
            MissingExtra: ``validate="exact"`` without the extra ``exact``.
        """
        if not (request_timeout_s > 0 and connect_timeout_s > 0 and max_message_bytes > 0):
            raise ValueError("time limits and max_message_bytes must be greater than zero")
        if transport not in ("auto", "websocket", "http"):
            raise ValueError(f"transport is auto, websocket or http, not {transport!r}")
        if validate not in ("types", "exact"):
            raise ValueError(f"validate is types or exact, not {validate!r}")
        self._exact = validate == "exact"
        if self._exact:
            exact_part(type(self), "action")  # what is missing is said here, not amid an episode
        self._endpoint = protocol.endpoint(base_url)
        self._request_timeout_s = float(request_timeout_s)
        self._provider = provider
        self._transport_name: TransportName = transport
        self._options = ConnectionOptions(
            headers=dict(default_headers or {}),
            connect_timeout_s=float(connect_timeout_s),
            max_message_bytes=max_message_bytes,
        )
        self._session = Session()
        self._episode_id: str | None = None
        self._request_prefix = secrets.token_hex(6)
        self._request_count = 0

    @property
    def base_url(self) -> str:
        """The server's HTTP address, without a trailing slash."""
        return self._endpoint.http

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_url} ({self._session.phase.value})>"

    # --- requests -----------------------------------------------------------------------------

    def _reset_request(
        self, seed: int | None, episode_id: str | None, extra: Mapping[str, JsonValue]
    ) -> Request:
        named = {"seed": seed, "episode_id": episode_id}
        data = {**extra, **{key: value for key, value in named.items() if value is not None}}
        if self._exact:
            check_reset(type(self), data)
        return self._request("reset", data, None)

    def _step_request(self, action: ActT, request_id: str | None) -> Request:
        data = self._step_payload(action)
        if self._exact:
            check_action(type(self), data)
        return self._request("step", data, request_id)

    def _state_request(self) -> Request:
        return self._request("state", {}, None)

    def _request(
        self, operation: protocol.Operation, data: dict[str, Any], request_id: str | None
    ) -> Request:
        self._request_count += 1
        return Request(
            operation,
            data,
            timeout_s=self._request_timeout_s,
            request_id=request_id or f"{self._request_prefix}-{self._request_count}",
            episode_id=self._episode_id if operation == "step" else None,
        )

    # --- outcomes -----------------------------------------------------------------------------

    def _settled(self, request: Request, before: Phase) -> None:
        """The server has answered ``request``."""
        if request.operation == "reset":
            self._episode_id = request.data.get("episode_id")
        self._session.settle(Phase.READY if request.operation == "reset" else before)

    def _survives(self, error: BaseException, request: Request, before: Phase) -> bool:
        """Settle the session after ``error`` if it outlives it; else it is lost.

        A request that was never sent changes nothing. A server that answers with an error keeps
        the session, unless the error is of the kind that ends it; but an episode whose reset
        failed has not begun. Anything else leaves the server's side unknown.
        """
        if isinstance(error, InvalidRequest):
            self._session.settle(before)
        elif isinstance(error, ServerError) and not error.ends_session:
            self._session.settle(Phase.NEW if request.operation == "reset" else before)
        elif isinstance(error, EnvError) and before is Phase.NEW and request.operation == "reset":
            self._session.settle(Phase.NEW)  # there was no episode to lose
            return False
        else:
            self._session.lose(error)
            return False
        return True

    def _explain(self, error: BaseException) -> None:
        """Add to ``error`` what the provider knows: that the server ended, and its last lines."""
        lost = isinstance(error, ConnectError | ConnectionLost)
        if lost and isinstance(self._provider, Provider) and (why := self._provider.diagnosis()):
            error.add_note(why)

    def _read(
        self, parse: Callable[[dict[str, Any]], T], payload: dict[str, Any], request: Request
    ) -> T:
        try:
            if self._exact:
                check_reply(type(self), request.operation, payload)
            return parse(payload)
        except ValidationError as error:
            raise self._mismatch(error, request) from error
        except ReplyMismatch as error:
            error.request_id = request.request_id
            error.maybe_applied = request.operation == "step"
            raise

    def _mismatch(self, error: ValidationError, request: Request) -> ReplyMismatch:
        root = "$" if request.operation == "state" else "$.observation"
        details = error.errors(include_url=False, include_input=False)
        paths = [json_path(detail["loc"], root=root) for detail in details]
        shown = "; ".join(
            f"{path}: {detail['msg']}"
            for path, detail in zip(paths[:_MAX_SHOWN_ERRORS], details, strict=False)
        )
        more = len(details) - _MAX_SHOWN_ERRORS
        return ReplyMismatch(
            f"the answer to {request.operation} doesn't fit {self.env_name}'s contract: {shown}"
            + (f" (and {more} more)" if more > 0 else "")
            + f". If the server has changed, regenerate with: envgen build {self.base_url}",
            path=paths[0],
            maybe_applied=request.operation == "step",
            request_id=request.request_id,
        )

    def _no_session(self, refusal: UpgradeRefused, schema: int, health: int) -> ConnectError | None:
        """Judge a refused upgrade by what two routes answer; None where HTTP is right.

        Servers before 0.2 have no ``/ws`` and no ``/schema``, and one stateful environment behind
        HTTP. A server that has ``/schema`` is a later one, whose HTTP routes can't hold an episode.
        """
        if HTTPStatus.UNAUTHORIZED in (refusal.status, schema):
            return UpgradeRefused(
                f"{self.base_url} wants authorization: pass it in default_headers",
                status=refusal.status,
            )
        if schema == HTTPStatus.NOT_FOUND and health == HTTPStatus.OK:
            return None
        if schema == HTTPStatus.OK:
            return UpgradeRefused(
                f"{refusal}, though the server publishes /schema: a server of its age gives a "
                "fresh environment to every HTTP request, so HTTP would be silently wrong. Look "
                'for a proxy that blocks WebSockets, or insist with transport="http"',
                status=refusal.status,
            )
        return UpgradeRefused(
            f"{refusal}; /schema answered {schema} and /health {health}: this doesn't look like "
            'an environment server. Check the URL, or insist with transport="http"',
            status=refusal.status,
        )
