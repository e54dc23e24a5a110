"""The async client on uvloop, which Windows has not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

import envgen_runtime as rt
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from generated.coding_env import AsyncCodingEnv, CodeAction
from tests.runtime.servers import interjecting
from tests.support import ROOT

uvloop: Any = pytest.importorskip("uvloop")

CONTRACT = json.loads((ROOT / "schemas" / "coding_env.json").read_text())


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(create_app(CONTRACT, partial(CodingEnvironment, max_steps=100))) as base_url:
        yield base_url


def test_an_episode(url: str) -> None:
    async def play() -> None:
        async with AsyncCodingEnv(url) as env:
            await env.reset(seed=3)
            for number in range(20):
                result = await env.step(CodeAction(code=f"print({number})"))
                assert result.observation.stdout == f"{number}\n"
            assert (await env.state()).step_count == 20

    uvloop.run(play())


def test_a_step_that_takes_too_long_loses_the_session(url: str) -> None:
    async def play() -> None:
        async with AsyncCodingEnv(url) as env:
            await env.reset()
            with pytest.raises(rt.RequestTimeout):
                await env.step(code="import time; time.sleep(1)", timeout_s=0.2)
            with pytest.raises(rt.SessionLost):
                await env.step(code="1")
            await env.reset()
            assert (await env.step(code="print(1)")).observation.stdout == "1\n"

    uvloop.run(play())


def test_an_unasked_message_is_seen_before_the_next_request() -> None:
    """It arrives while the caller computes, so not even the event loop has read it."""

    async def play(url: str, interject: Callable[[], None]) -> None:
        async with AsyncCodingEnv(url, barrier="off") as env:
            await env.reset()
            interject()
            with pytest.raises(rt.ProtocolError) as caught:
                await env.step(code="1")
            assert not caught.value.sent

    with interjecting() as server:
        uvloop.run(play(*server))
