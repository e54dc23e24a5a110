"""The comparison, part by part and place by place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from envgen_runtime.json_value import comparable, same_json

from ..contract.contract import PARTS, REQUESTS, EnvContract, Part
from ..contract.tools import Tool, ToolSchema
from ..schema.document import PartDocument
from ..schema.keywords import (
    JsonSchema,
    as_array,
    as_object,
    fixed_items,
    is_of_type,
    pointer_to,
    schemas_in,
)
from .alternatives import Alternative, alternatives, match
from .changes import LEVELS, Change, ChangedPart, Changelog, Direction, change
from .limits import limit_changes
from .routes import compare_wires
from .structure import content, meaning, structure, value_text
from .tools import annotation_changes, renamed, result_changes

_TOOLS: Mapping[ToolSchema, Direction] = {"inputSchema": "request", "outputSchema": "reply"}

_CONDITIONS = (
    "not", "if", "then", "else", "contains", "minContains", "maxContains", "dependencies",
    "dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties",
    "propertyNames", "patternProperties", "oneOf", "anyOf", "contentEncoding", "contentMediaType",
)  # fmt: skip


def compare(old: EnvContract, new: EnvContract) -> Changelog:
    """Return what changed from ``old`` to ``new``, the most serious first.

    A state that the user chose for one of them is not compared with the other's, nor are tools that
    are not known of one of them; names are compared where both publish one. A reference in one of
    them that leads nowhere is a ContractError.
    """
    found: list[Change] = []
    skipped = old.unpublished ^ new.unpublished
    parts: tuple[Part, ...] = tuple(part for part in PARTS if part not in skipped)
    if old.name != new.name and "name" not in old.unpublished | new.unpublished:
        message = f"the environment is called {new.name}, not {old.name}"
        found.append(change("name-changed", "reply", None, "/name", message))
    for part in parts:
        found += _compare_part(part, old, new)
    tools = (old.tools, new.tools) if "tools" not in skipped else ((), ())
    found += _compare_tools(*tools)
    found += compare_wires(old.wire, new.wire)
    before, after = _Content(old, parts, tools[0]), _Content(new, parts, tools[1])
    if not found and before.document != after.document:
        message = "titles or descriptions have changed"
        if before.structure != after.structure:
            message = "the same is said in another way"
        found.append(change("prose-changed", "reply", None, "", message))
    order = [None, *PARTS, "tools", "wire"]
    found.sort(key=lambda item: (-LEVELS.index(item.level), order.index(item.part)))
    return Changelog(tuple(dict.fromkeys(found)))


class _Content:
    """What is compared of a contract, as text: with its prose, and without."""

    def __init__(self, contract: EnvContract, parts: Iterable[Part], tools: Sequence[Tool]) -> None:
        schemas: list[Any] = [contract.parts.get(part) for part in parts]
        said = [contract.instructions, *(tool.to_json() for tool in tools)]
        self.document = json.dumps([*schemas, *said])
        plain = [*map(structure, schemas), *(tool.structure for tool in tools)]
        self.structure = json.dumps(plain, sort_keys=True)


def _compare_part(part: Part, old: EnvContract, new: EnvContract) -> list[Change]:
    direction: Direction = "request" if part in REQUESTS else "reply"
    before, after = old.documents.get(part), new.documents.get(part)
    if before is None or after is None:
        if before is after:
            return []
        rule = "part-added" if before is None else "part-removed"
        verb = "is published now" if before is None else "is not published any more"
        return [change(rule, direction, part, f"/{part}", f"{part} {verb}")]
    comparison = _Comparison(part, f"/{part}", direction, before, after)
    comparison.title()
    comparison.run()
    return comparison.changes


def _compare_tools(old: Iterable[Tool], new: Iterable[Tool]) -> Iterator[Change]:
    """Compare arguments as requests and results as replies."""
    before, after = ({tool.name: tool for tool in tools} for tools in (old, new))
    for name in sorted(before.keys() | after.keys()):
        place = pointer_to("/tools", name)
        if name not in before or name not in after:
            rule = "tool-added" if name in after else "tool-removed"
            verb = "is new" if name in after else "is not there any more"
            hint = "" if name in after else renamed(before[name], before, after)
            yield change(rule, "request", "tools", place, f"tool {name} {verb}", hint=hint)
            continue
        yield from annotation_changes(before[name], after[name])
        yield from result_changes(before[name], after[name])
        for key, direction in _TOOLS.items():
            if key == "outputSchema" and (key in before[name].schemas) is not (
                key in after[name].schemas
            ):
                continue
            schemas = (tool.documents.get(key, {}) for tool in (before[name], after[name]))
            comparison = _Comparison("tools", pointer_to(place, key), direction, *schemas)
            comparison.run()
            yield from comparison.changes


class _Comparison:
    def __init__(
        self,
        part: ChangedPart,
        place: str,
        direction: Direction,
        old: JsonSchema,
        new: JsonSchema,
    ) -> None:
        self.changes: list[Change] = []
        self._part: ChangedPart = part
        self._place = place
        self._direction: Direction = direction
        self._old = PartDocument(place.removeprefix("/"), old)
        self._new = PartDocument(place.removeprefix("/"), new)
        self._compared: set[tuple[str, str]] = set()

    def title(self) -> None:
        """Compare the names that the schemas give to classes."""
        _, old = self._old.followed(self._old.schema, "")
        _, new = self._new.followed(self._new.schema, "")
        titles = old.get("title"), new.get("title")
        if titles[0] != titles[1]:
            self._say("title-changed", "", f"the class is called {titles[1]}, not {titles[0]}")

    def run(self) -> None:
        """Compare the schemas as a whole."""
        self.schemas(self._old.schema, "", self._new.schema, "")
        conflicts = [*self._old.findings, *self._new.findings]
        if conflicts:  # allOf that couldn't be folded was not compared
            place = conflicts[0].pointer.removeprefix(self._place)
            if not same_json(structure(self._old.schema), structure(self._new.schema)):
                self._say("condition-changed", place, "an allOf that can't be compared is here")

    def _say(self, rule: str, pointer: str, message: str, hint: str = "") -> None:
        place = f"{self._place}{pointer}"
        self.changes.append(change(rule, self._direction, self._part, place, message, hint=hint))

    def schemas(self, old: Any, old_place: str, new: Any, new_place: str) -> None:
        """Compare two schemas that stand for the same data."""
        if same_json(old, new) and not any("$ref" in fields for fields, _ in schemas_in(old)):
            return  # also because {} would recurse for ever: any value holds lists of any value
        before = alternatives(old, old_place, self._old)
        after = alternatives(new, new_place, self._new)
        if (before.may_overlap or after.may_overlap) and not self._mean_the_same(old, new):
            self._say("condition-changed", new_place, "a oneOf whose members may overlap is here")
        matching = match(before.items, after.items)
        kept = {pair[0].type for pair in matching.pairs}
        for item in matching.removed:
            is_variant = item.type in kept or any(item.type == one.type for one in matching.added)
            rule = "variant-removed" if is_variant else "type-narrowed"
            self._say(rule, old_place, f"{_named(item)} isn't allowed any more")
        kept = {pair[1].type for pair in matching.pairs}
        for item in matching.added:
            is_variant = item.type in kept or any(item.type == one.type for one in matching.removed)
            rule = "variant-added" if is_variant else "type-widened"
            self._say(rule, new_place, f"{_named(item)} is allowed now")
        for pair in matching.pairs:
            self._alternatives(*pair)

    def _mean_the_same(self, old: Any, new: Any) -> bool:
        return meaning(as_object(old) or {}, self._old) == meaning(as_object(new) or {}, self._new)

    def _alternatives(self, old: Alternative, new: Alternative) -> None:
        pair = (f"{old.pointer} {old.content}", f"{new.pointer} {new.content}")
        if pair in self._compared:
            return
        self._compared.add(pair)
        if old.type != new.type and _has_fractions(new):
            self._say("type-widened", new.pointer, "numbers with a fraction are allowed now")
        elif old.type != new.type and _has_fractions(old):
            self._say("type-narrowed", new.pointer, "numbers with a fraction aren't allowed now")
        self._values(old, new)
        type_ = old.type if old.type == new.type else "number"
        for rule, message in limit_changes(type_, old.schema, new.schema):
            self._say(rule, new.pointer, message)
        for keyword in _CONDITIONS:
            conditions = (_only(keyword, item.schema) for item in (old, new))
            if not self._mean_the_same(*conditions):
                self._say("condition-changed", new.pointer, f"{keyword} has changed")
        if new.type == "array":
            self._arrays(old, new)
        elif new.type == "object":
            self._objects(old, new)

    def _values(self, old: Alternative, new: Alternative) -> None:
        before, after = old.schema.get("enum"), new.schema.get("enum")
        if before is None and after is None:
            return
        if new.type in ("array", "object") and not same_json(before, after):
            self._say("condition-changed", new.pointer, "the allowed values have changed")
            return
        if before is None or after is None:
            rule = "value-removed" if before is None else "value-added"
            verb = "only some values are allowed now" if before is None else "any value is allowed"
            self._say(rule, new.pointer, verb)
            return
        known, allowed = ({comparable(value): value for value in item} for item in (before, after))
        for value in sorted(value_text(known[key]) for key in known.keys() - allowed.keys()):
            self._say("value-removed", new.pointer, f"{value} isn't allowed any more")
        for value in sorted(value_text(allowed[key]) for key in allowed.keys() - known.keys()):
            self._say("value-added", new.pointer, f"{value} is allowed now")

    # --- arrays and objects ---------------------------------------------------------------------

    def _arrays(self, old: Alternative, new: Alternative) -> None:
        key, before, rest = fixed_items(old.schema)
        new_key, after, new_rest = fixed_items(new.schema)
        if len(before) != len(after):
            message = f"{len(after)} items are fixed, not {len(before)}"
            self._say("tuple-changed", new.pointer, message)
            return
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            place = pointer_to(old.pointer, key, index)
            self.schemas(one, place, other, pointer_to(new.pointer, new_key, index))
        further, place = old.schema.get(rest, True), pointer_to(old.pointer, rest)
        new_place = pointer_to(new.pointer, new_rest)
        self.schemas(further, place, new.schema.get(new_rest, True), new_place)

    def _objects(self, old: Alternative, new: Alternative) -> None:
        before, after = (as_object(item.schema.get("properties")) or {} for item in (old, new))
        required = {*(as_array(old.schema.get("required")) or [])}
        needed = {*(as_array(new.schema.get("required")) or [])}
        for name in sorted(before.keys() - after.keys()):
            place = pointer_to(old.pointer, "properties", name)
            hint = _renamed(before[name], {key: after[key] for key in after.keys() - before.keys()})
            self._say("field-removed", place, f"{name} isn't there any more", hint)
        for name in sorted(after.keys() - before.keys()):
            self._added(name, old, new, is_required=name in needed)
        for name in sorted(before.keys() & after.keys()):
            places = [pointer_to(item.pointer, "properties", name) for item in (old, new)]
            if name in needed - required:
                self._say("field-required", places[1], f"{name} is required now")
            if name in required - needed:
                self._say("field-optional", places[1], f"{name} may be left out now")
            self._beside(name, before[name], after[name], places[1])
            self.schemas(before[name], places[0], after[name], places[1])
        for name in sorted(needed - required - after.keys()):
            self._say("field-required", new.pointer, f"{name} is required now")
        for name in sorted(required - needed - before.keys()):
            self._say("field-optional", new.pointer, f"{name} may be left out now")
        self._further(old, new)

    def _added(self, name: str, old: Alternative, new: Alternative, *, is_required: bool) -> None:
        place = pointer_to(new.pointer, "properties", name)
        if is_required:
            self._say("required-field-added", place, f"{name} is new, and required")
        elif old.schema.get("additionalProperties", False) is False:
            self._say("field-added", place, f"{name} is new")
        else:
            self._say("field-named", place, f"{name} has a type now; it could be anything before")

    def _beside(self, name: str, old: Any, new: Any, place: str) -> None:
        before, after = as_object(old) or {}, as_object(new) or {}
        texts = [
            value_text(item["default"]) if "default" in item else "nothing"
            for item in (before, after)
        ]
        if texts[0] != texts[1]:
            message = f"{name} left out stands for {texts[1]}, not {texts[0]}"
            self._say("default-changed", place, message)
        for keyword in ("readOnly", "writeOnly"):  # such a field isn't required of the other side
            if before.get(keyword, False) != after.get(keyword, False):
                self._say("condition-changed", place, f"{keyword} has changed")

    def _further(self, old: Alternative, new: Alternative) -> None:
        """Compare the schemas of fields that have no name."""
        before, after = (item.schema.get("additionalProperties", True) for item in (old, new))
        if same_json(before, after):
            return
        places = [pointer_to(item.pointer, "additionalProperties") for item in (old, new)]
        if after is False:
            self._say("fields-closed", places[1], "unknown fields aren't taken any more")
        elif before is False:
            self._say("fields-opened", places[1], "unknown fields are taken now")
        else:
            self.schemas(before, places[0], after, places[1])


def _named(item: Alternative) -> str:
    return f"{item.type} {item.label}".strip()


def _only(keyword: str, schema: JsonSchema) -> JsonSchema:
    return {keyword: schema[keyword]} if keyword in schema else {}


def _has_fractions(item: Alternative) -> bool:
    values = item.schema.get("enum")
    return item.type == "number" and (
        values is None or not all(is_of_type(value, "integer") for value in values)
    )


def _renamed(schema: Any, candidates: dict[str, Any]) -> str:
    for name, other in sorted(candidates.items()):
        if content(other) == content(schema):
            return f"{name} is new and has the same type: was it renamed?"
    return ""
