"""Clients of a benchmark of steps, in a process of their own: steps, and prints what they cost."""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack

from benchmarks import barrier_clients, step_clients
from benchmarks.step_clients import CODE, AsyncStep, Step

SYNC = {**step_clients.SYNC, **barrier_clients.SYNC}
ASYNC = {**step_clients.ASYNC, **barrier_clients.ASYNC}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Meter:
    """Counts what steps cost, in blocks that alternate between the sides.

    Args:
        sides: what is measured.
        steps: of each side.
        blocks: into how many parts they are cut; the machine is as busy for one side's as for the
            next one's.
    """

    def __init__(self, sides: Iterable[str], steps: int, blocks: int) -> None:
        self.costs: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        self.steps, self.blocks = max(1, steps // blocks), blocks
        self.warm_up = max(1, steps // 10)
        self._peak = _peak()

    def order(self) -> Iterator[str]:
        """The sides in turn: A B, B A, A B."""
        for number in range(self.blocks):
            yield from self.costs if number % 2 == 0 else reversed(self.costs)

    def measure(self, side: str, step: Step) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(self.steps):
            echoed = ""  # nothing is kept from the step before
            echoed = step()
        self._note(side, wall, cpu, echoed)

    async def measure_async(self, side: str, step: AsyncStep) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(self.steps):
            echoed = ""
            echoed = await step()
        self._note(side, wall, cpu, echoed)

    def _note(self, side: str, wall: float, cpu: float, echoed: str) -> None:
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        word, _, size = CODE.partition(" ")
        if len(echoed) < int(size) * 0.99 if word == "large" else echoed != CODE:
            raise RuntimeError(f"the environment answered {side} {echoed[:100]!r}")
        cost = {"wall": wall / self.steps, "cpu": cpu / self.steps, "peak": _peak() - self._peak}
        self.costs[side].append(cost)


def run_sync(meter: Meter, url: str) -> None:
    with ExitStack() as stack:
        steps = {side: stack.enter_context(SYNC[side](url)) for side in meter.costs}
        for step in steps.values():
            for _ in range(meter.warm_up):
                step()
        for side in meter.order():
            meter.measure(side, steps[side])


async def run_async(meter: Meter, url: str) -> None:
    async with AsyncExitStack() as stack:
        steps = {side: await stack.enter_async_context(ASYNC[side](url)) for side in meter.costs}
        for step in steps.values():
            for _ in range(meter.warm_up):
                await step()
        for side in meter.order():
            await meter.measure_async(side, steps[side])


def main() -> None:
    parser = argparse.ArgumentParser(description="Clients of a benchmark; run step_cost instead.")
    parser.add_argument("sides", help="names with commas in between; they take turns")
    parser.add_argument("mode", choices=["sync", "async"])
    parser.add_argument("url")
    parser.add_argument("--steps", type=int, required=True, help="of each side")
    parser.add_argument("--blocks", type=int, default=1, help="parts of the steps that alternate")
    parser.add_argument("--uvloop", action="store_true", help="for asyncio")
    asked = parser.parse_args()
    meter = Meter(asked.sides.split(","), asked.steps, asked.blocks)
    if asked.mode == "sync":
        run_sync(meter, asked.url)
    elif asked.uvloop:
        import uvloop

        uvloop.run(run_async(meter, asked.url))
    else:
        asyncio.run(run_async(meter, asked.url))
    print(json.dumps(meter.costs))


if __name__ == "__main__":
    main()
