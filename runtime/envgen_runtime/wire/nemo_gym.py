"""Resources servers of NeMo Gym: a route for each tool, and one that verifies the episode.

What they do (run: nemo-gym 0.4.0; read: 0.7.0): ``POST /seed_session`` begins an episode, which a
cookie names. Every other POST route is a tool, whose body has the arguments, but for those that
the framework brings. ``POST /verify`` takes the model's response and replies with the reward; here
it is a tool as well, and its call ends the episode.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from ..errors import ServerError
from ..json_value import as_object
from .cookies import SessionCookies
from .http_exchange import HttpExchange, HttpResponse, no_route
from .protocol import HttpCall, Request, json_body, parse_json
from .routes import without_common
from .tool_servers import ToolServerWire, failed_call, tool_call, tool_reply

VERIFY = "verify"
"""The tool that ends an episode, and gives its reward."""

FRAMEWORK_ROUTES = frozenset(
    {"seed_session", "close_session", "aggregate_metrics", "mcp", "reverify_mode"}
)
"""Routes that are no tools."""

_ERROR_TYPES: Mapping[int, str] = {
    HTTPStatus.NOT_FOUND: "tool_not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "tool_not_found",
    HTTPStatus.UNPROCESSABLE_ENTITY: "invalid_args",
    HTTPStatus.INTERNAL_SERVER_ERROR: "execution_error",
}


@dataclass(frozen=True, slots=True)
class NemoGymWire(ToolServerWire):
    """How clients of a resources server of NeMo Gym travel."""

    def begin(self, _address_path: str, _parameters: Mapping[str, Any], /) -> NemoGymSession:
        """Begin a session. As ``HttpRoutes.begin``."""
        return NemoGymSession()


class NemoGymSession:
    """One session, which a cookie names."""

    def __init__(self) -> None:
        """Begin without a cookie."""
        self._cookies = SessionCookies()

    def exchange(self, request: Request) -> HttpExchange:
        """Make ``request``.

        Raises:
            EnvError: the server refuses it, or has no route for it.
        """
        match request.operation:
            case "reset":
                return self._reset(request)
            case "step":
                return self._step(request)
            case "list_tools":
                raise ServerError("the server doesn't list its tools", code="NOT_LISTED")
            case _:
                raise no_route(request)

    def _reset(self, request: Request) -> HttpExchange:
        self._cookies = SessionCookies()
        body = json_body(without_common(request.data), request)
        response: HttpResponse = yield HttpCall("POST", "/seed_session", body)
        self._cookies.keep(response.set_cookies)
        return {"observation": response.payload(request), "reward": None, "done": False}

    def _step(self, request: Request) -> HttpExchange:
        name, arguments = tool_call(request)
        path = f"/{quote(name, safe='/')}"
        response: HttpResponse = yield HttpCall(
            "POST", path, json_body(arguments, request), self._cookies.headers()
        )
        self._cookies.keep(response.set_cookies)
        text = response.body.decode(errors="replace")
        if (kind := _ERROR_TYPES.get(response.status)) is not None:
            return failed_call(name, kind, _told(text))
        if not response.is_success:
            response.payload(request)  # raises
        data = parse_json(response.body, request)
        reply = as_object(data) or {}
        is_verdict = name == VERIFY
        return tool_reply(
            name,
            content=[{"type": "text", "text": text}],
            structured=data,
            reward=reply.get("reward") if is_verdict else None,
            done=is_verdict,
        )


def _told(text: str) -> str:
    """What FastAPI says of a request that it refuses or fails on."""
    try:
        fields = as_object(json.loads(text)) or {}
    except (ValueError, RecursionError):
        fields = {}
    detail = fields.get("detail", text)
    return detail if isinstance(detail, str) else json.dumps(detail)
