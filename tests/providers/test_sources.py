"""``envgen build`` and ``envgen run`` of folders and Spaces."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from envgen.errors import EnvgenError
from envgen.sources import is_started, read_contract
from envgen_runtime.providers.process.records import records
from tests.providers.conftest import write_project
from tests.providers.test_hub import space
from tests.support import ROOT

SERVER = """
from pathlib import Path
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

contract = Path(__file__).parents[1] / "contract.json"
app = Starlette(routes=[
    Route("/health", lambda _: PlainTextResponse("ok")),
    Route("/schema", lambda _: PlainTextResponse(contract.read_text())),
])
"""


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A project whose server publishes a contract."""
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    return write_project(
        tmp_path / "coding",
        **{
            "pyproject.toml": '[project]\nname = "coding"\nversion = "1"\n'
            'requires-python = ">=3.11"\ndependencies = ["uvicorn", "starlette"]\n',
            "contract.json": json.dumps(contract),
            "server/app.py": SERVER,
        },
    )


def test_what_is_started(tmp_path: Path) -> None:
    assert all(map(is_started, ["docker://x", "hf://o/n", "git+https://h/o", str(tmp_path)]))
    assert not any(map(is_started, ["-", "x.json", "http://h", "python:m:A,O,S"]))


def test_a_running_space(monkeypatch: pytest.MonkeyPatch) -> None:
    with space("sesame") as hub:
        monkeypatch.setenv("ENVGEN_HUB_SPACES", hub.space_url)
        monkeypatch.setenv("HF_TOKEN", "sesame")
        assert read_contract("hf://o/n").name == "coding_env"


@pytest.mark.slow
@pytest.mark.parametrize("below", ["", "server"])
def test_a_folder(published: Path, below: str) -> None:
    assert read_contract(str(published / below)).name == "coding_env"


def test_a_folder_below_a_project_that_is_no_environment(tmp_path: Path) -> None:
    """The project of a repository is not taken for that of a folder in it."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "docs").mkdir()
    with pytest.raises(EnvgenError, match="not a project") as caught:
        read_contract(str(tmp_path / "docs"))
    assert "name an image, a project's folder" in caught.value.hint


@pytest.mark.slow
def test_a_run_that_is_killed_is_pruned(published: Path) -> None:
    command = [sys.executable, "-m", "envgen"]
    process = subprocess.Popen(
        [*command, "run", str(published)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    assert "ready http://127.0.0.1:" in process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (left,) = records()
    assert Path(left.folder).exists()
    done = subprocess.run([*command, "prune"], capture_output=True, text=True, check=True)
    assert f"removed {left.name}" in done.stdout
    assert records() == []
    assert not Path(left.folder).exists()
