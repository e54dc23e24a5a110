"""The beginning and the end of a client of an MCP server: threads, loops, forks, exits."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import envgen_runtime as rt
from envgen_runtime import AsyncToolsClient, ToolsClient
from tests.mcp.serving import BARE, data


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
