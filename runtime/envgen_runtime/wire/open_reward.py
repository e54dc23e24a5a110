"""Servers of the Open Reward Standard: a task for each episode, and tools that give the reward.

What they do (read and run: openreward 0.1.167): ``POST /create_session`` gives an id in a stream of
events, and ``POST /create`` makes the environment of a task under it. ``GET /ENV/prompt`` waits for
its set-up, with status 503 and ``X-Backend-State: starting`` while that takes long. ``POST
/ENV/call`` replies with a stream of events, whose last has the result; comments keep the connection
open while the tool runs. ``POST /delete`` ends the session; the server does so after 15 minutes
without a request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import quote

from ..errors import EnvError, InvalidRequest, NotReset
from ..json_value import as_array, as_object
from .http_exchange import HttpExchange, HttpResponse, Pause, no_route
from .protocol import (
    HttpCall,
    Request,
    json_body,
    malformed,
    parse_json,
    read_json,
    server_error,
    timed_out,
)
from .routes import without_common
from .tool_servers import (
    ToolServerWire,
    failed_call,
    session_is_gone,
    tool_call,
    tool_reply,
)

_GONE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.GONE})
_ERROR_TYPES: Mapping[str, str] = {
    "not_found": "tool_not_found",
    "name_collision": "tool_not_found",
    "input_validation": "invalid_args",
}
_POLL_S = 1.0
"""How often a set-up that takes long is asked for, in seconds, unless the server says."""


@dataclass(frozen=True, slots=True)
class OpenRewardWire(ToolServerWire):
    """How clients of an Open Reward Standard environment travel.

    Attributes:
        environment: the environment's name on its server, which may have several.
    """

    environment: str

    ends_session: ClassVar[bool] = True

    @property
    def tasks_of(self) -> str:
        """The environment's name. As ``HttpRoutes.tasks_of``."""
        return self.environment

    def begin(self, _address_path: str, _parameters: Mapping[str, Any], /) -> OpenRewardSession:
        """Begin a session. As ``HttpRoutes.begin``."""
        return OpenRewardSession(self.environment)


class OpenRewardSession:
    """One session, which has one episode."""

    def __init__(self, environment: str) -> None:
        """Begin without a session on the server: each reset makes one."""
        self._environment = environment
        self._path = f"/{quote(environment, safe='')}"
        self._id: str | None = None

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
                return self._list_tools(request)
            case "close":
                return self._close()
            case _:
                raise no_route(request)

    def _reset(self, request: Request) -> HttpExchange:
        task = self._task(request)
        with suppress(EnvError):
            yield from self._close()
        response: HttpResponse = yield HttpCall("POST", "/create_session", None, _EVENTS)
        self._id = _session_id(response, request)
        body = {"env_name": self._environment, **task}
        try:
            response = yield self._call("POST", "/create", json_body(body, request))
            response.payload(request)
            while True:
                response = yield self._call("GET", f"{self._path}/prompt")
                if response.headers.get("x-backend-state") != "starting":
                    break
                pause_s = request.seconds_left(response.retry_after_s or _POLL_S)
                if pause_s == 0:
                    raise timed_out(request)
                yield Pause(pause_s)
            blocks = _blocks(response, request)
        except EnvError:
            with suppress(EnvError):
                yield from self._close()
            raise
        text = "\n\n".join(block["text"] for block in blocks if block.get("type") == "text")
        return {"observation": {"text": text, "blocks": blocks}, "reward": None, "done": False}

    def _task(self, request: Request) -> dict[str, Any]:
        """What ``/create`` needs to know of the task."""
        data = without_common(request.data)
        has_place = data.get("split") is not None and data.get("index") is not None
        if (data.get("task_spec") is not None) == has_place:
            raise InvalidRequest(
                "an episode needs its task: reset(split=..., index=...), or reset(task_spec=...) "
                "with a task as the server lists it",
                request_id=request.request_id,
            )
        return {name: value for name, value in data.items() if value is not None}

    def _step(self, request: Request) -> HttpExchange:
        name, arguments = tool_call(request)
        body = json_body({"name": name, "input": arguments}, request)
        response: HttpResponse = yield self._call("POST", f"{self._path}/call", body, _EVENTS)
        if response.status in _GONE:
            self._id = None
            raise session_is_gone("the server has no such session any more", request)
        if not response.is_success:
            response.payload(request)  # raises
        result = _result(response, request)
        if result.get("ok") is not True:
            reason = str(result.get("reason"))
            kind = _ERROR_TYPES.get(reason, "execution_error")
            is_over = reason == "episode_finished"
            return failed_call(name, kind, str(result.get("error")), done=is_over)
        output = as_object(result.get("output")) or {}
        return tool_reply(
            name,
            content=as_array(output.get("blocks")) or (),
            metadata=as_object(output.get("metadata")),
            reward=output.get("reward"),
            done=output.get("finished") is True,
        )

    def _list_tools(self, request: Request) -> HttpExchange:
        response: HttpResponse = yield self._call("GET", f"{self._path}/task_tools")
        payload = response.payload(request)
        listed = map(as_object, as_array(payload.get("tools")) or [])
        tools = [mcp_tool(tool) for tool in listed if tool is not None]
        if (terminal := as_object(payload.get("terminal_tool"))) is not None:
            tools.append(terminal_tool(terminal))
        return {"result": {"tools": tools}}

    def _close(self) -> HttpExchange:
        """End the session. The server ends one that can't be reached by itself."""
        if self._id is not None:
            ending = self._call("POST", "/delete")
            self._id = None
            yield ending
        return {}

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpCall:
        if self._id is None:
            raise NotReset("there is no episode on the server: call reset() to start one")
        return HttpCall(method, path, body, {**(headers or {}), "x-session-id": self._id})


def mcp_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A tool of the standard as MCP describes it. One without a schema takes no arguments."""
    schema = as_object(tool.get("input_schema")) or {"type": "object", "properties": {}}
    return {
        "name": tool.get("name"),
        "description": tool.get("description") or "",
        "inputSchema": schema,
    }


def terminal_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """The tool that ends an episode. Servers list it apart, with the name of its argument alone."""
    argument = tool.get("arg")
    fields = {argument: {"type": "string"}} if isinstance(argument, str) else {}
    schema = {"type": "object", "properties": fields, "required": [*fields]}
    return mcp_tool({**tool, "input_schema": schema})


# --- replies ------------------------------------------------------------------------------------

_EVENTS: Mapping[str, str] = {"accept": "text/event-stream"}


MAX_EVENT_LINES = 100_000
"""The most lines of a stream: a tenth of a second's work. Servers send some kilobytes in three."""


def read_events(body: bytes, request: Request) -> Iterator[tuple[str, str]]:
    """Yield the type and the data of each event in a stream.

    The form is that of https://html.spec.whatwg.org/multipage/server-sent-events.html: an event
    ends with an empty line, and lines of data are joined.

    Raises:
        ProtocolError: there are more than ``MAX_EVENT_LINES`` lines, or they aren't UTF-8.
    """
    if max(body.count(b"\n"), body.count(b"\r")) > MAX_EVENT_LINES:
        raise malformed(f"events in more than {MAX_EVENT_LINES:,} lines", request)
    text = None
    with suppress(UnicodeDecodeError):  # it holds the whole body
        text = body.decode().replace("\r\n", "\n").replace("\r", "\n")
    if text is None:
        raise malformed("events that are not UTF-8", request)
    for event in text.split("\n\n")[:-1]:
        kind, data = "", list[str]()
        for line in event.split("\n"):
            name, _, value = line.partition(":")
            if name == "event":
                kind = value.removeprefix(" ")
            elif name == "data":
                data.append(value.removeprefix(" "))
        if data:
            yield kind or "message", "\n".join(data)


def _session_id(response: HttpResponse, request: Request) -> str:
    if not response.is_success:
        response.payload(request)  # raises
    for kind, data in read_events(response.body, request):
        if kind == "task_id" and data:
            return data
    raise malformed("no id of a session", request)


def _result(response: HttpResponse, request: Request) -> dict[str, Any]:
    """The result that a stream of events has.

    Raises:
        ExecutionError: the tool raised an exception, so its reward isn't known. The standard's own
            client ends the episode there.
        ProtocolError: there is no result.
    """
    chunks: list[str] = []
    for kind, data in read_events(response.body, request):
        if kind == "error":
            raise server_error({"message": data}, code="EXECUTION_ERROR", request=request)
        if kind in ("chunk", "end"):
            chunks.append(data)
        if kind == "end":
            return read_json("".join(chunks), request)
    raise malformed("a result that doesn't end", request)


def _blocks(response: HttpResponse, request: Request) -> list[dict[str, Any]]:
    """The blocks of a prompt. ServerError: the environment could not be set up."""
    if not response.is_success:
        response.payload(request)  # raises
    blocks = as_array(parse_json(response.body, request))
    if blocks is None or not all(map(_is_block, blocks)):
        raise malformed("a prompt that is no list of blocks", request)
    return blocks


def _is_block(block: Any) -> bool:
    fields = as_object(block)
    return fields is not None and (
        fields.get("type") != "text" or isinstance(fields.get("text"), str)
    )
