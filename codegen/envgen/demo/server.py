"""Serve the coding environment over HTTP and WebSocket, as OpenEnv 0.10 does.

All HTTP requests share one environment, as with the first servers; each WebSocket has its own.
Errors have the wording of OpenEnv 0.10.
"""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
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
_POLL_S = 0.005

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


_FRAMES: Mapping[Any, type[_Strict]] = {
    "reset": _ResetFrame,
    "step": _StepFrame,
    "state": _BareFrame,
    "close": _BareFrame,
}


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


def _read_frame(frame: str | bytes) -> tuple[str, dict[str, Any]]:
    message = _read_object(frame)
    kind = message.get("type", "")
    if kind not in list(_FRAMES):
        raise _Refused(f"Unknown message type: {kind}", "UNKNOWN_TYPE")
    return kind, _read(_FRAMES[kind], message).model_dump().get("data", {})


# --- answers ----------------------------------------------------------------------------------


async def _act(
    environment: CodingEnvironment, operation: str, data: dict[str, Any], *, within: str | None
) -> dict[str, Any]:
    """Reset or step the environment, in a thread. Return its observation as it is sent."""
    if operation == "reset":
        parameters = _read(_ResetParameters, data, within=within)
        act = partial(environment.reset, parameters.seed, parameters.episode_id)
    else:
        act = partial(environment.step, _read(_Action, data, within=within).code)
    try:
        # Not in AnyIO's threads, because the loop joins only its own when it ends.
        observation = await asyncio.to_thread(act)
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
        kind, given = _read_frame(frame)
        if kind == "close":
            return None
        if kind == "state":
            return {"type": "state", "data": environment.state}
        data = await _act(environment, kind, given, within=None)
    except _Refused as refused:
        errors = {"errors": refused.errors} if refused.errors else {}
        data = {"message": str(refused), "code": refused.code, **errors}
        return {"type": "error", "data": data}
    return {"type": "observation", "data": data}


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
    contract: Mapping[Any, Any],
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
        operation = request.url.path.removeprefix("/")
        try:
            data = _read_object(await request.body() or b"{}")
            if operation == "step":
                data = _read(_StepBody, data, within="body").action
            async with turn:  # the environment acts for one request at a time
                within = "body" if operation == "reset" else None
                return _json(await _act(shared, operation, data, within=within))
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
        middleware=[Middleware(_without_web_pages)],
    )


def _without_web_pages(app: ASGIApp) -> ASGIApp:
    """Refuse requests that a browser sends for a web page.

    Loopback keeps other machines out, but not web pages in a browser on this machine: they could
    post programs to run. Browsers send ``Origin``; clients don't.
    """
    refusal = PlainTextResponse("not for web pages", HTTPStatus.FORBIDDEN)

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        is_of_page = "origin" in Headers(scope=scope)
        await (refusal if is_of_page else app)(scope, receive, send)

    return guarded


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
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, log_level=None, lifespan="off")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while thread.is_alive() and not server.started:
                time.sleep(_POLL_S)
            if not server.started:
                raise RuntimeError("the environment's server did not start")
            yield f"http://{_HOST}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
