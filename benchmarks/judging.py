"""What benchmarks of schemas share: tools and actions as packages, instances, and their judges."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema_rs
from hypothesis import given, seed
from hypothesis import strategies as st

from envgen.build import build_package
from envgen.contract.contract import parse_contract
from envgen.options import PackageOptions
from envgen_runtime.calling.catalogue import ModelTool, catalogue
from envgen_runtime.json_value import at_pointer
from tests.strategies import drawing, instances, mutated
from tests.support import load
from tests.violations import Change, changed, violations

_DRAWN = 15
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
    """What was counted for one way of showing tools.

    Attributes:
        unequal: the schemas that judge an instance otherwise, with how many.
    """

    schemas: int = 0
    instances: int = 0
    valid: int = 0
    crashes: list[str] = field(default_factory=list[str])
    invisible: list[str] = field(default_factory=list[str])
    unequal: Counter[str] = field(default_factory=Counter[str])

    @property
    def equal(self) -> int:
        """How many schemas judge each instance as the contract does."""
        return self.schemas - len(self.unequal) - len(self.crashes) - len(self.invisible)

    def hide(self, place: str) -> None:
        """Count a schema that no model is shown."""
        self.schemas += 1
        self.invisible.append(place)

    def row(self) -> list[str]:
        """The cells of ``HEAD``."""
        share = f"{self.equal / max(1, self.schemas):.1%}"
        differing = self.unequal.total()
        counts = (self.valid, self.instances - self.valid, differing)
        return [
            *(str(self.schemas), f"{self.equal} ({share})", *(f"{count:,}" for count in counts)),
            *(str(len(self.crashes)), str(len(self.invisible))),
        ]


HEAD = ("schemas", "equal", "valid", "invalid", "differing", "crashes", "invisible")


@dataclass(frozen=True)
class Case:
    """One tool or action, and the judge that its contract is.

    Attributes:
        published: its schema, as it was published.
        source: what the contract is called.
    """

    item: ModelTool
    published: Any
    source: str

    @property
    def place(self) -> str:
        """What it is called in the report."""
        return f"{self.source}:{self.item.wire_name}"


@dataclass(frozen=True)
class Packaged:
    """A contract, or a list of tools, as a generated package.

    Attributes:
        folder: the package's.
        client: its client class.
        names: the names of all that was published.
        cases: what a model can call.
    """

    folder: Path
    client: type
    names: frozenset[str]
    cases: tuple[Case, ...]


def packaged(
    document: Any, name: str, out: Path, options: PackageOptions | None = None
) -> Packaged:
    """Build a package of a contract, or of a list of MCP's tools (an object with ``tools``)."""
    if "action" not in document:
        tools = [
            {key: tool[key] for key in ("name", "description", "inputSchema") if key in tool}
            for tool in document["tools"]
        ]
        observation = {"title": "ToolObservation", "type": "object", "properties": {}}
        document = {"action": CALL_TOOL, "observation": observation, "tools": tools}
    contract = parse_contract(document, source=name, name=name.replace("-", "_"))
    package = build_package(contract, out, options=options)
    client = getattr(load(package.folder), package.class_name)
    published = {tool["name"]: tool["inputSchema"] for tool in document.get("tools", [])}
    cases = tuple(
        Case(item, published[item.wire_name] if item.kind == "tool" else document["action"], name)
        for item in catalogue(client).tools
    )
    names = frozenset({*published, *(case.item.wire_name for case in cases)})
    return Packaged(package.folder, client, names, cases)


@dataclass(frozen=True)
class Tried:
    """Instances of a case, and what its contract says of them.

    Attributes:
        instances: arguments of a call, without an action's tags.
        verdicts: whether the contract accepts each.
        broken: the keywords that one of them breaks.
    """

    instances: list[dict[str, Any]]
    verdicts: list[bool]
    broken: frozenset[str]


def tried(case: Case, count: int) -> Tried:
    """Draw instances, and judge them by the schema as it was published."""
    item = case.item
    judge = validator(case.published)
    schema = at_pointer(item.document, item.pointer)
    found = [*islice(attempts(schema, item.document, count), count)]
    whole = [{**item.tags, **instance} for instance in found]
    verdicts = [judge.is_valid(instance) for instance in whole]
    broken = {
        str(error.schema_path[-1])
        for instance, fits in zip(whole, verdicts, strict=True)
        if not fits
        for error in islice(judge.iter_errors(instance), 5)
    }
    return Tried(found, verdicts, frozenset(broken))


def judge_shown(
    score: Score, case: Case, of: Tried, shown: Any, names: Mapping[str, str] | None = None
) -> None:
    """Count where a schema that a model is shown judges otherwise than the contract.

    Args:
        score: what is added to.
        case: the tool or action.
        of: its instances.
        shown: the schema.
        names: the names that it has for parameters, by the contract's.
    """
    score.schemas += 1
    score.instances += len(of.instances)
    score.valid += sum(of.verdicts)
    try:
        is_valid: Callable[[Any], bool] = validator(shown).is_valid
        renamed = map(partial(_renamed, names=names or {}), of.instances)
        differing = sum(
            is_valid(instance) != fits for instance, fits in zip(renamed, of.verdicts, strict=True)
        )
    except Exception as error:  # noqa: BLE001 - counted, and shown
        score.crashes.append(f"{case.place}: {error!r}"[:200])
    else:
        if differing:
            score.unequal[case.place] += differing


def validator(schema: Any) -> Any:
    """A validator that doesn't look at formats, as those of models don't."""
    return jsonschema_rs.validator_for(schema, validate_formats=False)


def _renamed(instance: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in instance.items()}


def attempts(schema: Any, root: Any, count: int) -> Iterator[Any]:
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
    @drawing(count)
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        instance = data.draw(fitting)
        found.append(instance)
        found.append(data.draw(mutated(instance)))

    draw()
    return found
