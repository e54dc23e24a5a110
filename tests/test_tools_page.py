"""docs/tools.md runs, and docs/tools-compared.md says what the golden package has."""

from __future__ import annotations

import re
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

import envgen_runtime as rt
from envgen.demo.server import serving
from tests.support import ROOT, contract, load, run, save

PAGE = (ROOT / "docs" / "tools.md").read_text()
COMPARED = (ROOT / "docs" / "tools-compared.md").read_text()

CALL = {
    "title": "CallToolAction",
    "type": "object",
    "properties": {
        "type": {"const": "call_tool", "default": "call_tool"},
        "tool_name": {"type": "string"},
        "arguments": {"type": "object", "additionalProperties": True},
    },
    "required": ["tool_name"],
}
NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
RESULT = {"type": "object", "properties": {"result": {"type": "number"}}, "required": ["result"]}
TOOLS = [
    {"name": name, "inputSchema": NUMBERS, "outputSchema": RESULT} for name in ("add", "divide")
]


def called(data: dict[str, Any]) -> dict[str, Any]:
    """What a server of tools observes."""
    a, b = data["arguments"]["a"], data["arguments"]["b"]
    if data["tool_name"] == "divide" and b == 0:
        fault = {"error_type": "execution_error", "message": "division by zero"}
        return {"tool_name": "divide", "result": None, "error": fault}
    value = {"result": a + b if data["tool_name"] == "add" else a / b}
    result = {"content": [], "structured_content": value, "is_error": False}
    return {"tool_name": data["tool_name"], "result": result, "error": None}


async def session(socket: WebSocket, *, page: Any = None) -> None:
    """A session of a server that lists its tools, or replies to that with ``page``."""
    await socket.accept()
    while (frame := await socket.receive_json())["type"] != "close":
        match frame["type"]:
            case "state":
                reply: dict[str, Any] = {"type": "state", "data": {"step_count": 0}}
            case "mcp":
                listed = {"jsonrpc": "2.0", "id": frame["data"]["id"], "result": {"tools": TOOLS}}
                reply = {"type": "mcp", "data": listed if page is None else page}
            case kind:
                observation = called(frame["data"]) if kind == "step" else {}
                data = {"observation": observation, "reward": 1.0, "done": False}
                reply = {"type": "observation", "data": data}
        await socket.send_json(reply)


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    observed = {"title": "Called", "type": "object", "properties": {"tool_name": {}}}
    document = contract(action=CALL, observation=observed, tools=TOOLS)
    assert run("build", save(document), "--name", "desk_env").exit_code == 0
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    with serving(Starlette(routes=[WebSocketRoute("/ws", session)])) as url:
        done = subprocess.run(
            [sys.executable, "-c", snippet.replace("http://127.0.0.1:8000", url)],
            capture_output=True,
            text=True,
            check=False,
        )
    printed = "3.0 1.0 False\nError in divide: the tool failed: division by zero 1.0\n"
    assert (done.stdout, done.stderr) == (printed, "")


def test_exact_validation_is_of_the_schema_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    schema = {**NUMBERS, "not": {"properties": {"b": {"const": 0}}}}
    observed = {"title": "Called", "type": "object", "properties": {"tool_name": {}}}
    tools = [{"name": "divide", "inputSchema": schema, "outputSchema": RESULT}]
    document = contract(action=CALL, observation=observed, tools=tools)
    assert run("build", save(document), "--name", "desk_env").exit_code == 0
    desk = load(Path("generated/desk_env"))
    with serving(Starlette(routes=[WebSocketRoute("/ws", session)])) as url:
        with desk.DeskEnv(url, on_drift="ignore") as env:
            env.reset()
            with pytest.raises(rt.ToolExecutionFailed):
                env.tools.divide(a=1, b=0)
        with desk.DeskEnv(url, on_drift="ignore", validate="exact") as env:
            env.reset()
            assert env.tools.divide(a=1, b=2).data == 0.5
            with pytest.raises(rt.ToolArgumentsInvalid) as refused:
                env.tools.divide(a=1, b=0)
            assert not refused.value.sent


@pytest.mark.parametrize(
    "page",
    [
        {"result": {"tools": 7}},
        {"result": {"tools": [], "nextCursor": "again"}},
        {"error": {"code": -32603, "message": "no MCP here"}},
    ],
)
def test_a_call_does_not_fail_for_the_list_that_it_is_compared_with(
    page: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    observed = {"title": "Called", "type": "object", "properties": {"tool_name": {}}}
    document = contract(action=CALL, observation=observed, tools=TOOLS)
    assert run("build", save(document), "--name", "desk_env").exit_code == 0
    desk = load(Path("generated/desk_env"))
    routes = [WebSocketRoute("/ws", partial(session, page=page))]
    with serving(Starlette(routes=routes)) as url, desk.DeskEnv(url) as env:
        env.reset()
        assert env.tools.add(a=1, b=2).data == 3
        with pytest.raises(rt.EnvError):
            env.list_tools()


def test_a_list_that_may_be_old_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another episode may have other tools."""
    monkeypatch.chdir(tmp_path)
    observed = {"title": "Called", "type": "object", "properties": {"tool_name": {}}}
    assert run("build", save(contract(action=CALL, observation=observed))).exit_code == 0
    (package,) = Path("generated").glob("*/")
    client = load(package).DoEnv
    texts = {"type": "object", "properties": {"a": {"type": "string"}}}
    page = {"result": {"tools": [{"name": "add", "inputSchema": texts}]}}
    routes = [WebSocketRoute("/ws", partial(session, page=page))]
    with serving(Starlette(routes=routes)) as url, client(url) as env:
        env.reset()
        with pytest.raises(rt.ToolArgumentsInvalid):
            env.call_tool("add", {"a": 1, "b": 2})
        page["result"]["tools"] = TOOLS
        env.reset()
        assert env.call_tool("add", {"a": 1, "b": 2}).data == 3


def test_a_trace_has_the_calls_that_its_user_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The comparison of the lists asks too, and a client that replays compares nothing."""
    monkeypatch.chdir(tmp_path)
    observed = {"title": "Called", "type": "object", "properties": {"tool_name": {}}}
    document = contract(action=CALL, observation=observed, tools=TOOLS)
    assert run("build", save(document), "--name", "desk_env").exit_code == 0
    desk = load(Path("generated/desk_env"))

    def play(env: Any) -> list[Any]:
        env.reset()
        return [env.tools.add(a=1, b=2).data, env.call_tool("add", {"a": 3, "b": 4}).data]

    with serving(Starlette(routes=[WebSocketRoute("/ws", session)])) as url:
        with desk.DeskEnv(url, observers=[rt.EpisodeTrace("trace.jsonl")]) as env:
            assert play(env) == [3, 7]
    with desk.DeskEnv.from_trace("trace.jsonl") as env:
        assert play(env) == [3, 7]


def test_the_comparison_says_what_is_written() -> None:
    written = (ROOT / "tests" / "golden" / "tools" / "expected" / "tools.py").read_text()
    row = next(line for line in COMPARED.splitlines() if line.startswith("| envgen |"))
    for type_ in re.findall(r"`([^`]+)`", row.replace("\\|", "|")):
        assert type_ in written or type_ == "qty", type_
