"""A typed call of an MCP server's tool, against the official SDK's own ``call_tool``, in one run.

Both sides are in one process and take turns; the server is another process. Client CPU time alone
is compared. Ours checks the arguments and the result with the generated classes; the SDK checks the
result against the output schema. Then what importing the generated client costs, in processes of
its own.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

from benchmarks.measuring import ROOT, alternate, cpu, introduce, parse_runs, run, table
from tests.mcp.serving import WEATHER, served

_CALLS = 200
_GOAL = 1.1
_IMPORT_GOAL = 1.2

Call = Callable[[], Awaitable[Any]]


def main() -> None:
    rounds: int = parse_runs(__doc__ or "", default=7).parse_args().runs
    introduce(f"Median of {rounds} alternating rounds of {_CALLS} calls; CPU of the client.")
    with tempfile.TemporaryDirectory() as folder:
        _build(Path(folder))
        sys.path.insert(0, folder)
        rows = [
            *asyncio.run(_stdio(rounds)),
            *asyncio.run(_http(rounds)),
            _imports(Path(folder), 2 * rounds + 1),
        ]
    table(["what", "ours", "other side", "ratio", "goal", "reached"], rows)


def _build(folder: Path) -> None:
    source = f"mcp+stdio:{' '.join(WEATHER)}"
    subprocess.run(
        [sys.executable, "-m", "envgen", "build", source, "--out", folder, "--name", "weather"],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def null() -> TextIO:
    """Where the server's log goes."""
    return Path(os.devnull).open("w")


@asynccontextmanager
async def _sdk(transport: Any) -> AsyncIterator[Call]:
    """A session of the SDK's, as its documentation opens one."""
    session_class = importlib.import_module("mcp").ClientSession
    async with transport as (read, write, *_), session_class(read, write) as session:
        await session.initialize()
        await session.list_tools()  # so that it doesn't ask for the schema in the first call
        yield partial(session.call_tool, "get-weather", {"city": "Oslo"})


async def _stdio(rounds: int) -> list[list[str]]:
    client_class = importlib.import_module("weather").AsyncWeatherTools
    stdio: Any = importlib.import_module("mcp.client.stdio")
    parameters = stdio.StdioServerParameters(command=WEATHER[0], args=WEATHER[1:])
    with null() as nowhere:
        async with (
            client_class.from_command(WEATHER) as client,
            _sdk(stdio.stdio_client(parameters, errlog=nowhere)) as theirs,
        ):
            ours = partial(client.tools.get_weather, city="Oslo")
            return [await _compare("call over stdio", ours, theirs, rounds)]


async def _http(rounds: int) -> list[list[str]]:
    client_class = importlib.import_module("weather").AsyncWeatherTools
    http: Any = importlib.import_module("mcp.client.streamable_http")
    with served() as url:
        async with client_class(url) as client, _sdk(http.streamable_http_client(url)) as theirs:
            ours = partial(client.tools.get_weather, city="Oslo")
            return [await _compare("call over HTTP", ours, theirs, rounds)]


async def _compare(what: str, ours: Call, theirs: Call, rounds: int) -> list[str]:
    sides: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(rounds + 1):
        for name, call in (("ours", ours), ("theirs", theirs)):
            before = time.process_time()
            for _ in range(_CALLS):
                await call()
            if number:  # the first round warms up
                sides[name].append((time.process_time() - before) / _CALLS)
    return _row(what, sides["ours"], sides["theirs"], _GOAL, unit="us", scale=1e6)


def _imports(folder: Path, rounds: int) -> list[str]:
    with tempfile.TemporaryDirectory() as cache:
        env = {
            "PYTHONPYCACHEPREFIX": cache,
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        }
        imports = {"ours": "import weather", "theirs": "import generated.coding_env"}
        sides = {
            name: partial(run, [sys.executable, "-c", source], cwd=ROOT, env=env)
            for name, source in imports.items()
        }
        costs = alternate(sides, rounds)
    ours, theirs = ([cpu(cost) for cost in costs[name]] for name in ("ours", "theirs"))
    return _row("import, beside an environment's", ours, theirs, _IMPORT_GOAL, unit="ms", scale=1e3)


def _row(
    what: str, ours: list[float], theirs: list[float], goal: float, *, unit: str, scale: float
) -> list[str]:
    ratio = statistics.median(mine / other for mine, other in zip(ours, theirs, strict=True))
    shown = [f"{statistics.median(side) * scale:.0f} {unit}" for side in (ours, theirs)]
    return [what, *shown, f"{ratio:.2f}", f"{goal:.1f}", "yes" if ratio <= goal else "no"]


if __name__ == "__main__":
    main()
