"""Servers that say what the real ones can't be made to say."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import contextmanager, suppress
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.exceptions import ConnectionClosed, InvalidState
from websockets.sync.server import ServerConnection, serve

from envgen.demo.server import serving
from tests.support import ROOT

STATE = '{"type":"state","data":{"episode_id":null,"step_count":0}}'


async def requests(websocket: WebSocket) -> AsyncIterator[str]:
    """The frames that a session receives, but for states behind resets, which it answers."""
    is_behind_reset = False
    async for text in websocket.iter_text():
        kind = json.loads(text)["type"]
        if kind == "state" and is_behind_reset:
            await websocket.send_text(STATE)
        else:
            yield text
        is_behind_reset = kind == "reset"


async def start_episode(websocket: WebSocket) -> None:
    """Take a session, and answer its first reset and the state behind it."""
    await websocket.accept()
    for reply in (observed({}), STATE):
        await websocket.receive_text()
        await websocket.send_text(reply)


def answering(*frames: str) -> Starlette:
    """A server that answers every request with the next of ``frames``."""
    left = iter(frames)

    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        async for _ in requests(websocket):
            await websocket.send_text(next(left))

    return Starlette(routes=[WebSocketRoute("/ws", session)])


def observed(observation: Any, **beside: Any) -> str:
    data = {"observation": observation, "reward": None, "done": False, **beside}
    return json.dumps({"type": "observation", "data": data})


@contextmanager
def interjecting() -> Generator[tuple[str, Callable[[], None]]]:
    """A server that answers once, then sends a message that nothing has asked for.

    Yields its URL, and a function that has it send the message and returns when it is sent.
    """
    go_on, is_sent = threading.Event(), threading.Event()

    def session(connection: ServerConnection) -> None:
        connection.recv()
        connection.send(observed({}))
        go_on.wait(10)
        connection.send(observed({"stdout": "unasked"}))
        is_sent.set()
        with suppress(ConnectionClosed):
            connection.recv()
            connection.send(observed({"stdout": "asked"}))

    def interject() -> None:
        go_on.set()
        is_sent.wait(10)

    with serve(session, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.socket.getsockname()[1]}", interject
        finally:
            server.shutdown()
            thread.join()


# --- a server that does wrong what it is told to do wrong ---------------------------------------


class Faulty:
    """An environment that counts its steps; the code of a step is ``<nonce> <fault>``.

    It answers with its session, the number of the step and the nonce, so that a reply which belongs
    to another step, or to another session, can be told. GET ``/open`` answers with the number of
    open sessions, of which there are no more than ``capacity``.
    """

    def __init__(self, capacity: int | None = None) -> None:
        self.capacity = capacity
        self.open = 0
        self.sessions = 0
        self.shared = [0, 0]  # what HTTP keeps for all: the session and its steps
        self.stepped: set[str] = set()
        self.given_up: set[str] = set()
        """The late steps that the client waits for no longer: they are answered then."""

    async def _wait_until_given_up(self, nonce: str) -> None:
        while nonce not in self.given_up:  # noqa: ASYNC110 - the client is in another thread
            await asyncio.sleep(0.005)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                WebSocketRoute("/ws", self._socket),
                Route("/reset", self._http_reset, methods=["POST"]),
                Route("/step", self._http_step, methods=["POST"]),
                Route("/state", self._http_state),
                Route("/open", self._http_open),
            ]
        )

    def _observe(self, session: int, count: int, nonce: str) -> dict[str, Any]:
        stdout = f"{session}:{count}:{nonce}"
        return {"observation": {"stdout": stdout}, "reward": count, "done": False}

    # WebSocket

    async def _socket(self, websocket: WebSocket) -> None:
        await websocket.accept()
        if self.capacity is not None and self.open >= self.capacity:
            data = {"message": "full", "code": "CAPACITY_REACHED"}
            await websocket.send_text(json.dumps({"type": "error", "data": data}))
            await websocket.close()
            return
        self.open += 1
        try:
            await self._play(websocket)
        finally:
            self.open -= 1

    async def _play(self, websocket: WebSocket) -> None:
        self.sessions += 1
        session, count = self.sessions, 0
        with suppress(WebSocketDisconnect, RuntimeError, InvalidState):
            async for text in websocket.iter_text():
                frame = json.loads(text)
                if frame["type"] == "close":
                    return
                if frame["type"] == "state":
                    state = {"type": "state", "data": {"step_count": count}}
                    await websocket.send_text(json.dumps(state))
                    continue
                nonce, fault = frame["data"].get("code", " ").split(" ")
                if frame["type"] == "reset":
                    count = 0
                elif fault != "rejected":
                    count += fault != "error"
                    self.stepped.add(nonce)
                reply = {"type": "observation", "data": self._observe(session, count, nonce)}
                await self._answer(websocket, nonce, fault, json.dumps(reply))

    async def _answer(self, websocket: WebSocket, nonce: str, fault: str, reply: str) -> None:
        codes = {
            "error": "EXECUTION_ERROR",
            "rejected": "VALIDATION_ERROR",
            "session": "SESSION_ERROR",
        }
        if fault in codes:
            data = {"message": "as told", "code": codes[fault], "errors": []}
            await websocket.send_text(json.dumps({"type": "error", "data": data}))
        elif fault == "malformed":
            await websocket.send_text(reply[:20])
        elif fault == "mismatch":
            await websocket.send_text(reply.replace('"done": false', '"done": 3'))
        elif fault == "other":
            await websocket.send_text('{"type":"state","data":{}}')
        elif fault != "drop":
            if fault == "late":
                await self._wait_until_given_up(nonce)
            await websocket.send_text(reply)
        if fault == "twice":
            await websocket.send_text(reply)
        if fault in ("drop", "session", "leave"):
            await websocket.close(1011)

    # HTTP

    async def _http_open(self, _request: Request) -> Response:
        return JSONResponse(self.open)

    async def _http_reset(self, _request: Request) -> Response:
        self.sessions += 1
        self.shared = [self.sessions, 0]
        return JSONResponse(self._observe(*self.shared, ""))

    async def _http_state(self, _request: Request) -> Response:
        return JSONResponse({"step_count": self.shared[1]})

    async def _http_step(self, request: Request) -> Response:
        nonce, fault = (await request.json())["action"]["code"].split(" ")
        if fault == "rejected":
            return JSONResponse({"detail": [{"loc": ["code"], "msg": "as told"}]}, 422)
        if fault == "error":
            return Response("as told", 500)
        self.shared[1] += 1
        self.stepped.add(nonce)
        body = json.dumps(self._observe(*self.shared, nonce))
        if fault == "malformed":
            return Response(body[:20])
        if fault == "mismatch":
            return Response(body.replace('"done": false', '"done": 3'))
        if fault == "late":
            await self._wait_until_given_up(nonce)
        if fault == "drop":
            return Response(body[:20], headers={"content-length": "1000"})
        return Response(body)


@contextmanager
def faulty_process(capacity: int | None = None) -> Generator[str]:
    """A ``Faulty`` in a process of its own, by its URL: for programs that fork."""
    command = [sys.executable, "-m", __name__, *([str(capacity)] if capacity else [])]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.communicate()  # the end of its input is the end of it


if __name__ == "__main__":
    with serving(Faulty(int(sys.argv[1]) if sys.argv[1:] else None).app()) as url:
        print(url, flush=True)
        sys.stdin.read()
