"""An environment whose steps do what their code says: reward, end, fail, or lose the session."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from envgen.demo.server import serving
from tests.runtime.servers import observed, requests


@dataclass
class Faulty:
    """The server, the codes of the steps that have reached it, and whether sessions are open."""

    url: str = ""
    open: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    steps: list[str] = field(default_factory=list[str])
    resets: list[dict[str, object]] = field(default_factory=list[dict[str, object]])


def error(code: str, message: str) -> str:
    return json.dumps({"type": "error", "data": {"code": code, "message": message}})


@contextmanager
def faulty() -> Generator[Faulty]:
    """Serve coding_env. A step's code is what it does:

    ``drop`` closes the connection, ``hang`` doesn't answer, ``mismatch`` answers what isn't in the
    contract, ``huge`` has a reward that no float is, ``fail`` is an error of the environment,
    ``refuse`` one of validation, ``done`` ends the episode with a reward of 5; others have a reward
    of 1.
    """
    world = Faulty()

    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        world.open += 1
        try:
            await answer(websocket)
        finally:
            world.open -= 1
            world.ended.set()

    async def answer(websocket: WebSocket) -> None:
        async for text in requests(websocket):
            message = json.loads(text)
            if message["type"] == "close":
                return
            if message["type"] == "reset":
                world.resets.append(message["data"])
                await websocket.send_text(observed({"stdout": "go", "exit_code": 0}))
                continue
            if message["type"] == "close":
                return
            code = message["data"]["code"]
            world.steps.append(code)
            match code:
                case "drop":
                    await websocket.close()
                    return
                case "hang":
                    continue
                case "mismatch":
                    reply = observed({"stdout": 7}, reward=1.0)
                case "fail":
                    reply = error("EXECUTION_ERROR", "the disk is full")
                case "refuse":
                    reply = error("VALIDATION_ERROR", "code is not allowed")
                case "huge":
                    reply = observed({"stdout": "ran huge"}, reward=10**400, done=True)
                case "done":
                    reply = observed({"stdout": "bye"}, reward=5.0, done=True)
                case _:
                    reply = observed({"stdout": f"ran {code}"}, reward=1.0)
            await websocket.send_text(reply)

    with serving(Starlette(routes=[WebSocketRoute("/ws", session)])) as url:
        world.url = url
        yield world
