"""Episodes of a server that trainers call, by session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime.adapters.losses import EpisodeLost
from envgen_runtime.adapters.sessions import Sessions
from generated.coding_env import AsyncCodingEnv
from tests.adapters.faulty import Faulty, faulty
from tests.support import PATIENCE_S


@pytest.fixture
def world() -> Iterator[Faulty]:
    with faulty() as served:
        yield served


def call(code: str) -> dict[str, Any]:
    return {"name": "CodeAction", "arguments": {"code": code}}


def play(world: Faulty, test: Callable[[Sessions], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        client = partial(AsyncCodingEnv, world.url, step_timeout_s=5)
        sessions = Sessions(AsyncCodingEnv, client, **options)
        try:
            await test(sessions)
        finally:
            await sessions.close_all()

    asyncio.run(main())


def test_sessions_are_apart(world: Faulty) -> None:
    async def test(sessions: Sessions) -> None:
        assert await sessions.begin("a", {"seed": 1}) == '{"stdout": "go", "exit_code": 0}'
        await sessions.begin("b", {})
        assert (await sessions.call("a", call("x"))).text == "ran x"
        assert (await sessions.call("b", call("done"))).done
        assert [(await sessions.outcome(name)).score for name in "ab"] == [1.0, 5.0]
        assert (await sessions.outcome("a")).score == 1.0, "asked again"
        with pytest.raises(EpisodeLost):
            await sessions.call("a", call("y"))
        assert world.steps == ["x", "done"]

    play(world, test)


def test_calls_at_once_wait_their_turn(world: Faulty) -> None:
    async def test(sessions: Sessions) -> None:
        await sessions.begin("a", {})
        await asyncio.gather(*(sessions.call("a", call(str(number))) for number in range(5)))
        assert (await sessions.outcome("a")).score == 5.0

    play(world, test)


def test_an_owners_seed_may_be_repeated(world: Faulty) -> None:
    async def test(sessions: Sessions) -> None:
        texts = await asyncio.gather(*(sessions.begin("a", {}, "me") for _ in range(3)))
        assert len({*texts}) == len(world.resets) == 1
        await sessions.call("a", call("x"))
        await sessions.begin("a", {}, "me")
        with pytest.raises(rt.InvalidRequest, match="of another episode"):
            await sessions.begin("a", {}, "you")
        assert (await sessions.outcome("a")).score == 1.0
        assert len(world.resets) == 1

    play(world, test)


def test_a_seed_without_an_owner_begins_anew(world: Faulty) -> None:
    async def test(sessions: Sessions) -> None:
        await sessions.begin("a", {})
        await sessions.call("a", call("x"))
        await sessions.begin("a", {})
        assert (await sessions.outcome("a")).score == 0.0
        await sessions.begin("a", {})
        await sessions.call("a", call("y"))
        assert (await sessions.outcome("a")).score == 1.0

    play(world, test)


def test_a_closed_session_stays_closed(world: Faulty) -> None:
    async def test(sessions: Sessions) -> None:
        begun = asyncio.create_task(sessions.begin("a", {}, "me"))
        await asyncio.sleep(0)  # the seed is under way
        await sessions.close("a")
        await begun
        await sessions.close("a")
        for name in ("a", "never"):
            await sessions.close(name)
            with pytest.raises(rt.InvalidRequest, match="was closed"):
                await sessions.begin(name, {}, "me")
        with pytest.raises(EpisodeLost):
            await sessions.call("a", call("x"))
        await sessions.begin("b", {})
        await sessions.end("b")
        await sessions.begin("b", {})
        assert world.steps == []

    play(world, test)


def test_a_session_is_known_as_closed_for_as_long_as_others_are_kept(world: Faulty) -> None:
    """A training closes a session for each rollout: their names don't stay for ever."""
    now = [0.0]

    async def test(sessions: Sessions) -> None:
        await sessions.close("a")
        now[0] = 6.0
        await sessions.close("b")
        now[0] = 11.0
        await sessions.begin("a", {})
        with pytest.raises(rt.InvalidRequest, match="was closed"):
            await sessions.begin("b", {})

    play(world, test, idle_s=10, clock=lambda: now[0])


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (["x", "drop"], rt.ConnectionLost),
        (["x", "mismatch"], rt.ReplyMismatch),
        (["x", "fail"], rt.ExecutionError),
    ],
)
def test_a_lost_episode_has_a_failure(
    world: Faulty, codes: list[str], error: type[Exception]
) -> None:
    async def test(sessions: Sessions) -> None:
        await sessions.begin("a", {})
        for code in codes:
            try:
                await sessions.call("a", call(code))
            except EpisodeLost:
                assert code in {"drop", "mismatch"}
        outcome = await sessions.outcome("a")
        assert outcome.score is None
        assert isinstance(outcome.failure, error)
        assert sessions.losses.count == 1
        assert await sessions.outcome("a") == outcome
        assert sessions.losses.count == 1

    play(world, test)


def test_a_call_that_is_cut_off_may_have_counted(world: Faulty) -> None:
    async def test(sessions: Sessions) -> None:
        await sessions.begin("a", {})
        await sessions.call("a", call("x"))
        cut = asyncio.create_task(sessions.call("a", call("hang")))
        while "hang" not in world.steps:  # noqa: ASYNC110 - the server runs in a thread
            await asyncio.sleep(0)
        cut.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut
        outcome = await sessions.outcome("a")
        assert outcome.score is None
        assert isinstance(outcome.failure, rt.SessionLost)

    play(world, test)


def test_a_begin_that_fails_behind_the_reset_keeps_no_session(world: Faulty) -> None:
    def read(_: Any) -> str:
        raise ZeroDivisionError

    async def test(sessions: Sessions) -> None:
        with pytest.raises(ZeroDivisionError):
            await sessions.begin("a", {})
        assert await asyncio.to_thread(world.ended.wait, PATIENCE_S)
        assert world.open == 0
        assert isinstance((await sessions.outcome("a")).failure, rt.NotReset)

    play(world, test, read=read)


def test_what_was_never_begun_has_no_score(world: Faulty) -> None:
    async def test(sessions: Sessions) -> None:
        assert isinstance((await sessions.outcome("a")).failure, rt.NotReset)
        with pytest.raises(rt.InvalidRequest):
            await sessions.begin("a", {"seed": "x"})
        assert isinstance((await sessions.outcome("a")).failure, rt.InvalidRequest)
        await sessions.begin("a", {"seed": 1})
        assert (await sessions.outcome("a")).score == 0.0

    play(world, test)


def test_idle_sessions_end(world: Faulty) -> None:
    now = 0.0

    async def test(sessions: Sessions) -> None:
        nonlocal now
        for name in ("idle", "done", "used"):
            await sessions.begin(name, {})
        await sessions.call("done", call("done"))
        now = 50.0
        await sessions.call("used", call("x"))
        now = 100.0
        await sessions.begin("new", {})
        assert (await sessions.call("used", call("x"))).reward == 1.0
        with pytest.raises(EpisodeLost):
            await sessions.call("idle", call("x"))
        assert (await sessions.outcome("idle")).score is None
        assert (await sessions.outcome("done")).score == 5.0
        now = 150.0
        await sessions.begin("another", {})
        assert (await sessions.outcome("done")).score == 5.0
        now = 170.0
        await sessions.begin("another", {})
        forgotten = await sessions.outcome("done")
        assert isinstance(forgotten.failure, rt.NotReset), "or trainers that close none fill memory"

    play(world, test, clock=lambda: now, idle_s=60)


def test_a_session_with_a_call_in_flight_is_not_idle(world: Faulty) -> None:
    now = 0.0

    async def test(sessions: Sessions) -> None:
        nonlocal now
        await sessions.begin("a", {})
        long = asyncio.create_task(sessions.call("a", call("hang")))
        while "hang" not in world.steps:  # noqa: ASYNC110 - the server runs in a thread
            await asyncio.sleep(0)
        now = 100.0
        await sessions.begin("b", {})
        assert sessions.losses.count == 0
        long.cancel()
        await asyncio.gather(long, return_exceptions=True)

    play(world, test, clock=lambda: now, idle_s=60)


def test_what_a_reset_shows_is_given_once(world: Faulty) -> None:
    async def test(sessions: Sessions) -> None:
        text = await sessions.begin("a", {})
        assert sessions.take_unread("a") == text
        assert sessions.take_unread("a") == sessions.take_unread("b") == ""

    play(world, test)
