"""Whole episodes on servers that nobody here wrote."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import envgen_runtime as rt
from tests.interop.conftest import StartServer
from tests.interop.running import Release

FEW = rt.RetryPolicy(capacity_wait_s=0.3)


def as_websocket(url: str) -> str:
    return url.replace("http://", "ws://")


def test_an_episode(release: Release, start_server: StartServer, coding: ModuleType) -> None:
    with coding.CodingEnv(start_server(release)) as env:
        first = env.reset(seed=7, episode_id="mine")
        assert (first.observation.stdout, first.done) == ("ready", False)
        result = env.step(coding.CodeAction(code="hello"))
        assert (result.observation.stdout, result.reward, result.done) == ("hello", 1.0, False)
        assert result.observation.reward == 1.0
        failed = env.step(coding.CodeAction(code="fail", metadata={"why": "to see"}))
        assert (failed.observation.exit_code, failed.reward) == (1, 0.0)
        state = env.state()
        assert (state.step_count, state.last_exit_code) == (2, 1)
        assert state.episode_id == ("the one" if release.is_seed else "mine")
        last = env.step(coding.CodeAction(code="done"))
        assert last.done is last.observation.done is True


def test_an_async_episode(release: Release, start_server: StartServer, coding: ModuleType) -> None:
    async def play() -> None:
        async with coding.AsyncCodingEnv(as_websocket(start_server(release))) as env:
            await env.reset(seed=7)
            result = await env.step(coding.CodeAction(code="hello"))
            assert (result.observation.stdout, result.reward) == ("hello", 1.0)
            assert (await env.state()).step_count == 1
            assert (await env.step(coding.CodeAction(code="done"))).done is True

    asyncio.run(play())


def test_an_episode_with_a_barrier_for_every_step(
    release: Release, start_server: StartServer, coding: ModuleType
) -> None:
    with coding.CodingEnv(start_server(release), barrier="step") as env:
        for _ in range(2):
            env.reset()
            assert env.step(coding.CodeAction(code="hello")).observation.stdout == "hello"
            with pytest.raises(rt.ServerError):
                env.step(coding.CodeAction(code="raise no such file"))
            assert env.step(coding.CodeAction(code="large 100000")).observation.stdout
            assert env.state().step_count == 2, "no mark counts"
        if not release.is_seed:
            assert env._transport._connection._marks._are_quoted, "each answer can be told"


def test_an_async_episode_with_a_barrier_for_every_step(
    release: Release, start_server: StartServer, coding: ModuleType
) -> None:
    async def play() -> None:
        async with coding.AsyncCodingEnv(start_server(release), barrier="step") as env:
            await env.reset()
            for word in ("hello", "once", "more"):
                assert (await env.step(coding.CodeAction(code=word))).observation.stdout == word
            assert (await env.state()).step_count == 3

    asyncio.run(play())


def test_the_transport_is_the_one_the_server_needs(
    release: Release, start_server: StartServer, coding: ModuleType
) -> None:
    with coding.CodingEnv(as_websocket(start_server(release))) as env:
        env.reset()
        assert env._calls.transport == ("http" if release.is_seed else "auto")
        assert type(env._transport).__name__ == (
            "HttpTransport" if release.is_seed else "WebSocketTransport"
        )


def test_http_can_be_insisted_on(
    modern: Release, start_server: StartServer, coding: ModuleType
) -> None:
    url = start_server(modern)
    with coding.CodingEnv(url, transport="http") as env:
        assert env.reset().observation.stdout == "ready"
        with pytest.raises(rt.InvalidRequest, match="http-unchecked"):
            env.step(coding.CodeAction(code="hello"))
    with coding.CodingEnv(url, transport="http-unchecked") as env:
        assert env.reset().observation.stdout == "ready"
        assert env.step(coding.CodeAction(code="hello")).observation.stdout == "hello"
        assert env.state().step_count == 0, "a fresh environment for every request"


def test_a_websocket_can_be_insisted_on(start_server: StartServer, coding: ModuleType) -> None:
    url = start_server(Release("openenv-core", "0.1.1"))
    with (
        coding.CodingEnv(url, transport="websocket") as env,
        pytest.raises(rt.UpgradeRefused, match="HTTP 403"),
    ):
        env.reset()


def test_rewards_arrive_as_sent(
    modern: Release, start_server: StartServer, coding: ModuleType
) -> None:
    with coding.CodingEnv(start_server(modern)) as env:
        env.reset()
        rewards = [
            env.step(coding.CodeAction(code=word)).reward for word in ("bool", "null", "nan", "int")
        ]
    assert rewards == [True, None, None, 2**53 + 1]
    assert rewards[0] is True


def test_metadata_where_the_server_keeps_it(
    modern: Release, start_server: StartServer, coding: ModuleType
) -> None:
    with coding.CodingEnv(start_server(modern)) as env:
        env.reset()
        result = env.step(coding.CodeAction(code="note well"))
    expected = {"note": "well"} if modern.keeps_metadata else {}
    assert result.metadata == result.observation.metadata == expected


def test_reset_parameters_travel(
    modern: Release, start_server: StartServer, coding: ModuleType
) -> None:
    with coding.CodingEnv(start_server(modern)) as env:
        assert env.reset(level=3).observation.stdout == "ready {'level': 3}"
        env.reset(seed=11)
        assert env.state().seed == 11, "fields that the contract doesn't know are kept"


def test_an_error_of_the_environment_keeps_the_session(
    release: Release, start_server: StartServer, coding: ModuleType
) -> None:
    with coding.CodingEnv(start_server(release)) as env:
        env.reset()
        with pytest.raises(rt.ServerError) as caught:
            env.step(coding.CodeAction(code="raise no such file"))
        assert caught.value.code == ("HTTP_500" if release.is_seed else "EXECUTION_ERROR")
        assert caught.value.maybe_applied
        assert release.is_seed or "no such file" in str(caught.value)
        assert env.step(coding.CodeAction(code="hello")).observation.stdout == "hello"


def test_a_step_right_after_two_failures_is_not_lost(
    start_server: StartServer, coding: ModuleType
) -> None:
    # The server hangs up a moment after each HTTP 500, unannounced.
    with coding.CodingEnv(start_server(Release("openenv-core", "0.1.1"))) as env:
        for _ in range(10):
            env.reset()
            for _ in range(2):
                with pytest.raises(rt.ServerError):
                    env.step(coding.CodeAction(code="raise"))
            assert env.step(coding.CodeAction(code="hello")).observation.stdout == "hello"


def test_a_timeout_loses_the_session_and_no_reply_is_ever_late(
    release: Release, start_server: StartServer, coding: ModuleType
) -> None:
    with coding.CodingEnv(start_server(release, fresh=True), step_timeout_s=0.4) as env:
        env.reset()
        with pytest.raises(rt.RequestTimeout) as caught:
            env.step(coding.CodeAction(code="sleep 4"))
        assert caught.value.maybe_applied
        with pytest.raises(rt.SessionLost):
            env.step(coding.CodeAction(code="hello"))


def test_after_a_timeout_reset_opens_a_new_session(
    modern: Release, start_server: StartServer, coding: ModuleType
) -> None:
    with coding.CodingEnv(start_server(modern), step_timeout_s=0.4) as env:
        env.reset()
        with pytest.raises(rt.RequestTimeout):
            env.step(coding.CodeAction(code="sleep 4"))
        env.reset()
        assert env.step(coding.CodeAction(code="hello")).observation.stdout == "hello"


def test_a_server_that_dies_is_a_lost_connection(
    modern: Release, start_server: StartServer, coding: ModuleType
) -> None:
    with coding.CodingEnv(start_server(modern, fresh=True)) as env:
        env.reset()
        with pytest.raises(rt.ConnectionLost) as caught:
            env.step(coding.CodeAction(code="exit"))
        assert caught.value.maybe_applied
        with pytest.raises(rt.SessionLost):
            env.state()
        with pytest.raises(rt.ConnectError):
            env.reset()


def test_capacity_is_an_error_of_its_own(
    modern: Release, start_server: StartServer, coding: ModuleType
) -> None:
    url = start_server(modern, MAX_SESSIONS="1")
    with coding.CodingEnv(url) as one, coding.CodingEnv(url, retry=FEW) as two:
        one.reset()
        with pytest.raises(rt.CapacityReached) as caught:
            two.reset()
        assert (caught.value.active_sessions, caught.value.max_sessions) == (1, 1)
        assert caught.value.retryable
        assert one.step(coding.CodeAction(code="hello")).observation.stdout == "hello"


def test_an_action_the_server_refuses(
    modern: Release, start_server: StartServer, coding: ModuleType
) -> None:
    class Stale(coding.CodingEnv):  # type: ignore[misc]  # a client that is older than its server
        def _step_payload(self, action: Any) -> dict[str, Any]:
            return {"code": 5} if action.code == "stale" else super()._step_payload(action)

    with Stale(start_server(modern)) as env:
        env.reset()
        with pytest.raises(rt.ActionRejected) as caught:
            env.step(coding.CodeAction(code="stale"))
        assert "code" in str(caught.value)
        assert [error["loc"] for error in caught.value.errors] == [["code"]]
        assert env.step(coding.CodeAction(code="hello")).observation.stdout == "hello"


def test_a_client_from_a_live_server(
    modern: Release, start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from envgen.project.build_all import build_all
    from tests.support import load

    monkeypatch.chdir(tmp_path)
    url = start_server(modern, ENV_NAME="board")
    (built,) = build_all([url]).packages
    assert not isinstance(built, Exception)
    assert (tmp_path / "schemas" / "connect_env.json").is_file()
    module = load(tmp_path / built.folder)
    with module.ConnectEnv(url) as env:
        board = env.reset(seed=1).observation.board
        assert [len(row) for row in board] == [7] * 6
        result = env.step(module.MoveAction(column=3))
        assert result.observation.board[5][3] == 1
        assert env.state().model_extra["seed"] == 1
