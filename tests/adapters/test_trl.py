"""Environments for TRL, without TRL: what its trainers call, and what they get."""

from __future__ import annotations

import inspect
import pickle
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import envgen_runtime as rt
from envgen.build import build_package
from envgen.contract.contract import parse_contract
from envgen.demo.server import serving
from envgen.options import PackageOptions
from envgen.sources import read_contract
from envgen_runtime.adapters.episode import OVER
from envgen_runtime.adapters.losses import EpisodeLost
from envgen_runtime.adapters.trl.rewards import lost_environments, masked
from envgen_runtime.calling.catalogue import catalogue
from tests.adapters.faulty import Faulty, faulty
from tests.support import PATIENCE_S, ROOT, load


@pytest.fixture
def world() -> Iterator[Faulty]:
    with faulty() as served:
        yield served


@pytest.fixture(scope="module")
def coding(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The class of the coding environment."""
    contract = read_contract(str(ROOT / "schemas" / "coding_env.json"))
    return trl_class(contract, tmp_path_factory.mktemp("coding"))


def trl_class(contract: Any, folder: Path) -> Any:
    built = build_package(contract, folder, options=PackageOptions(adapters=("trl",)))
    package = load(built.folder)
    module = __import__(f"{package.__name__}.trl", fromlist=["trl"])
    return getattr(module, f"{built.class_name}TRL")


def made(coding: Any, world: Faulty, **options: Any) -> tuple[Any, Any]:
    spec = coding.spec(world.url, rows=[], **options)
    return spec, spec.environment_factory()


def test_an_episode(coding: Any, world: Faulty) -> None:
    spec, environment = made(coding, world)
    assert environment.get_reward() is None, "nothing was begun"
    assert environment.reset(seed=3, prompt=None) == '{"stdout": "go", "exit_code": 0}'
    assert environment.CodeAction(code="a") == "ran a"
    assert environment.CodeAction("b") == "ran b"
    assert world.open == 1
    assert environment.get_reward() == 2.0
    assert environment.get_reward() == 2.0
    assert environment.CodeAction(code="c") == OVER
    environment.reset()
    assert world.resets == [{"seed": 3}, {}]
    assert environment.get_reward() == 0.0
    assert world.steps == ["a", "b"]
    assert spec.losses.count == 0


@pytest.mark.parametrize("end", ["done", "get_reward", "drop"])
def test_a_session_is_given_back_where_a_rollout_ends(coding: Any, world: Faulty, end: str) -> None:
    _, environment = made(coding, world)
    environment.reset()
    if end == "get_reward":
        environment.get_reward()
    elif end == "done":
        assert environment.CodeAction(code="done") == "bye"
        assert environment.CodeAction(code="more") == OVER
    else:
        with pytest.raises(EpisodeLost):
            environment.CodeAction(code="drop")
    assert world.ended.wait(PATIENCE_S)
    assert world.open == 0
    assert world.steps in ([], [end])
    environment.reset()
    assert world.open == 1
    environment.get_reward()


@pytest.mark.parametrize("fault", ["drop", "mismatch"])
def test_a_lost_episode_has_no_reward(coding: Any, world: Faulty, fault: str) -> None:
    spec, environment = made(coding, world)
    environment.reset()
    environment.CodeAction(code="a")
    for code in (fault, "b", "c"):
        with pytest.raises(EpisodeLost) as lost:
            environment.CodeAction(code=code)
        assert str(lost.value) == EpisodeLost.MESSAGE
    assert environment.get_reward() is None
    assert world.steps == ["a", fault]
    assert spec.losses.count == 1
    environment.reset()
    assert environment.get_reward() == 0.0


def test_a_step_that_failed_last_may_have_counted(coding: Any, world: Faulty) -> None:
    spec, environment = made(coding, world)
    environment.reset()
    environment.CodeAction(code="a")
    with pytest.raises(rt.EnvError, match="the disk is full"):
        environment.CodeAction(code="fail")
    assert environment.get_reward() is None
    assert spec.losses.count == 1


def test_a_failed_call_is_told_and_the_episode_goes_on(coding: Any, world: Faulty) -> None:
    _, environment = made(coding, world)
    environment.reset()
    with pytest.raises(rt.EnvError, match="code: is missing") as told:
        environment.CodeAction(cod="a")
    assert len(str(told.value).splitlines()) == 3
    with pytest.raises(rt.EnvError, match="code is not allowed"):
        environment.CodeAction(code="refuse")
    with pytest.raises(TypeError):
        environment.CodeAction("a", {}, "one too many")
    assert environment.CodeAction(code="a") == "ran a"
    assert environment.get_reward() == 1.0


def test_a_reset_that_fails_is_raised(coding: Any, world: Faulty) -> None:
    spec, environment = made(coding, world)
    environment.reset()
    other = coding.spec("http://127.0.0.1:9", rows=[]).environment_factory()
    with pytest.raises(rt.ConnectError):
        other.reset()
    assert other.get_reward() is None
    assert environment.get_reward() == 0.0, "another spec's are left alone"
    assert spec.losses.count == 0


def test_a_reset_that_fails_gives_back_the_sessions_of_its_step(coding: Any, world: Faulty) -> None:
    spec, environment = made(coding, world)
    environment.reset()
    environment.CodeAction(code="a")
    with pytest.raises(rt.InvalidRequest):
        spec.environment_factory().reset(seed="seven")
    assert world.ended.wait(PATIENCE_S)
    assert world.open == 0
    assert environment.get_reward() is None, "it was cut off"
    with pytest.raises(EpisodeLost):
        environment.CodeAction(code="b")


def test_a_text_stands_in_a_paragraph_of_its_own(coding: Any, world: Faulty) -> None:
    _, environment = made(coding, world, read=lambda _: "seen")
    for content, text in (("Play.", "\n\nseen"), ("", "seen"), ([{"type": "text"}], "seen")):
        assert environment.reset(prompt=[{"role": "user", "content": content}]) == text
    environment.get_reward()


def test_the_score_is_made_as_asked(coding: Any, world: Faulty) -> None:
    _, environment = made(coding, world, score=max)
    environment.reset()
    environment.CodeAction(code="a")
    environment.CodeAction(code="done")
    assert environment.get_reward() == 5.0


class Tasks(list[dict[str, Any]]):
    """Rows that name their columns, as an environment's tasks do."""

    columns = ("task_id",)


def test_rows_may_name_what_reset_takes(coding: Any, world: Faulty) -> None:
    environment = coding.spec(world.url, rows=Tasks()).environment_factory()
    environment.reset(task_id="x", difficulty="hard")
    environment.get_reward()
    assert world.resets == [{"task_id": "x"}]


def test_a_factory_can_be_pickled(coding: Any, world: Faulty) -> None:
    server = partial(coding.client_class, world.url, step_timeout_s=5)
    spec = coding.spec(server, rows=[], score=max, columns=["task"], read=repr)
    factory = pickle.loads(pickle.dumps(spec.environment_factory))
    environment = factory()
    assert type(environment) is coding
    assert environment.reset(task="x").startswith("StepResult(")
    assert world.resets == [{"task": "x"}]
    with pytest.raises(EpisodeLost):
        environment.CodeAction(code="drop")
    assert spec.losses.count == 0, "another process counts its own"
    assert pickle.loads(pickle.dumps(spec.reward_funcs)) == [lost_environments]


def test_a_spec_serves_several_trainers(coding: Any) -> None:
    """TRL appends the environment's reward to the list that it is given."""
    spec = coding.spec("http://127.0.0.1:9", rows=[])
    spec.reward_funcs.append(rows_of_one)
    assert spec.reward_funcs == [lost_environments]


def test_its_functions_are_the_tools(coding: Any) -> None:
    shown = {
        name
        for name, _ in inspect.getmembers(coding, inspect.isfunction)
        if name not in ("reset", "get_reward") and not name.startswith("_")
    }
    assert shown == {tool.name for tool in catalogue(coding.client_class).tools}
    signature = inspect.signature(coding.CodeAction)
    assert [*signature.parameters] == ["self", "code", "metadata"]
    assert inspect.getdoc(coding.CodeAction).startswith("Python source to run.\n\nArgs:\n")


def test_a_reset_in_another_thread_may_wait(coding: Any, world: Faulty) -> None:
    """Async GRPO resets in threads, where others play meanwhile; GRPO doesn't."""
    _, environment = made(coding, world)
    waits: list[bool] = [environment._may_wait()]
    thread = threading.Thread(target=lambda: waits.append(environment._may_wait()))
    thread.start()
    thread.join()
    assert waits == [False, True]


# --- tools of an MCP server -----------------------------------------------------------------------

TOOLS = {
    "name": "weather",
    "tools": [
        {
            "name": "get-weather",
            "inputSchema": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "from": {"type": "string"}},
                "required": ["city"],
            },
        }
    ],
}


def rows_of_one(completions: Any, **_: Any) -> list[float]:
    return [1.0 for _ in completions]


def test_tools_have_no_reward_of_their_own(tmp_path: Path) -> None:
    weather = trl_class(parse_contract(TOOLS, source="tools.json"), tmp_path)
    assert not hasattr(weather, "get_reward")
    spec = weather.spec("http://127.0.0.1:9/mcp", rows=[], reward_funcs=[rows_of_one])
    environment = spec.environment_factory()
    assert environment.reset(seed=1) is None
    with pytest.raises(rt.EnvError, match="city: is missing"):
        environment.get_weather(**{"from": "x"})
    for _ in range(2):
        with pytest.raises(EpisodeLost):
            environment.get_weather(city="Oslo", from_="y")
    assert spec.losses.by_error == {"ConnectError": 1}
    environment.reset()
    score, _ = spec.reward_funcs
    assert score.__name__ == "rows_of_one"
    lost = [{"role": "tool", "content": str({"error": EpisodeLost.MESSAGE})}]
    played = [
        {"role": "tool", "content": "sunny"},
        {"role": "assistant", "content": EpisodeLost.MESSAGE},
    ]
    assert score(completions=[played, lost], prompts=[]) == [1.0, None]
    metrics: list[tuple[str, float]] = []
    assert (
        lost_environments([played, lost], log_metric=lambda *it: metrics.append(it)) == [None] * 2
    )
    assert metrics == [("environments/lost", 1.0)]
    assert pickle.loads(pickle.dumps(score))(completions=[lost]) == [None]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_of_tools_that_fails_as_a_whole_is_a_loss(tmp_path: Path, status: int) -> None:
    """It's nothing of the tool's: whoever scored the rollout would score the outage."""
    weather = trl_class(parse_contract(TOOLS, source="tools.json"), tmp_path)

    async def failing(_: Request) -> Response:
        return Response("no", status)

    with serving(Starlette(routes=[Route("/mcp", failing, methods=["POST"])])) as url:
        spec = weather.spec(f"{url}/mcp", rows=[], reward_funcs=[rows_of_one])
        environment = spec.environment_factory()
        environment.reset()
        with pytest.raises(EpisodeLost):
            environment.get_weather(city="Oslo")
        environment.reset()
    assert spec.losses.by_error == {"ServerError": 1}


def test_a_reward_model_cannot_leave_out_what_was_lost() -> None:
    with pytest.raises(TypeError, match="reward_funcs are functions, not str"):
        masked("a/reward-model")  # type: ignore[arg-type]
