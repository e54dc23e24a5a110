"""Environments of tools in the form that the public writes, from the build to the last step."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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
        last = env.step(desk.CallToolAction(tool_name="finish"))
        assert (last.reward, last.done) == (2.0, True)


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
