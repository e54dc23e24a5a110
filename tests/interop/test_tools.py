"""Environments of tools in the form that the public writes, from the build to the last step."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime import InvalidCall
from tests.interop.conftest import Release, StartServer
from tests.support import load, run

RELEASES = (
    Release("openenv-core", "0.2.3"),
    Release("openenv-core", "0.3.0"),
    Release("openenv", "0.5.0"),
    Release("openenv", "0.8.0"),
    Release("openenv", "0.10.0"),
)


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(params=RELEASES, ids=str)
def tooled(request: pytest.FixtureRequest) -> Release:
    """Every release that environments of tools are served with."""
    given: Release = request.param
    return given


def built(url: str) -> ModuleType:
    result = run("build", url, "--name", "desk_env")
    assert result.exit_code == 0, result.output
    assert run("build", "--check", url, "--name", "desk_env").exit_code == 0
    return load(Path("generated/desk_env"))


def order(desk: ModuleType, **fields: Any) -> Any:
    """A line of an order. Some releases write definitions out, and so leave them without a name."""
    names = ("Order", "PlaceOrderArgumentsOrdersItem")
    return next(getattr(desk, name) for name in names if hasattr(desk, name))(**fields)


@pytest.mark.parametrize("validate", ["types", "exact"])
@pytest.mark.parametrize("env_name", ["tools", "tools_reset", "tools_wrapped"])
def test_an_episode(
    tooled: Release, env_name: str, validate: Any, start_server: StartServer
) -> None:
    url = start_server(tooled, env_name)
    desk = built(url)
    keeps = tooled.keeps_metadata
    with desk.DeskEnv(url, validate=validate) as env:
        first = env.reset(seed=1)
        assert type(first.observation) is desk.Observation
        assert (first.reward, first.done, first.observation.done) == (0.0, False, False)
        assert first.metadata == ({"status": "ready"} if keeps else {})
        result = env.step(tool_name="add", arguments={"a": 2, "b": 3})
        assert type(result.observation) is desk.CallToolObservation
        assert (result.observation.tool_name, result.observation.result["data"]) == ("add", 5)
        assert (result.reward, result.done, result.observation.reward) == (1.0, False, 1.0)
        failed = env.step(desk.CallToolAction(tool_name="nothing"))
        assert failed.observation.error is not None
        last = env.step(tool_name="finish")
        assert (last.reward, last.done) == (2.0, True)
        assert (last.observation.reward, last.observation.done) == (2.0, True)
        was_wrapped = env_name == "tools_wrapped"
        assert last.observation.tool_name == (None if was_wrapped else "finish")
        assert last.metadata == ({"reason": "finished"} if was_wrapped and keeps else {})


@pytest.mark.parametrize("env_name", ["tools", "tools_reset", "tools_wrapped"])
def test_an_async_episode(tooled: Release, env_name: str, start_server: StartServer) -> None:
    url = start_server(tooled, env_name)
    desk = built(url)

    async def play() -> None:
        async with desk.AsyncDeskEnv(url) as env:
            assert (await env.reset(seed=1)).done is False
            result = await env.step(tool_name="add", arguments={"a": 2, "b": 3})
            assert (result.observation.result["data"], result.reward) == (5, 1.0)
            last = await env.step(tool_name="finish")
            assert (last.reward, last.done) == (2.0, True)

    asyncio.run(play())


def test_typed_calls(tooled: Release, start_server: StartServer) -> None:
    """Results, rewards and errors of every tool, on one session."""
    url = start_server(tooled, "tools_shop", WAIT_S="0")
    desk = built(url)
    with desk.DeskEnv(url) as env:
        env.reset()
        placed = env.tools.place_order(orders=[order(desk, sku="a", qty=2)], speed="fast")
        assert (placed.data.total, placed.data.speed) == (2, "fast")
        assert (placed.reward, placed.done) == (0.5, False)
        assert type(placed.observation) is desk.CallToolObservation
        assert json.loads(placed.text) == {"total": 2, "speed": "fast"}
        assert env.tools.place_order(orders=[]).data.speed == "slow", "the server's default"
        assert env.tools.get_weather(city="Oslo", days=None).data == "Oslo: None"
        assert env.tools.get_weather(city="Oslo", days=3).data == "Oslo: 3"
        with pytest.raises(rt.ToolArgumentsInvalid) as refused:
            env.tools.place_order(orders=[{"sku": "a", "qty": 100}])
        assert (refused.value.sent, refused.value.path) == (False, "$.orders[0].qty")
        with pytest.raises(rt.ToolExecutionFailed) as failed:
            env.tools.fail()
        assert (failed.value.reward, failed.value.done) == (0.5, False)
        assert "sold out" in failed.value.for_model()
        last = env.tools.list_tools(reason="done")
        assert (last.data, last.reward, last.done) == ({"reason": "done"}, 0.5, True)


def test_calls_by_name(tooled: Release, start_server: StartServer) -> None:
    """Tools that appear at run time, and names and arguments that there aren't."""
    url = start_server(tooled, "tools_shop", WAIT_S="0")
    desk = built(url)
    with desk.DeskEnv(url) as env:
        env.reset()
        before = env.state().step_count
        names = [tool["name"] for tool in env.list_tools()]
        assert sorted(names) == ["fail", "get-weather", "list_tools", "place_order", "wait"]
        assert env.state().step_count == before
        called = env.call_tool("get-weather", {"city": "Oslo", "days": 2})
        assert (called.data, called.reward) == ("Oslo: 2", 0.5)
        for wrong in ({}, {"city": 3}, {"city": "x", "colour": "red"}):
            with pytest.raises(rt.ToolArgumentsInvalid) as refused:
                env.call_tool("get-weather", wrong)
            assert refused.value.sent is ("colour" in wrong and not refused.value.path)
        with pytest.raises(rt.ToolNotFound) as missing:
            env.call_tool("nothing")
        assert (missing.value.reward, missing.value.tool) == (0.5, "nothing")


def test_async_typed_calls(tooled: Release, start_server: StartServer) -> None:
    url = start_server(tooled, "tools_shop", WAIT_S="0")
    desk = built(url)

    async def play() -> None:
        async with desk.AsyncDeskEnv(url) as env:
            await env.reset()
            placed = await env.tools.place_order(orders=[order(desk, sku="a", qty=2)])
            assert (placed.data.total, placed.reward) == (2, 0.5)
            assert len(await env.list_tools()) == 5
            assert (await env.call_tool("list_tools", {"reason": "x"})).done

    asyncio.run(play())


def test_a_server_in_production(tooled: Release, start_server: StartServer) -> None:
    """It has no routes for reset and step, which go over its WebSocket."""
    url = start_server(tooled, "tools_shop", WAIT_S="0", OPENENV_MODE="production")
    desk = built(url)
    with desk.DeskEnv(url) as env:
        env.reset()
        called = env.tools.get_weather(city="Oslo")
        assert (called.data, called.reward) == ("Oslo: None", 0.5)
        assert len(env.list_tools()) == 5


def test_tools_that_nothing_lists(tooled: Release, start_server: StartServer) -> None:
    """The server says that its environment doesn't support MCP; calls by name still work."""
    url = start_server(tooled, "tools_own")
    desk = built(url)
    assert not hasattr(desk.DeskEnv, "tools")
    with desk.DeskEnv(url) as env:
        env.reset()
        with pytest.raises(rt.ServerError) as unlisted:
            env.list_tools()
        assert unlisted.value.code == "JSON_RPC -32603"
        called = env.call_tool("double", {"n": 4})
        assert (called.data, called.text, called.reward) == (8, "8", 1.0)
        with pytest.raises(rt.ToolNotFound) as missing:
            env.call_tool("halve", {"n": 4})
        assert (missing.value.reward, missing.value.done) == (-1.0, True)


@pytest.mark.slow
def test_the_time_limit_of_a_tool_is_the_servers(start_server: StartServer) -> None:
    url = start_server(RELEASES[-1], "tools_shop", WAIT_S="31")
    desk = built(url)
    with desk.DeskEnv(url) as env:
        env.reset()
        with pytest.raises(rt.ToolTimeout) as late:
            env.tools.wait()
        assert (late.value.reward, late.value.done, late.value.maybe_applied) == (0.5, False, True)
        assert env.tools.get_weather(city="Oslo").data == "Oslo: None"


def test_tools_that_the_server_does_not_have_any_more(
    tooled: Release, start_server: StartServer, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = (start_server(tooled, "tools", TOOLS=tools) for tools in ("look", "none"))
    desk = built(old)
    with desk.DeskEnv(new) as env:
        env.reset()
        assert env.tools.add(a=1, b=2).data == 3
        with pytest.raises(rt.ToolNotFound):
            env.tools.look(place="here")
    assert "/tools/look: removed" in caplog.text
    with desk.DeskEnv(new, on_drift="error") as env:
        env.reset()
        with pytest.raises(rt.ContractDrift) as drifted:
            env.tools.add(a=1, b=2)
        assert drifted.value.drift == ("/tools/look: removed",)


def test_a_models_call(tooled: Release, start_server: StartServer) -> None:
    url = start_server(tooled, "tools_mixed")
    desk = built(url)
    specs = desk.DeskEnv.tool_specs("openai")
    assert [*specs.names] == ["move", "add", "finish", "look"]
    with desk.DeskEnv(url) as env:
        env.reset()
        assert env.dispatch({"name": "move", "arguments": {"to": "door"}}).reward == 0.0
        call = {"type": "tool_use", "id": "1", "name": "add", "input": {"a": 2, "b": 3}}
        result = env.dispatch(call)
        assert (result.observation.result["data"], result.reward) == (5, 1.0)
        with pytest.raises(InvalidCall, match="integer"):
            env.dispatch({"name": "add", "arguments": {"a": "2", "b": 3}})
        last = env.dispatch('{"name": "finish"}')
        assert (last.reward, last.done) == (2.0, True)


def test_moves_beside_calls(tooled: Release, start_server: StartServer) -> None:
    url = start_server(tooled, "tools_mixed")
    desk = built(url)
    with desk.DeskEnv(url) as env:
        assert env.reset().observation.place == "home"
        assert env.step(desk.MoveAction(to="door")).observation.place == "door"
        call = env.step(desk.CallToolAction(tool_name="add", arguments={"a": 2, "b": 3}))
        assert (call.observation.result["data"], call.reward) == (5, 1.0)
        assert (env.tools.add(a=2, b=3).data, env.tools.add(a=0, b=0).reward) == (5, 1.0)
        last = env.tools.finish()
        assert (last.reward, last.done) == (2.0, True)
        with pytest.raises(rt.ToolResultMismatch) as without:
            assert last.data, "the wrapper keeps no result"
        assert (without.value.reward, without.value.done) == (2.0, True)


def test_the_server_is_not_said_to_differ(tooled: Release, start_server: StartServer) -> None:
    url = start_server(tooled, "tools")
    desk = built(url)
    with desk.DeskEnv(url, on_drift="error") as env:
        env.reset()
    told = run("diff", "schemas/desk_env.json", url)
    assert (told.exit_code, told.stdout) == (0, "tools_env: no change\n")


def test_what_is_assumed_is_said(tooled: Release, start_server: StartServer) -> None:
    for env_name in ("tools", "tools_reset"):
        result = run(
            "build", start_server(tooled, env_name), "--name", "desk_env", "--format", "json"
        )
        (source,) = json.loads(result.stdout)["sources"]
        said = "/reset_observation" in [finding["pointer"] for finding in source["findings"]]
        declares = env_name == "tools_reset" and tooled.version in ("0.8.0", "0.10.0")
        assert said is not declares
