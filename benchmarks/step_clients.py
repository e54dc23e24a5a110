"""The clients whose steps are measured: ours, the stock one, and those that people write by hand.

They run in two venvs, so what only one of them has is imported where it is used.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CODE = os.environ.get("STEP_CODE", "print(6 * 7)")
_LARGEST = 1 << 30

Step = Callable[[], str]
AsyncStep = Callable[[], Awaitable[str]]


def _socket(url: str) -> str:
    return f"{url.replace('http', 'ws', 1)}/ws"


# --- generated --------------------------------------------------------------------------------


@contextmanager
def ours_sync(url: str) -> Iterator[Step]:
    from generated.coding_env import CodeAction, CodingEnv

    with CodingEnv(url, max_message_bytes=_LARGEST) as env:
        env.reset()
        yield lambda: env.step(CodeAction(code=CODE)).observation.stdout


@asynccontextmanager
async def ours_async(url: str) -> AsyncIterator[AsyncStep]:
    from generated.coding_env import AsyncCodingEnv, CodeAction

    async with AsyncCodingEnv(url, max_message_bytes=_LARGEST) as env:
        await env.reset()

        async def step() -> str:
            return (await env.step(CodeAction(code=CODE))).observation.stdout

        yield step


# --- stock ------------------------------------------------------------------------------------


def stock() -> tuple[Any, Any]:
    """A client as OpenEnv's own environments write it by hand, and its action."""
    from openenv.core import EnvClient
    from openenv.core.client_types import StepResult
    from openenv.core.env_server.types import Action, Observation, State

    class CodeAction(Action):
        code: str

    class CodeObservation(Observation):
        stdout: str = ""
        stderr: str = ""
        exit_code: int = 0

    class CodeState(State):
        last_exit_code: int = 0

    class CodingEnv(EnvClient[CodeAction, CodeObservation, CodeState]):
        def _step_payload(self, action: CodeAction) -> dict[str, Any]:
            return {"code": action.code}

        def _parse_result(self, payload: dict[str, Any]) -> StepResult[CodeObservation]:
            reward, done = payload.get("reward"), payload.get("done", False)
            fields = {**payload["observation"], "reward": reward, "done": done}
            return StepResult(CodeObservation(**fields), reward=reward, done=done)

        def _parse_state(self, payload: dict[str, Any]) -> CodeState:
            return CodeState(**payload)

    return CodingEnv, CodeAction


@contextmanager
def stock_sync(url: str) -> Iterator[Step]:
    client, action = stock()
    with client(base_url=url).sync() as env:
        env.reset()
        yield lambda: env.step(action(code=CODE)).observation.stdout


@asynccontextmanager
async def stock_async(url: str) -> AsyncIterator[AsyncStep]:
    client, action = stock()
    async with client(base_url=url) as env:
        await env.reset()

        async def step() -> str:
            return (await env.step(action(code=CODE))).observation.stdout

        yield step


# --- bare: the least that a client can do -------------------------------------------------------

_RESET = '{"type":"reset","data":{}}'


@contextmanager
def bare_sync(url: str) -> Iterator[Step]:
    from websockets.sync.client import connect

    with connect(_socket(url), max_size=None) as connection:

        def step() -> str:
            connection.send(json.dumps({"type": "step", "data": {"code": CODE}}))
            return json.loads(connection.recv())["data"]["observation"]["stdout"]

        connection.send(_RESET)
        connection.recv()
        yield step


@asynccontextmanager
async def bare_async(url: str) -> AsyncIterator[AsyncStep]:
    from websockets.asyncio.client import connect

    async with connect(_socket(url), max_size=None) as connection:

        async def step() -> str:
            await connection.send(json.dumps({"type": "step", "data": {"code": CODE}}))
            return json.loads(await connection.recv())["data"]["observation"]["stdout"]

        await connection.send(_RESET)
        await connection.recv()
        yield step


# --- typed by hand, on the libraries that people take ------------------------------------------


def typed_by_hand() -> tuple[Callable[[], str], Callable[[str | bytes], str]]:
    """What writes an action and reads a reply, with the checks that a careful person writes."""
    from pydantic import BaseModel

    class CodeAction(BaseModel):
        code: str

    class CodeObservation(BaseModel):
        stdout: str = ""
        stderr: str = ""
        exit_code: int = 0
        reward: float | None = None
        done: bool = False

    def request() -> str:
        return json.dumps({"type": "step", "data": CodeAction(code=CODE).model_dump()})

    def stdout(reply: str | bytes) -> str:
        message = json.loads(reply)
        if message["type"] != "observation":
            raise RuntimeError(message)
        data = message["data"]
        fields = {**data["observation"], "reward": data["reward"], "done": data["done"]}
        return CodeObservation.model_validate(fields).stdout

    return request, stdout


@contextmanager
def hand_sync(url: str) -> Iterator[Step]:
    from websockets.sync.client import connect

    request, stdout = typed_by_hand()
    with connect(_socket(url), max_size=None, compression=None) as socket:

        def step() -> str:
            socket.send(request())
            return stdout(socket.recv())

        socket.send(_RESET)
        socket.recv()
        yield step


@asynccontextmanager
async def aiohttp_async(url: str) -> AsyncIterator[AsyncStep]:
    from aiohttp import ClientSession

    request, stdout = typed_by_hand()
    async with (
        ClientSession() as session,
        session.ws_connect(f"{url}/ws", max_msg_size=0) as socket,
    ):

        async def step() -> str:
            await socket.send_str(request())
            return stdout((await socket.receive()).data)

        await socket.send_str(_RESET)
        await socket.receive()
        yield step


@asynccontextmanager
async def picows_async(url: str) -> AsyncIterator[AsyncStep]:
    from picows import WSListener, WSMsgType, ws_connect

    request, stdout = typed_by_hand()
    loop = asyncio.get_running_loop()

    class Listener(WSListener):  # type: ignore[misc]  # without stubs it is Any
        reply: asyncio.Future[bytes]

        def on_ws_frame(self, _transport: Any, frame: Any) -> None:
            self.reply.set_result(frame.get_payload_as_bytes())

    transport, listener = await ws_connect(Listener, _socket(url))

    async def exchange(text: str) -> bytes:
        listener.reply = loop.create_future()
        transport.send(WSMsgType.TEXT, text.encode())
        reply: bytes = await listener.reply
        return reply

    async def step() -> str:
        return stdout(await exchange(request()))

    await exchange(_RESET)
    yield step
    transport.disconnect()


# --- opening a session: connect, reset, close ---------------------------------------------------


@contextmanager
def opening_sync(url: str) -> Iterator[Step]:
    from generated.coding_env import CodingEnv

    def opened() -> str:
        with CodingEnv(url) as env:
            return env.reset().observation.stdout

    yield opened


@contextmanager
def opening_hand_sync(url: str) -> Iterator[Step]:
    from websockets.sync.client import connect

    _, stdout = typed_by_hand()

    def opened() -> str:
        with connect(_socket(url), max_size=None, compression=None) as socket:
            socket.send(_RESET)
            return stdout(socket.recv())

    yield opened


@asynccontextmanager
async def opening_async(url: str) -> AsyncIterator[AsyncStep]:
    from generated.coding_env import AsyncCodingEnv

    async def opened() -> str:
        async with AsyncCodingEnv(url) as env:
            return (await env.reset()).observation.stdout

    yield opened


@asynccontextmanager
async def opening_websockets_async(url: str) -> AsyncIterator[AsyncStep]:
    from websockets.asyncio.client import connect

    _, stdout = typed_by_hand()

    async def opened() -> str:
        async with connect(_socket(url), max_size=None, compression=None) as socket:
            await socket.send(_RESET)
            return stdout(await socket.recv())

    yield opened


@asynccontextmanager
async def opening_aiohttp_async(url: str) -> AsyncIterator[AsyncStep]:
    from aiohttp import ClientSession

    _, stdout = typed_by_hand()
    async with ClientSession() as session:

        async def opened() -> str:
            async with session.ws_connect(f"{url}/ws", max_msg_size=0) as socket:
                await socket.send_str(_RESET)
                return stdout((await socket.receive()).data)

        yield opened


# --- many sessions at once ----------------------------------------------------------------------

_MANY = 64


def many(side: Callable[[str], AbstractAsyncContextManager[AsyncStep]]) -> Any:
    """``side`` with many sessions; a step is one of each, side by side."""

    @asynccontextmanager
    async def opened(url: str) -> AsyncIterator[AsyncStep]:
        async with AsyncExitStack() as stack:
            steps = [await stack.enter_async_context(side(url)) for _ in range(_MANY)]

            async def step() -> str:
                return (await asyncio.gather(*(one() for one in steps)))[0]

            yield step

    return opened


# --- HTTP: what the first client did, and the least that one can do -----------------------------


@contextmanager
def seed_sync(url: str) -> Iterator[Step]:
    """The first client, as it was published: a requests.Session, and a dataclass made by hand."""
    import requests

    session = requests.Session()

    def step() -> str:
        response = session.post(
            f"{url}/step",
            json={"action": {"code": CODE}, "timeout_s": 15},
            headers={},
            timeout=15.0,
        )
        response.raise_for_status()
        stdout: str = response.json()["observation"].get("stdout", "")
        return stdout

    session.post(f"{url}/reset", json={}, timeout=15.0).raise_for_status()
    yield step


@contextmanager
def http_client_sync(url: str) -> Iterator[Step]:
    from http.client import HTTPConnection

    connection = HTTPConnection(url.removeprefix("http://"))
    headers = {"content-type": "application/json"}

    def post(path: str, data: Any) -> Any:
        connection.request("POST", path, json.dumps(data).encode(), headers)
        return json.loads(connection.getresponse().read())

    post("/reset", {})
    yield lambda: post("/step", {"action": {"code": CODE}})["observation"]["stdout"]


# --- calls of a tool ---------------------------------------------------------------------------

_CITY, _DAYS = "Oslo", 3
TOOL_TEXT = f"{_CITY}: {_DAYS}"
"""What the tool replies; STEP_CODE has to be the same."""


def _tools_package(url: str, folder: str) -> Any:
    """The package of the server's environment, generated into ``folder``."""
    import importlib
    import sys

    from envgen.build import build_package
    from envgen.sources import read_contract

    build_package(read_contract(url, name="shop_env"), Path(folder))
    sys.path.insert(0, folder)
    return importlib.import_module("shop_env")


@contextmanager
def tool_sync(url: str) -> Iterator[Step]:
    with TemporaryDirectory() as folder, _tools_package(url, folder).ShopEnv(url) as env:
        env.reset()
        tools = env.tools
        yield lambda: tools.get_weather(city=_CITY, days=_DAYS).data


@asynccontextmanager
async def tool_async(url: str) -> AsyncIterator[AsyncStep]:
    with TemporaryDirectory() as folder:
        package = await asyncio.to_thread(_tools_package, url, folder)
        async with package.AsyncShopEnv(url) as env:
            await env.reset()
            tools = env.tools

            async def step() -> str:
                return (await tools.get_weather(city=_CITY, days=_DAYS)).data

            yield step


@contextmanager
def stock_tool_sync(url: str) -> Iterator[Step]:
    from openenv.core.mcp_client import MCPToolClient

    with MCPToolClient(base_url=url).sync() as env:
        env.reset()
        yield lambda: env.call_tool("get-weather", city=_CITY, days=_DAYS)


@asynccontextmanager
async def stock_tool_async(url: str) -> AsyncIterator[AsyncStep]:
    from openenv.core.mcp_client import MCPToolClient

    async with MCPToolClient(base_url=url) as env:
        await env.reset()

        async def step() -> str:
            return await env.call_tool("get-weather", city=_CITY, days=_DAYS)

        yield step


SYNC = {
    "tool": tool_sync,
    "stock-tool": stock_tool_sync,
    "ours": ours_sync,
    "stock": stock_sync,
    "hand": hand_sync,
    "bare": bare_sync,
    "seed": seed_sync,
    "http": http_client_sync,
    "opening": opening_sync,
    "opening-hand": opening_hand_sync,
}
ASYNC = {
    "tool": tool_async,
    "stock-tool": stock_tool_async,
    "ours": ours_async,
    "stock": stock_async,
    "aiohttp": aiohttp_async,
    "picows": picows_async,
    "many": many(ours_async),
    "many-aiohttp": many(aiohttp_async),
    "opening": opening_async,
    "opening-websockets": opening_websockets_async,
    "opening-aiohttp": opening_aiohttp_async,
    "bare": bare_async,
}
