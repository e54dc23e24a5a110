"""OpenEnv's own rollouts, through its ResourceSession, against live environments."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envgen.demo.server import create_app, serving
from tests.adapters.faulty import Faulty, faulty
from tests.interop.conftest import StartServer, skip_without_venv
from tests.interop.running import Release
from tests.interop.venvs import RUNTIME, venv_python
from tests.support import PATIENCE_S, ROOT, run

NEWEST = Release("openenv", "0.10.0")
PROGRAM = Path(__file__).parent / "trainers" / "play_resource_session.py"
CODING = "generated.coding_env:CodingEnv"


def with_openenv(folder: Path, *arguments: str) -> str:
    """What a program prints that is run with openenv and our runtime."""
    with skip_without_venv():
        python = venv_python("openenv", "0.10.0", *RUNTIME)
    paths = [str(folder), str(ROOT / "runtime"), str(ROOT)]
    done = subprocess.run(
        [str(python), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        cwd=folder, capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def play(folder: Path, client: str, url: str, calls: list[Any], **settings: Any) -> dict[str, Any]:
    given = json.dumps({"prompts": ["Go."], "calls": calls, **settings})
    found: dict[str, Any] = json.loads(with_openenv(folder, str(PROGRAM), client, url, given))
    return found


def run_code(code: str) -> list[Any]:
    return ["CodeAction", {"code": code}]


@pytest.fixture
def world() -> Iterator[Faulty]:
    with faulty() as served:
        yield served


def test_the_score_is_the_sum_and_not_the_last_reward(tmp_path: Path, world: Faulty) -> None:
    calls = [run_code("a"), ["CodeAction", {"cod": 1}], ["close", {}], run_code("b")]
    prompts = ["Go.", {"prompt": "Go on.", "seed": 4, "difficulty": "hard"}]
    played = play(tmp_path, CODING, world.url, [*calls, run_code("done")], prompts=prompts)
    assert played["env_reward"] == [7.0, 7.0]
    assert played["verify_metrics"] == [{"steps": 3}, {"steps": 3}]
    assert world.steps == ["a", "b", "done"] * 2
    assert [reset.get("seed") for reset in world.resets] == [None, 4]
    first, _, ran, _, refused, *_ = played["read"]
    assert first["content"] == 'Go on.\n\n{"stdout": "go", "exit_code": 0}'
    assert "ran a" in ran["content"]
    assert "cod" in refused["content"]
    (tool,) = played["shown"]
    assert tool["input_schema"]["required"] == ["code"]
    assert tool["input_schema"]["additionalProperties"] is False


def test_a_rollout_without_the_end_has_the_score_so_far(tmp_path: Path, world: Faulty) -> None:
    assert play(tmp_path, CODING, world.url, [run_code("a"), "Enough."])["env_reward"] == [1.0]
    assert play(tmp_path, CODING, world.url, ["I won't."])["env_reward"] == [0.0]


@pytest.mark.parametrize(
    ("calls", "cause"),
    [
        (["a", "drop"], "ConnectionLost"),
        (["a", "hang"], "RequestTimeout"),
        (["a", "mismatch"], "ReplyMismatch"),
        (["a", "fail", "."], "ExecutionError"),
    ],
)
def test_a_loss_is_raised(tmp_path: Path, world: Faulty, calls: list[str], cause: str) -> None:
    """The last is a step on which the environment failed: it may have counted."""
    said = ["Enough." if code == "." else run_code(code) for code in calls]
    played = play(tmp_path, CODING, world.url, said, options={"step_timeout_s": 2})
    assert (played["raised"], played["cause"]) == ("EpisodeLost", cause)


def test_an_environment_of_tools(
    tmp_path: Path, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions end with their rollouts: three rollouts fit on a server of one."""
    url = start_server(NEWEST, "tools_shop", fresh=True, MAX_SESSIONS="1")
    monkeypatch.chdir(tmp_path)
    assert run("build", url, "--name", "desk_env").exit_code == 0
    calls = [
        ["place_order", {"orders": [{"sku": "a", "qty": 2}]}],
        ["place_order", {"orders": [{"sku": "a", "qty": 100}]}],
        ["fail", {}],
        ["list_tools", {"reason": "why not"}],
    ]
    prompts = ["Go."] * 3
    played = play(tmp_path, "generated.desk_env:DeskEnv", url, calls, prompts=prompts)
    assert played["env_reward"] == [1.5] * 3
    read = [message["content"] for message in played["read"] if message["role"] == "tool"]
    assert json.loads(read[0]) == {"total": 2, "speed": "slow"}
    assert "qty" in read[1]
    assert "sold out" in read[2]
    shown = {tool["name"]: tool["input_schema"] for tool in played["shown"]}
    qty = shown["place_order"]["properties"]["orders"]["items"]["properties"]["qty"]
    assert (qty["minimum"], qty["maximum"]) == (1, 99)


def test_the_page(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "openenv-rollouts.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving(create_app(contract)) as url:
        printed = with_openenv(tmp_path, "-c", program.replace("http://127.0.0.1:8000", url))
    assert printed == "[1.0]"
