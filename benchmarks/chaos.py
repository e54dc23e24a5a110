"""Plays steps under faults, and counts what a user must never see.

Wrong replies, errors outside ``EnvError``, calls over their limit, sockets that are left.

No barrier can tell a reply that is repeated late, in place of one that never comes or comes after
the answer to its mark, all within one request. Such wrong replies are counted apart, as "repeated
for lost": the server notes the fault of each request, so they are known and not guessed.
"""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import envgen_runtime as rt
from benchmarks.chaos_server import FAULTS
from benchmarks.measuring import introduce, socket_server, table
from generated.coding_env import AsyncCodingEnv, CodingEnv

LIMIT_S = 0.5
GRACE_S = 1.5  # a machine with other work
NAP_S = 0.02
MOST_TOLD = 20  # wrong replies of a run
STEPS = 12  # of an episode
NOT_IN_TIME = ("lost_reply", "lost_request", "too_late", "swap", "delay", "drip")
RETRY = rt.RetryPolicy(first_delay_s=0.01, capacity_wait_s=0.5)


class Tally:
    """What happened in a run."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.seen: Counter[str] = Counter()
        self.wrong: list[tuple[str, str, str]] = []  # operation, the request answered, and asked
        self.told: list[str] = []
        self.longest_s = self.stalled_s = 0.0
        self.longest = "none"
        self._numbers = iter(range(10**9))
        self._lock = threading.Lock()

    def seed(self) -> int:
        """The seed of another episode; each is given once."""
        with self._lock:
            return next(self._numbers)

    def replied(self, operation: str, observed: str, wanted: str) -> None:
        """Count a reply, by the episode and the request that it says it belongs to."""
        seed, _, token = observed.split(":")
        got = f"{seed}:{token}"
        with self._lock:
            self.left -= operation == "step"
            self.seen[operation if got == wanted else f"wrong {operation}"] += 1
            if got != wanted:
                self.wrong.append((operation, got, wanted))

    def tell_apart(self, faults: dict[str, str]) -> None:
        """Count apart the wrong replies that no barrier can tell. ``faults`` has each request's."""
        for operation, got, wanted in self.wrong:
            if faults.get(got) == "twice_late" and faults.get(wanted) in NOT_IN_TIME:
                self.seen[f"wrong {operation}"] -= 1
                self.seen["repeated for lost"] += 1
            self.told.append(
                f"{operation}: {got} ({faults.get(got)}) in place of {wanted} "
                f"({faults.get(wanted)})"
            )

    def failed(self, error: BaseException, began: float) -> None:
        """Count an error."""
        with self._lock:
            known = isinstance(error, rt.EnvError)
            self.seen["error" if known else f"outside: {type(error).__name__}"] += 1
            self.seen["wrong refusal"] += isinstance(error, rt.ActionRejected)  # none is refused
            self.over(began, error)

    def over(self, began: float, error: BaseException) -> None:
        """Count a call that took too long, and keep the error of the longest."""
        took_s = time.monotonic() - began
        self.seen["over limit"] += took_s > LIMIT_S + RETRY.capacity_wait_s + GRACE_S
        if took_s > self.longest_s:
            self.longest_s, self.longest = took_s, repr(error)

    def woke(self, asleep_since: float) -> None:
        """Note how late the process, or its loop, was to go on."""
        self.stalled_s = max(self.stalled_s, time.monotonic() - asleep_since - NAP_S)


def play(url: str, tally: Tally, options: dict[str, Any]) -> None:
    """Play episodes with one sync client until enough steps were taken."""
    with CodingEnv(url, request_timeout_s=LIMIT_S, retry=RETRY, **options) as env:
        while tally.left > 0:
            seed, began = tally.seed(), time.monotonic()
            try:
                tally.replied("reset", env.reset(seed=seed).observation.stdout, f"{seed}:")
                for number in range(1, STEPS):
                    began = time.monotonic()
                    stdout = env.step(code=f"t{number}").observation.stdout
                    tally.replied("step", stdout, f"{seed}:t{number}")
            except Exception as error:  # noqa: BLE001 - counted
                tally.failed(error, began)


async def play_async(url: str, tally: Tally, options: dict[str, Any]) -> None:
    """``play`` with an async client."""
    async with AsyncCodingEnv(url, request_timeout_s=LIMIT_S, retry=RETRY, **options) as env:
        while tally.left > 0:
            seed, began = tally.seed(), time.monotonic()
            try:
                result = await env.reset(seed=seed)
                tally.replied("reset", result.observation.stdout, f"{seed}:")
                for number in range(1, STEPS):
                    began = time.monotonic()
                    stdout = (await env.step(code=f"t{number}")).observation.stdout
                    tally.replied("step", stdout, f"{seed}:t{number}")
            except Exception as error:  # noqa: BLE001 - counted
                tally.failed(error, began)


def descriptors() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


def run(
    mode: str, faults: str, barrier: str, steps: int, sessions: int = 16, *, every: int = 10
) -> Tally:
    """Play at least ``steps`` steps, and count what is seen."""
    tally = Tally(steps)
    options: dict[str, Any] = {"barrier": barrier, "transport": "websocket"}

    async def nap() -> None:
        while True:
            asleep_since = time.monotonic()
            await asyncio.sleep(NAP_S)
            tally.woke(asleep_since)

    async def gather(url: str) -> None:
        napping = asyncio.create_task(nap())
        await asyncio.gather(*(play_async(url, tally, options) for _ in range(sessions)))
        napping.cancel()

    with TemporaryDirectory() as folder, ExitStack() as stack:
        log = Path(folder, "faults")
        given = (f"--faults={faults}", f"--every={every}", f"--log={log}")
        url = stack.enter_context(socket_server("chaos_server", *given))
        before = descriptors()
        if mode == "async":
            asyncio.run(gather(url))
        else:
            threads = [
                threading.Thread(target=play, args=(url, tally, options)) for _ in range(sessions)
            ]
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                asleep_since = time.monotonic()
                time.sleep(NAP_S)
                tally.woke(asleep_since)
        tally.seen["sockets left"] += max(descriptors() - before, 0)
        stack.close()  # the server has written all
        known = (line.split() for line in log.read_text().splitlines())
        tally.tell_apart({request: fault for fault, request in known})
    return tally


WITHOUT_REPEATS = ",".join([*(fault for fault in FAULTS if fault != "twice_late"), "handshake"])
RUNS = {
    "all faults, barrier step": ("", "step"),
    "all but late repeats, barrier episode": (WITHOUT_REPEATS, "episode"),
    "late repeats alone, barrier step": ("twice_late", "step"),
    "late repeats alone, barrier episode": ("twice_late", "episode"),
    "late repeats alone, barrier off": ("twice_late", "off"),
}
COLUMNS = (
    "step", "reset", "error", "wrong step", "wrong reset", "wrong refusal", "repeated for lost",
    "over limit", "sockets left",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100_000, help="steps of a run, sync and async")
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("runs", nargs="*", help="only runs whose name begins with one of these")
    asked = parser.parse_args()
    introduce(f"{asked.steps} steps in each run, one fault in ten frames, limit {LIMIT_S} s.")
    rows: list[list[str]] = []
    for name, (faults, barrier) in RUNS.items():
        if asked.runs and not name.startswith(tuple(asked.runs)):
            continue
        for mode in ("sync", "async"):
            tally = run(mode, faults, barrier, asked.steps // 2, asked.sessions)
            seen = tally.seen
            outside = sum(count for what, count in seen.items() if what.startswith("outside"))
            rows.append([f"{name}, {mode}", *(str(seen[column]) for column in COLUMNS)])
            rows[-1] += [str(outside), f"{tally.longest_s:.2f}", f"{tally.stalled_s:.2f}"]
            print(
                rows[-1], dict(seen), tally.longest, *tally.told[:MOST_TOLD], sep="\n  ", flush=True
            )
    table(["run", *COLUMNS, "outside EnvError", "longest s", "stalled s"], rows)


if __name__ == "__main__":
    main()
