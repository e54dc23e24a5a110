"""What a step over a WebSocket costs: a generated client, the stock one, and clients by hand."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.measuring import (
    STEP_COLUMNS,
    alternate,
    cost_table,
    introduce,
    light_server,
    parse_runs,
    steps,
)
from tests.interop.running import Release, running_server

STOCK = Release("openenv", "0.10.0")
SIDES = {
    "sync": {
        "generated": "ours",
        "by hand on websockets.sync, typed": "hand",
        "websockets.sync and json alone": "bare",
        "stock": "stock",
    },
    "async": {
        "generated": "ours",
        "generated, uvloop": "ours",
        "by hand on aiohttp, typed": "aiohttp",
        "by hand on picows, typed": "picows",
        "websockets and json alone": "bare",
        "stock": "stock",
    },
}


def main() -> None:
    parser = parse_runs(__doc__ or "", default=9)
    parser.add_argument("--steps", type=int, default=2000, help="steps of a client in a round")
    parser.add_argument(
        "--light",
        action="store_true",
        help="a server that answers at once, without the stock client",
    )
    asked = parser.parse_args()
    introduce(
        f"{asked.steps} steps of one client over one WebSocket to one process of "
        f"{'a light server' if asked.light else STOCK}, all on this machine:\nmedian (min-max) of "
        f"{asked.runs} alternating rounds, each client in a fresh process. Wall time has the "
        "server's\nshare in it; CPU time is the client process's alone, all of its threads. A step "
        "makes its action anew."
    )
    with light_server() if asked.light else stock_server() as url:
        for mode, sides in SIDES.items():
            costs = alternate(
                {
                    name: partial(
                        steps,
                        STOCK.python() if side == "stock" else Path(sys.executable),
                        side,
                        mode,
                        url,
                        asked.steps,
                        uvloop=name.endswith("uvloop"),
                    )
                    for name, side in sides.items()
                    if side != "stock" or not asked.light
                },
                asked.runs,
            )
            cost_table(mode, costs, "generated", STEP_COLUMNS)


@contextmanager
def stock_server() -> Iterator[str]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(STOCK, "words", Path(folder) / "log", MAX_SESSIONS="8") as server,
    ):
        yield server.base_url


if __name__ == "__main__":
    main()
