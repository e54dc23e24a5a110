"""The coding environment behind HTTP and a WebSocket, as environment servers have them.

HTTP keeps one environment for all, as the first servers did; every WebSocket has its own.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from ..schema import as_object
from .environment import CodingEnvironment

_HOST = "127.0.0.1"
_START_TIMEOUT_S = 10.0


class RequestRefused(Exception):
    """A request that doesn't fit the contract.

    Attributes:
        code: the WebSocket protocol's code.
        errors: one entry per refused field.
    """

    def __init__(self, message: str, code: str, errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.errors = errors or []


def create_app(
    contract: dict[str, Any], make_environment: Callable[[], CodingEnvironment]
) -> Starlette:
    """The server's application.

    Args:
        contract: what GET ``/schema`` answers.
        make_environment: called once for HTTP and once for every WebSocket.
    """
    shared = make_environment()

    async def health(_request: Request) -> JSONResponse:
        return JSONResponse({"status": "healthy"})

    async def metadata(_request: Request) -> JSONResponse:
        return JSONResponse({"name": "coding_env", "description": "Runs the Python it is given."})

    async def schema(_request: Request) -> JSONResponse:
        return JSONResponse({key: part for key, part in contract.items() if key != "name"})

    async def state(_request: Request) -> JSONResponse:
        return JSONResponse(shared.state)

    async def reset(request: Request) -> JSONResponse:
        return await _http_answer(request, "reset", shared)

    async def step(request: Request) -> JSONResponse:
        return await _http_answer(request, "step", shared)

    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        environment = make_environment()
        with suppress(WebSocketDisconnect):
            while answer := await _frame_answer(await websocket.receive_text(), environment):
                await websocket.send_text(json.dumps(answer))
            await websocket.close()

    return Starlette(
        routes=[
            Route("/health", health),
            Route("/metadata", metadata),
            Route("/schema", schema),
            Route("/state", state),
            Route("/reset", reset, methods=["POST"]),
            Route("/step", step, methods=["POST"]),
            WebSocketRoute("/ws", session),
        ]
    )


async def _http_answer(
    request: Request, operation: str, environment: CodingEnvironment
) -> JSONResponse:
    try:
        body = _json_object(await request.body() or b"{}")
        data = body if operation == "reset" else as_object(body.get("action"))
        answer = await _perform(operation, data if data is not None else {}, environment)
    except RequestRefused as refused:
        return JSONResponse({"detail": refused.errors or str(refused)}, status_code=422)
    return JSONResponse(answer)


async def _frame_answer(frame: str, environment: CodingEnvironment) -> dict[str, Any] | None:
    """The frame that answers ``frame``; None where it asks to close."""
    try:
        message = _json_object(frame)
        kind = message.get("type")
        if kind == "close":
            return None
        if kind == "state":
            return {"type": "state", "data": environment.state}
        data = await _perform(str(kind), as_object(message.get("data")) or {}, environment)
    except RequestRefused as refused:
        error = {"message": str(refused), "code": refused.code, "errors": refused.errors}
        return {"type": "error", "data": error}
    return {"type": "observation", "data": data}


async def _perform(
    operation: str, data: dict[str, Any], environment: CodingEnvironment
) -> dict[str, Any]:
    if operation == "reset":
        seed, episode_id = data.get("seed"), data.get("episode_id")
        observation = await run_in_threadpool(
            environment.reset,
            seed if isinstance(seed, int) else None,
            episode_id if isinstance(episode_id, str) else None,
        )
    elif operation == "step":
        observation = await run_in_threadpool(environment.step, _code(data))
    else:
        raise RequestRefused(f"Unknown message type: {operation}", "UNKNOWN_TYPE")
    reward, done = observation.pop("reward"), observation.pop("done")
    answer = {"observation": observation, "reward": reward, "done": done}
    if observation["metadata"]:
        answer["metadata"] = observation["metadata"]
    return answer


def _code(action: dict[str, Any]) -> str:
    code = action.get("code")
    errors = [
        {"loc": [key], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}
        for key in action.keys() - {"code", "metadata"}
    ]
    if not isinstance(code, str):
        errors.append(
            {"loc": ["code"], "msg": "Input should be a valid string", "type": "string_type"}
        )
    if errors or not isinstance(code, str):
        raise RequestRefused("Invalid message", "VALIDATION_ERROR", errors)
    return code


def _json_object(text: str | bytes) -> dict[str, Any]:
    try:
        value = as_object(json.loads(text))
    except ValueError as error:
        raise RequestRefused(f"Invalid JSON: {error}", "INVALID_JSON") from error
    if value is None:
        raise RequestRefused("Invalid JSON: not an object", "INVALID_JSON")
    return value


@contextmanager
def serving(app: Starlette, *, port: int = 0) -> Generator[str]:
    """Serve an application on loopback; give its base URL.

    Args:
        app: what to serve.
        port: 0 for a free one.

    Raises:
        OSError: the port is taken.
        RuntimeError: the server did not start.
    """
    with socket.create_server((_HOST, port)) as listener:
        server = _Server(uvicorn.Config(app, log_level="error", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            if not server.is_up.wait(_START_TIMEOUT_S):
                raise RuntimeError("the environment's server did not start")
            yield f"http://{_HOST}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


class _Server(uvicorn.Server):
    """Says when it is up, so that nobody has to ask."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()
