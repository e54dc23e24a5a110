"""Tools of an episode that another process calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime.adapters.episode import AsyncEpisode
from envgen_runtime.adapters.losses import EpisodeLost, Losses
from envgen_runtime.adapters.relay import ToolRelay, call_relayed, list_relayed
from generated.coding_env import AsyncCodingEnv
from tests.adapters.faulty import Faulty, faulty
from tests.support import PATIENCE_S


@pytest.fixture
def world() -> Iterator[Faulty]:
    with faulty() as served:
        yield served


@asynccontextmanager
async def relayed(world: Faulty, **options: Any) -> AsyncIterator[ToolRelay]:
    async with AsyncCodingEnv(world.url, step_timeout_s=60) as env:
        episode = AsyncEpisode(env, Losses("coding_env"), **options)
        await episode.reset({})
        relay = ToolRelay(episode)
        await relay.open()
        try:
            yield relay
        finally:
            await relay.close()


async def call(relay: ToolRelay, code: str, token: str | None = None) -> dict[str, Any]:
    return await call_relayed(relay.address, token or relay.token, "CodeAction", {"code": code})


def text(result: dict[str, Any]) -> str:
    ((block),) = result["content"]
    assert block["type"] == "text"
    told: str = block["text"]
    return told


def test_calls_are_relayed(world: Faulty) -> None:
    async def play() -> None:
        async with relayed(world) as relay:
            (tool,) = await list_relayed(relay.address, relay.token)
            assert tool["name"] == "CodeAction"
            assert tool["inputSchema"]["required"] == ["code"]
            ran = await call(relay, "a")
            assert (text(ran), ran["isError"]) == ("ran a", False)
            refused = await call_relayed(relay.address, relay.token, "CodeAction", {"cod": 1})
            assert refused["isError"]
            assert "cod" in text(refused)
            await asyncio.gather(call(relay, "b"), call(relay, "c"), call(relay, "d"))
            assert relay.episode.score.value() == 4.0

    asyncio.run(play())
    assert sorted(world.steps) == ["a", "b", "c", "d"]


def test_only_who_has_the_token_may_call(world: Faulty) -> None:
    async def play() -> None:
        async with relayed(world) as relay:
            assert (await call(relay, "a", "guessed"))["isError"]
            with pytest.raises(OSError, match="hung up"):
                await list_relayed(relay.address, "guessed")
            assert relay.episode.score.value() == 0.0

    asyncio.run(play())
    assert world.steps == []


def test_no_more_than_a_token_is_read_of_one_who_has_it_not(world: Faulty) -> None:
    """The caller is left before it has sent a line, or ended what it sends."""

    async def play() -> None:
        async with relayed(world) as relay:
            host, _, port = relay.address.rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"x" * len(relay.token))
            async with asyncio.timeout(PATIENCE_S):
                assert await reader.read() == b""
            writer.close()

    asyncio.run(play())


def test_what_is_no_request_gets_no_answer(world: Faulty, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with relayed(world) as relay:
            host, _, port = relay.address.rpartition(":")
            deep = b"[" * 100_000 + b"\n"
            other = b'{"token": "\xc3\xa9"}\n'
            for line in (
                b"GET / HTTP/1.1\r\n",
                b"\n",
                b"[1]\n",
                b'{"token": "\xc3"}\n',
                other,
                deep,
            ):
                reader, writer = await asyncio.open_connection(host, int(port))
                writer.write(line)
                writer.write_eof()
                assert await reader.read() == b""
                writer.close()
            assert text(await call(relay, "a")) == "ran a"

    asyncio.run(play())
    assert [record for record in caplog.records if record.name == "asyncio"] == []


def test_a_loss_is_told_and_is_no_score(world: Faulty) -> None:
    async def play() -> None:
        async with relayed(world) as relay:
            for code in ("drop", "a"):
                told = await call(relay, code)
                assert (text(told), told["isError"]) == (EpisodeLost.MESSAGE, True)
            assert relay.episode.score.value() is None
            address = relay.address
        gone = await call_relayed(address, "any", "CodeAction", {"code": "a"})
        assert text(gone) == EpisodeLost.MESSAGE

    asyncio.run(play())
    assert world.steps == ["drop"]


async def hanging(world: Faulty, relay: ToolRelay) -> tuple[Any, Any]:
    """A connection whose call is in flight."""
    host, _, port = relay.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    request = {"name": "CodeAction", "arguments": {"code": "hang"}}
    writer.write(relay.token.encode() + json.dumps(request).encode() + b"\n")
    while not world.steps:  # noqa: ASYNC110 - it is set by a thread
        await asyncio.sleep(0)
    return reader, writer


def test_a_caller_that_hangs_up_loses_the_episode(world: Faulty) -> None:
    """Its call may have counted, and it may call again: nothing may count twice."""

    async def play() -> None:
        async with relayed(world) as relay:
            _, writer = await hanging(world, relay)
            writer.close()
            assert text(await call(relay, "hang")) == EpisodeLost.MESSAGE
            assert relay.episode.score.value() is None

    asyncio.run(play())
    assert world.steps == ["hang"]


def test_a_call_in_flight_at_the_end_leaves_no_score(world: Faulty) -> None:
    async def play() -> None:
        async with relayed(world) as relay:
            reader, writer = await hanging(world, relay)
            await relay.close()
            assert relay.episode.score.value() is None
            assert isinstance(relay.episode.score.loss, rt.SessionLost)
            assert await reader.read() == b""
            writer.close()

    asyncio.run(play())


def test_a_result_that_no_line_holds_loses_the_episode(
    world: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller that raised would be asked again, and the step counted twice."""
    monkeypatch.setattr("envgen_runtime.adapters.relay._MAX_LINE", 1000)

    async def play() -> None:
        async with relayed(
            world, read=lambda result: "x" * (1000 if world.steps[-1:] == ["long"] else 1)
        ) as relay:
            assert text(await call(relay, "a")) == "x"
            assert text(await call(relay, "long")) == EpisodeLost.MESSAGE
            assert relay.episode.score.value() is None

    asyncio.run(play())
    assert len(world.steps) == 2


def test_a_failing_reader_of_results_loses_the_episode(world: Faulty) -> None:
    def read(result: Any) -> str:
        if result.observation.stdout == "ran a":
            raise ZeroDivisionError
        return "fine"

    async def play() -> None:
        async with relayed(world, read=read) as relay:
            assert text(await call(relay, "a")) == EpisodeLost.MESSAGE
            assert "ZeroDivisionError" in str(relay.episode.score.loss)
            assert relay.episode.score.value() is None

    asyncio.run(play())
