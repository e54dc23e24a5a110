"""What a step over HTTP costs: a generated client, and one like the first that was published."""

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

SERVER = Release("openenv-core", "0.1.1")
NAMES = {
    "ours": "generated",
    "seed": "requests.Session, as in the first client",
    "http": "http.client and json alone",
}


def main() -> None:
    parser = parse_runs(__doc__ or "", default=9)
    parser.add_argument("--steps", type=int, default=1000, help="steps of a client in a round")
    asked = parser.parse_args()
    introduce(
        f"{asked.steps} steps of one client over HTTP to one {SERVER} server process: median "
        f"(min-max) of {asked.runs} alternating rounds,\neach client in a fresh process."
    )
    python = Path(sys.executable)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(SERVER, "words", Path(folder) / "log") as server,
    ):
        costs = alternate(
            {
                side: partial(steps, python, side, "sync", server.base_url, asked.steps)
                for side in NAMES
            },
            asked.runs,
        )
    table(
        ["sync", "wall us/step", "CPU us/step", "wall / ours", "CPU / ours"],
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
