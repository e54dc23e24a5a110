"""Clients that start their own server: episodes on a real OpenEnv server in a container."""

from __future__ import annotations

import asyncio
from types import ModuleType

import pytest

from envgen_runtime import ConnectionLost
from tests.docker.conftest import Left
from tests.support import PATIENCE_S


def test_an_episode_in_a_container(openenv: str, faults: ModuleType, left: Left) -> None:
    with faults.FaultsEnv.from_docker_image(
        openenv, client_options={"request_timeout_s": 30}, env_vars={"MAX_SESSIONS": "2"}
    ) as env:
        assert env.base_url.startswith("http://127.0.0.1:")
        env.reset()
        assert env.step(faults.DoAction(fault="none")).observation.steps == 1
        assert len(left()) == 1
    assert left() == []
    env.close()  # once more is fine


def test_an_async_start_leaves_the_loop_free(openenv: str, faults: ModuleType, left: Left) -> None:
    async def play() -> None:
        starting = asyncio.create_task(faults.AsyncFaultsEnv.from_docker_image(openenv))
        turns = 0
        while not starting.done():
            await asyncio.sleep(0.005)
            turns += 1
        async with await starting as env:
            await env.reset()
            assert len(left()) == 1
        assert turns > 20, "the server alone takes longer to start than as many"

    asyncio.run(play())
    assert left() == []


def test_a_cancelled_start_is_undone(plain: str, faults: ModuleType, left: Left) -> None:
    async def play() -> None:
        starting = asyncio.create_task(
            faults.AsyncFaultsEnv.from_docker_image(plain, env_vars={"SICK": "1"})
        )
        async with asyncio.timeout(PATIENCE_S):
            while not left():  # noqa: ASYNC110 - another process makes it
                await asyncio.sleep(0.01)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert left() == []

    asyncio.run(play())


def test_a_client_that_cannot_be_made_leaves_no_container(
    plain: str, faults: ModuleType, left: Left
) -> None:
    with pytest.raises(TypeError, match="colour"):
        faults.FaultsEnv.from_docker_image(plain, client_options={"colour": "red"})
    assert left() == []


def test_a_server_that_dies_in_an_episode_says_why(
    openenv: str, faults: ModuleType, left: Left
) -> None:
    with faults.FaultsEnv.from_docker_image(openenv) as env:
        env.reset()
        with pytest.raises(ConnectionLost) as caught:
            env.step(faults.DoAction(fault="die"))
        assert "exited with code 3" in caught.value.__notes__[0]
        assert "Uvicorn running" in caught.value.__notes__[0]
    assert left() == []
