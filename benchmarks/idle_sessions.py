"""What an idle session costs: a thousand of them in one process, ours and the stock client's."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measuring import (
    ROOT,
    Cost,
    Spread,
    alternate,
    introduce,
    parse_runs,
    peak,
    ratio,
    table,
    wall,
)
from tests.interop.running import Release, running_server

STOCK = Release("openenv", "0.10.0")
NAMES = {"ours": "generated", "stock": "stock"}


def main() -> None:
    parser = parse_runs(__doc__ or "", default=3)
    parser.add_argument("--sessions", type=int, default=1000)
    asked = parser.parse_args()
    count: int = asked.sessions
    introduce(
        f"{count} async sessions, reset and then idle, of one process on one {STOCK} server: "
        f"median (min-max) of {asked.runs} alternating rounds.\n"
        "Memory is by how much the process grew, its imports and first session not counted."
    )
    pythons = {"ours": Path(sys.executable), "stock": STOCK.python()}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(
            STOCK, "words", Path(folder) / "log", MAX_SESSIONS=str(2 * count + 2)
        ) as server,
    ):
        costs = alternate(
            {
                side: partial(_sessions, python, side, server.base_url, count)
                for side, python in pythons.items()
            },
            asked.runs,
        )
    table(
        ["async", "KiB/session", "opening, ms/session", "memory / ours", "wall / ours"],
        [
            [
                NAMES[side],
                Spread.of(map(peak, some)).show(1, scale=1 / count / 1024),
                Spread.of(map(wall, some)).show(1, scale=1e3 / count),
                *(ratio(some, costs["ours"], of) for of in (peak, wall)),
            ]
            for side, some in costs.items()
        ],
    )


def _sessions(python: Path, side: str, url: str, count: int) -> Cost:
    done = subprocess.run(
        [python, "-m", "benchmarks.idle_worker", side, url, str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    return Cost(**json.loads(done.stdout))


if __name__ == "__main__":
    main()
