"""What the clients of MCP servers do around a call: for models, and with the server's list."""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime import AsyncToolsClient, ToolsClient
from envgen_runtime.mcp import comparison
from envgen_runtime.mcp.servers import StdioServer
from tests.mcp.desk import tools

DESK = [sys.executable, str(Path(__file__).parent / "desk.py")]
_PACKAGE = """
from envgen_runtime.generated import RequestModel
from envgen_runtime.mcp import AsyncToolsClient, ToolsClient
from envgen_runtime.tools import AsyncToolset, Tool, Toolset


class AddArguments(RequestModel):
    a: int
    b: int
    c: int | None = None


ADD = Tool[AddArguments, int]("add", wrapped=True)


class Desk(Toolset):
    def add(self, **given):
        return self._call(ADD, given)


class AsyncDesk(AsyncToolset):
    async def add(self, **given):
        return await self._call(ADD, given)


class DeskTools(ToolsClient):
    server_name = "desk"
    fingerprint = "f00d"

    @property
    def tools(self):
        return self._toolset(Desk)


class AsyncDeskTools(AsyncToolsClient):
    server_name = "desk"
    fingerprint = "f00d"

    @property
    def tools(self):
        return self._toolset(AsyncDesk)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A package of clients, as envgen would generate it from the whole desk."""
    pytest.importorskip("jsonschema_rs")  # which checks the calls of models
    name = f"desk_{abs(hash(tmp_path))}"
    folder = tmp_path / name
    folder.mkdir()
    (folder / "__init__.py").write_text(_PACKAGE)
    (folder / "contract.json").write_text(json.dumps({"name": "desk", "tools": tools([])}))
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module(name)
    sys.modules.pop(name)


# --- for models -----------------------------------------------------------------------------------


def test_a_model_is_shown_the_tools_without_a_connection(package: Any) -> None:
    specs = package.DeskTools.tool_specs("openai", only=["add", "get-weather"])
    assert [spec["function"]["name"] for spec in specs] == ["add", "get-weather"]
    assert specs == package.AsyncDeskTools.tool_specs("openai", only=["add", "get-weather"])


def test_a_call_of_a_model_is_read_and_checked(package: Any) -> None:
    made = package.DeskTools.parse_call('{"name": "add", "arguments": {"a": 1, "b": 2}}')
    assert (made.name, made.kind, made.arguments) == ("add", "tool", {"a": 1, "b": 2})
    with pytest.raises(rt.InvalidCall, match=r"\$\.b: is missing"):
        package.DeskTools.parse_call({"name": "add", "arguments": {"a": 1}})


def test_a_call_of_a_model_is_made(package: Any) -> None:
    with package.DeskTools.from_command(DESK) as client:
        result = client.dispatch({"name": "add", "arguments": {"a": 1, "b": 2}})
        assert (result.data, result.text, result.reward, result.done) == (3, "3", None, False)
        made = client.parse_call({"name": "get-weather", "input": {"city": "Oslo"}})
        assert client.dispatch(made).data == {"result": "sun in Oslo"}
        with pytest.raises(rt.ToolError) as failed:
            client.dispatch({"name": "fail"})
        with pytest.raises(rt.InvalidCall, match="no tool"):
            client.dispatch({"name": "swim"})
    assert "no paper" in failed.value.for_model()


def test_a_call_of_a_model_is_awaited(package: Any) -> None:
    async def play() -> Any:
        async with package.AsyncDeskTools.from_command(DESK) as client:
            with pytest.raises(rt.InvalidCall):
                await client.dispatch({"name": "add", "arguments": {"a": "1", "b": 2}})
            return await client.dispatch({"name": "add", "arguments": {"a": 1, "b": 2}})

    assert asyncio.run(play()).data == 3


def test_a_client_without_a_contract_has_nothing_for_models() -> None:
    for client in (ToolsClient, AsyncToolsClient):
        with pytest.raises(rt.ContractMissing):
            client.tool_specs("openai")


# --- by name, against the list --------------------------------------------------------------------


def test_a_call_by_name_is_checked_against_the_list_and_typed_by_it() -> None:
    with ToolsClient.from_command(DESK) as client:
        assert client.call_tool("add", {"a": 1, "b": 2}).data == 3
        assert client.call_tool("lists").data == {"result": 1}
        with pytest.raises(rt.ToolArgumentsInvalid, match=r"\$\.b: it is required") as refused:
            client.call_tool("add", {"a": 1})
        assert not refused.value.sent
        assert client.call_tool("lists").data == {"result": 2}  # the list might have changed
        with pytest.raises(rt.ToolExecutionFailed, match="no paper"):
            client.call_tool("fail")


def test_a_session_has_a_list_of_its_own() -> None:
    async def play() -> Any:
        async with AsyncToolsClient.from_command(DESK) as client:
            assert (await client.call_tool("lists")).data == {"result": 1}
            await client.close()
            await client.connect()
            return (await client.call_tool("lists")).data

    assert asyncio.run(play()) == {"result": 1}


# --- what the official SDK's servers say in results -----------------------------------------------


def test_a_tool_that_the_server_does_not_list_is_not_found(package: Any) -> None:
    with package.DeskTools.from_command([*DESK, "get-weather"]) as client:
        with pytest.raises(rt.ToolNotFound, match="Unknown tool: swim") as by_name:
            client.call_tool("swim")
        with pytest.raises(rt.ToolNotFound):
            client.tools.add(a=1, b=2)
        with pytest.raises(rt.ToolNotFound):
            client.dispatch({"name": "add", "arguments": {"a": 1, "b": 2}})
    assert by_name.value.for_model() == ("Error in swim: there is no such tool: Unknown tool: swim")
    assert not by_name.value.maybe_applied


def test_a_tool_that_the_server_takes_away_is_not_found() -> None:
    with ToolsClient.from_command(DESK) as client:
        with pytest.raises(rt.ToolExecutionFailed):
            client.call_tool("fail")
        client.call_tool("remove")
        with pytest.raises(rt.ToolNotFound):
            client.call_tool("fail")


def test_a_tool_that_fails_costs_no_question_after_the_first() -> None:
    with ToolsClient.from_command(DESK) as client:
        for _ in range(3):
            with pytest.raises(rt.ToolExecutionFailed):
                client.call_tool("fail")
        assert client.call_tool("lists").data == {"result": 1}


# --- another contract -----------------------------------------------------------------------------

CHANGED = [*DESK, "add+c", "lists"]


def test_a_server_with_other_tools_is_told_of_once(
    package: Any, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        with package.DeskTools.from_command([*CHANGED, "--token", "s3cr3t"]) as client:
            for _ in range(2):
                client.dispatch({"name": "lists"})
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("envgen_runtime", logging.WARNING)
    told = record.getMessage()
    assert "has another contract than desk's client was built from: " in told
    assert "/tools/get-weather: removed" in told
    assert "/tools/add/inputSchema/properties/c: now required" in told
    assert "Regenerate with: envgen build 'mcp+stdio:" in told
    assert "s3cr3t" not in told


def test_the_list_is_asked_for_once_per_process_and_server(package: Any) -> None:
    with package.DeskTools.from_command(DESK) as client:
        assert client.dispatch({"name": "lists"}).data == {"result": 1}
        assert client.dispatch({"name": "lists"}).data == {"result": 1}
    with package.DeskTools.from_command(DESK) as client:
        assert client.dispatch({"name": "lists"}).data == {"result": 0}
    with package.DeskTools.from_command(DESK, on_drift="error") as client:
        for _ in range(2):
            assert client.dispatch({"name": "lists"}).data == {"result": 1}


def test_a_client_may_refuse_a_server_with_other_tools(package: Any) -> None:
    async def play() -> None:
        async with package.AsyncDeskTools.from_command(CHANGED, on_drift="error") as client:
            calls = [client.tools.add(a=1, b=2) for _ in range(3)]
            found = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(error) for error in found] == [rt.ContractDrift] * 3

    with package.DeskTools.from_command(CHANGED, on_drift="error") as client:
        with pytest.raises(rt.ContractDrift, match="now required") as refused:
            client.tools.add(a=1, b=2)
        assert client.call_tool("lists").data == {"result": 1}  # by the list, not the contract
    assert "/tools/get-weather: removed" in refused.value.drift
    asyncio.run(play())


def test_a_client_may_take_no_notice(package: Any, caplog: pytest.LogCaptureFixture) -> None:
    with package.DeskTools.from_command(CHANGED, on_drift="ignore") as client:
        assert client.dispatch({"name": "lists"}).data == {"result": 0}
    assert caplog.records == []
    with pytest.raises(ValueError, match="on_drift must be one of 'check'"):
        package.DeskTools.from_command(DESK, on_drift="never")


def test_a_result_that_does_not_fit_says_what_has_changed(package: Any) -> None:
    async def play() -> Any:
        async with package.AsyncDeskTools.from_command(CHANGED) as client:
            with pytest.raises(rt.ToolResultMismatch) as raised:
                await client.tools.add(a=1, b=2, c=3)
            return raised.value

    with package.DeskTools.from_command(CHANGED) as client:
        with pytest.raises(rt.ToolResultMismatch) as raised:
            client.tools.add(a=1, b=2, c=3)
        assert isinstance(client.tools, package.Desk)
        assert type(client.tools) is type(client.tools)
    for error in (raised.value, asyncio.run(play())):  # the second asks, for the first has compared
        assert "doesn't fit its output schema" in str(error)
        assert "contract has changed: /tools/add/" in str(error)
        assert "envgen build 'mcp+stdio:" in str(error)
        assert any(line.startswith("/tools/add/outputSchema") for line in error.drift)
        assert not any("get-weather" in line for line in error.drift)


COUNTED = {"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]}
NAMED = {**COUNTED, "properties": {"result": {"enum": ["hush-hush-1"]}}}


def compared(package: Any, ours: list[Any], on_drift: Any = "check") -> comparison.Comparison:
    """A comparison with a contract of these tools."""
    path = Path(package.__file__).with_name("contract.json")
    path.write_text(json.dumps({"name": "desk", "tools": ours}))
    server = StdioServer.run(["desk"], env={"API_TOKEN": "hush-hush-1"})
    return comparison.Comparison(package.DeskTools, server, on_drift)


def listed(*names: str, schema: Any = COUNTED) -> list[Any]:
    return [{"name": name, "inputSchema": {}, "outputSchema": schema} for name in names]


def test_what_has_changed_of_a_tool_is_told_among_many_changes(package: Any) -> None:
    names = [f"tool{index}" for index in range(40)]
    found = compared(package, listed(*names))
    found.look(listed(*names, schema=NAMED))
    mismatch = rt.ToolResultMismatch("it doesn't fit", tool="tool39", path="$")
    found.explain(mismatch)
    assert "contract has changed: /tools/tool39/" in str(mismatch)
    assert "hush" not in f"{mismatch}{mismatch.drift}"


def test_a_tool_that_has_not_changed_breaks_its_own_schema(package: Any) -> None:
    found = compared(package, listed("get", "get-weather"))
    found.look([*listed("get"), *listed("get-weather", schema=NAMED)])
    mismatch = rt.ToolResultMismatch("it doesn't fit", tool="get", path="$")
    found.explain(mismatch)
    assert mismatch.drift == ()
    assert "breaks its own" in str(mismatch)


def test_a_difference_that_changes_nothing_is_refused_by_error_alone(
    package: Any, caplog: pytest.LogCaptureFixture
) -> None:
    compared(package, listed("get")).end(listed("get", "more"))
    assert caplog.messages == []
    with pytest.raises(rt.ContractDrift, match="more: added"):
        compared(package, listed("get"), "error").end(listed("get", "more"))


def test_a_difference_hides_the_servers_secrets(package: Any) -> None:
    with pytest.raises(rt.ContractDrift, match=r"\*\*\*") as drift:
        compared(package, listed("get"), "error").end(listed("get", schema=NAMED))
    assert "hush" not in f"{drift.value}{drift.value.drift}"


def test_a_result_that_does_not_fit_is_told_without_a_look_where_nobody_wants_one(
    package: Any,
) -> None:
    with package.DeskTools.from_command(CHANGED, on_drift="ignore") as client:
        with pytest.raises(rt.ToolResultMismatch) as raised:
            client.tools.add(a=1, b=2, c=3)
        assert client.call_tool("lists").data == {"result": 1}
    assert raised.value.drift == ()
