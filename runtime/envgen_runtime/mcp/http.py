"""What each HTTP response of an MCP server is checked for before it is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from ..errors import ConnectError, ConnectionLost, EnvError, ProtocolError, ServerError, SessionLost
from ..json_value import as_object
from ..wire.redaction import without_secrets
from .sdk import Sdk

_NO_ACCESS = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_KEEP_BODY = (HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT)
_MAX_SHOWN = 500


class AccessRefused(ConnectError):
    """The server wants a token, or another one."""

    retryable = False


class Guard:
    """Checks responses: their size, where they redirect to, and what their status means.

    Args:
        sdk: the SDK.
        label: the server, as it may be shown.
        max_bytes: the largest reply to a request.
        refuse: called with the number of a request that was answered with an error's status.
    """

    def __init__(
        self, sdk: Sdk, label: str, max_bytes: int, refuse: Callable[[int, EnvError], None]
    ) -> None:
        self._sdk = sdk
        self._label = label
        self.max_bytes = max_bytes
        self._refuse = refuse

    async def check(self, response: Any) -> None:
        """Check a response of the SDK's HTTP library.

        Raises:
            ConnectError: it redirects to another host.
            ProtocolError: it is compressed, which was not asked for.
        """
        if response.has_redirect_location:
            self._check_redirect(response)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise ProtocolError(f"{self._label} compresses replies, which was not asked for")
        if response.request.method != "POST":
            return
        number = _number_of(response.request.content)
        is_stream = "event-stream" in response.headers.get("content-type", "")

        def ended(can_resume: bool) -> None:
            # A server that numbers no event can't go on in another response. What has arrived is
            # on its way to its caller, so it goes first.
            if is_stream and number is not None and not can_resume:
                asyncio.get_running_loop().call_soon(self._refuse, number, cut)

        cut = ConnectionLost(f"{self._label} ended its reply too early", maybe_applied=True)
        response.stream = self._sdk.watched(response.stream, self.max_bytes, ended)
        if response.status_code >= HTTPStatus.BAD_REQUEST and number is not None:
            self._refuse(number, await self._error(response))

    def _check_redirect(self, response: Any) -> None:
        here, there = response.request.url, response.request.url.join(response.headers["location"])
        is_secured = (here.scheme, there.scheme) == ("http", "https")
        is_same_host = here.host == there.host and (
            (here.scheme, here.port) == (there.scheme, there.port)
            or (is_secured and here.port is None and there.port is None)
        )
        keeps_body = response.status_code in _KEEP_BODY or response.request.method != "POST"
        if not (is_same_host and keeps_body):
            raise ConnectError(
                f"{self._label} redirects to {without_secrets(str(there))}: name that address, if "
                "you trust it",
                retryable=False,
            )

    async def _error(self, response: Any) -> EnvError:
        status: int = response.status_code
        told = _error_in(await response.aread())
        ending = f": {told['message'][:_MAX_SHOWN]}" if told else ""
        text = f"{self._label} answered HTTP {status}{ending}"
        server_text = told["message"] if told else None
        if status in _NO_ACCESS:
            return AccessRefused(
                f"{text}: it wants a token, as token= or in headers=", server_text=server_text
            )
        if status == HTTPStatus.NOT_FOUND and "mcp-session-id" in response.request.headers:
            return SessionLost(
                f"{self._label} no longer knows this session, as after a restart; connect() opens "
                "a new one",
                server_text=server_text,
            )
        return ServerError(
            text,
            code=f"JSON_RPC {told['code']}" if told else f"HTTP_{status}",
            server_text=server_text,
            maybe_applied=status >= HTTPStatus.INTERNAL_SERVER_ERROR,
        )


def _number_of(body: bytes) -> int | None:
    """The number of the request in a body; None for notifications and answers."""
    message = as_object(json.loads(body)) or {}
    return message.get("id") if "method" in message else None


def _error_in(body: bytes) -> dict[str, Any] | None:
    try:
        error = as_object((as_object(json.loads(body)) or {}).get("error"))
    except (ValueError, RecursionError):
        return None
    if error is None or not isinstance(error.get("message"), str):
        return None
    return {"code": error.get("code"), "message": error["message"]}
