"""What type checkers make of a client: every result has a concrete type, and nothing is Any."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

import envgen_runtime as rt
from generated.coding_env import CodingEnv
from tests.support import ROOT

PROGRAM = """
import json

from envgen_runtime import ContainerProvider
from generated.coding_env import AsyncCodingEnv, CodeAction, CodeObservation, CodingEnv
from generated.warehouse_env import WarehouseEnv, Move

def policy(observation: CodeObservation) -> CodeAction:
    return CodeAction(code=observation.stdout)

def sync(env: CodingEnv, two: WarehouseEnv, move: Move) -> None:
    reveal_type(env.reset(seed=1))
    reveal_type(env.step(CodeAction(code="1")))
    reveal_type(env.step(code="1", timeout_s=3))
    reveal_type(env.state())
    observation, reward, done, metadata = env.step(code="1")
    reveal_type(observation)
    reveal_type(reward)
    reveal_type(done)
    reveal_type(metadata)
    for transition in env.episode(policy, seed=1):
        reveal_type(transition.result)
    reveal_type(env.with_options(step_timeout_s=3))
    reveal_type(env.parse_call({}).action)
    reveal_type(env.dispatch("{}").observation)
    json.dumps(env.tool_specs("openai", only=["CodeAction"]))
    reveal_type(two.reset())
    reveal_type(two.step(move))

def start(url: str, mine: ContainerProvider) -> None:
    reveal_type(CodingEnv(url, step_timeout_s=3, validate="exact"))
    reveal_type(CodingEnv.from_url(url, step_timeout_s=3, token="t"))
    reveal_type(CodingEnv.from_docker_image("image", memory="2g", gpus="all", timeout_s=9))
    reveal_type(CodingEnv.from_docker_image("image", mine, colour="red"))
    reveal_type(CodingEnv.from_hub("o/n", use_docker=True, memory="2g"))
    reveal_type(CodingEnv.from_hub("o/n", use_docker=True, provider=mine, colour="red"))

async def run(env: AsyncCodingEnv, mine: ContainerProvider) -> None:
    reveal_type(await AsyncCodingEnv.from_docker_image("image", mine, colour="red"))
    reveal_type(await AsyncCodingEnv.from_hub("o/n", memory=2**30))
    reveal_type(await env.reset())
    reveal_type(await env.step(code="1"))
    reveal_type(await env.state())
    async for transition in env.episode(policy):
        reveal_type(transition.result)
"""
RESULT = "StepResult[CodeObservation]"
EXPECTED = [
    RESULT, RESULT, RESULT, "CodeState", "CodeObservation", "float | None", "bool",
    "Mapping[str, JsonValue]", RESULT, "CodingEnv", "CodeAction | None", "CodeObservation",
    "StepResult[BriefingObservation]", "StepResult[WarehouseObservation]",
    *["CodingEnv"] * 6, *["AsyncCodingEnv"] * 2, RESULT, RESULT, "CodeState", RESULT,
]  # fmt: skip
WRONG = """
from generated.coding_env import AsyncCodingEnv, CodingEnv

def sync(env: CodingEnv) -> None:
    env.step(cod="1")
    env.step(code=1)
    env.step({"code": "1"})
    env.with_options(no_such_option=1)
    env.tool_specs("gemini")

def options(url: str) -> None:
    CodingEnv(url, step_timeout="3")
    CodingEnv(url, step_timeout_s="3")
    CodingEnv.from_url(url, validate="strictly")
    CodingEnv.from_docker_image("image", memory=2.5j)
    CodingEnv.from_docker_image("image", memroy="2g")
    CodingEnv.from_docker_image("image", client_options={"colour": "red"})
    CodingEnv.from_project(".", memory="2g")
    CodingEnv.from_hub("o/n", memroy="2g")

async def run(url: str) -> None:
    await AsyncCodingEnv.from_docker_image("image", memroy="2g")
    await AsyncCodingEnv.from_hub("o/n", gpus=1.5)
"""
WRONG_LINES = 15


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("types")
    (made / "right.py").write_text(PROGRAM)
    (made / "wrong.py").write_text(WRONG)
    return made


def run(*command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout


def short(revealed: str) -> str:
    """A revealed type without modules, and unions and JSON written in one way."""
    text = re.sub(r"\b[a-z_.]+\.(?=[A-Z])", "", revealed).replace("builtins.", "")
    text = re.sub(r"tuple\[.*fallback=(.*)\]$", r"\1", text)
    return re.sub(r"Mapping\[str, .*\]", "Mapping[str, JsonValue]", text)


@pytest.mark.slow
def test_mypy_reveals_the_types(folder: Path) -> None:
    output = run("mypy", "--strict", str(folder / "right.py"))
    revealed = re.findall(r'Revealed type is "(.*)"', output)
    assert [short(text) for text in revealed] == EXPECTED
    assert " error: " not in output
    assert run("mypy", "--strict", str(folder / "wrong.py")).count(" error: ") == WRONG_LINES


@pytest.mark.slow
def test_pyright_reveals_the_types(folder: Path) -> None:
    config = {
        "include": [str(folder)],
        "extraPaths": [str(ROOT), str(ROOT / "runtime")],
        "typeCheckingMode": "strict",
        "reportUnusedExpression": False,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    report = json.loads(run("pyright", "--outputjson", "-p", str(folder)))
    found = report["generalDiagnostics"]
    revealed = [
        re.search(r'Type of ".*" is "(.*)"$', it["message"], re.DOTALL)
        for it in found
        if it["severity"] == "information"
    ]
    assert [short(match[1]) for match in revealed if match] == EXPECTED
    wrong = [it for it in found if it["severity"] == "error"]
    assert [it["message"] for it in wrong if Path(it["file"]).name == "right.py"] == []
    assert len(wrong) == WRONG_LINES


def test_help_shows_every_option() -> None:
    for client in (rt.EnvClient, rt.AsyncEnvClient):
        for method, option in (
            (client, "step_timeout_s: float | None = None"),
            (client.with_options, "base_url: str"),
            (client.from_url, "token: str | None = None"),
            (client.from_docker_image, "memory: str | int | None = None"),
            (client.from_project, "clone_timeout_s: float = 60.0"),
            (client.from_hub, "tag: str = 'latest'"),
        ):
            assert option in str(inspect.signature(method))
            name = option.partition(":")[0]
            doc = method.__init__.__doc__ if isinstance(method, type) else method.__doc__
            assert re.search(rf"^    {name}: \w", inspect.cleandoc(doc or ""), re.MULTILINE)


def test_an_option_that_does_not_exist_is_a_type_error() -> None:
    for ask in (
        partial(CodingEnv, "http://h", colour="red"),
        partial(CodingEnv("http://h").with_options, colour="red"),
        partial(CodingEnv.from_docker_image, "image", colour="red"),
        partial(CodingEnv.from_project, ".", colour="red"),
    ):
        with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
            ask()


def test_nothing_public_takes_or_gives_any() -> None:
    for client in (rt.EnvClient, rt.AsyncEnvClient):
        for name, member in inspect.getmembers(client, inspect.isfunction):
            if not name.startswith("_") and not name.startswith("from_"):
                assert "Any" not in str(inspect.signature(member)), name
