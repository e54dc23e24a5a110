"""Environments of Gymnasium: episodes, faults, and vectors of them."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv
from gymnasium.wrappers import FlattenObservation

import envgen_runtime as rt
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen_runtime.adapters.gymnasium.env import GymnasiumEnv
from envgen_runtime.adapters.gymnasium.errors import EnvFailed, OutsideSpace
from envgen_runtime.adapters.gymnasium.notes import NoSpace
from generated.coding_env import CodingEnv
from tests.adapters.faulty import Faulty, faulty
from tests.adapters.gymnasium_worlds import CodingGym, playing
from tests.adapters.spaced import with_hints
from tests.calling.worlds import ECHO, tool, tooled
from tests.runtime.servers import Faulty as FullAfter
from tests.runtime.servers import answering, observed
from tests.support import ROOT, build, contract, contract_cases

# What check_env advises on the spaces of a contract isn't ours to change: it may have no bounds.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*Box observation space (min|max)imum value is -?inf"),
    pytest.mark.filterwarnings("ignore:.*recommend using a symmetric and normalized space"),
    # The servers of these tests are threads of the process that is forked.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


@pytest.fixture
def world() -> Iterator[Faulty]:
    with faulty() as served:
        yield served


@pytest.fixture
def env(world: Faulty) -> Iterator[CodingGym]:
    made = CodingGym(partial(CodingEnv, world.url, step_timeout_s=5), render_mode="ansi")
    yield made
    made.close()


def act(code: str) -> dict[str, Any]:
    return {"code": code}


# --- episodes -------------------------------------------------------------------------------------


def test_an_episode(env: CodingGym, world: Faulty) -> None:
    assert world.resets == [], "nothing is connected before the first reset"
    observation, info = env.reset(seed=3)
    assert observation == {"stdout": "go", "stderr": "", "exit_code": 0}
    assert info["result"].observation.stdout == "go"
    assert env.render() == '{"stdout": "go", "exit_code": 0}'
    observation, reward, terminated, truncated, info = env.step(act("a"))
    assert observation["stdout"] == "ran a"
    assert (reward, terminated, truncated) == (1.0, False, False)
    assert info["reward_given"]
    observation, reward, terminated, truncated, info = env.step(act("done"))
    assert (reward, terminated, truncated) == (5.0, True, False)
    assert env.render() == "bye"
    with pytest.raises(ResetNeeded, match="the episode is over"):
        env.step(act("a"))
    assert world.steps == ["a", "done"], "the step after the end is not taken"
    env.reset()
    assert env.step(act("b"))[1] == 1.0


def test_a_step_needs_a_reset(env: CodingGym) -> None:
    with pytest.raises(ResetNeeded):
        env.step(act("a"))
    env.reset()
    env.close()
    with pytest.raises(ResetNeeded):
        env.step(act("a"))


@pytest.mark.parametrize(
    ("observation", "metadata", "done", "expected"),
    [
        ({}, {}, True, (True, False)),
        ({}, {}, False, (False, False)),
        ({"truncated": True}, {}, True, (False, True)),
        ({}, {"TimeLimit.truncated": True}, True, (False, True)),
        ({}, {"truncated": False}, True, (True, False)),
        ({"truncated": True, "terminated": True}, {}, True, (True, True)),
        ({"truncated": True}, {}, False, (False, False)),
        ({"truncated": "yes"}, {}, True, (True, False)),
    ],
)
def test_the_end_is_a_truncation_where_the_environment_says_so(
    observation: Any, metadata: Any, done: bool, expected: tuple[bool, bool]
) -> None:
    reply = observed({"stdout": "", **observation}, done=done, metadata=metadata, reward=1.0)
    with serving(answering(observed({}), reply)) as url:
        env = CodingGym(url)
        env.reset()
        assert env.step(act("a"))[2:4] == expected
        env.close()


def test_an_episode_that_the_reset_ended_is_told() -> None:
    with serving(answering(observed({}, done=True), observed({}))) as url:
        env = CodingGym(url)
        env.reset()
        with pytest.raises(ResetNeeded, match="reset ended the episode"):
            env.step(act("a"))
        env.close()


def test_no_reward_is_0_and_said() -> None:
    with serving(answering(observed({}), observed({}, reward=None))) as url:
        env = CodingGym(url)
        env.reset()
        _, reward, _, _, info = env.step(act("a"))
        assert reward == 0.0
        assert not info["reward_given"]
        env.close()


def test_a_seed_settles_the_resets_that_follow(env: CodingGym, world: Faulty) -> None:
    env.reset()
    env.reset(seed=7)
    env.reset()
    env.reset()
    env.reset(seed=7)
    env.reset()
    first, *seeded = [reset.get("seed") for reset in world.resets]
    assert first is None
    assert seeded[0] == 7
    assert seeded[:2] == seeded[3:], "the same seeds follow the same seed"
    assert len({*seeded}) == 3
    assert all(type(seed) is int for seed in seeded)


def test_options_are_reset_parameters(env: CodingGym, world: Faulty, tmp_path: Path) -> None:
    env.reset(options={"level": 3, "episode_id": None})
    assert world.resets[-1] == {"level": 3}, "the contract doesn't say which there are"
    with pytest.raises(rt.InvalidRequest, match="twice"):
        env.reset(seed=1, options={"seed": 2})
    parameters = {"type": "object", "properties": {"level": {"type": "integer"}}}
    document = contract(
        action={"type": "object", "properties": {"on": {"type": "boolean"}}},
        reset_parameters=parameters,
    )

    class Known(GymnasiumEnv):
        client_class = build(document, tmp_path).DoEnv

    with serving(answering(observed({}), observed({}))) as url:
        known = Known(url)
        with pytest.raises(rt.InvalidRequest, match="no parameter of this name: lvl"):
            known.reset(options={"lvl": 3})
        known.reset(options={"level": 3})
        known.close()


def test_an_action_outside_of_the_space_is_not_sent(env: CodingGym, world: Faulty) -> None:
    env.reset()
    with pytest.raises(rt.InvalidRequest, match=r"action\.code has 13 characters"):
        env.step(act("a" * 13))
    with pytest.raises(rt.InvalidRequest, match="action is no dict of code"):
        env.step("a")
    assert world.steps == []
    assert env.step(act("a"))[1] == 1.0, "the episode goes on"


def test_a_contract_that_no_space_can_say_is_refused_at_once() -> None:
    class Plain(GymnasiumEnv):
        client_class = CodingEnv

    with pytest.raises(NoSpace, match=r"action\.code.*observation\.stdout.*observation\.stderr"):
        Plain("http://127.0.0.1:1")
    with pytest.raises(ValueError, match="render_mode"):
        CodingGym("http://127.0.0.1:1", render_mode="human")


def test_tools_are_called_by_steps(tmp_path: Path) -> None:
    document = tooled(
        tool("roll", {"sides": {"enum": [4, 6]}}, required=["sides"]),
        tool("stop", {}, additionalProperties=False),
    )

    class Tools(GymnasiumEnv):
        client_class = build(document, tmp_path).DoEnv
        hints = {"observation.seen": {"as_json": True, "max_length": 200, "given": True}}  # noqa: RUF012

    with serving(ECHO) as url:
        env = Tools(url)
        assert str(env.action_space) == "OneOf(Dict('sides': Discrete(2)), Discrete(1))"
        for action, name, arguments in (
            ((0, {"sides": 1}), "roll", {"sides": 6}),
            ((np.int64(1), np.int64(0)), "stop", {}),
        ):
            env.reset()
            seen = json.loads(env.step(action)[0]["seen"])
            assert (seen["tool_name"], seen["arguments"]) == (name, arguments)
        env.reset()
        with pytest.raises(rt.InvalidRequest, match=r"action\(roll\)\.sides"):
            env.step((0, {"sides": 2}))
        env.close()


# --- faults ---------------------------------------------------------------------------------------

FAULTS = [
    ("drop", "ConnectionLost"),
    ("hang", "RequestTimeout"),
    ("mismatch", "ReplyMismatch"),
    ("fail", "ExecutionError"),
    ("refuse", "ActionRejected"),
]


@pytest.mark.parametrize(("code", "name"), FAULTS)
def test_a_fault_is_raised_and_never_a_reward(code: str, name: str, world: Faulty) -> None:
    env = CodingGym(partial(CodingEnv, world.url, step_timeout_s=0.5))
    env.reset()
    env.step(act("a"))
    with pytest.raises(EnvFailed, match=name) as caught:
        env.step(act(code))
    assert caught.value.episode_lost
    assert type(caught.value.__cause__).__name__ == name
    sent = len(world.steps)
    with pytest.raises(EnvFailed, match=name):
        env.step(act("a"))
    assert len(world.steps) == sent, "a lost episode isn't played on"
    env.reset()
    assert env.step(act("a"))[1] == 1.0
    env.close()


def test_an_observation_outside_of_a_hint_ends_the_episode(world: Faulty) -> None:
    class Narrow(CodingGym):
        hints = {**CodingGym.hints, "observation.stdout": {"max_length": 4}}  # noqa: RUF012

    env = Narrow(world.url)
    env.reset()
    with pytest.raises(OutsideSpace, match=r"observation\.stdout has 5 characters.*max_length"):
        env.step(act("a"))
    with pytest.raises(EnvFailed, match=r"observation\.stdout") as again:
        env.step(act("b"))
    known = (again.value.episode_lost, again.value.maybe_applied, again.value.sent)
    assert known == (True, True, True), "it is the same failure"
    assert world.steps == ["a"]
    env.reset()
    env.close()


def test_a_full_server_is_said_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vector keeps its sessions: to wait for one of them would be to wait forever."""
    monkeypatch.setattr("envgen_runtime.adapters.gymnasium.env.SHORT_WAIT_S", 0.0)
    with serving(FullAfter(capacity=1).app()) as url:
        first, second = CodingGym(url), CodingGym(url)
        first.reset()
        with pytest.raises(EnvFailed, match="CapacityReached") as full:
            second.reset()
        assert full.value.retryable
        first.close()
        second.close()


def test_a_reset_that_fails_is_raised() -> None:
    env = CodingGym(partial(CodingEnv, "http://127.0.0.1:1", connect_timeout_s=1))
    with pytest.raises(EnvFailed, match="ConnectError") as caught:
        env.reset()
    assert caught.value.retryable
    with pytest.raises(ResetNeeded):
        env.step(act("a"))


def test_errors_survive_what_carries_them_between_processes() -> None:
    error = EnvFailed.of(rt.ConnectionLost("it ended", maybe_applied=True, episode_lost=True))  # type: ignore[attr-defined]
    crossed = pickle.loads(pickle.dumps(error))
    raised = type(crossed)(crossed)
    assert str(raised) == "ConnectionLost: it ended"
    assert (raised.episode_lost, raised.maybe_applied, raised.retryable) == (True, True, False)
    assert type(OutsideSpace(OutsideSpace("x"))) is OutsideSpace


# --- Gymnasium's own checks -----------------------------------------------------------------------


def check(env_class: type[GymnasiumEnv], url: str) -> None:
    """Check an environment as ``gymnasium.make`` makes it."""
    gymnasium.register("envgen/Checked-v0", entry_point=env_class)
    try:
        env = gymnasium.make("envgen/Checked-v0", server=url)
        env.reset(seed=1)
        env.step(env.action_space.sample())
        check_env(env.unwrapped)
        env.close()
    finally:
        del gymnasium.registry["envgen/Checked-v0"]


@pytest.fixture
def demo() -> Iterator[str]:
    document = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving(create_app(document, partial(CodingEnvironment, max_steps=2))) as url:
        yield url


@pytest.mark.slow
def test_gymnasium_finds_nothing_in_the_demo(demo: str) -> None:
    check(CodingGym, demo)


CHECKED = {"atari_env", "carla_env", "chess_env", "connect4_env", "snake_env", "textarena_env"}


@pytest.mark.slow
@pytest.mark.parametrize("file", [case for case in contract_cases("corpus") if case.id in CHECKED])
def test_gymnasium_finds_nothing_in_real_contracts(file: Any, tmp_path: Path) -> None:
    document = json.loads(
        file.values[0].read_text() if hasattr(file, "values") else file.read_text()
    )
    found, needed = with_hints(document)
    module = build({"name": "do_env", **document}, tmp_path)

    class Real(GymnasiumEnv):
        client_class = module.DoEnv
        hints = needed

    with playing(document, found) as world:
        check(Real, world.url)
        env = Real(world.url)
        env.action_space.seed(5)
        for _ in range(40):
            env.reset()
            is_over = False
            while not is_over:
                observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
                assert observation in env.observation_space
                is_over = terminated or truncated
        env.close()
    assert world.refused == []
    assert len(world.actions) >= 120


# --- vectors --------------------------------------------------------------------------------------

Vector = Callable[..., Any]
VECTORS: dict[str, Vector] = {
    "sync": SyncVectorEnv,
    "fork": partial(AsyncVectorEnv, shared_memory=False, context="fork"),
    "spawn": partial(AsyncVectorEnv, shared_memory=False, context="spawn"),
}
vectors = pytest.mark.parametrize(
    "vector",
    [pytest.param(made, id=name, marks=[pytest.mark.slow] * (name == "spawn"))
     for name, made in VECTORS.items()],
)  # fmt: skip


@vectors
@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_a_vector_plays_episodes(vector: Vector, mode: AutoresetMode, world: Faulty) -> None:
    envs = vector([partial(CodingGym, world.url)] * 2, autoreset_mode=mode)
    observations, infos = envs.reset(seed=1)
    assert observations["stdout"] == ("go", "go")
    assert infos["result"][1].observation.stdout == "go"
    observations, rewards, terminated, truncated, infos = envs.step({"code": ("a", "done")})
    assert rewards.tolist() == [1.0, 5.0]
    assert (terminated.tolist(), truncated.tolist()) == ([False, True], [False, False])
    is_new = mode is AutoresetMode.SAME_STEP
    assert observations["stdout"] == ("ran a", "go" if is_new else "bye")
    assert not is_new or infos["final_obs"][1]["stdout"] == "bye"
    observations, rewards, terminated, _, _ = envs.step({"code": ("b", "c")})
    assert observations["stdout"] == ("ran b", "ran c" if is_new else "go")
    assert rewards.tolist() == [1.0, 1.0 if is_new else 0.0]
    assert not terminated.any()
    envs.close()


@pytest.mark.parametrize("vector", [SyncVectorEnv, VECTORS["fork"]], ids=["sync", "fork"])
@pytest.mark.parametrize(("code", "name"), FAULTS)
def test_a_fault_in_a_vector_is_raised(
    vector: Vector, code: str, name: str, world: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It warns of the traceback of a worker.
    monkeypatch.setattr(gymnasium.logger, "min_level", gymnasium.logger.ERROR + 1)
    server = partial(CodingEnv, world.url, step_timeout_s=0.5)
    envs = vector([partial(CodingGym, server)] * 2)
    envs.reset()
    envs.step({"code": ("a", "a")})
    with pytest.raises(EnvFailed, match=name) as caught:
        envs.step({"code": ("a", code)})
    assert caught.value.episode_lost
    envs.close()


def test_shared_memory_that_repeats_an_observation_is_refused(world: Faulty) -> None:
    with pytest.raises(ValueError, match="shared_memory=False"):
        AsyncVectorEnv([partial(CodingGym, world.url)])


def test_numbers_travel_in_shared_memory(tmp_path: Path) -> None:
    board = {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9},
             "minItems": 6, "maxItems": 6}  # fmt: skip
    document = contract(
        action={"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]},
        observation={"type": "object", "properties": {"board": board}, "required": ["board"]},
    )
    found, _ = with_hints(document)
    module = build(document, tmp_path)

    class Real(GymnasiumEnv):
        client_class = module.DoEnv

    with playing(document, found) as world:
        envs = AsyncVectorEnv([partial(Real, world.url)] * 2, context="fork")
        first, _ = envs.reset(seed=1)
        seen = [first, *(envs.step(envs.action_space.sample())[0] for _ in range(2))]
        envs.close()
        one = Real(world.url)
        expected, _ = one.reset(seed=1)
        one.close()
    assert np.array_equal(first["board"][0], expected["board"])
    assert not np.array_equal(seen[0]["board"], seen[1]["board"])


def test_an_observation_can_be_flattened(env: CodingGym) -> None:
    flat = FlattenObservation(env)
    observation, _ = flat.reset()
    assert observation in flat.observation_space


def test_without_gymnasium_the_extra_is_named() -> None:
    program = (
        "import sys\n"
        "sys.modules['gymnasium'] = sys.modules['numpy'] = None\n"
        "import envgen_runtime.adapters.gymnasium.reading\n"
        "from envgen_runtime import MissingExtra\n"
        "try:\n    import envgen_runtime.adapters.gymnasium.env\n"
        "except MissingExtra as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "envgen-runtime[gymnasium]" in done.stdout
    assert done.stderr == ""
