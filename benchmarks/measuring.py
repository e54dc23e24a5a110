"""What the benchmarks share: processes and what they cost, rounds, ratios, a table."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

# A child's peak memory counts what its parent held when it was spawned. So it is spawned by a bare
# interpreter, which holds less than any child that is measured here, and not by the benchmark.
_LAUNCHER = """
import os, sys, time
null = os.open(os.devnull, os.O_RDWR)
actions = [(os.POSIX_SPAWN_DUP2, null, 1)]
start = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=actions)
_, status, used = os.wait4(child, 0)
wall = time.perf_counter() - start
cpu = used.ru_utime + used.ru_stime
print(wall, cpu, used.ru_maxrss, os.waitstatus_to_exitcode(status))
"""
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Cost:
    """What something cost: seconds of wall and of CPU time, and bytes of memory at its peak."""

    wall: float
    cpu: float
    peak: float = 0.0


@dataclass(frozen=True)
class Spread:
    """The median of some numbers, and the least and the greatest of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, numbers: Iterable[float]) -> Spread:
        known = list(numbers)
        return cls(statistics.median(known), min(known), max(known))

    def show(self, digits: int = 0, scale: float = 1.0, unit: str = "") -> str:
        middle, least, most = (
            f"{number * scale:.{digits}f}" for number in (self.median, self.least, self.most)
        )
        return f"{middle}{unit} ({least}–{most})"  # noqa: RUF001 - a range


def run(
    command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], check: bool = True
) -> Cost:
    """Run a program to its end."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *map(str, command)],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=True,
    )
    wall, cpu, peak, code = done.stdout.split()
    if check and int(code):
        raise RuntimeError(f"{command} ended with {code}:\n{done.stderr}")
    return Cost(float(wall), float(cpu), float(peak) * _MAXRSS_UNIT)


def alternate(sides: Mapping[str, Callable[[], Cost]], runs: int) -> dict[str, list[Cost]]:
    """Measure each side once a round, A B then B A. A round before the first fills the caches."""
    for measure in sides.values():
        measure()
    costs: dict[str, list[Cost]] = {side: [] for side in sides}
    for number in range(runs):
        for side in sides if number % 2 == 0 else reversed(sides):
            costs[side].append(sides[side]())
    return costs


def ratio(other: Sequence[Cost], ours: Sequence[Cost], of: Callable[[Cost], float]) -> str:
    """How many times ours the other is, from each round's pair."""
    rounds = zip(other, ours, strict=True)
    return Spread.of(of(theirs) / of(mine) for theirs, mine in rounds).show(2, unit="x")


def wall(cost: Cost) -> float:
    return cost.wall


def cpu(cost: Cost) -> float:
    return cost.cpu


def peak(cost: Cost) -> float:
    return cost.peak


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, ["-" * width for width in widths], *rows):
        first, *rest = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join([first, *rest]).rstrip())
    print()


class Column(NamedTuple):
    """A column of costs: its heading, what it shows, and in which unit.

    The heading's first word says what is compared with the base's.
    """

    heading: str
    of: Callable[[Cost], float]
    scale: float
    digits: int = 0
    unit: str = ""


def cost_table(
    what: str,
    costs: Mapping[str, Sequence[Cost]],
    base: str,
    columns: Sequence[Column],
    *,
    than: str = "ours",
) -> None:
    """Print a row for each side: what it costs, and how many times the base's, called ``than``."""
    named = [column.heading.split(",")[0].split()[0] for column in columns]
    table(
        [what, *(column.heading for column in columns), *(f"{name} / {than}" for name in named)],
        [
            [
                side,
                *(
                    Spread.of(map(column.of, some)).show(
                        column.digits, scale=column.scale, unit=column.unit
                    )
                    for column in columns
                ),
                *(ratio(some, costs[base], column.of) for column in columns),
            ]
            for side, some in costs.items()
        ],
    )


STEP_COLUMNS = (Column("wall us/step", wall, 1e6), Column("CPU us/step", cpu, 1e6))
MS_COLUMNS = (Column("wall ms", wall, 1e3), Column("CPU ms", cpu, 1e3))


@contextmanager
def socket_server(module: str, *arguments: str) -> Iterator[str]:
    """The URL of a server of ``benchmarks``, in a process of its own, that prints its port."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.terminate()


def light_server(*, length: int | None = None) -> AbstractContextManager[str]:
    """A server that answers at once, with an observation of this length."""
    return socket_server("light_server", *([] if length is None else [str(length)]))


def steps(
    python: Path,
    side: str,
    mode: str,
    url: str,
    count: int,
    *,
    code: str = "print(6 * 7)",
    uvloop: bool = False,
) -> Cost:
    """What a step costs one client of ``step_worker``, in a process of its own."""
    costs = steps_in_turn([side], mode, url, count, python=python, code=code, uvloop=uvloop)
    return costs[side][0]


def steps_in_turn(
    sides: Sequence[str],
    mode: str,
    url: str,
    count: int,
    *,
    blocks: int = 1,
    python: Path = Path(sys.executable),
    code: str = "print(6 * 7)",
    uvloop: bool = False,
) -> dict[str, list[Cost]]:
    """What a step costs several clients of ``step_worker``, in blocks in turn in one process."""
    done = subprocess.run(
        [
            *(python, "-m", "benchmarks.step_worker", ",".join(sides), mode, url),
            *(f"--steps={count}", f"--blocks={blocks}", *(["--uvloop"] if uvloop else [])),
        ],
        cwd=ROOT,
        env={**os.environ, "STEP_CODE": code},
        stdout=subprocess.PIPE,
        check=True,
    )
    return {side: [Cost(**cost) for cost in some] for side, some in json.loads(done.stdout).items()}


def parse_runs(description: str, default: int) -> argparse.ArgumentParser:
    """A parser with ``--runs``; prints nothing yet."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=default, help="rounds that are counted")
    return parser


def json_files(paths: Iterable[Path]) -> list[Path]:
    """The files that are named, and those of the folders that are."""
    return [
        file
        for path in paths
        for file in (sorted(path.glob("*.json")) if path.is_dir() else [path])
    ]


def introduce(what: str) -> None:
    print(f"{what}\nPython {platform.python_version()}, {os.cpu_count()} cores.\n")
