"""A rollout of verifiers, without verifiers."""

from __future__ import annotations

import asyncio

import pytest

import envgen_runtime as rt
from envgen_runtime.adapters.episode import AsyncEpisode
from envgen_runtime.adapters.losses import EpisodeLost, Losses
from envgen_runtime.adapters.text import NOTHING
from envgen_runtime.adapters.verifiers_rollout import Rollout
from generated.coding_env import AsyncCodingEnv
from tests.adapters.faulty import faulty


def test_a_model_that_answers_in_text_is_never_answered_with_nothing() -> None:
    """Servers of models refuse a user's turn without a text."""

    async def play(url: str) -> None:
        client = AsyncCodingEnv(url, step_timeout_s=60)
        losses = Losses("coding_env")
        rollout = Rollout(AsyncEpisode(client, losses, read=lambda _: ""), sum)
        await rollout.begin({"prompt": "Go."})
        try:
            assert await rollout.say("a") == NOTHING
            assert "fence" in await rollout.say("```\na")
            assert (rollout.value(), rollout.steps) == (1.0, 1)
            assert "the disk is full" in await rollout.say("fail")
            with pytest.raises(EpisodeLost) as lost:
                rollout.value()
            assert isinstance(lost.value.__cause__, rt.ExecutionError)
            assert rollout.is_over
            assert losses.count == 1
        finally:
            await rollout.close()

    with faulty() as world:
        asyncio.run(play(world.url))
        assert world.steps == ["a", "fail"]
