"""What the barrier costs: a reset with "episode" and a step with "step", each beside "off"."""

from __future__ import annotations

from benchmarks.barrier_clients import RESETS, STEPS
from benchmarks.measuring import (
    STEP_COLUMNS,
    cost_table,
    introduce,
    light_server,
    parse_runs,
    steps_in_turn,
)
from benchmarks.step_cost import STOCK, stock_server


def main() -> None:
    parser = parse_runs(__doc__ or "", default=61)
    parser.add_argument("--steps", type=int, default=100, help="calls of a client in a round")
    asked = parser.parse_args()
    introduce(
        f"{asked.steps} calls of one client over one WebSocket, on this machine: median (min-max) "
        f"of {asked.runs}\nrounds in turn in one process. Wall time has the server's share in it; "
        "CPU time is the client's.\nThe light server ignores the mark's data and answers with a "
        f"small state; {STOCK} refuses it."
    )
    for name, server in ((str(STOCK), stock_server()), ("light server", light_server())):
        with server as url:
            for mode in ("sync", "async"):
                for off, on in (RESETS, STEPS):
                    calls = asked.steps * asked.runs
                    costs = steps_in_turn([off, on], mode, url, calls, blocks=asked.runs)
                    cost_table(f"{name}, {mode}", costs, off, STEP_COLUMNS, than="off")


if __name__ == "__main__":
    main()
