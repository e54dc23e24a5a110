"""A server that lists tasks, and says what it was asked."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from envgen.demo.server import serving
from tests.runtime.servers import observed, requests


@dataclass
class Library:
    """A server with tasks.

    Attributes:
        tasks: the tasks, by split.
        asked: the requests that have reached it, with their bodies.
        headers: those of the last.
        answers: what it answers next, instead of what it should.
        names: its environments.
    """

    url: str = ""
    tasks: dict[str, list[Any]] = field(
        default_factory=lambda: {"train": [{"n": n} for n in range(250)], "empty": []}
    )
    asked: list[tuple[str, Any]] = field(default_factory=list[tuple[str, Any]])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    answers: list[Response] = field(default_factory=list[Response])
    names: list[str] = field(default_factory=lambda: ["Coding Env"])

    async def answer(self, request: Request) -> Response:
        body = await request.body()
        name = request.url.path.rpartition("/")[2]
        data = json.loads(body) if body else None
        self.asked.append((name, data))
        self.headers = dict(request.headers)
        if self.answers:
            return self.answers.pop(0)
        if name == "list_environments":
            return JSONResponse(self.names)
        if request.path_params["env"] != self.names[0]:
            return JSONResponse({"detail": "unknown environment"}, 404)
        if name == "splits":
            return JSONResponse([{"name": split, "type": "train"} for split in self.tasks])
        found = self.tasks.get(data["split"], [])
        if name == "num_tasks":
            return JSONResponse({"num_tasks": len(found)})
        return JSONResponse({"tasks": found[data["start"] : data["stop"]]})

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """The ranges that were asked for."""
        return [(data["start"], data["stop"]) for name, data in self.asked if name == "task_range"]


@contextmanager
def listing() -> Generator[Library]:
    """Serve coding_env with tasks. An episode's replies say what was sent."""
    world = Library()

    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in requests(websocket):
            data = json.loads(text)["data"]
            world.asked.append(("ws", data))
            await websocket.send_text(observed({"stdout": json.dumps(data), "exit_code": 0}))

    routes = [
        Route("/list_environments", world.answer),
        Route("/{env}/splits", world.answer),
        Route("/{env}/num_tasks", world.answer, methods=["POST"]),
        Route("/{env}/task_range", world.answer, methods=["POST"]),
        WebSocketRoute("/ws", session),
    ]
    with serving(Starlette(routes=routes)) as url:
        world.url = url
        yield world
