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
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema_rs
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks.measuring import introduce, json_files, table
from envgen.build import build_package
from envgen.contract.contract import parse_contract
from envgen_runtime.calling.catalogue import ModelTool, catalogue
from envgen_runtime.calling.specs import FORMATS, Format, tool_specs
from envgen_runtime.calling.strict import without_nulls
from envgen_runtime.json_value import at_pointer
from tests.strategies import instances, mutated
from tests.support import load
from tests.violations import Change, changed, violations

_DRAWN = 15
_SCHEMA_AT = {
    "openai": lambda spec: spec["function"]["parameters"],
    "anthropic": lambda spec: spec["input_schema"],
    "mcp": lambda spec: spec["inputSchema"],
    "json-schema": lambda spec: spec,
}
CALL_TOOL = {
    "title": "CallToolAction",
    "type": "object",
    "properties": {
        "type": {"const": "call_tool", "default": "call_tool", "type": "string"},
        "tool_name": {"type": "string"},
        "arguments": {"type": "object", "additionalProperties": True},
    },
    "required": ["tool_name"],
    "additionalProperties": False,
}


@dataclass
class Score:
    """What was counted for one format."""

    schemas: int = 0
    equal: int = 0
    instances: int = 0
    valid: int = 0
    differing: int = 0
    crashes: list[str] = field(default_factory=list[str])
    invisible: list[str] = field(default_factory=list[str])
    unequal: list[str] = field(default_factory=list[str])

    def add(self, differing: int, place: str) -> None:
        """Count a schema, by its instances that are judged otherwise."""
        self.differing += differing
        self.equal += not differing
        if differing:
            self.unequal.append(place)


@dataclass(frozen=True)
class Case:
    """One tool or action, and the judge that its contract is.

    Attributes:
        source: what the contract is called.
        count: how many instances are tried.
    """

    item: ModelTool
    judge: Any
    source: str
    count: int

    @property
    def place(self) -> str:
        """What it is called in the report."""
        return f"{self.source}:{self.item.wire_name}"


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
    if "action" not in document:
        tools = [
            {key: tool[key] for key in ("name", "description", "inputSchema") if key in tool}
            for tool in document["tools"]
        ]
        observation = {"title": "ToolObservation", "type": "object", "properties": {}}
        document = {"action": CALL_TOOL, "observation": observation, "tools": tools}
    contract = parse_contract(document, source=name, name=name.replace("-", "_"))
    package = build_package(contract, out)
    client = getattr(load(package.folder), package.class_name)
    known = catalogue(client)
    specs: dict[str, dict[str, Any]] = {}
    for format_name in FORMATS:
        listed = tool_specs(client, format_name)
        shown = (_SCHEMA_AT[format_name](spec) for spec in listed)
        specs[format_name] = dict(zip(listed.names.values(), shown, strict=True))
    listed = tool_specs(client, "openai", strict=True)
    strict = {
        wire: spec["function"]["parameters"]
        for wire, spec in zip(listed.names.values(), listed, strict=True)
        if spec["function"]["strict"]
    }
    published = {tool["name"]: tool["inputSchema"] for tool in document.get("tools", [])}
    for wire in {*published, *(item.wire_name for item in known.tools)}:
        for format_name in FORMATS:
            if wire not in specs[format_name]:
                scores.formats[format_name].invisible.append(f"{name}:{wire}")
    for item in known.tools:
        source = published[item.wire_name] if item.kind == "tool" else document["action"]
        scores.tools += 1
        scores.strict_tools += item.wire_name in strict
        case = Case(item, jsonschema_rs.validator_for(source, validate_formats=False), name, count)
        _judge(case, {key: found[item.wire_name] for key, found in specs.items()}, scores)
        if item.wire_name in strict:
            _judge_strict(case, strict[item.wire_name], scores.formats["openai, strict"])


def _judge(case: Case, specs: dict[str, Any], scores: Scores) -> None:
    """Count where a specification judges otherwise than the contract."""
    item = case.item
    schema = at_pointer(item.document, item.pointer)
    tried = [*islice(_tried(schema, item.document, case.count), case.count)]
    whole = [{**item.tags, **instance} for instance in tried]
    verdicts = [case.judge.is_valid(instance) for instance in whole]
    scores.broken.update(
        {
            str(error.schema_path[-1])
            for instance, fits in zip(whole, verdicts, strict=True)
            if not fits
            for error in islice(case.judge.iter_errors(instance), 5)
        }
    )
    for format_name in FORMATS:
        score = scores.formats[format_name]
        score.schemas += 1
        score.instances += len(tried)
        score.valid += sum(verdicts)
        try:
            shown = jsonschema_rs.validator_for(specs[format_name], validate_formats=False)
            renamed = (_as_shown(instance, item, format_name) for instance in tried)
            differing = sum(
                shown.is_valid(instance) != fits
                for instance, fits in zip(renamed, verdicts, strict=True)
            )
        except Exception as error:  # noqa: BLE001 - counted, and shown
            score.crashes.append(f"{case.place}: {error!r}"[:200])
        else:
            score.add(differing, case.place)


def _judge_strict(case: Case, strict: Any, score: Score) -> None:
    """Count what strict mode takes and the contract doesn't."""
    item = case.item
    shown = jsonschema_rs.validator_for(strict, validate_formats=False)
    tried = [*filter(shown.is_valid, islice(_tried(strict, strict, case.count), case.count))]
    meant = [without_nulls(instance, item.schema, item.schema) for instance in tried]
    differing = sum(not case.judge.is_valid({**item.tags, **instance}) for instance in meant)
    score.schemas += 1
    score.instances += len(tried)
    score.valid += len(tried) - differing
    score.add(differing, case.place)


def _as_shown(instance: Any, item: ModelTool, format_name: Format) -> Any:
    """An instance with the names that a format gives to parameters."""
    if format_name != "anthropic":
        return instance
    return {item.parameter_names.get(name, name): value for name, value in instance.items()}


def _tried(schema: Any, root: Any, count: int) -> Iterator[Any]:
    """Objects that fit a schema of a document, and objects that nearly do."""
    drawn = [it for it in _drawn(schema, root, min(_DRAWN, count // 3 + 1)) if isinstance(it, dict)]
    yield from drawn
    choose = random.Random(1)
    bases = sorted(drawn, key=lambda it: -len(json.dumps(it)))[:4]
    by_keyword: dict[str, list[tuple[Any, Change]]] = {}
    for base in bases:
        for keyword, change in violations(schema, root, base):
            by_keyword.setdefault(keyword, []).append((base, change))
    changes = [change for found in by_keyword.values() for _, change in found]
    for found in by_keyword.values():
        choose.shuffle(found)
    while any(by_keyword.values()):  # a few of each keyword before many of any
        for found in by_keyword.values():
            instance = changed(*found.pop()) if found else None
            if isinstance(instance, dict):
                yield instance
    for _ in range(count if changes else 0):  # a small schema has few: two at once
        instance = choose.choice(bases)
        for change in choose.choices(changes, k=2):
            with suppress(LookupError, TypeError):  # the first took the place of the second
                instance = changed(instance, change)
        if isinstance(instance, dict):
            yield instance


def _drawn(schema: Any, root: Any, count: int) -> list[Any]:
    found: list[Any] = []
    fitting = instances(schema, root)

    @seed(1)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=[*HealthCheck],
        phases=[Phase.generate],
    )
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        instance = data.draw(fitting)
        found.append(instance)
        found.append(data.draw(mutated(instance)))

    draw()
    return found


def report(scores: Scores) -> None:
    """Print the table."""
    rows = []
    for name, score in scores.formats.items():
        share = f"{score.equal / max(1, score.schemas):.1%}"
        counts = (score.valid, score.instances - score.valid, score.differing)
        rows.append(
            [
                *(name, str(score.schemas), f"{score.equal} ({share})"),
                *(f"{count:,}" for count in counts),
                *(str(len(score.crashes)), str(len(score.invisible))),
            ]
        )
    head = ["format", "schemas", "equal", "valid", "invalid", "differing", "crashes", "invisible"]
    table(head, rows)
    print(f"\n{scores.strict_tools} of {scores.tools} tools and actions can be strict.")
    shown = ", ".join(f"{keyword} {count}" for keyword, count in scores.broken.most_common())
    print(f"Schemas with an instance that breaks a keyword: {shown}.")
    for name, score in scores.formats.items():
        for line in (*score.unequal, *score.crashes, *score.invisible)[:20]:
            print(f"{name}: {line}")


if __name__ == "__main__":
    main()
