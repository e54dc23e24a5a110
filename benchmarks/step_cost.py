"""What a step over a WebSocket costs: a generated client, and the stock one of openenv."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measuring import (
    Spread,
    alternate,
    cpu,
    introduce,
    parse_runs,
    ratio,
    steps,
    table,
    wall,
)
from tests.interop.running import Release, running_server

STOCK = Release("openenv", "0.10.0")
NAMES = {"ours": "generated", "stock": "stock", "bare": "websockets and json alone"}


def main() -> None:
    parser = parse_runs(__doc__ or "", default=9)
    parser.add_argument("--steps", type=int, default=2000, help="steps of a client in a round")
    asked = parser.parse_args()
    introduce(
        f"{asked.steps} steps of one client over one WebSocket to one {STOCK} server process, all "
        f"on this machine:\nmedian (min-max) of {asked.runs} alternating rounds, each client in a "
        "fresh process. Wall time has the server's\nshare in it; CPU time is the client process's "
        "alone, all of its threads. A step makes its action anew."
    )
    pythons = {"ours": Path(sys.executable), "stock": STOCK.python(), "bare": Path(sys.executable)}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(STOCK, "words", Path(folder) / "log", MAX_SESSIONS="8") as server,
    ):
        for mode in ("sync", "async"):
            costs = alternate(
                {
                    side: partial(steps, python, side, mode, server.base_url, asked.steps)
                    for side, python in pythons.items()
                },
                asked.runs,
            )
            table(
                [mode, "wall us/step", "CPU us/step", "wall / ours", "CPU / ours"],
                [
                    [
                        NAMES[side],
                        Spread.of(map(wall, some)).show(scale=1e6),
                        Spread.of(map(cpu, some)).show(scale=1e6),
                        *(ratio(some, costs["ours"], of) for of in (wall, cpu)),
                    ]
                    for side, some in costs.items()
                ],
            )


if __name__ == "__main__":
    main()
