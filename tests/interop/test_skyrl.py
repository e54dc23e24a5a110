"""Rollouts of skyrl-gym's own environments, on live servers: scores, faults, capacity."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from envgen.build import build_package
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app
from envgen.demo.server import serving as serving_app
from envgen.sources import read_contract
from tests.adapters.faulty import faulty
from tests.interop.conftest import Release, Serve, StartServer, skip_without_venv
from tests.interop.venvs import ROOT, RUNTIME, venv_python
from tests.support import PATIENCE_S

PAGE = (ROOT / "docs" / "train-with-skyrl.md").read_text()
NEWEST = Release("openenv", "0.10.0")
PROMPT = [{"role": "user", "content": "Play."}]


@pytest.fixture(scope="module")
def python() -> Path:
    with skip_without_venv():
        return venv_python("skyrl-gym", "0.4.0", *RUNTIME)


class Trainer:
    """Plays rollouts in a process of its own, with a module of the user's."""

    def __init__(self, python: Path, folder: Path) -> None:
        self._python = python
        self._folder = folder

    def play(
        self,
        module: str,
        *rollouts: tuple[dict[str, Any], list[str]],
        entry_point: str = "my_envs:TextEnv",
        max_turns: int = 5,
        workers: int = 32,
        prompt: list[dict[str, str]] = PROMPT,
    ) -> dict[str, Any]:
        (self._folder / "my_envs.py").write_text(module)
        plan = {"entry_point": entry_point, "max_turns": max_turns, "workers": workers,
                "prompt": prompt, "rollouts": rollouts}  # fmt: skip
        paths = [self._folder, ROOT / "runtime"]
        done = subprocess.run(
            [self._python, "-W", "error", ROOT / "tests/interop/rollouts/skyrl_rollouts.py"],
            input=json.dumps(plan),
            env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
            capture_output=True, text=True, check=False, timeout=2 * PATIENCE_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        found["log"] = done.stderr
        return found


@pytest.fixture
def trainer(python: Path, tmp_path: Path) -> Trainer:
    shutil.copytree(ROOT / "generated", tmp_path / "generated")
    return Trainer(python, tmp_path)


def module(
    url: str, *, client: str = "CodingEnv", of: str = "coding_env", limit: str = "", **options: Any
) -> str:
    """A user's module, whose client has a limit of its own."""
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    server = f"partial({client}, {url!r}, {limit or 'step_timeout_s=2'})"
    return (
        "from functools import partial\n"
        "from envgen_runtime import RetryPolicy\n"
        "from envgen_runtime.adapters.skyrl import skyrl_env\n"
        f"from generated.{of} import {client}\n"
        f"TextEnv = skyrl_env({client}, {server}{given})\n"
    )


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving_app(create_app(contract, partial(CodingEnvironment, max_steps=2))) as base_url:
        yield base_url


def test_the_page_runs(trainer: Trainer, url: str) -> None:
    envs, register = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len([line for line in (envs + register).splitlines() if line]) <= 5
    (entry_point,) = re.findall(r'entry_point="(.*?)"', register)
    envs = envs.replace("http://127.0.0.1:8000", url)
    found = trainer.play(
        envs, ({}, ["```python\nprint(6 * 7)\n```", "1/0"]), entry_point=entry_point
    )
    (rollout,) = found["rollouts"]
    assert rollout["error"] is None
    assert rollout["rewards"] == [1.0, 0.0]
    assert json.loads(rollout["told"][0])["stdout"] == "42\n"
    assert rollout["done"], "the environment ends its episode after two steps"
    system, user = rollout["prompt"]
    assert "in <action>...</action>" in system["content"]
    assert user["content"].startswith("Play.\n\n{")
    assert found["metrics"] == {"turns": 2, "steps": 2, "invalid_calls": 0, "failed_calls": 0,
                                "score": 1.0, "ended_by_env": 1.0}  # fmt: skip


def test_what_cant_be_read_costs_a_turn(trainer: Trainer) -> None:
    with faulty() as world:
        found = trainer.play(
            module(world.url, prompt=""),
            ({"seed": 3, "level": 7, "answer": None}, ["<action>a", "refuse", "a", "b", "done"]),
            max_turns=4,
            prompt=[{"role": "system", "content": "Be quick."}],
        )
        (rollout,) = found["rollouts"]
        assert world.resets == [{"seed": 3}]
        assert world.steps == ["refuse", "a", "b"]
    assert rollout["prompt"] == [
        {"role": "system", "content": "Be quick."},
        {"role": "user", "content": '{"stdout": "go", "exit_code": 0}'},
    ]
    assert rollout["rewards"] == [0.0, 0.0, 1.0, 1.0]
    assert rollout["done"], "four turns"
    assert "</action>" in rollout["told"][0]
    assert "not allowed" in rollout["told"][1]
    assert rollout["told"][2:] == ["ran a", "ran b"]
    assert rollout["metrics"]["score"] == 2.0
    assert rollout["metrics"]["invalid_calls"] == rollout["metrics"]["failed_calls"] == 1


@pytest.mark.parametrize(
    ("fault", "cause"),
    [("drop", "ConnectionLost"), ("hang", "RequestTimeout"), ("mismatch", "ReplyMismatch")],
)
def test_a_lost_episode_has_no_reward(trainer: Trainer, fault: str, cause: str) -> None:
    with faulty() as world:
        found = trainer.play(module(world.url), ({}, ["a", fault, "b"]), ({}, ["a", "done"]))
        assert "b" not in world.steps
    lost, other = found["rollouts"]
    assert lost["error"][0] == "EpisodeLost"
    assert lost["cause"] == cause
    assert lost["rewards"] == [1.0]
    assert "metrics" not in lost
    assert found["log"].count("an episode was lost after 1 steps") == 1
    assert other["error"] is None
    assert other["rewards"] == [1.0, 5.0]


@pytest.mark.parametrize("answers", [["a", "fail"], ["a", "fail", "<action>"]])
@pytest.mark.parametrize("max_turns", [9, None])
def test_an_episode_that_ends_behind_a_failed_step_has_no_reward(
    trainer: Trainer, answers: list[str], max_turns: int | None
) -> None:
    """That step may have counted. SkyRL ends some rollouts itself, where the text gets too long."""
    with faulty() as world:
        played = trainer.play(module(world.url), ({}, answers), max_turns=max_turns or len(answers))
        again = trainer.play(module(world.url), ({}, ["a", "fail", "a"]), max_turns=3)
    (rollout,) = played["rollouts"]
    assert (rollout["error"][0], rollout["cause"]) == ("EpisodeLost", "ExecutionError")
    taken = len(answers) - (max_turns is None)  # the last turn that it may take raises
    assert rollout["rewards"] == [1.0, 0.0, 0.0][:taken]
    assert rollout["told"][1:2] == ["the disk is full"][: taken - 1]
    assert again["rollouts"][0]["error"] is None
    assert again["rollouts"][0]["metrics"]["score"] == 2.0


def test_a_server_that_dies_in_a_rollout(trainer: Trainer, serve: Serve) -> None:
    server = serve(NEWEST, "words", fresh=True)
    found = trainer.play(module(server.base_url), ({}, ["a", "exit", "b"]))
    (rollout,) = found["rollouts"]
    assert (rollout["error"][0], rollout["rewards"]) == ("EpisodeLost", [1.0])


def test_rollouts_wait_for_a_free_session(trainer: Trainer, start_server: StartServer) -> None:
    """8 rollouts, 2 sessions: each ends its session with its episode."""
    url = start_server(NEWEST, "words", MAX_SESSIONS="2")
    rollouts = [({"seed": seed}, ["a", "b", "done"]) for seed in range(8)]
    limit = f"retry=RetryPolicy(capacity_wait_s={PATIENCE_S})"
    found = trainer.play(module(url, limit=limit), *rollouts)
    assert [rollout["error"] for rollout in found["rollouts"]] == [None] * 8
    assert [rollout["rewards"] for rollout in found["rollouts"]] == [[1.0, 1.0, 1.0]] * 8


def test_too_few_threads_are_told(trainer: Trainer, start_server: StartServer) -> None:
    url = start_server(NEWEST, "words", MAX_SESSIONS="1")
    text = module(url, limit="retry=RetryPolicy(capacity_wait_s=0.3)")
    found = trainer.play(text, *[({}, ["a", "done"])] * 2, workers=1)
    errors = [rollout["error"] for rollout in found["rollouts"] if rollout["error"]]
    assert errors
    for name, _message, *notes in errors:
        assert name == "CapacityReached"
        assert any("max_env_workers" in note for note in notes)


def test_an_environment_of_tools(
    trainer: Trainer, start_server: StartServer, tmp_path: Path
) -> None:
    url = start_server(NEWEST, "tools")
    contract = read_contract(url, name="desk_env")
    build_package(contract, tmp_path / "generated")
    text = module(url, client="DeskEnv", of="desk_env")
    add = '<tool_call>{"name": "add", "arguments": {"a": 2, "b": 3}}</tool_call>'
    found = trainer.play(
        text, ({}, ["add 2 and 3", add, add.replace("3", '"3"'), add.replace("add", "finish")]),
        ({}, [add, '{"name": "finish", "arguments": {}}']),
    )  # fmt: skip
    first, second = found["rollouts"]
    assert first["error"] is second["error"] is None
    assert first["rewards"] == [0.0, 1.0, 0.0, 0.0]
    assert first["told"][1] == "5"
    assert "expected an integer" in first["told"][2]
    assert (second["rewards"], second["done"]) == ([1.0, 2.0], True)
    assert '"name": "add"' in first["prompt"][0]["content"]
