"""One client of a benchmark of steps, as a process of its own: steps, then prints what they cost.

Runs in two venvs, so what only one of them has is imported where it is used.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import time
from collections.abc import Awaitable, Callable
from typing import Any

CODE = os.environ.get("STEP_CODE", "print(6 * 7)")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _report(steps: int, wall: float, cpu: float, peak: int, echoed: str) -> None:
    """Print the cost of a step, and by how much all of them raised the memory's peak."""
    print(json.dumps({"wall": wall / steps, "cpu": cpu / steps, "peak": _peak() - peak}))
    word, _, size = CODE.partition(" ")
    if len(echoed) < int(size) * 0.99 if word == "large" else echoed != CODE:
        raise RuntimeError(f"the environment answered {echoed[:100]!r}")


def _measure(step: Callable[[], str], *, warm_up: int, steps: int) -> None:
    peak = _peak()
    for _ in range(warm_up):
        step()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        echoed = ""  # nothing is kept from the step before
        echoed = step()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    _report(steps, wall, cpu, peak, echoed)


async def _measure_async(step: Callable[[], Awaitable[str]], *, warm_up: int, steps: int) -> None:
    peak = _peak()
    for _ in range(warm_up):
        await step()
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(steps):
        echoed = ""
        echoed = await step()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    _report(steps, wall, cpu, peak, echoed)


# --- generated --------------------------------------------------------------------------------


def ours_sync(url: str, **counts: int) -> None:
    from generated.coding_env import CodeAction, CodingEnv

    with CodingEnv(url) as env:
        env.reset()
        _measure(lambda: env.step(CodeAction(code=CODE)).observation.stdout, **counts)


async def ours_async(url: str, **counts: int) -> None:
    from generated.coding_env import AsyncCodingEnv, CodeAction

    async with AsyncCodingEnv(url) as env:
        await env.reset()

        async def step() -> str:
            return (await env.step(CodeAction(code=CODE))).observation.stdout

        await _measure_async(step, **counts)


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


def stock_sync(url: str, **counts: int) -> None:
    client, action = stock()
    with client(base_url=url).sync() as env:
        env.reset()
        _measure(lambda: env.step(action(code=CODE)).observation.stdout, **counts)


async def stock_async(url: str, **counts: int) -> None:
    client, action = stock()
    async with client(base_url=url) as env:
        await env.reset()

        async def step() -> str:
            return (await env.step(action(code=CODE))).observation.stdout

        await _measure_async(step, **counts)


# --- bare: the least that a client can do -------------------------------------------------------

_RESET = '{"type":"reset","data":{}}'


def bare_sync(url: str, **counts: int) -> None:
    from websockets.sync.client import connect

    with connect(f"{url.replace('http', 'ws', 1)}/ws", max_size=None) as connection:

        def step() -> str:
            connection.send(json.dumps({"type": "step", "data": {"code": CODE}}))
            return json.loads(connection.recv())["data"]["observation"]["stdout"]

        connection.send(_RESET)
        connection.recv()
        _measure(step, **counts)


async def bare_async(url: str, **counts: int) -> None:
    from websockets.asyncio.client import connect

    async with connect(f"{url.replace('http', 'ws', 1)}/ws", max_size=None) as connection:

        async def step() -> str:
            await connection.send(json.dumps({"type": "step", "data": {"code": CODE}}))
            return json.loads(await connection.recv())["data"]["observation"]["stdout"]

        await connection.send(_RESET)
        await connection.recv()
        await _measure_async(step, **counts)


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


def hand_sync(url: str, **counts: int) -> None:
    from websockets.sync.client import connect

    request, stdout = typed_by_hand()
    with connect(f"{url.replace('http', 'ws', 1)}/ws", max_size=None, compression=None) as socket:

        def step() -> str:
            socket.send(request())
            return stdout(socket.recv())

        socket.send(_RESET)
        socket.recv()
        _measure(step, **counts)


async def aiohttp_async(url: str, **counts: int) -> None:
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
        await _measure_async(step, **counts)


async def picows_async(url: str, **counts: int) -> None:
    from picows import WSListener, WSMsgType, ws_connect

    request, stdout = typed_by_hand()
    loop = asyncio.get_running_loop()

    class Listener(WSListener):  # type: ignore[misc]  # without stubs it is Any
        reply: asyncio.Future[bytes]

        def on_ws_frame(self, _transport: Any, frame: Any) -> None:
            self.reply.set_result(frame.get_payload_as_bytes())

    transport, listener = await ws_connect(Listener, f"{url.replace('http', 'ws', 1)}/ws")

    async def exchange(text: str) -> bytes:
        listener.reply = loop.create_future()
        transport.send(WSMsgType.TEXT, text.encode())
        reply: bytes = await listener.reply
        return reply

    async def step() -> str:
        return stdout(await exchange(request()))

    await exchange(_RESET)
    await _measure_async(step, **counts)
    transport.disconnect()


# --- HTTP: what the first client did, and the least that one can do -----------------------------


def seed_sync(url: str, **counts: int) -> None:
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
    _measure(step, **counts)


def http_client_sync(url: str, **counts: int) -> None:
    from http.client import HTTPConnection

    connection = HTTPConnection(url.removeprefix("http://"))
    headers = {"content-type": "application/json"}

    def post(path: str, data: Any) -> Any:
        connection.request("POST", path, json.dumps(data).encode(), headers)
        return json.loads(connection.getresponse().read())

    post("/reset", {})
    _measure(lambda: post("/step", {"action": {"code": CODE}})["observation"]["stdout"], **counts)


SYNC = {
    "ours": ours_sync,
    "stock": stock_sync,
    "hand": hand_sync,
    "bare": bare_sync,
    "seed": seed_sync,
    "http": http_client_sync,
}
ASYNC = {
    "ours": ours_async,
    "stock": stock_async,
    "aiohttp": aiohttp_async,
    "picows": picows_async,
    "bare": bare_async,
}


def main() -> None:
    parser = argparse.ArgumentParser(description="One client of step_cost; run that instead.")
    parser.add_argument("side", choices=sorted({*SYNC, *ASYNC}))
    parser.add_argument("mode", choices=["sync", "async"])
    parser.add_argument("url")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--uvloop", action="store_true", help="for asyncio")
    asked = parser.parse_args()
    counts = {"warm_up": max(1, asked.steps // 10), "steps": asked.steps}
    if asked.mode == "sync":
        SYNC[asked.side](asked.url, **counts)
    elif asked.uvloop:
        import uvloop

        uvloop.run(ASYNC[asked.side](asked.url, **counts))
    else:
        asyncio.run(ASYNC[asked.side](asked.url, **counts))


if __name__ == "__main__":
    main()
