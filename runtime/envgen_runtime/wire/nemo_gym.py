"""Resources servers of NeMo Gym: a route for each tool, and one that verifies the episode.

What they do (run: nemo-gym 0.4.0 and 0.7.0): ``POST /seed_session`` begins an episode, which a
cookie names. Every other POST route is a tool, whose body has the arguments, but for those that
the framework brings. ``POST /verify`` takes the model's response and replies with the reward; here
it is a tool as well, and its call ends the episode. Where the environment failed and not the model
(``mask_sample``), the reward in that reply is none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from ..errors import PASSING_STATUSES, ExecutionError, ServerError
from ..json_value import as_object
from .cookies import SessionCookies
from .http_exchange import HttpExchange, HttpResponse, no_route
from .protocol import HttpCall, Request, json_body, malformed, parse_json
from .routes import without_common
from .tool_servers import ToolServerWire, failed_call, tool_call, tool_reply

VERIFY = "verify"
"""The tool that ends an episode, and gives its reward."""

FRAMEWORK_ROUTES = frozenset(
    {"seed_session", "close_session", "aggregate_metrics", "mcp", "reverify_mode"}
)
"""Routes that are no tools."""

_NO_ROUTE = "Not Found"
"""What FastAPI says where there is no route. A tool that finds nothing says more."""

_NOT_OF_TOOLS = frozenset(
    {
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
        *PASSING_STATUSES,
    }
)
"""Statuses of errors that say something about the server, or what is in front of it."""


@dataclass(frozen=True, slots=True)
class NemoGymWire(ToolServerWire):
    """How clients of a resources server of NeMo Gym travel."""

    # A model that calls it gives itself the reward of any response it writes.
    not_for_models: ClassVar[frozenset[str]] = frozenset({VERIFY})

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
        if name == VERIFY and response.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            return _verdict(response, text, request)
        if not response.is_success:
            kind = _kind_of_failure(response.status, _told(text))
            if kind is None:
                response.payload(request)  # raises
            return failed_call(name, str(kind), _told(text))
        content = [{"type": "text", "text": text}] if text else []
        structured = parse_json(response.body, request) if _is_json(response) else None
        return tool_reply(name, content=content, structured=structured)


def _verdict(response: HttpResponse, text: str, request: Request) -> dict[str, Any]:
    """The reply to ``verify``, with its reward.

    Raises:
        ExecutionError: the server could not verify, or says that the reward is no measurement.
        EnvError: there is no reward.
    """
    reply = response.payload(request)
    reward = reply.get("reward")
    if _is_masked(reply):
        said = (reply.get("failure_kind") or reply.get(_FAILURE_CLASS), reply.get("failure_reason"))
        told = ": ".join(item for item in said if isinstance(item, str))
        raise ExecutionError(
            f"the environment failed, so the reward is no measurement: {told or 'no reason given'}",
            code="MASKED_SAMPLE",
            data=reply,
            maybe_applied=True,
            request_id=request.request_id,
            server_text=told or None,
        )
    if not isinstance(reward, int | float):
        raise malformed("a verdict without a reward", request)
    content = [{"type": "text", "text": text}]
    return tool_reply(VERIFY, content=content, structured=reply, reward=reward, done=True)


_FAILURE_CLASS = "_ng_failure_class"
"""A key of rows that NeMo Gym itself keeps out of its figures."""


def _is_masked(reply: Mapping[str, Any]) -> bool:
    """Whether the environment failed rather than the model, as 0.7 tells, and where it told before.

    Such a reply has a reward of 0.
    """
    configured = as_object(reply.get("instance_config")) or {}
    is_said = reply.get("mask_sample") is True or configured.get("mask_sample") is True
    return is_said or bool(reply.get(_FAILURE_CLASS))


def _kind_of_failure(status: int, told: str) -> str | None:
    """What kind of failure a call of a tool is; None if the tool has no part in it.

    A tool fails by an exception, which is a 500, or by one of FastAPI's, with a status of its own.
    """
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return "invalid_args"
    if status == HTTPStatus.METHOD_NOT_ALLOWED or (
        status == HTTPStatus.NOT_FOUND and told == _NO_ROUTE
    ):
        return "tool_not_found"
    is_refusal = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if status == HTTPStatus.INTERNAL_SERVER_ERROR or (is_refusal and status not in _NOT_OF_TOOLS):
        return "execution_error"
    return None


def _is_json(response: HttpResponse) -> bool:
    """Whether a body is JSON. FastAPI says so; a tool may reply with a text, or with nothing."""
    if not response.body:
        return False
    kind = response.headers.get("content-type", "application/json").partition(";")[0].strip()
    return kind == "application/json" or kind.endswith("+json")


def _told(text: str) -> str:
    """What FastAPI says of a request that it refuses or fails on; NeMo Gym says a text alone."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    fields = as_object(value)
    detail = value if fields is None else fields.get("detail", text)
    return detail if isinstance(detail, str) else json.dumps(detail)
