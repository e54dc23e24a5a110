"""Rollouts in verifiers, against servers of typed environments and of tools."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from generated.coding_env import CodingEnv
from tests.adapters.faulty import Faulty, faulty
from tests.interop.conftest import StartServer, skip_without_venv
from tests.interop.running import Release
from tests.interop.scripted_model import Script, calls_in_turn, scripted_model
from tests.interop.venvs import RUNTIME, venv_python
from tests.support import PATIENCE_S, ROOT, run

NEWEST = Release("openenv", "0.10.0")
PROGRAM = Path(__file__).parent / "trainers" / "play_verifiers.py"

TASKSET = """
from functools import partial
from envgen_runtime.adapters.verifiers import environment
from {package} import {client}

Rows, Rollouts = environment({client}, {server}, tasks={tasks}{options})
__all__ = ["Rollouts", "Rows"]
"""


@dataclass
class Verifiers:
    """verifiers in a venv of its own, and a folder that it finds tasksets in."""

    python: Path
    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        paths = [str(self.folder), str(ROOT / "runtime"), str(ROOT)]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def play(
        self,
        taskset: str,
        script: Script,
        asked: list[dict[str, Any]] | None = None,
        **settings: Any,
    ) -> list[dict[str, Any]]:
        """The rollouts of a taskset's tasks, played by a model that does as the script says."""
        (self.folder / "our_taskset.py").write_text(taskset)
        with serving(scripted_model(script, [] if asked is None else asked)) as model_url:
            done = subprocess.run(
                [str(self.python), str(PROGRAM), "our_taskset", model_url, json.dumps(settings)],
                env=self.variables,
                cwd=self.folder, capture_output=True, text=True, check=False,
                timeout=3 * PATIENCE_S,
            )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture
def verifiers(tmp_path: Path) -> Verifiers:
    with skip_without_venv():
        python = venv_python("verifiers", "0.4.0", *RUNTIME)
    return Verifiers(python, tmp_path)


@pytest.fixture
def world() -> Iterator[Faulty]:
    with faulty() as served:
        yield served


def coding(server: str, tasks: Any, options: str = "") -> str:
    known = {"package": "generated.coding_env", "client": "AsyncCodingEnv"}
    return TASKSET.format(**known, server=server, tasks=repr(tasks), options=options)


def run_code(code: str) -> tuple[str, dict[str, Any]]:
    return "CodeAction", {"code": code}


def as_prompted(messages: list[dict[str, Any]]) -> Any:
    """A model that runs what each line of its prompt says, one in each answer."""
    lines = messages[0]["content"].partition("\n\n")[0].split()
    return calls_in_turn(*map(run_code, lines))(messages)


def test_eight_rollouts_wait_for_two_sessions(
    verifiers: Verifiers, start_server: StartServer
) -> None:
    """The model is told what is wrong with a call, and is not asked behind the end."""
    url = start_server(NEWEST, "words", fresh=True, MAX_SESSIONS="2")
    asked: list[dict[str, Any]] = []
    script = calls_in_turn(run_code("hello"), ("CodeAction", {"cod": 1}), run_code("done"))
    tasks = [{"seed": number} for number in range(8)]
    played = verifiers.play(coding(repr(url), tasks), script, asked)
    assert len(played) == 8
    for rollout in played:
        assert rollout["errors"] == []
        assert rollout["ok"]
        assert rollout["rewards"] == {"environment_reward": 2.0}
        assert rollout["metrics"] == {"environment_steps": 2.0, "environment_done": 1.0}
        assert rollout["stop"] == "environment_over"
    assert len(asked) == 8 * 3
    roles = [message["role"] for message in asked[-1]["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "tool"]
    assert "hello" in asked[-1]["messages"][2]["content"]
    assert "cod" in asked[-1]["messages"][4]["content"]
    (tool,) = asked[0]["tools"]
    assert tool["function"]["parameters"]["required"] == ["code"]
    assert tool["function"]["parameters"]["additionalProperties"] is False


def test_a_lost_episode_is_a_failed_rollout(verifiers: Verifiers, world: Faulty) -> None:
    """A drop, a timeout, a reply that can't be read: an error, and no reward at all.

    It is played again if the settings say so.
    """
    faults = ["drop", "hang", "mismatch"]
    tasks = [{"prompt": f"a {fault} b"} for fault in faults]
    tasks += [{"prompt": "a done"}, {"prompt": "a fail"}, {"prompt": "fail a"}]
    server = f"partial(AsyncCodingEnv, {world.url!r}, step_timeout_s=3)"
    retries = {"rules": [{"type": "EnvironmentLost", "max_retries": 1}]}
    settings = {"env": {"retries": retries}}
    *lost, finished, failed, recovered = verifiers.play(
        coding(server, tasks), as_prompted, **settings
    )
    causes = ["ConnectionLost", "RequestTimeout", "ReplyMismatch"]
    for rollout, cause in zip(lost, causes, strict=True):
        assert not rollout["ok"]
        assert rollout["rewards"] == {}
        assert [error for error, _ in rollout["errors"]] == ["EnvironmentLost"]
        assert rollout["errors"][0][1].startswith(cause)
    assert [world.steps.count(fault) for fault in faults] == [2, 2, 2]
    assert "b" not in world.steps, "nothing is sent behind a loss"
    assert (finished["ok"], finished["rewards"]) == (True, {"environment_reward": 6.0})
    assert (failed["ok"], failed["rewards"]) == (False, {}), "the last step may have counted"
    assert [error for error, _ in failed["errors"]] == ["EnvironmentLost"]
    assert (recovered["ok"], recovered["rewards"]) == (True, {"environment_reward": 1.0})


def test_a_restarted_server_loses_the_episode(verifiers: Verifiers) -> None:
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    app = create_app(contract)
    with ExitStack() as stack:
        url = stack.enter_context(serving(app))

        def script(messages: list[dict[str, Any]]) -> Any:
            if messages[-1]["role"] == "tool":
                stack.close()
                stack.enter_context(serving(app, port=int(url.rpartition(":")[2])))
            return [run_code("print(6 * 7)")]

        (rollout,) = verifiers.play(coding(repr(url), [{}]), script)
    assert [error for error, _ in rollout["errors"]] == ["EnvironmentLost"]
    assert rollout["rewards"] == {}
    assert [role for role, _ in rollout["messages"]] == ["user", "assistant", "tool", "assistant"]


def test_a_cancelled_rollout_gives_its_session_back(
    verifiers: Verifiers, start_server: StartServer
) -> None:
    url = start_server(NEWEST, "words", fresh=True, MAX_SESSIONS="1")
    script = calls_in_turn(run_code("hello"), run_code("done"))
    tasks = [{"seed": 1}, {"seed": 2}, {"seed": 3}]
    played = verifiers.play(coding(repr(url), tasks), script, cancel=True)
    assert [rollout["rewards"] for rollout in played] == [{"environment_reward": 2.0}] * 2


def test_a_full_server_is_waited_for_within_bounds(
    verifiers: Verifiers, start_server: StartServer
) -> None:
    url = start_server(NEWEST, "words", fresh=True, MAX_SESSIONS="1")
    taskset = coding(repr(url), [{}], ', capacity_wait_s=0.5, calls="text"')
    with CodingEnv(url) as env:
        env.reset()
        (rollout,) = verifiers.play(taskset, as_prompted)
    assert rollout["rewards"] == {}
    ((error, message),) = rollout["errors"]
    assert (error, message.partition(":")[0]) == ("EnvironmentLost", "CapacityReached")


def test_an_environment_of_tools(
    verifiers: Verifiers, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exact schemas with nested objects, odd names, results with schemas, failures: once each."""
    url = start_server(NEWEST, "tools_shop")
    monkeypatch.chdir(verifiers.folder)
    assert run("build", url, "--name", "desk_env").exit_code == 0
    asked: list[dict[str, Any]] = []
    orders = {"orders": [{"sku": "a", "qty": 2}, {"sku": "b", "qty": 3}], "speed": "fast"}
    script = calls_in_turn(
        ("place_order", orders),
        ("place_order", {"orders": [{"sku": "a", "qty": 100}]}),
        ("get-weather", {"city": "Oslo", "days": 2}),
        ("fail", {}),
        ("list_tools", {"reason": "why not"}),
    )
    taskset = TASKSET.format(
        package="generated.desk_env",
        client="AsyncDeskEnv",
        server=repr(url),
        tasks="[{}]",
        options="",
    )
    (rollout,) = verifiers.play(taskset, script, asked)
    assert rollout["errors"] == []
    assert rollout["rewards"] == {"environment_reward": 2.0}
    assert rollout["metrics"] == {"environment_steps": 4.0, "environment_done": 1.0}
    read = [text for role, text in rollout["messages"] if role == "tool"]
    assert json.loads(read[0]) == {"total": 5, "speed": "fast"}
    assert "qty" in read[1]
    assert read[2] == "Oslo: 2"
    assert "sold out" in read[3]
    shown = {tool["function"]["name"]: tool["function"]["parameters"] for tool in asked[0]["tools"]}
    assert {"place_order", "get-weather", "fail"} <= shown.keys()
    line = shown["place_order"]["properties"]["orders"]["items"]
    assert (line["properties"]["qty"]["minimum"], line["properties"]["qty"]["maximum"]) == (1, 99)


def test_a_model_that_answers_in_text(verifiers: Verifiers, world: Faulty) -> None:
    """As the action itself, as a call, and as what is neither."""
    answers = ["a", '<tool_call>{"name": "CodeAction"}</tool_call>', json_call("b"), "done"]

    def script(messages: list[dict[str, Any]]) -> str:
        return answers[sum(message["role"] == "assistant" for message in messages)]

    row = {"prompt": "Go.", "seed": 3, "level": "hard", "answer": 42}
    lazily = """

class Levels(list):
    columns = ("level",)
"""
    taskset = coding(repr(world.url), row, ', calls="text"').replace(
        f"tasks={row!r}", f"tasks=lambda: Levels([{row!r}])"
    )
    (rollout,) = verifiers.play(lazily + taskset, script)
    assert world.resets == [{"seed": 3, "level": "hard"}]
    assert rollout["errors"] == []
    assert rollout["rewards"] == {"environment_reward": 7.0}
    roles = [role for role, _ in rollout["messages"]]
    assert roles == ["system", *["user", "assistant"] * 4]
    assert "Python source to run." in rollout["messages"][0][1]
    assert "code" in rollout["messages"][5][1]
    assert world.steps == ["a", "b", "done"]


def json_call(code: str) -> str:
    return json.dumps({"name": "CodeAction", "arguments": {"code": code}})


def test_the_page(verifiers: Verifiers) -> None:
    """Its module, by its command, and its settings."""
    page = (ROOT / "docs" / "train-with-verifiers.md").read_text()
    module, factory = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    command, retries = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    assert len([line for line in module.splitlines() if line]) <= 5
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    script = calls_in_turn(run_code("print(1)"), run_code("print(2)"))
    with (
        serving(create_app(contract, partial(CodingEnvironment, max_steps=2))) as url,
        serving(scripted_model(script, [])) as model_url,
    ):
        module = module.replace("http://127.0.0.1:8000", url)
        (verifiers.folder / "coding_rollouts.py").write_text(module + factory)
        line = command.splitlines()[1].replace("http://127.0.0.1:9000", model_url)
        program, *arguments = shlex.split(f"{line} {retries}")
        done = subprocess.run(
            [str(verifiers.python.with_name(program)), *arguments, "--rich", "None"],
            env={**verifiers.variables, "MODEL_KEY": "none"},
            cwd=verifiers.folder, capture_output=True, text=True, check=False,
            timeout=3 * PATIENCE_S,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (written,) = verifiers.folder.glob("outputs/*/traces.jsonl")
    episodes = [json.loads(line) for line in written.read_text().splitlines()]
    traces = [trace for episode in episodes for trace in episode["traces"]]
    assert [trace["rewards"]["environment_reward"]["score"] for trace in traces] == [2.0, 2.0]
