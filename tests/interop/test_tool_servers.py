"""Servers of tools that aren't OpenEnv's, from their packages: built, played, and failing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from envgen.build import build_package
from envgen.errors import ContractError
from envgen.sources import read_contract
from envgen_runtime import (
    ExecutionError,
    InvalidRequest,
    RequestTimeout,
    ServerError,
    ServerSessionError,
    StepAfterDoneWarning,
    ToolArgumentsInvalid,
    ToolExecutionFailed,
    ToolNotFound,
)
from envgen_runtime.tools import ImageContent
from tests.interop.conftest import skip_without_venv
from tests.interop.running import serving
from tests.interop.venvs import venv_python
from tests.support import PATIENCE_S, load

RESPONSE = {
    "id": "r", "created_at": 1.0, "model": "m", "object": "response", "output": [],
    "parallel_tool_calls": False, "tool_choice": "auto", "tools": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def open_reward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with skip_without_venv():
        python = venv_python("openreward", "0.1.167")
    log = tmp_path_factory.mktemp("open_reward") / "log"
    with serving(python, "open_reward_server", log) as url:
        yield url


@pytest.fixture(scope="module")
def nemo_gym(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with skip_without_venv():
        python = venv_python("nemo-gym", "0.4.0", needs=(3, 12))
    log = tmp_path_factory.mktemp("nemo_gym") / "log"
    with serving(python, "nemo_gym_server", log, health="/openapi.json") as url:
        yield url


def built(source: str, name: str, out: Path) -> ModuleType:
    return load(build_package(read_contract(source, name=name), out).folder)


@pytest.fixture(scope="module")
def guessing(open_reward: str, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return built(f"{open_reward}/HigherLower", "guessing_env", tmp_path_factory.mktemp("guessing"))


@pytest.fixture(scope="module")
def counting(nemo_gym: str, tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return built(nemo_gym, "counting_env", tmp_path_factory.mktemp("counting"))


# --- Open Reward Standard -------------------------------------------------------------------------


def test_an_open_reward_episode(guessing: ModuleType, open_reward: str) -> None:
    with guessing.GuessingEnv(open_reward) as env:
        begun = env.reset(split="train", index=0)
        assert begun.observation.text == "Guess the number.\n\nFrom 0 to 100."
        assert len(begun.observation.blocks) == 2
        low = env.tools.guess(number=3)
        assert (low.data, low.reward, low.done) == ("higher", -0.1, False)
        assert low.observation.metadata == {"tries": 1}
        right = env.tools.guess(number=7)
        assert (right.text, right.reward, right.done) == ("right", 1.0, True)
        again = env.reset(task_spec={"secret": 1})
        assert not again.done
        assert env.tools.guess(number=1).done


def test_an_open_reward_episode_with_asyncio(guessing: ModuleType, open_reward: str) -> None:
    async def play() -> Any:
        async with guessing.AsyncGuessingEnv(open_reward) as env:
            await env.reset(split="hard", index=0)
            return await env.tools.guess(number=99)

    assert asyncio.run(play()).reward == 1.0


def test_open_reward_results_of_every_kind(guessing: ModuleType, open_reward: str) -> None:
    long = ["x" * 5000, "ü\r\n\u2028", "data: y\n\n"]
    with guessing.GuessingEnv(open_reward) as env:
        env.reset(split="train", index=0)
        assert env.tools.note(lines=long).text == "\n".join(long)
        (picture,) = env.tools.look().content
        assert isinstance(picture, ImageContent)
        assert (picture.data, picture.mime_type) == (b"\1\2\3", "image/png")
        names = [tool["name"] for tool in env.list_tools()]
        assert sorted(names) == ["crash", "guess", "look", "note", "wait"]
        assert env.call_tool("guess", {"number": 8}).text == "lower"


def test_open_reward_calls_that_fail(guessing: ModuleType, open_reward: str) -> None:
    with guessing.GuessingEnv(open_reward) as env:
        env.reset(split="train", index=0)
        with pytest.raises(ToolArgumentsInvalid, match="number") as refused:
            env.tools.guess(number=300)
        assert not refused.value.sent
        refusal = env.step(tool_name="guess", arguments={"number": 300}).observation.error
        assert refusal.error_type == "invalid_args"
        with pytest.raises(ToolNotFound):
            env.call_tool("shout", {})
        with pytest.raises(ExecutionError, match="the environment is broken"):
            env.tools.crash()
        assert env.tools.guess(number=7).done
        with pytest.warns(StepAfterDoneWarning), pytest.raises(ToolExecutionFailed) as over:
            env.tools.guess(number=7)
        assert over.value.done


def test_open_reward_resets_that_fail(guessing: ModuleType, open_reward: str) -> None:
    with guessing.GuessingEnv(open_reward) as env:
        with pytest.raises(InvalidRequest, match="task"):
            env.reset()
        with pytest.raises(InvalidRequest, match="task"):
            env.reset(split="train", index=0, task_spec={})
        with pytest.raises(ServerError, match="Invalid index"):
            env.reset(split="train", index=5)
        with pytest.raises(ExecutionError, match="no sandbox is free"):
            env.reset(task_spec={"secret": 1, "fails": True})
        with pytest.raises(RequestTimeout):
            env.reset(task_spec={"secret": 1, "setup_s": 3600}, timeout_s=1.5)
        env.reset(task_spec={"secret": 1, "setup_s": 0.2}, timeout_s=PATIENCE_S)
        assert env.tools.guess(number=1).reward == 1.0


def test_an_open_reward_session_that_is_lost(guessing: ModuleType, open_reward: str) -> None:
    with guessing.GuessingEnv(open_reward) as env:
        env.reset(split="train", index=0)
        session = env._transport.session._id
        httpx.post(f"{open_reward}/delete", headers={"x-session-id": session}, trust_env=False)
        with pytest.raises(ServerSessionError) as lost:
            env.tools.guess(number=7)
        assert lost.value.episode_lost
        assert not lost.value.maybe_applied
        assert "(lost)" in repr(env)
        env.reset(split="train", index=1)
        with pytest.raises(RequestTimeout):
            env.tools.wait(timeout_s=0.5)
        env.reset(split="train", index=1)
        assert env.tools.guess(number=9).done


def test_a_server_of_several_environments(
    open_reward: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ContractError, match="higherlower, echo") as several:
        read_contract(open_reward)
    assert f"{open_reward}/higherlower" in several.value.hint
    echo = built(f"{open_reward}/echo", "echo_env", tmp_path)
    with echo.EchoEnv(open_reward) as env:
        assert env.reset(split="train", index=0).observation.text == "Say tree."
        assert env.tools.submit(text="tree").reward == 1.0
    assert caplog.messages == [], "the server lists its terminal tool apart"


# --- NeMo Gym -------------------------------------------------------------------------------------


def test_a_nemo_gym_episode(counting: ModuleType, nemo_gym: str) -> None:
    verify = {"responses_create_params": {"input": "hi"}, "response": RESPONSE}
    with counting.CountingEnv(nemo_gym) as env, counting.CountingEnv(nemo_gym) as other:
        env.reset(start=2)
        other.reset(start=100)
        assert env.tools.count(by=3).data.total == 5
        assert other.tools.count(by=3).data.total == 103
        weather = env.tools.get_weather(city="Köln", unit="kelvin")
        assert (weather.data.city, weather.data.degrees, weather.reward) == ("Köln", 20.5, None)
        right, wrong = env.tools.verify(**verify), other.tools.verify(**verify)
        assert (right.reward, right.done, right.data.reward) == (1.0, True, 1.0)
        assert (wrong.reward, wrong.done) == (0.0, True)
        env.reset()
        assert env.tools.count(by=1).data.total == 1


def test_a_nemo_gym_episode_with_asyncio(counting: ModuleType, nemo_gym: str) -> None:
    async def play() -> Any:
        async with counting.AsyncCountingEnv(nemo_gym) as env:
            await env.reset(start=4)
            return (await env.tools.count(by=1)).data.total

    assert asyncio.run(play()) == 5


def test_nemo_gym_calls_that_fail(counting: ModuleType, nemo_gym: str) -> None:
    with counting.CountingEnv(nemo_gym) as env:
        env.reset()
        with pytest.raises(ToolArgumentsInvalid, match="by"):
            env.tools.count(by="three")
        with pytest.raises(ToolArgumentsInvalid, match="city") as refused:
            env.call_tool("get_weather", {"city": 3})
        assert refused.value.sent
        with pytest.raises(ToolNotFound):
            env.call_tool("shout", {})
        with pytest.raises(ToolExecutionFailed, match="the environment is broken"):
            env.tools.crash()
        with pytest.raises(ToolExecutionFailed, match="not now"):
            env.tools.refuse()
        assert env.tools.say().data == "42"
        assert env.tools.count(by=1).data.total == 1


@pytest.mark.parametrize(("total", "told"), [(13, "HTTP_500"), (17, "judge_failed")])
def test_a_nemo_gym_server_that_can_not_verify(
    counting: ModuleType, nemo_gym: str, total: int, told: str
) -> None:
    verify = {"responses_create_params": {"input": "hi"}, "response": RESPONSE}
    with counting.CountingEnv(nemo_gym) as env:
        env.reset(start=total)
        with pytest.raises(ExecutionError, match=told):
            env.tools.verify(**verify)
        assert "verify" not in env.tool_specs("openai").names


def test_a_saved_document_of_nemo_gym(nemo_gym: str, tmp_path: Path) -> None:
    document = httpx.get(f"{nemo_gym}/openapi.json", trust_env=False).text
    (tmp_path / "counting.json").write_text(document)
    contract = read_contract(str(tmp_path / "counting.json"))
    names = [tool.name for tool in contract.tools]
    assert names == ["count", "crash", "get_weather", "refuse", "say", "verify"]
    assert any("files" in finding.message for finding in contract.findings)
