"""``envgen sync``: a server that changes, and the client that follows it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from envgen.cli import app
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from tests.support import ROOT

CODING: dict[str, Any] = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
FIRST = [
    "coding_env: new",
    "    wrote generated/coding_env",
    "    wrote schemas/coding_env.json",
]


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture
def contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The contract that a server publishes; changes of it are published too."""
    monkeypatch.chdir(tmp_path)
    document = json.loads(json.dumps(CODING))
    with serving(create_app(document, CodingEnvironment)) as url:
        Path("pyproject.toml").write_text(f'[tool.envgen.envs.coding_env]\nsource = "{url}"\n')
        first = run("sync")
        assert (first.exit_code, first.stdout.splitlines()) == (4, FIRST)
        yield document


def files() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def test_nothing_has_changed(contract: dict[str, Any]) -> None:
    done = run("sync", "--check")
    assert (done.exit_code, done.stdout) == (0, "coding_env: no change\n")


def test_a_compatible_change(contract: dict[str, Any]) -> None:
    contract["observation"]["properties"]["cpu_s"] = {"type": "number"}
    before = files()
    checked = run("sync", "--check")
    assert checked.exit_code == 4
    assert "cpu_s is new" in checked.stdout
    assert files() == before, "nothing was written"
    done = run("sync")
    assert done.exit_code == 4
    assert "wrote generated/coding_env\n" in done.stdout
    assert "wrote schemas/coding_env.json\n" in done.stdout
    assert "cpu_s" in Path("generated/coding_env/models.py").read_text()
    assert "cpu_s" in Path("schemas/coding_env.json").read_text()
    assert run("sync").exit_code == 0


def test_a_breaking_change(contract: dict[str, Any]) -> None:
    del contract["observation"]["properties"]["stderr"]
    done = run("sync", "--check", "--format", "markdown")
    assert done.exit_code == 5
    assert "**Breaking**" in done.stdout
    assert "stderr isn't there any more" in done.stdout


def test_a_server_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pyproject.toml").write_text('[tool.envgen.envs.x_env]\nsource = "http://127.0.0.1:9"\n')
    done = run("sync", "--check")
    assert done.exit_code == 3
    assert "can't be reached" in done.stderr


def test_an_environment_that_is_new(contract: dict[str, Any]) -> None:
    Path("generated/coding_env/contract.json").unlink()
    done = run("sync", "--check")
    assert done.exit_code == 4
    assert "coding_env: new" in done.stdout


def test_one_of_several(contract: dict[str, Any]) -> None:
    with Path("pyproject.toml").open("a") as settings:
        settings.write('[tool.envgen.envs.gone_env]\nsource = "http://127.0.0.1:9"\n')
    assert run("sync", "coding_env").exit_code == 0
    assert run("sync", "gone_env").exit_code == 3
    assert run("sync").exit_code == 3


def test_what_is_removed_is_asked_for_and_printed(contract: dict[str, Any]) -> None:
    Path("schemas/other_env.json").write_text(json.dumps({**CODING, "name": "other_env"}))
    assert run("build").exit_code == 0
    Path("schemas/other_env.json").unlink()
    kept = run("sync")
    assert "kept generated/other_env" in kept.stdout
    assert Path("generated/other_env").is_dir()
    markdown = run("sync", "--format", "markdown")
    assert "generated/other_env" not in markdown.stdout
    assert "kept generated/other_env" in markdown.stderr
    assert "extra generated/other_env" in run("sync", "--check", "--remove-stale").stdout
    assert Path("generated/other_env").is_dir()
    told = json.loads(run("sync", "--remove-stale", "--format", "json").stdout)
    assert (told["wrote"], told["removed"]) == ([], ["generated/other_env"])
    assert not Path("generated/other_env").exists()


def test_its_help_tells_the_codes() -> None:
    assert "5 drifted, and something breaks" in " ".join(run("sync", "--help").stdout.split())


def test_for_machines(contract: dict[str, Any]) -> None:
    contract["observation"]["properties"]["cpu_s"] = {"type": "number"}
    Path("schemas/new_env.json").write_text(json.dumps({**CODING, "name": "new_env"}))
    Path("schemas/bad_env.json").write_text("{")
    done = run("sync", "--check", "--format", "json")
    told = json.loads(done.stdout)
    assert told["exit_code"] == done.exit_code == 1
    (environment,) = told["environments"]
    assert (environment["name"], environment["bump"]) == ("coding_env", "minor")
    assert [change["rule"] for change in environment["changes"]] == ["field-added"]
    assert told["added"] == ["new_env"]
    (error,) = told["errors"]
    assert error["place"].startswith("schemas/bad_env.json")
