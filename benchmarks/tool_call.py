"""What a typed call of a tool costs over OpenEnv's socket: ours, and the stock tool client."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.measuring import STEP_COLUMNS, alternate, cost_table, introduce, parse_runs, steps
from benchmarks.step_clients import TOOL_TEXT
from benchmarks.step_cost import STOCK
from tests.interop.running import running_server

SIDES = {"generated": "tool", "stock": "stock-tool"}


def main() -> None:
    parser = parse_runs(__doc__ or "", default=5)
    parser.add_argument("--calls", type=int, default=500, help="calls of a client in a round")
    asked = parser.parse_args()
    introduce(
        f"{asked.calls} calls of get-weather(city, days) by one client over one WebSocket to one "
        f"process of {STOCK}, all on this\nmachine: median (min-max) of {asked.runs} alternating "
        "rounds, each client in a fresh process. CPU time is the client\nprocess's alone. Ours "
        "validates arguments and result, and returns the reward; the stock client returns the text."
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(
            STOCK, "tools_shop", Path(folder) / "log", MAX_SESSIONS="8", WAIT_S="0"
        ) as server,
    ):
        for mode in ("sync", "async"):
            costs = alternate(
                {
                    name: partial(
                        steps,
                        STOCK.python() if name == "stock" else Path(sys.executable),
                        side,
                        mode,
                        server.base_url,
                        asked.calls,
                        code=TOOL_TEXT,
                    )
                    for name, side in SIDES.items()
                },
                asked.runs,
            )
            cost_table(mode, costs, "generated", STEP_COLUMNS)


if __name__ == "__main__":
    main()
