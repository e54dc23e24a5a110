"""Plays steps under faults, and counts what a user must never see.

Wrong replies, errors outside ``EnvError``, calls over their limit, sockets that are left.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import envgen_runtime as rt
from benchmarks.chaos_server import FAULTS
from benchmarks.measuring import introduce, socket_server, table
from generated.coding_env import AsyncCodingEnv, CodingEnv

LIMIT_S = 0.5
GRACE_S = 1.5  # a machine with other work
STEPS = 12  # of an episode
RETRY = rt.RetryPolicy(first_delay_s=0.01, capacity_wait_s=0.5)


class Tally:
    """What happened in a run."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.seen: Counter[str] = Counter()
        self._numbers = iter(range(10**9))
        self._lock = threading.Lock()

    def seed(self) -> int:
        """The seed of another episode; each is given once."""
        with self._lock:
            return next(self._numbers)

    def replied(self, operation: str, got: str, wanted: str) -> None:
        """Count a reply."""
        with self._lock:
            self.left -= operation == "step"
            self.seen[operation if got == wanted else f"wrong {operation}"] += 1

    def failed(self, error: BaseException, began: float) -> None:
        """Count an error."""
        with self._lock:
            known = isinstance(error, rt.EnvError)
            self.seen["error" if known else f"outside: {type(error).__name__}"] += 1
            self.over(began)

    def over(self, began: float) -> None:
        """Count a call that took too long."""
        limit_s = LIMIT_S + RETRY.capacity_wait_s + GRACE_S
        self.seen["over limit"] += time.monotonic() - began > limit_s


def play(url: str, tally: Tally, options: dict[str, Any]) -> None:
    """Play episodes with one sync client until enough steps were taken."""
    with CodingEnv(url, request_timeout_s=LIMIT_S, retry=RETRY, **options) as env:
        while tally.left > 0:
            seed, began = tally.seed(), time.monotonic()
            try:
                tally.replied("reset", env.reset(seed=seed).observation.stdout, f"{seed}:0:")
                for number in range(1, STEPS):
                    began = time.monotonic()
                    stdout = env.step(code=f"t{number}").observation.stdout
                    tally.replied("step", stdout, f"{seed}:{number}:t{number}")
            except Exception as error:  # noqa: BLE001 - counted
                tally.failed(error, began)


async def play_async(url: str, tally: Tally, options: dict[str, Any]) -> None:
    """``play`` with an async client."""
    async with AsyncCodingEnv(url, request_timeout_s=LIMIT_S, retry=RETRY, **options) as env:
        while tally.left > 0:
            seed, began = tally.seed(), time.monotonic()
            try:
                result = await env.reset(seed=seed)
                tally.replied("reset", result.observation.stdout, f"{seed}:0:")
                for number in range(1, STEPS):
                    began = time.monotonic()
                    stdout = (await env.step(code=f"t{number}")).observation.stdout
                    tally.replied("step", stdout, f"{seed}:{number}:t{number}")
            except Exception as error:  # noqa: BLE001 - counted
                tally.failed(error, began)


def descriptors() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


def run(
    mode: str, faults: str, barrier: str, steps: int, sessions: int = 16, *, every: int = 10
) -> Counter[str]:
    """Play at least ``steps`` steps. Returns what was seen, by name."""
    tally = Tally(steps)
    options: dict[str, Any] = {"barrier": barrier, "transport": "websocket"}

    async def gather(url: str) -> None:
        await asyncio.gather(*(play_async(url, tally, options) for _ in range(sessions)))

    server = socket_server("chaos_server", f"--faults={faults}", f"--every={every}")
    with server as url:
        before = descriptors()
        if mode == "async":
            asyncio.run(gather(url))
        else:
            threads = [
                threading.Thread(target=play, args=(url, tally, options)) for _ in range(sessions)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        tally.seen["sockets left"] += max(descriptors() - before, 0)
    return tally.seen


WITHOUT_REPEATS = ",".join([*(fault for fault in FAULTS if fault != "twice_late"), "handshake"])
RUNS = {
    "all faults, barrier step": ("", "step"),
    "all but late repeats, barrier episode": (WITHOUT_REPEATS, "episode"),
    "late repeats alone, barrier step": ("twice_late", "step"),
    "late repeats alone, barrier episode": ("twice_late", "episode"),
    "late repeats alone, barrier off": ("twice_late", "off"),
}
COLUMNS = ("step", "error", "wrong step", "wrong reset", "over limit", "sockets left")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000, help="steps of a run, sync and async")
    parser.add_argument("--sessions", type=int, default=16)
    asked = parser.parse_args()
    introduce(f"{asked.steps} steps in each run, one fault in ten frames, limit {LIMIT_S} s.")
    rows: list[list[str]] = []
    for name, (faults, barrier) in RUNS.items():
        for mode in ("sync", "async"):
            seen = run(mode, faults, barrier, asked.steps // 2, asked.sessions)
            outside = sum(count for what, count in seen.items() if what.startswith("outside"))
            rows.append([f"{name}, {mode}", *(str(seen[column]) for column in COLUMNS)])
            rows[-1].append(str(outside))
            print(rows[-1], dict(seen), flush=True)
    table(["run", *COLUMNS, "outside EnvError"], rows)


if __name__ == "__main__":
    main()
