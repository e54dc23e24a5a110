"""One side of ``idle_sessions``, as a process of its own."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

_AT_ONCE = 20


def _memory() -> int:
    """What this process has in memory now, in bytes."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def main(side: str, url: str, count: int) -> None:
    if side == "ours":
        from generated.coding_env import AsyncCodingEnv

        make: Any = AsyncCodingEnv
    else:
        from benchmarks.step_clients import stock

        make, _ = stock()
    gate = asyncio.Semaphore(_AT_ONCE)

    async def opened() -> Any:
        async with gate:
            env = make(base_url=url)
            await env.reset()
            return env

    first = await opened()
    for thread in threading.enumerate():
        if thread.name == "envgen-contract":  # the first session's look imports what others don't
            await asyncio.to_thread(thread.join)
    before, began = _memory(), time.perf_counter()
    sessions = await asyncio.gather(*(opened() for _ in range(count)))
    took = time.perf_counter() - began
    print(json.dumps({"wall": took, "cpu": time.process_time(), "peak": _memory() - before}))
    await asyncio.gather(*(env.close() for env in (first, *sessions)))


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
