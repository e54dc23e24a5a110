"""Servers that say what the real ones can't be made to say."""

from __future__ import annotations

import json
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket


def answering(*frames: str) -> Starlette:
    """A server that answers every request with the next of ``frames``."""
    left = iter(frames)

    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in websocket.iter_text():
            await websocket.send_text(next(left))

    return Starlette(routes=[WebSocketRoute("/ws", session)])


def observed(observation: Any, **beside: Any) -> str:
    data = {"observation": observation, "reward": None, "done": False, **beside}
    return json.dumps({"type": "observation", "data": data})
