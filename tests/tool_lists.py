"""How well tool lists of real servers are typed.

``python -m tests.tool_lists [FILE...]`` builds each list and prints a row for it; without files,
those of ``tests/contracts/mcp`` and of the larger set beside the checkout, if it is there. A tool
is typed well if ``JsonValue`` stands only where its schema says no more.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envgen.build import BuiltPackage, build_package
from envgen.contract.contract import EnvContract
from envgen.plan.plan import PlannedAlias, PlannedTool
from envgen.plan.planner import make_plan
from envgen.plan.types import JSON_VALUE, Named, Type, named_in
from envgen.schema.document import PartDocument
from envgen.schema.keywords import as_array, as_object, subschemas
from envgen.sources import read_contract
from tests.support import contracts

_SAYING = ("enum", "const", "anyOf", "oneOf", "allOf", "$ref", "type", "properties", "items")


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of a list of tools.

    Attributes:
        weak: the tools with an untyped place that their schemas say more about.
        cpu_s: CPU time of reading and building, in seconds.
    """

    name: str
    tools: int
    with_result: int
    weak: list[str]
    cpu_s: float
    package: BuiltPackage


def measure(file: Path, out: Path) -> Measured:
    """Build a list of tools below ``out``."""
    started = time.process_time()
    contract = read_contract(str(file))
    package = build_package(contract, out)
    cpu_s = time.process_time() - started
    with_result = sum("outputSchema" in tool.schemas for tool in contract.tools)
    return Measured(file.stem, len(contract.tools), with_result, [*_weak(contract)], cpu_s, package)


def _weak(contract: EnvContract) -> Iterator[str]:
    plan, _ = make_plan(contract)
    schemas = {tool.name: tool for tool in contract.tools}
    for tool in plan.tools:
        published = schemas[tool.wire_name.raw]
        open_places = sum(
            _open_places(PartDocument(key, published.documents[key])) for key in published.documents
        )
        if "outputSchema" not in published.documents:
            open_places += 1
        if _untyped(tool, plan.definitions) > open_places:
            yield tool.wire_name.raw


def _untyped(tool: PlannedTool, definitions: dict[str, Any]) -> int:
    """How often ``JsonValue`` stands in the types of a tool, each definition counted once."""
    waiting: list[Type] = [tool.data, Named(tool.arguments.name)]
    passed: set[str] = set()
    count = 0
    while waiting:
        type_ = waiting.pop()
        count += _occurrences(type_)
        for named in named_in(type_):
            if named.name not in passed:
                passed.add(named.name)
                item = definitions[named.name]
                fields = [] if isinstance(item, PlannedAlias) else [it.type for it in item.fields]
                waiting += [item.type] if isinstance(item, PlannedAlias) else fields
    return count


def _occurrences(type_: Type) -> int:
    return (type_ == JSON_VALUE) + sum(map(_occurrences, type_.children()))


def _open_places(document: PartDocument) -> int:
    """How many places of a schema take any value, or any object or list."""
    waiting: list[tuple[Any, str]] = [(document.schema, "")]
    passed: set[str] = set()
    count = 0
    while waiting:
        value, place = waiting.pop()
        fields = as_object(value)
        if fields is None:
            count += value is True
            continue
        if "$ref" in fields:
            target, schema = document.resolve(fields["$ref"], place)
            if target not in passed:
                passed.add(target)
                waiting.append((schema, target))
        count += _is_open(fields)
        inner = {key: child for key, child in fields.items() if key not in ("$defs", "definitions")}
        waiting += subschemas(inner, place)
    return count


def _is_open(schema: dict[str, Any]) -> bool:
    if not schema.keys() & set(_SAYING):
        return True
    kinds = as_array(schema.get("type")) or [schema.get("type")]
    is_map = "object" in kinds and not schema.get("properties")
    is_typed = isinstance(schema.get("additionalProperties"), dict)
    is_list = "array" in kinds and not schema.keys() & {"items", "prefixItems"}
    named = set(as_object(schema.get("properties")) or {})
    is_unnamed = not named >= set(as_array(schema.get("required")) or [])
    return is_list or is_unnamed or (is_map and not is_typed)


def main(files: list[Path]) -> None:
    """Print the table."""
    print("| server | tools | with a result | typed well | CPU s | warnings |")
    print("|---|---|---|---|---|---|")
    total = weak = 0
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            found = measure(file, Path(folder))
            total, weak = total + found.tools, weak + len(found.weak)
            warnings = sum(item.severity == "warning" for item in found.package.findings)
            print(
                f"| {found.name} | {found.tools} | {found.with_result} | "
                f"{found.tools - len(found.weak)} | {found.cpu_s:.2f} | {warnings} |"
            )
    print(f"\n{total} tools, {100 * (total - weak) / total:.2f} % typed well")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or contracts("mcp"))
