"""How often something goes wrong with forks, event loops, pickled errors and forgotten clients.

Every kind of try is made a thousand times, on a server in a process of its own. A try that goes
wrong is counted once and its first finding is shown. Ends with 1 if there was any.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks.measuring import introduce, table
from generated.coding_env import CodingEnv
from tests.runtime import tries
from tests.runtime.servers import faulty_process

Try = Callable[[], tries.Findings]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=1000, help="tries of each kind")
    parser.add_argument("kinds", nargs="*", help="only kinds whose name has one of these words")
    asked = parser.parse_args()
    introduce(f"{asked.tries} tries of each kind: how many went wrong, and the first finding.")
    rows: list[list[str]] = []
    wrong_in_all = 0
    with ExitStack() as stack:
        url, url_of_one = (stack.enter_context(faulty_process(room)) for room in (None, 1))
        pools = {
            method: stack.enter_context(multiprocessing.get_context(method).Pool(1))
            for method in ("fork", "forkserver", "spawn")
        }
        for name, once in _kinds(url, url_of_one, pools).items():
            if asked.kinds and not any(word in name for word in asked.kinds):
                continue
            findings = [found for _ in range(asked.tries) if (found := once())]
            wrong_in_all += len(findings)
            first = findings[0][0] if findings else ""
            rows.append([name, str(asked.tries), str(len(findings)), first[:100]])
            print(name, len(findings), flush=True, file=sys.stderr)
    table(["kind", "tries", "wrong", "first finding"], rows)
    sys.exit(bool(wrong_in_all))


def _kinds(url: str, url_of_one: str, pools: Mapping[str, Any]) -> dict[str, Try]:
    errors = itertools.cycle(tries.error_classes())
    env = CodingEnv(url)
    return {
        "fork, sync": partial(tries.fork_sync, url),
        "fork, sync, HTTP": partial(tries.fork_sync, url, "http"),
        "fork, async": partial(tries.fork_async, url),
        "fork, async, HTTP": partial(tries.fork_async, url, "http"),
        "fork, child leaves with": partial(tries.fork_and_close, url),
        "fork among threads": partial(tries.fork_among_threads, url, 1),
        **{f"worker by {how}": partial(tries.through_worker, it, env) for how, it in pools.items()},
        "loop after loop, capacity 1": partial(tries.loop_after_loop, url_of_one),
        "loop beside loop, capacity 1": partial(tries.loop_beside_loop, url_of_one),
        "pickle": lambda: tries.pickled(next(errors)),
        "error through a pool": lambda: tries.through_a_pool(pools["fork"], next(errors)),
        "forgotten, async, capacity 1": partial(tries.forget_async, url_of_one),
        "forgotten, sync, capacity 1": partial(tries.forget_sync, url_of_one),
        "forgotten, async, HTTP": partial(tries.forget_async, url, "http"),
        "forgotten, sync, HTTP": partial(tries.forget_sync, url, "http"),
    }


if __name__ == "__main__":
    main()
