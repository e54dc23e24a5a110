"""Both versions of the MCP SDK, and reference servers of PyPI and npm, from the build to calls."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import envgen_runtime as rt
from tests.interop.venvs import ROOT, VenvUnavailable, npm_program, venv_python
from tests.support import load, run

SDKS = ("1.24.0", "1.30.0", "2.0.0", "2.3.0")
GIT = "2026.10.19"
NODE_SERVERS = "2026.8.31"
_BESIDE = ("httpx>=0.27", "hypothesis", "pydantic>=2.12", "pytest>=8.3", "websockets>=15")


def available(make: Callable[[], Path]) -> Path:
    """What ``make`` installs. Skips where nobody can, unless that is what the machine is for."""
    try:
        return make()
    except VenvUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.mark.parametrize("version", SDKS)
def test_the_clients_on_each_version_of_the_sdk(version: str, tmp_path: Path) -> None:
    """The tests of the clients, in a venv with that version alone, for both sides."""
    python = available(lambda: venv_python("mcp", version, *_BESIDE))
    done = subprocess.run(
        [
            *(str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            *("-o", "addopts=--import-mode=importlib", "tests/mcp"),  # that venv has no plug-ins
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "runtime"), "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Build a package from a command, and import it."""
    monkeypatch.chdir(tmp_path)

    def build(*command: str) -> ModuleType:
        source = f"mcp+stdio:{shlex.join(command)}"
        result = run("build", source, "--name", "server")
        assert result.exit_code == 0, result.output
        assert run("build", source, "--name", "server", "--check").exit_code == 0
        return load(Path("generated/server"))

    return build


def test_time(built: Any) -> None:
    python = available(lambda: venv_python("mcp-server-time", "2026.10.19"))
    command = [str(python), "-m", "mcp_server_time", "--local-timezone=Europe/Oslo"]
    server = built(*command)
    with server.ServerTools.from_command(command) as client:
        now = client.tools.get_current_time(timezone="Asia/Tokyo")
        assert now.data.timezone == "Asia/Tokyo"
        converted = client.tools.convert_time(
            source_timezone="UTC", time_="12:00", target_timezone="Asia/Tokyo"
        )
        assert "T21:00" in str(converted.data.target.datetime_)
        with pytest.raises(rt.ToolExecutionFailed, match="Nowhere"):
            client.tools.get_current_time(timezone="Nowhere/Land")


def test_git(built: Any, tmp_path: Path) -> None:
    python = available(lambda: venv_python("mcp-server-git", GIT))
    subprocess.run(["git", "init", "-q", str(tmp_path / "repo")], check=True)
    (tmp_path / "repo" / "a.txt").write_text("a")
    command = [str(python), "-m", "mcp_server_git"]
    server = built(*command)
    with server.ServerTools.from_command(command) as client:
        assert "a.txt" in client.tools.git_status(repo_path=str(tmp_path / "repo")).text


def test_fetch(built: Any) -> None:
    python = available(lambda: venv_python("mcp-server-fetch", "2026.10.24"))
    command = [str(python), "-m", "mcp_server_fetch"]
    server = built(*command)
    with server.ServerTools.from_command(command) as client:
        with pytest.raises(rt.EnvError):
            client.tools.fetch(url="http://127.0.0.1:9/")


def test_everything(built: Any) -> None:
    program = available(
        lambda: npm_program("@modelcontextprotocol/server-everything", NODE_SERVERS)
    )
    server = built(str(program), "stdio")

    async def play() -> None:
        async with server.AsyncServerTools.from_command([str(program), "stdio"]) as client:
            assert client.instructions
            calls = (client.tools.get_sum(a=number, b=1) for number in range(10))
            sums = await asyncio.gather(*calls)
            assert [str(number + 1) in result.text for number, result in enumerate(sums)]
            image = await client.tools.get_tiny_image()
            assert any(type(block).__name__ == "ImageContent" for block in image.content)
            weather = await client.tools.get_structured_content(location="Chicago")
            assert isinstance(weather.data.temperature, int | float)

    asyncio.run(play())


def test_memory(built: Any, tmp_path: Path) -> None:
    program = available(lambda: npm_program("@modelcontextprotocol/server-memory", NODE_SERVERS))
    server = built(str(program))
    env = {"MEMORY_FILE_PATH": str(tmp_path / "memory.json")}
    with server.ServerTools.from_command([str(program)], env=env) as client:
        entity = {"name": "Ann", "entityType": "person", "observations": ["likes tea"]}
        client.tools.create_entities(entities=[entity])
        graph = client.tools.read_graph()
        assert [entity.name for entity in graph.data.entities] == ["Ann"]


def test_filesystem(built: Any, tmp_path: Path) -> None:
    program = available(
        lambda: npm_program("@modelcontextprotocol/server-filesystem", NODE_SERVERS)
    )
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("hello")
    command = [str(program), str(tmp_path / "notes")]
    server = built(*command)
    with server.ServerTools.from_command(command) as client:
        assert "hello" in client.tools.read_text_file(path=str(tmp_path / "notes" / "a.txt")).text
        with pytest.raises(rt.ToolExecutionFailed):
            client.tools.read_text_file(path="/etc/passwd")
