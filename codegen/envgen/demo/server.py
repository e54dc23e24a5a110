"""Serve the coding environment over HTTP and WebSocket, as OpenEnv 0.10 does.

All HTTP requests share one environment, as with the first servers; each WebSocket has its own.
Errors have the wording of OpenEnv 0.10.
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


# --- requests ---------------------------------------------------------------------------------


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Action(_Strict):
    code: str
    metadata: dict[str, Any] = {}


class _ResetParameters(BaseModel):
    """Other fields are ignored, as OpenEnv's servers do."""

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
    """A request that is answered with an error: its code, and one entry for each invalid field."""

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
    """Validate ``data`` as ``model``. The places in errors begin with ``within``."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        root = () if within is None else (within,)
        errors = [
            {"type": detail["type"], "loc": [*root, *detail["loc"]], "msg": detail["msg"]}
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise _Refused("Invalid message", "VALIDATION_ERROR", errors) from error


# --- answers ----------------------------------------------------------------------------------


async def _reset(environment: CodingEnvironment, parameters: _ResetParameters) -> dict[str, Any]:
    return await _observe(environment.reset, parameters.seed, parameters.episode_id)


async def _step(environment: CodingEnvironment, action: _Action) -> dict[str, Any]:
    return await _observe(environment.step, action.code)


async def _observe(act: Callable[..., dict[str, Any]], *arguments: Any) -> dict[str, Any]:
    """Call the environment in a thread. Return its observation as it is sent."""
    try:
        # Not in AnyIO's threads, because the loop joins only its own when it ends.
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
    """The answer to a frame; None if it asks to close."""
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
    # In ASCII, because an echoed lone surrogate can't be encoded in UTF-8.
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

    GET ``/schema`` answers with ``contract`` without its name. ``make_environment`` is called once
    for HTTP, and once for every WebSocket.
    """
    shared, turn = make_environment(), asyncio.Lock()

    def answering(content: Callable[[], Any]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(_request: Request) -> Response:
            return _json(content())

        return answer

    async def act(request: Request) -> Response:
        try:
            body = _read_object(await request.body() or b"{}")
            async with turn:  # the environment acts for one request at a time
                if request.url.path == "/reset":
                    parameters = _read(_ResetParameters, body, within="body")
                    return _json(await _reset(shared, parameters))
                action = _read(_Action, _read(_StepBody, body, within="body").action)
                return _json(await _step(shared, action))
        except _Refused as refused:
            return _refusal(refused)

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

    metadata = {"name": "coding_env", "description": "Runs the Python it is given."}
    schema = {key: part for key, part in contract.items() if key != "name"}
    return Starlette(
        routes=[
            Route("/health", answering(lambda: {"status": "healthy"})),
            Route("/metadata", answering(lambda: metadata)),
            Route("/schema", answering(lambda: schema)),
            Route("/state", answering(lambda: shared.state)),
            Route("/reset", act, methods=["POST"]),
            Route("/step", act, methods=["POST"]),
            WebSocketRoute("/ws", session),
        ],
        middleware=[Middleware(_NoWebPages)],
    )


class _NoWebPages:
    """Refuses requests that a browser sends for a web page.

    Loopback keeps other machines out, but not web pages in a browser on this machine: they could
    post programs to run. Browsers send ``Origin``; clients don't.
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
    """Serve an application on loopback, on a free port or on ``port``, and yield its base URL.

    On every exit path the server is stopped and its thread joined. A program that is still running
    is waited for, at most for its time limit.

    Raises:
        OSError: the port is taken.
        RuntimeError: the server did not start.
    """
    with socket.create_server((_HOST, port)) as listener:
        # Without uvicorn's log settings, which would apply to the whole process.
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
    """A server whose ``settled`` is set once ``started`` is final: it has started, or failed to."""

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
