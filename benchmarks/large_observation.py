"""What a large observation costs: time and memory, of a generated client and of the stock one."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measuring import (
    MS_COLUMNS,
    Column,
    alternate,
    cost_table,
    introduce,
    parse_runs,
    peak,
    steps,
)
from tests.interop.running import Release, running_server

STOCK = Release("openenv", "0.10.0")
NAMES = {"ours": "generated", "stock": "stock", "bare": "websockets and json alone"}


def main() -> None:
    parser = parse_runs(__doc__ or "", default=5)
    parser.add_argument("--steps", type=int, default=5, help="steps of a client in a round")
    parser.add_argument("--megabytes", type=int, default=10, help="size of an observation")
    asked = parser.parse_args()
    introduce(
        f"Observations of {asked.megabytes} MB of text from one {STOCK} server process: median "
        f"(min-max) of {asked.runs} alternating rounds of {asked.steps} steps,\neach client in a "
        "fresh process. Memory is by how much the peak rose, in sizes of a message."
    )
    pythons = {"ours": Path(sys.executable), "stock": STOCK.python(), "bare": Path(sys.executable)}
    size = asked.megabytes * 1_000_000
    code = f"large {size}"
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(STOCK, "words", Path(folder) / "log", MAX_SESSIONS="8") as server,
    ):
        for mode in ("sync", "async"):
            costs = alternate(
                {
                    side: partial(
                        steps,
                        python,
                        side,
                        mode,
                        server.base_url,
                        asked.steps,
                        code=code,
                    )
                    for side, python in pythons.items()
                },
                asked.runs,
            )
            memory = Column("memory", peak, 1 / size, 1, "x")
            named = {NAMES[side]: some for side, some in costs.items()}
            cost_table(mode, named, NAMES["ours"], [*MS_COLUMNS, memory])


if __name__ == "__main__":
    main()
