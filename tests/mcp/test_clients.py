"""The two clients, on a server that is written as people write them, over both transports."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime import AsyncToolsClient, ToolsClient
from envgen_runtime.generated import RequestModel
from envgen_runtime.tools import AsyncToolset, ImageContent, TextContent, Tool, ToolResult, Toolset
from tests.mcp.serving import BARE, served

OLD_SERVER = version("mcp").startswith("1.24.")


def data(result: ToolResult[Any]) -> Any:
    structured: Any = result.structured  # bare.py promises nothing of its results
    return structured["result"]


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


# --- errors of the server -------------------------------------------------------------------------


def test_the_errors_of_a_call_are_told_apart() -> None:
    with ToolsClient.from_command(BARE) as client:
        with pytest.raises(rt.ToolNotFound, match="no swim here") as missing:
            client.call_tool("swim")
        with pytest.raises(rt.ToolArgumentsInvalid, match="value is missing") as invalid:
            client.call_tool("echo")
        with pytest.raises(rt.ToolTimeout, match="too slow"):  # the server's limit, not ours
            client.call_tool("echo", {"value": "late"})
        assert data(client.call_tool("echo", {"value": 1})) == "1"
    assert (missing.value.tool, missing.value.server_text) == ("swim", "no swim here")
    assert invalid.value.sent


def test_an_error_of_a_call_is_told_where_the_server_lists_no_tools() -> None:
    echo = Tool[RequestModel, Any]("echo")
    with ToolsClient.from_command([*BARE, "0"]) as client:  # its list doesn't end
        with pytest.raises(rt.ToolArgumentsInvalid, match="value is missing"):
            client._toolset(Toolset)._call(echo, {})


def test_an_error_hides_the_servers_secrets() -> None:
    told = {"content": [{"type": "text", "text": "not found: hush-hush-1"}], "isError": True}
    with ToolsClient.from_command(BARE, env={"API_TOKEN": "hush-hush-1"}) as client:
        with pytest.raises(rt.ToolNotFound, match=r"\*\*\*") as missing:
            client.call_tool("answer", {"result": told})
    assert "hush" not in missing.value.for_model()


def test_pages_are_followed() -> None:
    with ToolsClient.from_command([*BARE, "2"]) as client:
        names = [tool["name"] for tool in client.list_tools()]
    assert names == ["cancelled", "die", "echo", "variable", "wait_forever"]


def test_pages_without_an_end_are_an_error() -> None:
    with ToolsClient.from_command([*BARE, "0"]) as client:
        with pytest.raises(rt.ProtocolError, match="doesn't end"):
            client.list_tools()


# --- the server ends ------------------------------------------------------------------------------


def test_the_last_words_of_a_server_hide_its_secrets() -> None:
    with ToolsClient.from_command(BARE, env={"API_TOKEN": "hush-hush-1"}) as client:
        with pytest.raises(rt.ConnectionLost, match=r"the last words \*\*\*") as lost:
            client.call_tool("die", {"status": 3})
        with pytest.raises(rt.SessionLost) as after:
            client.list_tools()
    assert "hush" not in f"{lost.value.log}{after.value}{after.value.log}"


def test_a_call_that_was_answered_is_not_cancelled() -> None:
    with ToolsClient.from_command(BARE) as client:
        client.call_tool("echo", {"value": 1})
        with pytest.raises(rt.ToolTimeout):
            client.call_tool("echo", {"value": "late"})
        assert data(client.call_tool("cancelled")) == []


def test_the_last_words_of_a_server_that_dies_are_told() -> None:
    with ToolsClient.from_command(BARE) as client:
        with pytest.raises(rt.ConnectionLost) as raised:
            client.call_tool("die", {"status": 3})
        assert raised.value.maybe_applied
        assert "\nIts log ends with:\nthe last words\n" in str(raised.value)
        assert "not JSON: a banner" in str(raised.value)
        with pytest.raises(rt.SessionLost, match=r"connect\(\)[\s\S]*\nthe last words\n"):
            client.call_tool("echo", {"value": 1})
        client.connect()  # and only then
        assert data(client.call_tool("echo", {"value": 1})) == "1"


def test_a_call_that_a_server_over_http_does_not_end() -> None:
    with served() as url, ToolsClient(url) as client:
        with pytest.raises(rt.ConnectionLost):
            client.call_tool("die", {"status": 0})
        with pytest.raises(rt.EnvError):
            client.call_tool("echo", {"value": 1})
        with pytest.raises(rt.ConnectError):
            client.connect()


@pytest.mark.slow
def test_a_server_that_was_restarted_knows_no_session() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        with served(on=listener) as url:
            client = ToolsClient(url).connect()
            with pytest.raises(rt.ConnectionLost):
                client.call_tool("die", {"status": 0})
        with served(on=listener), client:
            for _ in range(2):  # the first may meet the old connection
                with pytest.raises(rt.EnvError):
                    client.call_tool("echo", {"value": 2})
            client.connect()
            assert data(client.call_tool("echo", {"value": 4})) == "4"


def test_a_server_that_died_between_two_calls_is_told_of_too() -> None:
    with ToolsClient.from_command(BARE) as client:
        os.kill(int(str(client.server_info["version"])), signal.SIGKILL)
        with pytest.raises((rt.SessionLost, rt.ConnectionLost)):
            client.call_tool("echo", {"value": 1})


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["no-such-program", "--api-key", "s3cr3t-value"], "can't be started"),
        ([sys.executable, "-c", "import sys; sys.exit('no module named x')"], "no module named x"),
        ([sys.executable, "-c", "print('usage: server PORT')"], "usage: server PORT"),
    ],
)
def test_a_server_that_does_not_start_says_why(command: list[str], told: str) -> None:
    with pytest.raises(rt.StartError) as raised:
        ToolsClient.from_command(command).connect()
    assert told in str(raised.value)
    assert "s3cr3t" not in str(raised.value)


@pytest.mark.slow
def test_a_server_that_is_not_ready_in_time() -> None:
    # A shell says it at once, at any load.
    program = "echo loading >&2; while read -r _; do :; done"
    client = ToolsClient.from_command(["sh", "-c", program], connect_timeout_s=2)
    with pytest.raises(rt.ReadyTimeout, match=r"within 2 s[\s\S]*loading"):
        client.connect()


def test_a_command_is_no_text_for_a_shell() -> None:
    with pytest.raises(TypeError, match="a list"):
        ToolsClient.from_command("python server.py")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no program"):
        ToolsClient.from_command([])


def test_a_server_gets_the_variables_it_is_given_and_no_secret_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRAINER_TOKEN", "of the trainer")
    with ToolsClient.from_command(BARE, env={"STATION": "north"}) as client:
        given = [data(client.call_tool("variable", {"name": name})) for name in
                 ("STATION", "TRAINER_TOKEN", "PATH")]  # fmt: skip
    assert given == ["north", None, os.environ["PATH"]]


# --- beginning and end of a client ----------------------------------------------------------------


def test_a_client_is_closed_once_and_says_so() -> None:
    client = ToolsClient.from_command(BARE)
    assert "(new)" in repr(client)
    client.call_tool("echo", {"value": 1})  # the first call connects
    client.close()
    client.close()
    with pytest.raises(rt.SessionClosed):
        client.call_tool("echo", {"value": 1})


def test_closing_ends_a_call_in_another_thread(endpoint: str) -> None:
    client, began = ToolsClient(endpoint), threading.Event()
    client.connect()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(
            client.call_tool,
            "wait_forever",
            {"name": "closed"},
            on_progress=lambda *_: began.set(),
        )
        began.wait()
        client.close()
        assert isinstance(call.exception(), rt.SessionClosed)


def test_a_client_that_nobody_closes_is_told_of() -> None:
    client = ToolsClient.from_command(BARE).connect()
    thread = client._link.background._thread  # type: ignore[union-attr]
    with pytest.warns(ResourceWarning, match="unclosed client"):
        del client
    thread.join()


def test_another_event_loop_cannot_use_a_session(endpoint: str) -> None:
    client = AsyncToolsClient(endpoint)
    with asyncio.Runner() as one, asyncio.Runner() as other:
        one.run(client.connect())
        with pytest.raises(rt.SessionLost, match="another event loop"):
            other.run(client.list_tools())
        one.run(client.close())


def _in_child(client: ToolsClient, inherited: list[int]) -> None:
    places = (Path(f"/proc/self/fd/{number}") for number in inherited)
    if any(str(place.readlink()) != os.devnull for place in places):
        os._exit(2)  # the server would not see its parent hang up
    try:
        client.call_tool("echo", {"value": 1})
    except rt.SessionError:
        client.connect()
        if data(client.call_tool("echo", {"value": 1})) == "1":
            client.close()
            os._exit(7)
    os._exit(1)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs fork and /proc")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # that threads run: this is the test
def test_a_forked_child_leaves_the_session_to_its_parent(client: ToolsClient) -> None:
    selector = client._link.background._selector  # type: ignore[union-attr]
    inherited = [key.fd for key in selector.get_map().values()]  # type: ignore[union-attr]
    child = get_context("fork").Process(target=_in_child, args=(client, inherited))
    child.start()
    child.join()
    assert child.exitcode == 7
    assert data(client.call_tool("echo", {"value": 2})) == "2"


_LEFT = """
import sys
from envgen_runtime import ToolsClient
client = ToolsClient.from_command([sys.executable, "-c", sys.argv[1]], connect_timeout_s=60)
client.connect()
print(client.server_info["version"], flush=True)
if sys.argv[2] == "wait":
    sys.stdin.read()
"""
_STUBBORN = f"""
import runpy, signal
runpy.run_path({BARE[1]!r})
while True:
    signal.pause()  # it takes no notice of the end of its input
"""


@pytest.mark.slow
@pytest.mark.parametrize("how", ["exit", "wait"])
def test_a_server_ends_with_the_program(how: str) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", _LEFT, _STUBBORN, how],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with program:
        assert program.stdout is not None
        server = int(program.stdout.readline())
        if how == "wait":
            program.send_signal(signal.SIGTERM)
        program.wait()
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


_IMPORTS = """
import sys
import envgen_runtime.mcp
client = envgen_runtime.mcp.ToolsClient("http://127.0.0.1:1/mcp")
envgen_runtime.mcp.AsyncToolsClient.from_command(["x"])
print(sorted({"mcp", "mcp_types", "anyio", "httpx", "httpx2", "starlette"} & sys.modules.keys()))
sys.modules["mcp"] = None
try:
    client.connect()
except envgen_runtime.MissingExtra as error:
    print(error.extra)
"""


def test_the_sdk_is_imported_with_the_first_connection_and_may_be_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\nmcp\n", "")
