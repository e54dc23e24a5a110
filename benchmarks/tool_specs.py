"""Whether specifications of tools accept and refuse the same as the contract.

Takes files or folders: contracts, and lists of MCP's tools (objects with a key ``tools``). Each
becomes a package; for each of its tools and actions and each format, instances are judged by the
schema as it was published and by the one that a model is shown. They are drawn from the schema,
mutated, and made to break each keyword at each place.

Strict mode is narrower on purpose: it is measured how many tools it can say, and whether the
contract takes what it takes. A tool is invisible if the format has no specification of it; a crash
is an exception on the way.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.judging import (
    HEAD,
    Case,
    Score,
    attempts,
    judge_shown,
    packaged,
    tried,
    validator,
)
from benchmarks.measuring import introduce, json_files, table
from envgen_runtime.calling.specs import FORMATS, tool_specs
from envgen_runtime.calling.strict import without_nulls

_SCHEMA_AT = {
    "openai": lambda spec: spec["function"]["parameters"],
    "anthropic": lambda spec: spec["input_schema"],
    "mcp": lambda spec: spec["inputSchema"],
    "json-schema": lambda spec: spec,
}


@dataclass
class Scores:
    """What was counted for all formats.

    Attributes:
        broken: how many schemas have an instance that breaks each keyword.
    """

    formats: dict[str, Score] = field(
        default_factory=lambda: {name: Score() for name in (*FORMATS, "openai, strict")}
    )
    broken: Counter[str] = field(default_factory=Counter[str])
    tools: int = 0
    strict_tools: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.add_argument("--instances", type=int, default=300, help="for each schema")
    asked = parser.parse_args()
    files = json_files(asked.sources)
    introduce(f"{len(files)} files, {asked.instances} instances for each schema.")
    scores = Scores()
    began = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        for number, file in enumerate(files):
            print(f"{number + 1}/{len(files)} {file.stem}", file=sys.stderr)
            document = json.loads(file.read_text())
            measure(document, file.stem, Path(scratch) / str(number), asked.instances, scores)
    report(scores)
    print(f"\n{time.process_time() - began:.0f} s of processor time.")


def measure(document: Any, name: str, out: Path, count: int, scores: Scores) -> None:
    """Judge every tool and action of a contract, or of a list of tools, in every format."""
    package = packaged(document, name, out)
    specs: dict[str, dict[str, Any]] = {}
    for format_name in FORMATS:
        listed = tool_specs(package.client, format_name)
        shown = (_SCHEMA_AT[format_name](spec) for spec in listed)
        specs[format_name] = dict(zip(listed.names.values(), shown, strict=True))
        hidden = package.names - specs[format_name].keys()
        for wire in sorted(hidden):
            scores.formats[format_name].hide(f"{name}:{wire}")
    listed = tool_specs(package.client, "openai", strict=True)
    strict = {
        wire: spec["function"]["parameters"]
        for wire, spec in zip(listed.names.values(), listed, strict=True)
        if spec["function"]["strict"]
    }
    for case in package.cases:
        item = case.item
        scores.tools += 1
        scores.strict_tools += item.wire_name in strict
        of = tried(case, count)
        scores.broken.update(of.broken)
        for format_name in FORMATS:
            names = item.parameter_names if format_name == "anthropic" else {}
            shown_schema = specs[format_name][item.wire_name]
            judge_shown(scores.formats[format_name], case, of, shown_schema, names)
        if item.wire_name in strict:
            _judge_strict(case, strict[item.wire_name], scores.formats["openai, strict"], count)


def _judge_strict(case: Case, strict: Any, score: Score, count: int) -> None:
    """Count what strict mode takes and the contract doesn't."""
    item = case.item
    shown, judge = validator(strict), validator(case.published)
    found = [*filter(shown.is_valid, islice(attempts(strict, strict, count), count))]
    meant = [without_nulls(instance, item.schema, item.schema) for instance in found]
    differing = sum(not judge.is_valid({**item.tags, **instance}) for instance in meant)
    score.schemas += 1
    score.instances += len(found)
    score.valid += len(found) - differing
    if differing:
        score.unequal[case.place] += differing


def report(scores: Scores) -> None:
    """Print the table."""
    table(["format", *HEAD], [[name, *score.row()] for name, score in scores.formats.items()])
    print(f"\n{scores.strict_tools} of {scores.tools} tools and actions can be strict.")
    shown = ", ".join(f"{keyword} {count}" for keyword, count in scores.broken.most_common())
    print(f"Schemas with an instance that breaks a keyword: {shown}.")
    for name, score in scores.formats.items():
        for line in (*score.unequal, *score.crashes, *score.invisible)[:20]:
            print(f"{name}: {line}")


if __name__ == "__main__":
    main()
