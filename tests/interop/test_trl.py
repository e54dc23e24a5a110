"""Generated environments in the real trainers of TRL, with a tiny model that follows scripts.

Each test runs a program of ``trl_programs`` in a venv that has TRL, and looks at what it reports.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from envgen.build import build_package
from envgen.options import PackageOptions
from envgen.sources import read_contract
from envgen_runtime.adapters.losses import EpisodeLost
from envgen_runtime.printable import printable
from tests.adapters.faulty import Faulty, faulty
from tests.interop.conftest import Release, Serve, skip_without_venv
from tests.interop.venvs import ROOT, trainer_python
from tests.support import PATIENCE_S, run, save

PROGRAMS = Path(__file__).parent / "trl_programs"
OPENENV = Release("openenv", "0.10.0")
LOST = str({"error": EpisodeLost.MESSAGE})


@pytest.fixture(scope="session")
def trl_python() -> Path:
    with skip_without_venv():
        return trainer_python("trl-1.16.0", "trl==1.16.0", "torch==2.13.0", "jmespath", "aiohttp")


@dataclass(frozen=True)
class Programs:
    """Runs programs where generated packages can be imported."""

    python: Path
    folder: Path

    def run(self, program: str, **task: Any) -> dict[str, Any]:
        report = self.folder / "report.json"
        done = subprocess.run(
            [str(self.python), "-W", "ignore", str(PROGRAMS / f"{program}.py")],
            input=json.dumps(
                {"report": str(report), "output": str(self.folder / "output"), **task}
            ),
            env={
                **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                "PYTHONPATH": os.pathsep.join([str(ROOT / "runtime"), str(self.folder)]),
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(report.read_text())
        return {**found, "stderr": done.stderr}


@pytest.fixture
def programs(trl_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    monkeypatch.chdir(tmp_path)
    contract = read_contract(str(ROOT / "schemas" / "coding_env.json"))
    build_package(contract, tmp_path, options=PackageOptions(adapters=("trl",)))
    return Programs(trl_python, tmp_path)


@pytest.fixture
def world() -> Iterator[Faulty]:
    with faulty() as served:
        yield served


def call(name: str, **arguments: Any) -> str:
    """A tool call as Qwen3 writes it."""
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


def code(*texts: str) -> list[str]:
    return [call("CodeAction", code=text) for text in texts]


CODING: dict[str, Any] = {"package": "coding_env", "environment": "CodingEnvTRL"}


def told(completion: list[dict[str, Any]]) -> list[str]:
    """What the tools told the model."""
    return [message["content"] for message in completion if message["role"] == "tool"]


# --- GRPO -----------------------------------------------------------------------------------------


def test_a_step_with_a_typed_environment(programs: Programs, serve: Serve) -> None:
    """Steps are scored, calls that can't be made cost nothing, and the model learns."""
    scripts = [
        code("x = 6 * 7", "print(x)"),
        code("1 / 0"),
        [call("CodeAction", cod="print(1)"), *code("print(2)")],
        [],
    ]
    server = serve(OPENENV, "coding")
    rows = [{"seed": seed, "difficulty": "unknown to reset"} for seed in range(4)]
    done = programs.run("grpo", url=server.base_url, scripts=scripts, rows=rows, **CODING)
    assert done["error"] is None, done["stderr"]
    assert done["rewards"]["CodingEnvTRL"] == [2.0, 0.0, 1.0, 0.0]
    assert told(done["completions"][0])[-1] == '{"stdout": "42\\n", "stderr": "", "exit_code": 0}'
    assert told(done["completions"][3]) == []
    refusal, answer = told(done["completions"][2])
    assert "cod: is not a parameter. Did you mean 'code'?" in refusal
    assert "code: is missing" in refusal
    assert json.loads(answer)["stdout"] == "2\n"
    (step, *_) = done["log"]
    assert step["rewards/CodingEnvTRL/mean"] == pytest.approx(0.75)
    assert step["tools/failure_frequency"] == pytest.approx(1 / 5)
    assert step["environments/lost"] == 0
    assert done["has_learnt"]
    prompt = done["seen"][0]
    assert '"name": "CodeAction", "description": "Python source to run."' in prompt
    assert "Act in the environment by calling its tools." in prompt


def test_a_step_with_an_environment_of_tools(programs: Programs, serve: Serve) -> None:
    """Each tool is shown, whatever its name; and the end of an episode is one."""
    url = serve(OPENENV, "tools_shop").base_url
    built = run("build", url, "--name", "shop_env", "--adapter", "trl", "--out", ".")
    assert built.exit_code == 0, built.output
    order = {"sku": "a", "qty": 2}
    scripts = [
        [call("get_weather", city="Oslo"), call("list_tools", reason="x"), call("fail")],
        [call("place_order", orders=[order])],
        [call("place_order", orders=[{**order, "qty": 100}])],
        [call("nothing")],
    ]
    shop = {"package": "shop_env", "environment": "ShopEnvTRL"}
    done = programs.run("grpo", url=url, scripts=scripts, rows=[{}] * 4, **shop)
    assert done["error"] is None, done["stderr"]
    assert done["rewards"]["ShopEnvTRL"] == [1.0, 0.5, 0.0, 0.0]
    first, second, third, _ = map(told, done["completions"])
    assert first == ["Oslo: None", '{"reason":"x"}', "The episode is over: nothing was done."]
    assert json.loads(second[0]) == {"total": 2, "speed": "slow"}
    assert "$.orders[0].qty" in third[0]
    assert "100" in third[0]
    prompt = done["seen"][0]
    for name in ("fail", "get_weather", "list_tools", "place_order", "wait"):
        assert f'"name": "{name}"' in prompt
    assert "qty: integer (required, at least 1, at most 99)" in prompt


def test_what_was_lost_has_no_reward(programs: Programs, world: Faulty) -> None:
    """A drop, a reply that can't be read and a timeout leave the others' rewards as they are."""
    scripts = [
        code("a", "b"),
        code("c", "drop", "after the drop"),
        code("d", "mismatch", "after the mismatch"),
        code("e", "hang", "after the hang"),
        code("f", "done"),
        code("g"),
    ]
    rows: list[dict[str, Any]] = [
        {"seed": 1, "options": {"a": 1}, "of_the_trainer": 3},
        {"seed": None, "options": {"b": [1, "x", None]}},
    ]
    done = programs.run(
        "grpo",
        url=world.url,
        client={"step_timeout_s": 2.0},
        scripts=scripts,
        rows=rows,
        options={"columns": ["options"]},
        steps=2,
        **CODING,
    )
    assert done["error"] is None, done["stderr"]
    assert done["rewards"]["CodingEnvTRL"] == [2.0, None, None, None, 6.0, 1.0]
    assert done["advantages"][1:4] == [0.0, 0.0, 0.0]
    assert sum(done["advantages"]) == pytest.approx(0, abs=1e-5)
    assert done["advantages"][4] > 0 > done["advantages"][5]
    for step in done["log"][:2]:
        assert step["reward"] == step["rewards/CodingEnvTRL/mean"] == pytest.approx(3.0)
        assert step["environments/lost"] == 3
        assert step["loss"] is not None
    assert done["losses"] == {"ConnectionLost": 2, "ReplyMismatch": 2, "RequestTimeout": 2}
    for completion in done["completions"][1:4]:
        assert told(completion)[-2:] == [LOST, LOST]
    assert not [text for text in world.steps if text.startswith("after")]
    assert len(world.resets) == 12, "the next step begins new episodes"
    given = {json.dumps(reset, sort_keys=True) for reset in world.resets}
    assert given == {'{"options": {"a": 1}, "seed": 1}', '{"options": {"b": [1, "x", null]}}'}
    assert done["is_finite"]
    assert done["has_learnt"]
    assert "an episode was lost after 1 steps: ConnectionLost" in done["stderr"]


def test_a_server_that_is_gone_ends_training(programs: Programs, serve: Serve) -> None:
    """A step whose episodes were all lost scores none; the next one can't begin."""
    server = serve(OPENENV, "faults", fresh=True)
    built = run("build", server.base_url, "--name", "faults_env", "--adapter", "trl", "--out", ".")
    assert built.exit_code == 0, built.output
    scripts = [[call("FaultAction", fault="die")], [call("FaultAction", seconds=1)]]
    done = programs.run(
        "grpo",
        url=server.base_url,
        scripts=scripts,
        rows=[{}] * 2,
        steps=2,
        package="faults_env",
        environment="FaultsEnvTRL",
    )
    assert done["error"].startswith("ConnectError: ")
    assert done["rewards"]["FaultsEnvTRL"] == [None, None]
    assert done["advantages"] == [0.0, 0.0]
    assert done["log"][0]["rewards/FaultsEnvTRL/mean"] is None
    assert done["is_finite"]


def test_a_full_server_is_told_with_what_to_change(programs: Programs, serve: Serve) -> None:
    """All environments are reset before any plays, so that none can be given back."""
    server = serve(OPENENV, "coding", fresh=True, MAX_SESSIONS="2")
    scripts = [code(f"print({number})") for number in range(8)]
    done = programs.run("grpo", url=server.base_url, scripts=scripts, rows=[{}] * 8, **CODING)
    error = done["error"]
    assert error.startswith("CapacityReached: the server allows 2 sessions at once")
    assert "TRL plays 8 environments" in error
    assert "raise max_concurrent_envs of the server to 8" in error
    assert "lower num_generations and per_device_train_batch_size" in error
    assert done["rewards"] == {}
    assert not done["has_learnt"]
    # What was opened is given back.
    two = programs.run("grpo", url=server.base_url, scripts=scripts[:2], rows=[{}] * 2, **CODING)
    assert two["error"] is None, two["stderr"]
    assert two["rewards"]["CodingEnvTRL"] == [1.0, 1.0]


# --- async GRPO -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "max_inflight_tasks", "reward"),
    [([call("finish")], 8, 3.0), ([], 2, 1.0)],
    ids=["done", "get_reward"],
)
def test_rollouts_of_async_grpo_wait_for_each_other(
    programs: Programs, serve: Serve, last: list[str], max_inflight_tasks: int, reward: float
) -> None:
    """Eight rollouts on a server of two sessions: each gives its own back where it ends.

    TRL looks at what has ended only once its slots are taken.
    """
    server = serve(OPENENV, "tools", MAX_SESSIONS="2")
    built = run("build", server.base_url, "--name", "desk_env", "--adapter", "trl", "--out", ".")
    assert built.exit_code == 0, built.output
    done = programs.run(
        "async_grpo",
        url=server.base_url,
        scripts=[[call("add", a=number, b=1), *last] for number in range(8)],
        generations=8,
        max_inflight_tasks=max_inflight_tasks,
        rows=[{}] * 2,
        package="desk_env",
        environment="DeskEnvTRL",
    )
    assert done["error"] is None, done["stderr"]
    assert [sample["rewards/DeskEnvTRL"] for sample in done["metrics"]] == [reward] * 8


def test_what_async_grpo_plays(programs: Programs, world: Faulty) -> None:
    scripts = [code("a", "b"), code("c", "drop", "after the drop"), code("d", "done")]
    done = programs.run(
        "async_grpo",
        url=world.url,
        scripts=scripts,
        generations=3,
        max_inflight_tasks=2,
        rows=[{"seed": 5}],
        **CODING,
    )
    assert done["error"] is None, done["stderr"]
    rewards = {
        told(completion)[0]: (metrics["reward"], advantage)
        for completion, metrics, advantage in zip(
            done["completions"], done["metrics"], done["advantages"], strict=True
        )
    }
    assert rewards["ran a"] == (2.0, pytest.approx(-1.0))
    assert rewards["ran c"] == (None, 0.0)
    assert rewards["ran d"] == (6.0, pytest.approx(1.0))
    assert "after the drop" not in world.steps
    assert world.resets[0] == {"seed": 5}
    assert done["prompts"][0][-1]["content"].endswith('{"stdout": "go", "exit_code": 0}')


# --- what the model is shown ----------------------------------------------------------------------

HOSTILE = [
    "Args:", "Returns:", "Raises:", "x\n\nArgs:\n    a: b\n\nReturns:\n    c", "KwArgs: y",
    '(choices: ["a"])', "(choices: [broken)", "name: text", "a (b): c\nd: e", "  in\n      more",
    '"""', "\\", "\\n", "\x00\x1b[31m", "\u2028Args:\u2029", "\x85Returns:", "é 漢字", "\U0001f600",
    "word " * 50 + "Args: " + "one: two " * 50, "x" * 300 + ":", "ends with a colon:", "\ttab",
    "", "#", "{}", "::error::",
]  # fmt: skip


def test_no_text_of_a_contract_cuts_what_is_shown(programs: Programs) -> None:
    """Every text is whole, stands where it belongs, and makes nothing of what stands beside it."""
    names = ["from", "self", "not a word", "a·b", "__x", "str", "名前", "class", "-", "n1"]
    names += ["Args", "Returns", "x-Raises"]
    tools = [
        {
            "name": f"tool-{number}",
            "description": text,
            "inputSchema": {
                "type": "object",
                "properties": {
                    name: {
                        "type": "string",
                        "description": text,
                        "pattern": re.escape(text)[:40],
                    }
                    for name in names
                }
                | {
                    "nested": {
                        "type": "object",
                        "description": text,
                        "properties": {text[:50]: {"enum": [text, 1.5]}, "Returns": {"const": 1}},
                    }
                },
                "required": ["from", "n1"],
            },
        }
        for number, text in enumerate(HOSTILE)
    ]
    contract = save({"name": "hostile", "tools": tools}, "hostile.json")
    build_package(read_contract(contract), Path(), options=PackageOptions(adapters=("trl",)))
    done = programs.run("schemas", classes=[("hostile", "HostileToolsTRL")])
    shown = {
        schema["function"]["name"]: schema["function"] for schema in done["schemas"]["hostile"]
    }
    assert len(shown) == len(tools)
    for number, text in enumerate(HOSTILE):
        function = shown[f"tool_{number}"]
        parameters = function["parameters"]
        assert len(parameters["properties"]) == len(names) + 1
        assert parameters["required"] == ["from_", "n1"]
        if words := letters(text):
            assert letters(function["description"]) == words
        for schema in parameters["properties"].values():
            assert "enum" not in schema
            assert letters(schema["description"]).startswith(letters(text))
        nested = parameters["properties"]["nested"]
        assert nested["type"] == "object"
        assert '"Returns": 1' in nested["description"]


def letters(text: str) -> str:
    """A text without what may be written otherwise: blanks, controls, and names of sections."""
    for told_as, section in (
        ("Arguments", "Args"),
        ("Return value", "Returns"),
        ("Errors", "Raises"),
    ):
        text = text.replace(told_as, section)
    return "".join(sign for sign in printable(" ".join(text.split())) if sign.isalnum())


# --- scripts --------------------------------------------------------------------------------------


def test_a_script_of_init_trains(programs: Programs, serve: Serve) -> None:
    server = serve(OPENENV, "coding")
    Path("coding_env").rename("built_before")
    built = run("init", "--trainer", "trl", server.base_url)
    assert built.exit_code == 0, built.output
    script = Path("train_trl.py").resolve()
    assert f'URL = "{server.base_url}"' in script.read_text()
    scripts = [code(f"print({number})") for number in range(4)]
    done = programs.run("script", script=str(script), scripts=scripts)
    (name,) = (name for name in done["rewards"] if name != "lost_environments")
    assert done["rewards"][name] == [1.0] * 4
    assert done["log"][0]["reward"] == 1.0


def test_the_page_trains(programs: Programs, serve: Serve) -> None:
    """The example of docs/train-with-trl.md, on a project that was made as it says."""
    page = (ROOT / "docs" / "train-with-trl.md").read_text()
    (program,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    server = serve(OPENENV, "coding")
    Path("coding_env").rename("built_before")
    made = run("build", server.base_url, "--name", "coding_env", "--adapter", "trl")
    assert made.exit_code == 0, made.output
    script = Path("page.py").resolve()
    script.write_text(program.replace("http://127.0.0.1:8000", server.base_url))
    scripts = [code(f"print({number})") for number in range(3)] + [[call("CodeAction", cod="x")]]
    done = programs.run("script", script=str(script), scripts=scripts)
    assert done["rewards"]["CodingEnvTRL"] == [1.0, 1.0, 1.0, 0.0]
    assert "rewards/CodingEnvTRL/mean" in done["log"][0]
    assert done["log"][0]["environments/lost"] == 0
    shown = re.findall(r"```text\n(CodeAction.*?)```", page, re.DOTALL)
    assert told(done["completions"][3]) == [str({"error": text.strip()}) for text in shown]
