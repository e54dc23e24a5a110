"""``envgen build`` asks nobody: other sources than files are built from what was saved."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen.sources import read_contract
from tests.support import ROOT, contract, contract_cases, load, run, save

CODING: dict[str, Any] = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
MODELS = """
from pydantic import BaseModel

class Action(BaseModel): text: str
class Observation(BaseModel): text: str
class State(BaseModel): steps: int = 0
"""
# Runs the command, and ends it where it reaches for a network, a program or the user's modules.
GUARDED = """
import sys

def refuse(event, arguments):
    reaches = event in ("socket.connect", "socket.getaddrinfo", "socket.bind")
    reaches |= event in ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork", "os.system")
    reaches |= event == "import" and arguments[0].partition(".")[0] == "my_env"
    if reaches:
        print("NOT OFFLINE", event, arguments[:2], file=sys.stderr, flush=True)
        __import__("os")._exit(99)

sys.addaudithook(refuse)
from envgen.__main__ import main
main()
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def offline(*arguments: str) -> subprocess.CompletedProcess[str]:
    """``envgen`` without a network, other programs, or the user's code."""
    done = subprocess.run(
        [sys.executable, "-c", GUARDED, *arguments],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "NOT OFFLINE" not in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture
def dead_url() -> str:
    """The URL of a server that the project's settings follow, and that is gone after a sync."""
    with serving(create_app(CODING, CodingEnvironment)) as url:
        save(f'[tool.envgen.envs.coding_env]\nsource = "{url}"\n', "pyproject.toml")
        assert run("sync").exit_code == 4
    return url


@pytest.mark.slow
def test_the_guard_sees_what_is_asked(dead_url: str) -> None:
    for command in (["sync"], ["build", dead_url]):
        with pytest.raises(AssertionError, match="NOT OFFLINE socket"):
            offline(*command)
    save(MODELS, "my_env/models.py")
    with pytest.raises(AssertionError, match=r"NOT OFFLINE subprocess\.Popen"):
        offline("build", "--from-python", "my_env.models:Action,Observation,State")


@pytest.mark.slow
def test_an_unrelated_commit_passes_while_the_server_is_down(dead_url: str) -> None:
    built = offline("build")
    assert (built.returncode, built.stderr) == (0, "")
    assert built.stdout.startswith("unchanged generated/coding_env")
    save(contract(), "schemas/do_env.json")
    assert offline("build").returncode == 0
    for command in (["build", "--check"], ["build", "--check", "coding_env"], ["build", "--diff"]):
        assert offline(*command).returncode == 0
    assert run("build", dead_url).exit_code == 3, "named on the command line, it is asked"
    assert run("sync").exit_code == 3


def test_after_init(dead_url: str) -> None:
    Path("pyproject.toml").unlink()
    assert run("init").exit_code == 0
    assert dead_url in Path("pyproject.toml").read_text()
    assert offline("build", "--check").returncode == 0


def test_a_saved_contract_does_not_hide_where_it_was_read() -> None:
    with serving(create_app(CODING, CodingEnvironment)) as url:
        assert run("build", url, "--name", "coding_env").exit_code == 0
    assert offline("build").returncode == 0, "schemas/ has the contract"
    assert offline("build", "--check").returncode == 0
    assert run("init").exit_code == 0
    assert url in Path("pyproject.toml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        "http://127.0.0.1:9",
        "http://127.0.0.1:9/openapi.json",
        "docker://team/image",
        "hf://owner/name",
        "git+https://127.0.0.1:9/repository",
        "project",
        "python:my_env.models:Action,Observation,State",
        "-",
    ],
)
def test_what_was_never_saved_needs_a_sync(source: str) -> None:
    save("[project]\nname = 'project'\nversion = '1'\n", "project/pyproject.toml")
    save(MODELS, "my_env/models.py")
    save(contract(), "schemas/do_env.json")
    settings = f'[tool.envgen]\nsources = ["schemas/do_env.json", "{source}"]\n'
    for text in (settings, f'[tool.envgen.envs.my_env]\nsource = "{source}"\n'):
        save(text, "pyproject.toml")
        for command in (["build"], ["build", "--check"], ["build", "--check", "--format=json"]):
            done = offline(*command)
            assert done.returncode == 1
            assert "run envgen sync" in done.stdout + done.stderr
        assert Path("generated/do_env").is_dir(), "the others are built"


def test_classes_are_read_by_a_sync_only() -> None:
    spec = "python:my_env.models:Action,Observation,State"
    save("", "my_env/__init__.py")
    save(MODELS, "my_env/models.py")
    save(f'[tool.envgen]\nsources = ["{spec}"]\n', "pyproject.toml")
    assert run("sync").exit_code == 4
    assert offline("build", "--check").returncode == 0, "found by its source"
    save(MODELS.replace("steps: int", "turns: int"), "my_env/models.py")
    assert offline("build", "--check").returncode == 0
    assert run("sync", "--check").exit_code == 5
    assert run("sync").exit_code == 5
    assert "turns" in Path("generated/my_env/models.py").read_text()


def test_a_checkout_without_packages_is_built_from_schemas(dead_url: str) -> None:
    kept = {path.name: path.read_text() for path in Path("generated/coding_env").glob("*.*")}
    lock = Path("generated/envgen.lock").read_text()
    shutil.rmtree("generated")
    assert offline("build").returncode == 0
    for name, text in kept.items():
        assert Path("generated/coding_env", name).read_text() == text
    assert Path("generated/envgen.lock").read_text() == lock


@pytest.mark.slow
def test_the_schema_of_a_state_is_a_file_and_is_read() -> None:
    bare = {**CODING, "state": {"title": "State", "type": "object", "properties": {
        "episode_id": {"type": "string"}, "step_count": {"type": "integer"}}}}  # fmt: skip
    state = {"title": "MyState", "type": "object", "properties": {"score": {"type": "integer"}}}
    save(state, "state.json")
    with serving(create_app(bare, CodingEnvironment)) as url:
        settings = f'[tool.envgen.envs.coding_env]\nsource = "{url}"\nstate = "state.json"\n'
        save(settings, "pyproject.toml")
        assert run("sync").exit_code == 4
    assert offline("build", "--check").returncode == 0
    state["properties"] = {"points": {"type": "integer"}}
    save(state, "state.json")
    assert offline("build", "--check").returncode == 1
    assert offline("build").returncode == 0
    assert load(Path("generated/coding_env")).MyState(points=1).points == 1
    assert "points" in Path("schemas/coding_env.json").read_text()
    assert offline("build", "--check").returncode == 0


@pytest.mark.slow
def test_a_contract_that_was_edited_by_hand(dead_url: str) -> None:
    place = Path("generated/coding_env/contract.json")
    original = place.read_text()
    place.write_text(original.replace('"stderr"', '"warnings"'))
    shown = offline("build", "--check")
    assert shown.returncode == 1
    assert "edited generated/coding_env/contract.json" in shown.stdout
    assert "contract.json" in offline("build").stderr
    Path("schemas/coding_env.json").unlink()
    refused = offline("build")
    assert refused.returncode == 1
    assert "generated/coding_env: edited by hand: contract.json" in refused.stderr
    place.write_text(original)
    assert offline("build").returncode == 0
    assert Path("schemas/coding_env.json").read_text() == original


def test_an_address_that_changed_is_said_and_not_claimed(dead_url: str) -> None:
    save('[tool.envgen.envs.coding_env]\nsource = "https://me-coding.hf.space"\n', "pyproject.toml")
    built = offline("build")
    assert built.returncode == 0
    assert f"built from the contract of {dead_url}" in built.stderr
    assert "envgen sync reads https://me-coding.hf.space instead" in built.stderr
    assert dead_url in Path("generated/envgen.lock").read_text()
    assert offline("build", "--check").returncode == 0


@pytest.mark.parametrize("file", contract_cases("corpus"))
def test_a_saved_contract_reads_as_it_was(file: Path, tmp_path: Path) -> None:
    first = read_contract(str(file)).to_json()
    save(first, "contract.json")
    assert read_contract("contract.json").to_json() == first
