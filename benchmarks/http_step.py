"""What a step over HTTP costs a generated client, in costs of the first published client's."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measuring import (
    STEP_COLUMNS,
    alternate,
    cost_table,
    introduce,
    parse_runs,
    steps,
)
from tests.interop.running import Release, running_server

SERVER = Release("openenv-core", "0.1.1")
REQUESTS = "requests.Session, as in the first client"
SIDES = {
    "generated": ("ours", "sync"),
    "generated, async": ("ours", "async"),
    REQUESTS: ("seed", "sync"),
    "http.client and json alone": ("http", "sync"),
}


def main() -> None:
    parser = parse_runs(__doc__ or "", default=9)
    parser.add_argument("--steps", type=int, default=1000, help="steps of a client in a round")
    asked = parser.parse_args()
    introduce(
        f"{asked.steps} steps of one client over HTTP to one {SERVER} server process: median "
        f"(min-max) of {asked.runs} alternating rounds,\neach client in a fresh process. Wall time "
        "includes the server's share; the goal is a CPU ratio of 0.5 to requests."
    )
    python = Path(sys.executable)
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(SERVER, "words", Path(folder) / "log") as server,
    ):
        costs = alternate(
            {
                name: partial(steps, python, side, mode, server.base_url, asked.steps)
                for name, (side, mode) in SIDES.items()
            },
            asked.runs,
        )
    cost_table("client", costs, REQUESTS, STEP_COLUMNS, than="requests")


if __name__ == "__main__":
    main()
