"""The coding environment behind HTTP and a WebSocket, as environment servers have them.

HTTP keeps one environment for all, as the first servers did; every WebSocket has its own. Refusals
are worded as OpenEnv 0.10 words them.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, Literal, TypeVar

import uvicorn
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..schema.keywords import as_object
from .environment import CodingEnvironment

_HOST = "127.0.0.1"
_START_TIMEOUT_S = 10.0

T = TypeVar("T", bound=BaseModel)


# --- what is asked ----------------------------------------------------------------------------


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Action(_Strict):
    code: str
    metadata: dict[str, Any] = {}


class _ResetParameters(BaseModel):
    """What else is sent is dropped without a word, as OpenEnv's servers do."""

    seed: int | None = None
    episode_id: str | None = None


class _StepBody(BaseModel):
    action: dict[str, Any]


class _ResetFrame(_Strict):
    type: Literal["reset"]
    data: dict[str, Any] = {}


class _StepFrame(_Strict):
    type: Literal["step"]
    data: dict[str, Any]


class _BareFrame(_Strict):
    type: Literal["state", "close"]


class _Refused(Exception):
    """A request that isn't answered with what it asked for.

    Attributes:
        code: the WebSocket protocol's code.
        errors: one entry per refused field.
    """

    def __init__(self, message: str, code: str, errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.errors = errors or []


def _read_object(text: str | bytes) -> dict[str, Any]:
    try:
        value = as_object(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise _Refused(f"Invalid JSON: {error}", "INVALID_JSON") from error
    if value is None:
        raise _Refused("Invalid JSON: not an object", "INVALID_JSON")
    return value


def _read(model: type[T], data: dict[str, Any], *, within: str | None = None) -> T:
    """``data`` as ``model``; refusals name places below ``within``."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        root = () if within is None else (within,)
        errors = [
            {"type": detail["type"], "loc": [*root, *detail["loc"]], "msg": detail["msg"]}
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise _Refused("Invalid message", "VALIDATION_ERROR", errors) from error


# --- what is answered -------------------------------------------------------------------------


async def _reset(environment: CodingEnvironment, parameters: _ResetParameters) -> dict[str, Any]:
    return await _observe(environment.reset, parameters.seed, parameters.episode_id)


async def _step(environment: CodingEnvironment, action: _Action) -> dict[str, Any]:
    return await _observe(environment.step, action.code)


async def _observe(act: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Let the environment act, off the event loop; its observation as it travels."""
    try:
        # Not in AnyIO's threads: the loop joins its own when it ends, so that none outlives it.
        observation = await asyncio.to_thread(act, *arguments)
    except Exception as error:
        raise _Refused(str(error), "EXECUTION_ERROR") from error
    reward, done = observation.pop("reward"), observation.pop("done")
    answer = {"observation": observation, "reward": reward, "done": done}
    if observation["metadata"]:
        answer["metadata"] = observation["metadata"]
    return answer


async def _frame_answer(
    frame: str | bytes, environment: CodingEnvironment
) -> dict[str, Any] | None:
    """The frame that answers ``frame``; None where it asks to close."""
    try:
        return await _perform(_read_object(frame), environment)
    except _Refused as refused:
        data: dict[str, Any] = {"message": str(refused), "code": refused.code}
        if refused.errors:
            data["errors"] = refused.errors
        return {"type": "error", "data": data}


async def _perform(
    message: dict[str, Any], environment: CodingEnvironment
) -> dict[str, Any] | None:
    kind = message.get("type", "")
    if kind == "reset":
        parameters = _read(_ResetParameters, _read(_ResetFrame, message).data)
        return {"type": "observation", "data": await _reset(environment, parameters)}
    if kind == "step":
        action = _read(_Action, _read(_StepFrame, message).data)
        return {"type": "observation", "data": await _step(environment, action)}
    if kind not in ("state", "close"):
        raise _Refused(f"Unknown message type: {kind}", "UNKNOWN_TYPE")
    _read(_BareFrame, message)
    return {"type": "state", "data": environment.state} if kind == "state" else None


def _json(content: Any, status: int = HTTPStatus.OK) -> Response:
    # In ASCII: half a surrogate pair, which JSON can name and UTF-8 can't hold, may be echoed.
    return Response(json.dumps(content), status, media_type="application/json")


def _refusal(refused: _Refused) -> Response:
    if refused.code == "EXECUTION_ERROR":
        return _json({"detail": str(refused)}, HTTPStatus.INTERNAL_SERVER_ERROR)
    unplaced = [{"type": refused.code.lower(), "loc": ["body"], "msg": str(refused)}]
    return _json({"detail": refused.errors or unplaced}, 422)


# --- the application --------------------------------------------------------------------------


def create_app(
    contract: dict[str, Any],
    make_environment: Callable[[], CodingEnvironment] = CodingEnvironment,
) -> Starlette:
    """The server's application.

    Args:
        contract: what GET ``/schema`` answers, but for its name.
        make_environment: called once for HTTP and once for every WebSocket.
    """
    shared = _Shared(make_environment())

    async def health(_request: Request) -> Response:
        return _json({"status": "healthy"})

    async def metadata(_request: Request) -> Response:
        return _json({"name": "coding_env", "description": "Runs the Python it is given."})

    async def schema(_request: Request) -> Response:
        return _json({key: part for key, part in contract.items() if key != "name"})

    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        environment = make_environment()
        with suppress(WebSocketDisconnect):
            while (message := await websocket.receive())["type"] == "websocket.receive":
                text = message.get("text")
                frame = message["bytes"] if text is None else text
                answer = await _frame_answer(frame, environment)
                if answer is None:
                    await websocket.close()
                    return
                await websocket.send_text(json.dumps(answer))

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/metadata", metadata),
            Route("/schema", schema),
            Route("/state", shared.state),
            Route("/reset", shared.reset, methods=["POST"]),
            Route("/step", shared.step, methods=["POST"]),
            WebSocketRoute("/ws", session),
        ],
        middleware=[Middleware(_NoWebPages)],
    )


class _Shared:
    """The one environment behind HTTP. It acts for one request at a time."""

    def __init__(self, environment: CodingEnvironment) -> None:
        self._environment = environment
        self._turn = asyncio.Lock()

    async def reset(self, request: Request) -> Response:
        return await self._answer(request, self._reset)

    async def step(self, request: Request) -> Response:
        return await self._answer(request, self._step)

    async def state(self, _request: Request) -> Response:
        return _json(self._environment.state)

    async def _answer(
        self, request: Request, act: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]
    ) -> Response:
        try:
            body = _read_object(await request.body() or b"{}")
            async with self._turn:
                return _json(await act(body))
        except _Refused as refused:
            return _refusal(refused)

    async def _reset(self, body: dict[str, Any]) -> dict[str, Any]:
        return await _reset(self._environment, _read(_ResetParameters, body, within="body"))

    async def _step(self, body: dict[str, Any]) -> dict[str, Any]:
        action = _read(_Action, _read(_StepBody, body, within="body").action)
        return await _step(self._environment, action)


class _NoWebPages:
    """Refuses what a browser sends on behalf of a web page.

    Loopback keeps other machines out, but not the pages in a browser on this one: they may post to
    it and open sockets, and would have their programs run. Browsers say ``Origin``; clients don't.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "origin" in Headers(scope=scope):
            refusal = PlainTextResponse("not for web pages", HTTPStatus.FORBIDDEN)
            await refusal(scope, receive, send)
        else:
            await self._app(scope, receive, send)


# --- the server -------------------------------------------------------------------------------


@contextmanager
def serving(app: ASGIApp, *, port: int = 0) -> Generator[str]:
    """Serve an application on loopback; give its base URL.

    The server is stopped and its thread joined on every way out. A program that is running then is
    waited for, which its time limit bounds.

    Args:
        app: what to serve.
        port: 0 for a free one.

    Raises:
        OSError: the port is taken.
        RuntimeError: the server did not start.
    """
    with socket.create_server((_HOST, port)) as listener:
        # Without log settings of uvicorn's, which would be the whole process's, and stay.
        server = _Server(uvicorn.Config(app, log_config=None, log_level=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            server.settled.wait(_START_TIMEOUT_S)
            if not server.started:
                raise RuntimeError("the environment's server did not start")
            yield f"http://{_HOST}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    """Says when it is up, or that it won't be, so that nobody has to ask.

    Attributes:
        settled: set once ``started`` says which.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.settled = threading.Event()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            super().run(sockets)
        finally:
            self.settled.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()
