"""The two clients, on a server that is written as people write them, over both transports."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime import AsyncToolsClient, ToolsClient
from envgen_runtime.generated import RequestModel
from envgen_runtime.tools import AsyncToolset, ImageContent, TextContent, Tool, Toolset
from tests.mcp.serving import BARE, data

OLD_SERVER = version("mcp").startswith("1.24.")


# --- what a server says, and calls ----------------------------------------------------------------


def test_a_server_tells_its_name_and_how_to_use_it(client: ToolsClient) -> None:
    assert client.server_info["name"] == "Weather station"
    assert client.instructions == "Ask for one city at a time."


def test_tools_are_listed_as_the_server_sends_them(client: ToolsClient) -> None:
    tools: dict[str, Any] = {str(tool["name"]): tool for tool in client.list_tools()}
    assert {"forecast", "get-weather", "radar"} <= tools.keys()
    assert tools["get-weather"]["outputSchema"]["title"] == "Forecast"
    assert tools["forecast"]["inputSchema"]["required"] == ["city"]


def test_a_result_is_as_the_server_types_it(client: ToolsClient) -> None:
    result: Any = client.call_tool("forecast", {"city": "Oslo", "days": 2})
    assert [day["celsius"] for day in result.data] == [20.0, 21.0]
    assert result.structured == {"result": result.data}
    assert [type(block) for block in result.content] == [TextContent, TextContent]
    assert (result.reward, result.done, result.observation) == (None, False, None)


def test_an_image_is_a_block(client: ToolsClient) -> None:
    (block,) = client.call_tool("radar").content
    assert isinstance(block, ImageContent)
    assert block.mime_type == "image/png"
    assert block.data.startswith(b"\x89PNG")


def test_arguments_are_sent_as_they_are(client: ToolsClient) -> None:
    value = {"null": None, "list": [None, {"x": None}], "ü": "\u2028", "big": 2**60}
    assert json.loads(data(client.call_tool("echo", {"value": value}))) == value


def test_a_tool_that_fails_raises(client: ToolsClient) -> None:
    with pytest.raises(rt.ToolExecutionFailed, match="storm failed") as failed:
        client.call_tool("storm", {"message": "hail"})
    assert failed.value.tool == "storm"


def test_progress_is_told_in_the_thread_that_calls(client: ToolsClient) -> None:
    told: list[tuple[float, float | None, int]] = []
    client.call_tool(
        "measure",
        {"steps": 3},
        on_progress=lambda done, total, _: told.append((done, total, threading.get_ident())),
    )
    expected = [(step, 3, threading.get_ident()) for step in (1, 2, 3)]
    if OLD_SERVER:  # over HTTP it sends them beside the reply, which may be first
        assert set(told) <= {*expected}
    else:
        assert told == expected


def test_what_progress_raises_ends_the_call_at_the_server_too(client: ToolsClient) -> None:
    def stop(*_: object) -> None:
        raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        client.call_tool("wait_forever", {"name": "progress"}, on_progress=stop)
    assert "progress" in data(client.call_tool("cancelled"))


def test_progress_of_wrong_types_is_not_told() -> None:
    told: list[tuple[float, float | None, str | None]] = []

    def stop(*progress: Any) -> None:
        told.append(progress)
        if len(told) == 2:
            raise KeyError

    with ToolsClient.from_command(BARE) as client, pytest.raises(KeyError):
        client.call_tool("wait_forever", {"name": "wrong"}, on_progress=stop)
    assert told == [(0, 1, None), (1, None, None)]


def test_our_time_limit_ends_the_call_and_not_the_session(client: ToolsClient) -> None:
    with pytest.raises(rt.RequestTimeout, match="wait_forever") as raised:
        client.call_tool("wait_forever", {"name": "limit"}, timeout_s=0.5)
    assert (raised.value.sent, raised.value.maybe_applied) == (True, True)
    assert "limit" in data(client.call_tool("cancelled"))


@pytest.mark.parametrize("limit", [0, -1, "1", True, float("nan")])
def test_a_limit_that_is_none_is_refused(client: ToolsClient, limit: Any) -> None:
    with pytest.raises(rt.InvalidRequest, match="timeout_s"):
        client.call_tool("echo", {"value": 1}, timeout_s=limit)
    with pytest.raises(ValueError, match="request_timeout_s"):
        ToolsClient("http://127.0.0.1:1/mcp", request_timeout_s=limit)


def test_threads_share_a_client(client: ToolsClient) -> None:
    def call(number: int) -> Any:
        return json.loads(data(client.call_tool("echo", {"value": number})))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(40))) == list(range(40))


def test_many_calls_are_in_flight(endpoint: str) -> None:
    async def play() -> list[Any]:
        async with AsyncToolsClient(endpoint) as client:
            calls = (client.call_tool("echo", {"value": number}) for number in range(40))
            return [json.loads(data(result)) for result in await asyncio.gather(*calls)]

    assert asyncio.run(play()) == list(range(40))


def test_threads_may_make_the_first_calls_at_once() -> None:
    count = 6
    ready = threading.Barrier(count)

    def first(client: ToolsClient) -> Any:
        ready.wait()
        client.call_tool("echo", {"value": 1})
        return client.server_info["version"]  # it tells its process there

    client = ToolsClient.from_command(BARE)
    try:
        with ThreadPoolExecutor(count) as pool:
            servers = set(pool.map(first, [client] * count))
    finally:
        client.close()
    assert len(servers) == 1, "one server was started"


def test_tasks_may_make_the_first_calls_at_once() -> None:
    async def call() -> list[Any]:
        client = AsyncToolsClient.from_command(BARE)
        try:
            calls = (client.call_tool("echo", {"value": number}) for number in range(6))
            return [data(result) for result in await asyncio.gather(*calls)]
        finally:
            await client.close()

    assert asyncio.run(call()) == [str(number) for number in range(6)]


def test_calls_that_wait_for_a_session_share_its_failure(tmp_path: Path) -> None:
    command = ["sh", "-c", "echo started >> starts; exit 3"]

    async def call() -> list[Any]:
        client = AsyncToolsClient.from_command(command, cwd=tmp_path)
        calls = (client.call_tool("echo") for _ in range(4))
        failures = await asyncio.gather(*calls, return_exceptions=True)
        await client.close()
        return failures

    assert [type(failure) for failure in asyncio.run(call())] == [rt.StartError] * 4
    assert (tmp_path / "starts").read_text() == "started\n"


def test_closing_ends_a_session_that_is_being_opened() -> None:
    async def call() -> Any:
        client = AsyncToolsClient.from_command(["sleep", "3600"])
        opening = asyncio.create_task(client.connect())
        await asyncio.sleep(0)  # it has begun
        await client.close()
        return await asyncio.gather(opening, return_exceptions=True)

    (ended,) = asyncio.run(call())
    assert type(ended) is rt.SessionClosed


def test_a_cancelled_task_cancels_its_call() -> None:
    async def play() -> Any:
        async with AsyncToolsClient.from_command(BARE) as client:
            began = asyncio.Event()
            call = asyncio.create_task(
                client.call_tool(
                    "wait_forever", {"name": "task"}, on_progress=lambda *_: began.set()
                )
            )
            await began.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            return data(await client.call_tool("cancelled"))

    assert asyncio.run(play()) == ["task"]


_INTERRUPTED = """
import os, signal, sys
from envgen_runtime import ToolsClient
with ToolsClient.from_command(sys.argv[1:]) as client:
    try:
        client.call_tool("wait_forever", {"name": "key"},
                         on_progress=lambda *_: os.kill(os.getpid(), signal.SIGINT))
    except KeyboardInterrupt:
        print(client.call_tool("cancelled").structured["result"])
"""


def test_an_interrupt_cancels_the_call_at_the_server_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED, *BARE], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("['key']\n", "")


# --- typed methods --------------------------------------------------------------------------------


class GetWeatherArguments(RequestModel):
    city: str


class Weather(RequestModel):
    city: str
    celsius: float
    sky: str = "clear"


WEATHER_NOW = Tool[GetWeatherArguments, Weather]("get-weather")
RADAR = Tool[RequestModel, Any]("radar")


def test_a_namespace_of_tools_calls_through_a_client(client: ToolsClient, endpoint: str) -> None:
    class Tools(Toolset):
        def get_weather(self, city: str) -> Weather:
            return self._call(WEATHER_NOW, {"city": city}).data

    class AsyncTools(AsyncToolset):
        async def get_weather(self, city: str) -> Weather:
            return (await self._call(WEATHER_NOW, {"city": city})).data

    async def play() -> Weather:
        async with AsyncToolsClient(endpoint) as other:
            return await other._toolset(AsyncTools).get_weather("Oslo")

    assert client._toolset(Tools).get_weather("Oslo").celsius == 21.5
    assert asyncio.run(play()).celsius == 21.5
    content = client._toolset(Toolset)._call(RADAR, {}).content
    assert isinstance(content[0], ImageContent)
