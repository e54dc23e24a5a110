"""What importing a client costs: a generated one, and the stock one of the openenv package."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable
from functools import partial
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from benchmarks.measuring import (
    MS_COLUMNS,
    ROOT,
    Column,
    alternate,
    cost_table,
    introduce,
    parse_runs,
    peak,
    run,
    table,
)
from tests.interop.running import Release

STOCK = Release("openenv", "0.10.0")
OURS = "generated CodingEnv"
OURS_CONNECTING = "  and its WebSocket library"
SOURCES = {
    OURS: "from generated.coding_env import CodingEnv",
    # Imported at the first request, so it is on nobody's way to an import.
    OURS_CONNECTING: "from generated.coding_env import CodingEnv\n"
    "import envgen_runtime.transports.websocket",
    "pydantic alone": "import pydantic",
    "nothing": "pass",
}
STOCK_SOURCES = {
    "stock openenv.core": "import openenv.core",
    "stock EnvClient": "from openenv.core import EnvClient",
}


def main() -> None:
    parser = parse_runs(__doc__ or "", default=15)
    runs: int = parser.parse_args().runs
    introduce(
        f"Fresh processes, `python -c IMPORT`: median (min-max) of {runs} alternating rounds, with "
        f"bytecode caches filled.\nThe stock client is that of {STOCK}."
    )
    with tempfile.TemporaryDirectory() as cache:
        # Bytecode goes here, on both sides: nothing is compiled while the clock runs.
        env = {"PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        sides = {
            name: partial(run, [python, "-c", source], cwd=ROOT, env=env)
            for python, sources in (
                (Path(sys.executable), SOURCES),
                (STOCK.python(), STOCK_SOURCES),
            )
            for name, source in sources.items()
        }
        costs = alternate(sides, runs)
    cost_table("import", costs, OURS, [*MS_COLUMNS, Column("peak MiB", peak, 2**-20, 1)])
    print("What must be installed, with no extras asked for; bytes as installed, without bytecode.")
    mine = _closure("envgen-runtime", Path(sys.executable))
    theirs = _closure("openenv", STOCK.python())
    table(
        ["package", "distributions", "MiB", "distributions / ours", "MiB / ours"],
        [
            [
                name,
                str(len(sizes)),
                f"{sum(sizes.values()) / 2**20:.1f}",
                f"{len(sizes) / len(mine):.1f}x",
                f"{sum(sizes.values()) / sum(mine.values()):.1f}x",
            ]
            for name, sizes in (("envgen-runtime", mine), (str(STOCK), theirs))
        ],
    )
    print(f"envgen-runtime needs: {', '.join(sorted(mine))}")


def _closure(root: str, python: Path) -> dict[str, int]:
    """The distributions that ``root`` needs, itself among them, and their bytes on disk."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    folder = python.parents[1] / "lib" / version / "site-packages"
    installed = {
        canonicalize_name(found.metadata["Name"]): found
        for found in distributions(path=[str(folder)])
    }
    extras: dict[str, set[str]] = {}
    waiting = [Requirement(root)]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        fresh = {"", *wanted.extras} - extras.get(name, set())
        if not fresh:
            continue
        extras.setdefault(name, set()).update(fresh)
        for line in installed[name].requires or []:
            needed = Requirement(line)
            if not needed.marker or any(needed.marker.evaluate({"extra": it}) for it in fresh):
                waiting.append(needed)
    return {name: sum(path.stat().st_size for path in _files(installed[name])) for name in extras}


def _files(found: Distribution) -> Iterable[Path]:
    source = json.loads(found.read_text("direct_url.json") or "{}")
    if source.get("dir_info", {}).get("editable"):  # envgen-runtime in this workspace
        paths: Iterable[Path] = (ROOT / "runtime" / "envgen_runtime").rglob("*")
    else:
        paths = (Path(str(file.locate())) for file in found.files or [])
    return (path for path in paths if path.is_file() and path.suffix != ".pyc")


if __name__ == "__main__":
    main()
