"""What a build costs: `envgen build`, and the bare `datamodel-codegen` command on the same schema.

The bare command renders models only; `envgen build` renders a client as well, audits both and
publishes them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measuring import (
    MS_COLUMNS,
    ROOT,
    Cost,
    Spread,
    alternate,
    cost_table,
    cpu,
    introduce,
    parse_runs,
    run,
    wall,
)
from envgen.build import build_package
from envgen.sources import read_contract
from tests.support import contracts as shared_contracts

OURS, BARE = "envgen build", "datamodel-codegen"
_BARE = (
    "--input-file-type=jsonschema",
    "--output-model-type=pydantic_v2.BaseModel",
    "--disable-timestamp",
    "--formatters=builtin",
)


def main() -> None:
    parser = parse_runs(__doc__ or "", default=7)
    runs: int = parser.parse_args().runs
    introduce(f"Whole processes: median (min-max) of {runs} alternating rounds.")
    schemas = sorted((ROOT / "schemas").glob("*.json"))
    several = (shared_contracts("corpus") or schemas)[:30]
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        compare("one contract", [ROOT / "schemas" / "coding_env.json"], scratch, runs)
        compare(
            f"{len(several)} contracts, one run against as many",
            several,
            scratch,
            max(1, runs // 3),
        )
        warm(ROOT / "schemas" / "coding_env.json", scratch, runs * 5)


def compare(title: str, contracts: list[Path], scratch: Path, runs: int) -> None:
    """Build ``contracts`` in one run of ours, and in one run each of the bare command."""
    costs = measure(contracts, scratch, runs)
    cost_table(title, costs, OURS, MS_COLUMNS)


def measure(contracts: list[Path], scratch: Path, runs: int) -> dict[str, list[Cost]]:
    """What ``compare`` shows, by command."""
    inputs = [bare_input(contract, scratch) for contract in contracts]
    tools = Path(sys.executable).parent
    env = {"PYTHONPYCACHEPREFIX": str(scratch / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
    made = iter(range(10_000))

    def ours() -> Cost:
        out = scratch / f"out-{next(made)}"
        return run([tools / "envgen", "build", *contracts, "--out", out], cwd=scratch, env=env)

    def bare() -> Cost:
        options = (*_BARE, "--output", scratch / "m.py", "--input")
        costs = [
            run([tools / "datamodel-codegen", *options, source], cwd=scratch, env=env)
            for source in inputs
        ]
        return Cost(sum(map(wall, costs)), sum(map(cpu, costs)))

    return alternate({OURS: ours, BARE: bare}, runs)


def bare_input(contract: Path, scratch: Path) -> Path:
    """The contract's parts as one JSON Schema, for a tool that knows of no parts."""
    document: dict[str, Any] = json.loads(contract.read_text())
    definitions: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for part, schema in document.items():
        if part != "name":
            definitions.update(schema.pop("$defs", {}))
            properties[part] = schema
    source = scratch / f"bare-{contract.name}"
    whole = {"title": "Whole", "type": "object", "properties": properties, "$defs": definitions}
    source.write_text(json.dumps(whole))
    return source


def warm(contract: Path, scratch: Path, runs: int) -> None:
    """The same within a process that has built before."""
    parsed = read_contract(str(contract))
    took: list[float] = []
    for number in range(runs + 1):
        started = time.perf_counter()
        build_package(parsed, scratch / f"warm-{number}")
        took.append(time.perf_counter() - started)
    print(f"In a process that has built before: {Spread.of(took[1:]).show(1, 1e3, ' ms')}")


if __name__ == "__main__":
    main()
