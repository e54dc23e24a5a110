"""The goals for speed, all in one run: ours, the other side, the ratio, and whether it is reached.

A ratio is the median of the ratios of rounds that alternate, in client CPU time where nothing else
is said. Steps and sessions are those of a light server, unless they are HTTP's.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

from benchmarks import build_time, http_step
from benchmarks.measuring import (
    ROOT,
    Cost,
    alternate,
    cpu,
    introduce,
    light_server,
    parse_runs,
    peak,
    run,
    steps,
    steps_in_turn,
    table,
)
from envgen_runtime.generated import RequestModel, wire_fields
from envgen_runtime.wire.protocol import Request, websocket_frame
from tests.interop.running import running_server

_LARGE = 100_000_000
_ONE_MODEL = "import pydantic\nclass Action(pydantic.BaseModel):\n    code: str"


class Row(NamedTuple):
    """One goal: costs of ours and of the other side, round by round, and the ratio to reach."""

    what: str
    ours: Sequence[float]
    peer: str
    theirs: Sequence[float]
    goal: float | None
    unit: str = "us"
    scale: float = 1e6

    def cells(self) -> list[str]:
        pairs = zip(self.ours, self.theirs, strict=True)
        ratio = statistics.median(mine / other for mine, other in pairs)
        reached = "" if self.goal is None else "yes" if ratio <= self.goal else "no"
        return [
            self.what,
            self._shown(self.ours),
            self._shown(self.theirs),
            self.peer,
            f"{ratio:.2f}",
            "" if self.goal is None else f"{self.goal:.2f}",
            reached,
        ]

    def _shown(self, numbers: Sequence[float]) -> str:
        return f"{statistics.median(numbers) * self.scale:.3g} {self.unit}"


def main() -> None:
    parser = parse_runs(__doc__ or "", default=15)
    asked = parser.parse_args()
    introduce(f"{__doc__}\n{asked.runs} rounds.")
    rows: list[Row] = []
    for measure in (stepping, opening, over_http, arrays, large, imports, builds):
        rows += measure(asked.runs)
    table(
        ["what", "ours", "the other", "which is", "ours / other", "goal", "reached"],
        [row.cells() for row in rows],
    )


def _versus(
    what: str, costs: dict[str, list[Cost]], ours: str, goals: dict[str, tuple[str, float | None]]
) -> Iterator[Row]:
    for side, (peer, goal) in goals.items():
        mine, theirs = ([one.cpu for one in costs[name]] for name in (ours, side))
        yield Row(what, mine, peer, theirs, goal)


def stepping(runs: int) -> Iterator[Row]:
    """One session, and many; a round is 200 steps."""
    hand = ("by hand, websockets.sync", 0.85)
    aiohttp, picows = ("by hand, aiohttp", 0.95), ("by hand, picows", 1.2)
    several = partial(steps_in_turn, count=200 * 4 * runs, blocks=4 * runs)
    with light_server() as url:
        costs = several(["ours", "hand"], "sync", url)
        yield from _versus("step, sync", costs, "ours", {"hand": hand})
        for uvloop in (False, True):
            costs = several(["ours", "aiohttp", "picows"], "async", url, uvloop=uvloop)
            sides = {"aiohttp": aiohttp, "picows": picows}
            if uvloop:
                sides = {side: (f"{name}, uvloop", None) for side, (name, _) in sides.items()}
            what = "step, async, uvloop" if uvloop else "step, async"
            yield from _versus(what, costs, "ours", sides)
        costs = steps_in_turn(["many", "many-aiohttp"], "async", url, 10 * runs, blocks=runs)
        yield from _versus(
            "64 steps of 64 sessions", costs, "many", {"many-aiohttp": ("by hand, aiohttp", None)}
        )


def opening(runs: int) -> Iterator[Row]:
    """Connect, reset and close; a round is 20 sessions."""
    several = partial(steps_in_turn, count=20 * runs, blocks=runs)
    with light_server() as url:
        costs = several(["opening", "opening-hand"], "sync", url)
        yield from _versus(
            "session, sync", costs, "opening", {"opening-hand": ("by hand, websockets.sync", None)}
        )
        sides = ["opening", "opening-websockets", "opening-aiohttp"]
        costs = several(sides, "async", url)
        peers: dict[str, tuple[str, float | None]] = {
            "opening-websockets": ("by hand, websockets", None),
            "opening-aiohttp": ("by hand, aiohttp", None),
        }
        yield from _versus("session, async", costs, "opening", peers)


def over_http(runs: int) -> Iterator[Row]:
    """On a server of the first release; a round is 25 steps."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running_server(http_step.SERVER, "words", Path(folder) / "log") as server,
    ):
        sides = ["ours", "seed"]
        costs = steps_in_turn(sides, "sync", server.base_url, 100 * runs, blocks=4 * runs)
    yield from _versus("step, HTTP", costs, "ours", {"seed": ("requests, first client", 0.5)})


# --- arrays of numbers --------------------------------------------------------------------------


class Plain(BaseModel):
    """As people write it by hand."""

    ints: list[int] = []
    grid: list[list[int]] = []
    floats: list[float] = []


class Ours(RequestModel):
    """As it is generated."""

    ints: list[int] = Field(default=[])
    grid: list[list[int]] = Field(default=[])
    floats: list[float] = Field(default=[])


ARRAYS: dict[str, Any] = {
    "ints": list(range(2000)),
    "grid": [[row * column % 7 for column in range(64)] for row in range(64)],
    "floats": [number * 0.37 for number in range(2000)],
}
SHOWN = {"ints": "2,000 integers", "grid": "a grid of 64 x 64", "floats": "2,000 floats"}


def arrays(runs: int) -> Iterator[Row]:
    """A round is 50 reads of an array, or 20 requests with it."""
    for name, values in ARRAYS.items():
        fields = {name: values}
        costs = alternate(
            {
                "ours": partial(_timed, partial(Ours.model_validate, fields), 50),
                "plain": partial(_timed, partial(Plain.model_validate, fields), 50),
            },
            4 * runs,
        )
        yield from _versus(
            f"{SHOWN[name]}, read", costs, "ours", {"plain": ("plain pydantic", 1.4)}
        )
    for name, values in ARRAYS.items():
        ours, plain = Ours(**{name: values}), Plain(**{name: values})
        costs = alternate(
            {
                "ours": partial(_timed, partial(_frame, ours), 20),
                "hand": partial(_timed, partial(_frame_by_hand, plain), 20),
                "least": partial(_timed, plain.model_dump_json, 20),
            },
            4 * runs,
        )
        peers: dict[str, tuple[str, float | None]] = {
            "hand": ("pydantic and json.dumps", 1.4),
            "least": ("model_dump_json alone", None),
        }
        yield from _versus(f"{SHOWN[name]}, sent", costs, "ours", peers)


def _frame(action: Ours) -> bytes:
    return websocket_frame(Request.begun("step", wire_fields(action, Ours), 1.0, ""))


def _frame_by_hand(action: Plain) -> bytes:
    return json.dumps({"type": "step", "data": action.model_dump()}).encode()


def _timed(call: Callable[[], object], count: int) -> Cost:
    wall, cpu_time = time.perf_counter(), time.process_time()
    for _ in range(count):
        call()
    spent = time.process_time() - cpu_time
    return Cost((time.perf_counter() - wall) / count, spent / count)


# --- processes ----------------------------------------------------------------------------------


def large(runs: int) -> Iterator[Row]:
    """Peak memory, in messages."""
    rounds = max(1, runs // 5)
    with light_server(length=_LARGE) as url:
        for mode in ("sync", "async"):
            some = [
                steps(Path(sys.executable), "ours", mode, url, 3, code=f"large {_LARGE}")
                for _ in range(rounds)
            ]
            yield Row(
                f"100 MB observation, {mode}",
                list(map(peak, some)),
                "the message",
                [_LARGE] * rounds,
                2.2,
                "MB",
                1e-6,
            )


def imports(runs: int) -> Iterator[Row]:
    """Whole processes."""
    python = Path(sys.executable)
    with tempfile.TemporaryDirectory() as cache:
        env = {"PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        sources = {"ours": "from generated.coding_env import CodingEnv", "one": _ONE_MODEL}
        costs = alternate(
            {
                name: partial(run, [python, "-c", source], cwd=ROOT, env=env)
                for name, source in sources.items()
            },
            runs,
        )
    mine, theirs = (list(map(cpu, costs[name])) for name in ("ours", "one"))
    yield Row("import", mine, "pydantic with one model", theirs, 1.6, "ms", 1e3)


def builds(runs: int) -> Iterator[Row]:
    """Whole processes."""
    with tempfile.TemporaryDirectory() as scratch:
        contract = ROOT / "schemas" / "coding_env.json"
        costs = build_time.measure([contract], Path(scratch), max(1, runs // 2))
    mine, theirs = (list(map(cpu, costs[name])) for name in (build_time.OURS, build_time.BARE))
    yield Row("one build", mine, "datamodel-codegen", theirs, 1.25, "ms", 1e3)


if __name__ == "__main__":
    main()
