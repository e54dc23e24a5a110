"""``envgen init`` and ``envgen watch``."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner, Result

from envgen.cli import app
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from tests.support import PATIENCE_S, ROOT, action, contract


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("schemas").mkdir()
    Path("schemas/do_env.json").write_text(json.dumps(contract()))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_init_writes_what_is_there() -> None:
    document = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving(create_app(document, CodingEnvironment)) as url:
        assert run("build", url).exit_code == 0
        Path("pyproject.toml").write_text('[project]\nname = "x"\n')
        assert run("init").exit_code == 0
        settings = tomllib.loads(Path("pyproject.toml").read_text())
        assert settings["project"] == {"name": "x"}
        assert settings["tool"]["envgen"]["envs"] == {"coding_env": {"source": url + "/"}} or (
            settings["tool"]["envgen"]["envs"] == {"coding_env": {"source": url}}
        )
        assert run("sync", "--check").exit_code == 4, "do_env has no client yet"
        assert run("build").exit_code == 0
        assert run("sync", "--check").exit_code == 0


def test_init_leaves_settings_alone() -> None:
    Path("pyproject.toml").write_text('[tool.envgen]\nout = "clients"\n')
    refused = run("init")
    assert refused.exit_code == 1
    assert "there are settings already" in refused.stderr
    assert Path("pyproject.toml").read_text() == '[tool.envgen]\nout = "clients"\n'


@pytest.mark.slow
def test_watch_builds_when_a_contract_changes_and_ends_quietly() -> None:
    Path("pyproject.toml").write_text("[tool.envgen]\nremove_stale = true\n")
    Path("schemas/other_env.json").write_text(json.dumps(contract(name="other_env")))
    assert run("build", "schemas/other_env.json").exit_code == 0
    watching = subprocess.Popen(
        [sys.executable, "-m", "envgen", "watch"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert watching.stdout is not None
    assert watching.stderr is not None
    try:
        assert "wrote" in watching.stdout.readline()
        assert "watching" in watching.stderr.readline()
        Path("schemas/do_env.json").write_text(json.dumps(action({"n": {"type": "integer"}})))
        assert "wrote" in watching.stdout.readline()
        assert "n: Omittable[int]" in Path("generated/do_env/models.py").read_text()
        watching.stderr.readline()
        Path("schemas/do_env.json").write_text("{")
        assert "not JSON" in watching.stderr.readline()
        assert "watching" in _until_watching(watching.stderr)
        Path("schemas/do_env.json").unlink()
        assert "removed" in watching.stdout.readline()
        assert "watching" in _until_watching(watching.stderr)
        document = action({"m": {"type": "integer"}})
        Path("new.json").write_text(json.dumps(document))
        Path("new.json").rename("schemas/do_env.json")
        assert "wrote" in watching.stdout.readline()
        assert "watching" in _until_watching(watching.stderr)
        known = Path("schemas/do_env.json").stat()
        Path("new.json").write_text(json.dumps(document).replace('"m"', '"k"'))
        os.utime("new.json", ns=(known.st_atime_ns, known.st_mtime_ns))
        Path("new.json").rename("schemas/do_env.json")
        assert "wrote" in watching.stdout.readline(), "as old as the one before, and as long"
        assert "k: Omittable[int]" in Path("generated/do_env/models.py").read_text()
    finally:
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=PATIENCE_S)
    assert watching.returncode == 130
    assert "Traceback" not in errors


def _until_watching(errors: IO[str]) -> str:
    """What is said up to the line that ends a build."""
    return next(line for line in errors if "watching" in line)
