"""Environments as OpenEnv's own template writes them: read by import, and as a project."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import MODERN, RELEASES, Release, need_venv
from tests.support import load, run, save

NEWEST = RELEASES[-1]
RESET = "greeting: Literal['hello', 'bye'] = 'hello', times: int = 1"
CLASS = "server.maze_environment:MazeEnvironment"
PARAMETERS = {
    "greeting": {"type": "string", "enum": ["hello", "bye"], "default": "hello"},
    "times": {"type": "integer", "default": 1},
}
# An environment of the release before projects had a template.
PLAIN = """
from {types} import Action, Observation, State
from {interfaces} import Environment
{decorator}
class MazeAction(Action):
    message: str
{decorator}
class MazeObservation(Observation):
    echoed_message: str = ""
{decorator}
class MazeState(State):
    score: int = 0

class MazeEnvironment(Environment{arguments}):
    def reset(self, seed: int | None = None, times: int = 1) -> {reset}: ...
    def step(self, action{action}, **kwargs) -> MazeObservation: ...
    @property
    def state(self) -> MazeState: ...
"""


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What ``openenv init maze`` makes, with two parameters of its reset."""
    need_venv(NEWEST)
    (template,) = NEWEST.python().parents[1].glob("lib/*/site-packages/openenv/cli/templates/*_env")
    folder = tmp_path / "maze"
    shutil.copytree(template, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file in [*folder.rglob("*.*")]:
        text = (
            file.read_text().replace("__ENV_NAME__", "maze").replace("__ENV_CLASS_NAME__", "Maze")
        )
        text = text.replace('"openenv>=0.2.2"', f'"openenv=={NEWEST.version}", "uvicorn[standard]"')
        if "Environment(Environment)" in text:
            text = text.replace("from typing import Any", "from typing import Literal, Any")
            text = text.replace("**kwargs: Any,\n    ) ->", f"{RESET}, **kwargs: Any,\n    ) ->")
            text = text.replace('"Maze environment ready!"', "greeting * times")
            text = text.replace('"__ENV_TITLE_NAME__ environment ready!"', "greeting * times", 2)
            assert text.count(RESET) == 1
        file.write_text(text)
        file.rename(file.with_name(file.name.replace("__ENV_NAME__", "maze")))
    monkeypatch.chdir(folder)
    return folder


def saved(name: str = "maze_env") -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path("schemas", f"{name}.json").read_text())
    return document


def test_the_class_of_a_project(project: Path) -> None:
    python = str(NEWEST.python())
    built = run("build", "--from-python", CLASS, "--python", python)
    assert built.exit_code == 0, built.stderr
    assert "only the base State is published" in built.stderr
    assert saved()["action"]["required"] == ["message"]
    assert set(saved()["observation"]["properties"]) >= {"echoed_message", "message_length", "done"}
    assert saved()["reset_parameters"]["properties"] == PARAMETERS
    assert "reset_observation" not in saved()
    lacking = run("build", "--from-python", CLASS, "--python", sys.executable)
    assert lacking.exit_code == 1
    assert "--python names another interpreter" in lacking.stderr


def test_a_project_that_is_served(project: Path) -> None:
    """What its server publishes, and the parameters of its reset."""
    assert run("build", "--from-python", CLASS, "--python", str(NEWEST.python())).exit_code == 0
    imported = saved()
    shutil.rmtree("schemas")
    subprocess.run(["git", "init", "-q"], check=True)
    subprocess.run(["git", "add", "-A"], check=True)
    author = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run(["git", *author, "commit", "-qm", "One"], check=True)
    for source in (str(project), f"git+file://{project}"):
        built = run("build", source, "--name", "maze_env")
        assert built.exit_code == 0, built.stderr
        assert "the parameters of reset are not known" not in built.stderr
        assert saved()["reset_parameters"]["properties"] == PARAMETERS
        assert saved()["action"] == imported["action"]
        assert saved()["observation"] == imported["observation"]
    client = load(Path("generated/maze_env")).MazeEnv
    with client.from_project(project) as env:
        assert env.reset(greeting="bye", times=2).observation.echoed_message == "byebye"
        assert env.step(message="hi").observation.message_length == 2


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_classes_of_each_release(release: Release) -> None:
    need_venv(release)
    base = "openenv_core" if release.is_seed else "openenv.core"
    decorator = (
        "from dataclasses import dataclass\n@dataclass(kw_only=True)" if release.is_seed else ""
    )
    # The first servers' base class has no type parameters.
    forms = [("", ": MazeAction", "MazeObservation")]
    if release in MODERN:
        forms += [
            ("[MazeAction, MazeObservation, MazeState]", "", "Observation"),
            ("[MazeAction, MazeObservation, MazeState]", ": Action", "MazeObservation"),
        ]
    documents: list[dict[str, Any]] = []
    for arguments, action, reset in forms:
        text = PLAIN.format(
            types=f"{base}.env_server.types", interfaces=f"{base}.env_server.interfaces",
            decorator=decorator, arguments=arguments, action=action, reset=reset,
        )  # fmt: skip
        save(text, "mine.py")
        python = str(release.python())
        built = run("build", "--from-python", "mine:MazeEnvironment", "--python", python)
        assert built.exit_code == 0, built.stderr
        documents.append(saved())
    assert all(document == documents[0] for document in documents)
    assert documents[0]["reset_parameters"]["properties"] == {
        "times": {"type": "integer", "default": 1}
    }
    assert documents[0]["action"]["required"] == ["message"]
    assert "score" in documents[0]["state"]["properties"]
    assert "echoed_message" in documents[0]["observation"]["properties"]


@pytest.mark.parametrize("release", MODERN, ids=str)
def test_base_classes_tell_nothing(release: Release) -> None:
    need_venv(release)
    text = PLAIN.format(
        types="openenv.core.env_server.types", interfaces="openenv.core.env_server.interfaces",
        decorator="", arguments="", action=": Action", reset="Observation",
    )  # fmt: skip
    save(text, "mine.py")
    refused = run(
        "build", "--from-python", "mine:MazeEnvironment", "--python", str(release.python())
    )
    assert refused.exit_code == 1
    assert "MazeEnvironment.step says the base Action for its action" in refused.stderr
