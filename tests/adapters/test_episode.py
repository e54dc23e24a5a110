"""One episode, played by calls: what the model reads, what it scores, and what a loss does."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime.adapters.connecting import client_of
from envgen_runtime.adapters.episode import OVER, AsyncEpisode, Episode, Turn
from envgen_runtime.adapters.losses import EpisodeLost, Losses
from envgen_runtime.adapters.rows import first_messages, reset_arguments, row_of
from envgen_runtime.result import StepResult
from envgen_runtime.tools.errors import ToolExecutionFailed, ToolTimeout, ToolTransportFailed
from envgen_runtime.wire.nemo_gym import NemoGymWire
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv
from tests.adapters.faulty import Faulty, faulty
from tests.support import build, contract


@pytest.fixture
def world() -> Iterator[Faulty]:
    with faulty() as served:
        yield served


def run(code: str) -> dict[str, Any]:
    return {"name": "CodeAction", "arguments": {"code": code}}


class Played:
    """An episode, sync or async, behind the same face."""

    def __init__(self, world: Faulty, *, is_async: bool) -> None:
        self.losses = Losses("coding_env")
        self._runner = asyncio.Runner() if is_async else None
        self.episode: Any
        if is_async:
            self.episode = AsyncEpisode(AsyncCodingEnv(world.url, step_timeout_s=5), self.losses)
        else:
            self.episode = Episode(CodingEnv(world.url, step_timeout_s=5), self.losses)

    def reset(self, **row: Any) -> str:
        text: str = self._done(self.episode.reset(row))
        return text

    def call(self, code: str) -> Turn:
        turn: Turn = self._done(self.episode.call(run(code)))
        return turn

    def score(self) -> float | None:
        value: float | None = self.episode.score.value()
        return value

    def close(self) -> None:
        self._done(self.episode.close())
        if self._runner is not None:
            self._runner.close()

    def _done(self, result: Any) -> Any:
        return result if self._runner is None else self._runner.run(result)


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def played(world: Faulty, request: pytest.FixtureRequest) -> Iterator[Played]:
    episode = Played(world, is_async=request.param)
    yield episode
    episode.close()


def test_rewards_add_up_and_the_end_is_kept(played: Played, world: Faulty) -> None:
    assert played.score() is None, "nothing was begun"
    assert played.reset(seed=3, difficulty="hard", episode_id=None) == (
        '{"stdout": "go", "exit_code": 0}'
    )
    assert world.resets == [{"seed": 3}]
    assert played.score() == 0.0
    assert played.call("a").text == "ran a"
    assert played.call("b").reward == 1.0
    turn = played.call("done")
    assert (turn.text, turn.done) == ("bye", True)
    assert played.score() == 7.0
    assert played.call("more") == Turn(OVER, done=True)
    assert world.steps == ["a", "b", "done"], "nothing is sent behind the end"
    assert played.score() == 7.0
    assert played.episode.score.value(max) == 5.0
    played.reset()
    assert played.score() == 0.0
    assert not played.call("a").done


@pytest.mark.parametrize("fault", ["drop", "mismatch", "huge"])
def test_a_loss_is_no_score(
    played: Played, world: Faulty, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    played.reset()
    played.call("a")
    with caplog.at_level(logging.WARNING), pytest.raises(EpisodeLost) as first:
        played.call(fault)
    with pytest.raises(EpisodeLost) as second:
        played.call("b")
    assert str(first.value) == str(second.value) == EpisodeLost.MESSAGE
    assert isinstance(second.value.__cause__, rt.ConnectionLost | rt.ReplyMismatch)
    assert world.steps == ["a", fault]
    assert played.score() is None
    assert played.losses.count == 1
    (record,) = [record for record in caplog.records if "adapters" in record.name]
    assert "coding_env" in record.getMessage()
    assert "after 1 steps" in record.getMessage()
    played.reset()
    assert played.call("a").reward == 1.0
    assert played.score() == 1.0


def test_what_the_session_survives_is_told(played: Played, world: Faulty) -> None:
    played.reset()
    assert "not allowed" in played.call("refuse").text
    assert played.score() == 0.0
    unknown = played.episode.call({"name": "CodeAction", "arguments": {"cod": "1"}})
    turn: Turn = played._done(unknown)
    assert "cod" in turn.text
    assert isinstance(turn.error, rt.InvalidCall)
    assert world.steps == ["refuse"]
    assert played.losses.count == 0


def test_an_environment_that_failed_last_has_no_score(played: Played) -> None:
    """The step may have counted. One that succeeds behind it settles that."""
    played.reset()
    assert "the disk is full" in played.call("fail").text
    assert played.score() is None
    played.call("a")
    assert played.score() == played.episode.score.final() == 1.0
    assert played.losses.count == 0


def test_a_score_that_is_unknown_at_the_end_is_a_loss(played: Played) -> None:
    with pytest.raises(EpisodeLost) as never:
        played.episode.score.final()
    assert isinstance(never.value.__cause__, rt.NotReset)
    played.reset()
    played.call("a")
    played.call("fail")
    for _ in range(2):
        with pytest.raises(EpisodeLost) as lost:
            played.episode.score.final()
        assert isinstance(lost.value.__cause__, rt.ExecutionError)
    assert played.losses.by_error == {"NotReset": 1, "ExecutionError": 1}


def test_a_failed_reset_is_raised_and_has_no_score(played: Played, world: Faulty) -> None:
    played.reset()
    played.call("a")
    with pytest.raises(rt.InvalidRequest):
        played.reset(seed="seven")
    assert played.score() is None
    with pytest.raises(EpisodeLost):
        played.call("b")
    assert world.steps == ["a"]


def test_actions_are_steps(world: Faulty) -> None:
    with CodingEnv(world.url) as env:
        episode = Episode(env, Losses("coding_env"), read=lambda result: repr(result.done))
        assert episode.reset({}) == "False"
        assert episode.act(CodeAction(code="done")).text == "True"


def test_rows_have_what_the_contract_says(tmp_path: Path) -> None:
    parameters = {
        "type": "object",
        "properties": {"level": {"type": "integer"}, "self": {"type": "string"}},
        "required": ["level"],
    }
    module = build(contract(name="maze_env", reset_parameters=parameters), tmp_path)
    row = {"level": 2, "self": "x", "prompt": "?", "split": "train", "seed": None}
    assert reset_arguments(module.MazeEnv, row) == {"level": 2, "self_": "x"}
    assert reset_arguments(module.MazeEnv, row, ["split"])["split"] == "train"


def test_a_column_may_have_the_contracts_own_name(tmp_path: Path) -> None:
    integer = {"type": "integer"}
    names = ["max-steps", "class", "a-b", "a.b", "x-y", "x_y"]
    parameters = {"type": "object", "properties": dict.fromkeys(names, integer)}
    module = build(contract(name="maze_env", reset_parameters=parameters), tmp_path)
    row = dict(zip(names, range(6), strict=True))
    found = reset_arguments(module.MazeEnv, row)
    assert found == {"max_steps": 0, "class_": 1, "x_y": 5}, "and none that could be another's"


@pytest.mark.parametrize("make", [lambda url: url, lambda url: lambda: CodingEnv(url)])
def test_a_server_is_an_address_or_makes_a_client(
    world: Faulty, make: Callable[[str], Any]
) -> None:
    with client_of(CodingEnv, make(world.url), capacity_wait_s=7) as env:
        env.reset()
    assert world.resets == [{}]


def test_a_server_that_restarts_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers take seconds to start, and an error of a reset ends most trainings."""
    waits: list[float] = []
    monkeypatch.setattr("envgen_runtime.clients.sync.time", SimpleNamespace(sleep=waits.append))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with client_of(CodingEnv, url) as env, pytest.raises(rt.ConnectError):
        env.reset()
    assert 20 < sum(waits) < 60


def test_columns_are_names() -> None:
    with pytest.raises(TypeError, match=r"columns=\[\"level\"\]"):
        reset_arguments(CodingEnv, {"level": 2}, "level")


@pytest.mark.parametrize("prompt", [5, ["say"], {"role": "user"}])
def test_a_prompt_is_a_text_or_messages(prompt: Any) -> None:
    assert first_messages(({"role": "user", "content": "a"},), "b")[0]["content"] == "a\n\nb"
    with pytest.raises(TypeError, match="a prompt is a text or a list of messages, not "):
        first_messages(prompt, "")


@pytest.mark.parametrize("row", ["train", 5, {1: 2}])
def test_a_row_is_a_dictionary(row: Any) -> None:
    assert row_of({"seed": 1}) == {"seed": 1}
    with pytest.raises(TypeError, match=r'rows are dictionaries, such as \[\{"seed": 1\}\]'):
        row_of(row)


def test_an_episode_that_nobody_judged_has_no_score(world: Faulty) -> None:
    """NeMo Gym's reward comes of a call that no model makes."""

    class Judged(CodingEnv):
        wire = NemoGymWire()

    for client, score in ((CodingEnv(world.url), 0.0), (Judged(world.url), None)):
        with client:
            episode = Episode(client, Losses("coding_env"))
            episode.score.begun(StepResult(None))
            assert episode.score.value() == score
            episode.score.took(StepResult(None, reward=0.5))
            assert episode.score.value() == 0.5


def test_an_episode_without_rewards_is_logged_once(
    world: Faulty, caplog: pytest.LogCaptureFixture
) -> None:
    with CodingEnv(world.url) as env:
        episode = Episode(env, Losses("coding_env"))
        for rewards in ((1.0, None), (None,), (None, None)):
            episode.score.begun(StepResult(None))
            for reward in rewards:
                episode.score.took(StepResult(None, reward=reward, done=reward is None))
            logged = [record for record in caplog.records if "adapters" in record.name]
            assert len(logged) == (1 if rewards[0] is None else 0)
            episode.score.begin()
    assert "score is 0" in logged[0].getMessage()


def test_a_reset_may_end_an_episode_at_once(world: Faulty) -> None:
    with CodingEnv(world.url) as env:
        episode = Episode(env, Losses("coding_env"))
        episode.score.begun(StepResult(None, done=True))
        assert episode.call(run("a")) == Turn(OVER, done=True)
        assert episode.score.final() == 0.0
    assert world.steps == []


def test_an_error_that_lost_the_session_is_a_loss_of_any_kind(world: Faulty) -> None:
    """An environment that failed is told to the model, but not where the session went with it."""
    error = rt.ExecutionError("it fell over", code="EXECUTION_ERROR")
    error.episode_lost = True
    with CodingEnv(world.url) as env:
        episode = Episode(env, Losses("coding_env"))
        episode.reset({})
        with pytest.raises(EpisodeLost):
            episode.score.failed(error)
        assert episode.score.loss is error


@pytest.mark.parametrize("kind", [ToolTimeout, ToolTransportFailed])
def test_a_tool_that_its_environment_could_not_run_last_leaves_no_score(
    world: Faulty, kind: type[ToolTimeout | ToolTransportFailed]
) -> None:
    with CodingEnv(world.url) as env:
        episode = Episode(env, Losses("coding_env"))
        episode.reset({})
        assert episode.call(run("a")).reward == 1.0
        assert not episode.score.failed(kind("30 s are over", tool="look")).done
        assert episode.score.value() is None
        rewarded = kind("30 s are over", tool="look")
        rewarded.reward = -1.0
        episode.score.failed(rewarded)
        assert episode.score.value() == 0.0


def test_a_tool_that_failed_may_have_a_reward_and_end_the_episode(world: Faulty) -> None:
    error = ToolExecutionFailed("no", tool="look")
    error.reward, error.done = -1.0, True
    with CodingEnv(world.url) as env:
        episode = Episode(env, Losses("coding_env"))
        episode.reset({})
        turn = episode.score.failed(error)
        assert (turn.reward, turn.done, turn.error) == (-1.0, True, error)
        assert episode.call(run("a")).text == OVER
        assert episode.score.final() == -1.0
