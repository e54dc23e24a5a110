"""Generated clients with each barrier, whose steps and resets are measured."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from benchmarks.step_clients import CODE, AsyncStep, Step


@contextmanager
def steps_sync(url: str, barrier: Any) -> Iterator[Step]:
    from generated.coding_env import CodeAction, CodingEnv

    with CodingEnv(url, barrier=barrier, transport="websocket") as env:
        env.reset()
        yield lambda: env.step(CodeAction(code=CODE)).observation.stdout


@contextmanager
def resets_sync(url: str, barrier: Any) -> Iterator[Step]:
    """Each step is a reset of the session that is open."""
    from generated.coding_env import CodingEnv

    with CodingEnv(url, barrier=barrier, transport="websocket") as env:

        def reset() -> str:
            env.reset()
            return CODE

        yield reset


@asynccontextmanager
async def steps_async(url: str, barrier: Any) -> AsyncIterator[AsyncStep]:
    from generated.coding_env import AsyncCodingEnv, CodeAction

    async with AsyncCodingEnv(url, barrier=barrier, transport="websocket") as env:
        await env.reset()

        async def step() -> str:
            return (await env.step(CodeAction(code=CODE))).observation.stdout

        yield step


@asynccontextmanager
async def resets_async(url: str, barrier: Any) -> AsyncIterator[AsyncStep]:
    from generated.coding_env import AsyncCodingEnv

    async with AsyncCodingEnv(url, barrier=barrier, transport="websocket") as env:

        async def reset() -> str:
            await env.reset()
            return CODE

        yield reset


STEPS = ("step-off", "step-step")
RESETS = ("reset-off", "reset-episode")

SYNC = {
    **{side: partial(steps_sync, barrier=side.partition("-")[2]) for side in STEPS},
    **{side: partial(resets_sync, barrier=side.partition("-")[2]) for side in RESETS},
}
ASYNC = {
    **{side: partial(steps_async, barrier=side.partition("-")[2]) for side in STEPS},
    **{side: partial(resets_async, barrier=side.partition("-")[2]) for side in RESETS},
}
