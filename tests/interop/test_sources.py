"""What OpenEnv's servers publish, as a source of contracts."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from tests.interop.conftest import RELEASES, Release, StartServer
from tests.support import load, run, save

SEED, NEWEST = RELEASES[0], RELEASES[-1]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_openapi_document_of_openenv_leads_to_its_schema(start_server: StartServer) -> None:
    url = start_server(NEWEST)
    assert run("build", f"{url}/openapi.json", "--name", "a_env").exit_code == 0
    assert run("build", url, "--name", "b_env").exit_code == 0
    a, b = (Path(f"schemas/{name}_env.json").read_text() for name in "ab")
    assert a.replace("a_env", "b_env") == b
    with load(Path("generated/a_env")).AEnv(url) as env:
        assert env.reset().observation is not None


def test_as_a_file_it_says_what_is_missing(start_server: StartServer) -> None:
    url = start_server(NEWEST)
    save(httpx.get(f"{url}/openapi.json", trust_env=False).text, "openapi.json")
    result = run("build", "openapi.json")
    assert result.exit_code == 1
    place = "openapi.json#/components/schemas/StepRequest/properties/action"
    assert f"{place}: POST /step takes an action without a type" in result.stderr
    assert "OpenEnv servers publish the type at /schema" in result.stderr


def test_the_first_servers_publish_no_types(start_server: StartServer) -> None:
    result = run("build", start_server(SEED, "coding"))
    assert result.exit_code == 1
    assert "write the contract as a file" in result.stderr


def test_an_environment_of_tools(start_server: StartServer) -> None:
    before = start_server(NEWEST, "tools")
    assert run("build", before, "--name", "tools_env").exit_code == 0
    kept = json.loads(Path("schemas/tools_env.json").read_text())
    add, _finish, look = kept["tools"]
    assert (add["name"], look["name"]) == ("add", "look")
    assert add["inputSchema"]["required"] == ["a", "b"]
    assert add["outputSchema"]["properties"]["result"]["type"] == "integer"
    with load(Path("generated/tools_env")).ToolsEnv(before) as env:
        env.reset()
        result = env.step(tool_name="add", arguments={"a": 2, "b": 3})
        assert result.observation.model_dump()["result"]["data"] == 5
    assert run("build", "--check", before, "--name", "tools_env").exit_code == 0

    after = start_server(NEWEST, "tools", TOOLS="add")
    told = run("diff", "schemas/tools_env.json", after, "--format", "json")
    assert told.exit_code == 5
    worst, *_ = json.loads(told.stdout)["changes"]
    assert (worst["rule"], worst["pointer"]) == ("tool-removed", "/tools/look")


def test_where_tools_can_be_asked_for(modern: Release, start_server: StartServer) -> None:
    """0.2.1 has no route for it; from 0.2.2 on there is one."""
    assert run("build", start_server(modern, "tools"), "--name", "tools_env").exit_code == 0
    kept = json.loads(Path("schemas/tools_env.json").read_text())
    names = [tool["name"] for tool in kept.get("tools", [])]
    assert names == ([] if modern.version == "0.2.1" else ["add", "finish", "look"])
