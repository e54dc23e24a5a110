"""A schema as what it allows, each of one JSON type, and what of two schemas belongs together."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..document import PartDocument
from ..schema import (
    DEFINITIONS,
    DESCRIBING,
    JsonSchema,
    as_array,
    as_object,
    pointer_to,
    without_prose,
)

KINDS = ("string", "number", "integer", "boolean", "array", "object", "null")
_ALL = tuple(kind for kind in KINDS if kind != "integer")
_BESIDE = DESCRIBING | DEFINITIONS | {"$schema", "discriminator"}


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the things that a schema allows.

    Attributes:
        kind: its JSON type.
        schema: what is said of it; references and ``allOf`` are folded in.
        pointer: where it stands in its part.
        label: what tells it from others of its kind: a tag or a title; may be empty.
    """

    kind: str
    schema: JsonSchema
    pointer: str
    label: str

    @property
    def content(self) -> str:
        """Equal for alternatives that say the same."""
        return json.dumps([self.kind, without_prose(self.schema)], sort_keys=True)


def alternatives(schema: Any, pointer: str, document: PartDocument) -> list[Alternative]:
    """What ``schema`` allows."""
    if isinstance(schema, bool):
        return [Alternative(kind, {}, pointer, "") for kind in (_ALL if schema else ())]
    return list(_alternatives(as_object(schema) or {}, pointer, document, 0))


_MAX_NESTING = 20


def _alternatives(
    schema: JsonSchema, pointer: str, document: PartDocument, nesting: int
) -> Iterator[Alternative]:
    pointer, folded = document.followed(schema, pointer)
    keyword = next((key for key in ("anyOf", "oneOf") if key in folded), None)
    if keyword is None or nesting > _MAX_NESTING:
        yield from _of_kinds(folded, pointer)
        return
    common = {key: value for key, value in folded.items() if key not in _BESIDE | {keyword}}
    for index, member in enumerate(folded[keyword]):
        place = pointer_to(pointer, keyword, index)
        if member is False:
            continue
        fields = as_object(member) or {}
        if common:
            place, fields = document.followed(fields, place)
            fields = document.both(fields, common, place)
        yield from _alternatives(fields, place, document, nesting + 1)


def _of_kinds(schema: JsonSchema, pointer: str) -> Iterator[Alternative]:
    values = as_array(schema.get("enum"))
    if "const" in schema:
        values = [schema["const"]]
    named = as_array(schema.get("type")) or [schema["type"]] if "type" in schema else None
    if values is not None:
        rest = {key: item for key, item in schema.items() if key not in ("const", "type")}
        for kind in _ALL:
            own = [value for value in values if kind_of(value) == kind]
            is_named = named is None or kind in named or (kind == "number" and "integer" in named)
            if own and is_named:
                yield Alternative(kind, {**rest, "enum": own}, pointer, "")
        return
    for kind in named or _ALL:
        described = {key: item for key, item in schema.items() if key != "type"}
        yield Alternative(kind, described, pointer, _label(schema) if kind == "object" else "")


def kind_of(value: Any) -> str:
    """The JSON type of a value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "null" if value is None else "object" if isinstance(value, dict) else "number"


def _label(schema: JsonSchema) -> str:
    for name, child in (as_object(schema.get("properties")) or {}).items():
        constant = (as_object(child) or {}).get("const")
        if isinstance(constant, str):
            return f"{name}={constant}"
    return str(schema.get("title", ""))


@dataclass(frozen=True, slots=True)
class Matching:
    """Which alternatives belong together, and which have no counterpart."""

    pairs: list[tuple[Alternative, Alternative]]
    removed: list[Alternative]
    added: list[Alternative]


def match(old: list[Alternative], new: list[Alternative]) -> Matching:
    """Pair equal alternatives, those of one label, and those that are alone of their kind."""
    pairs: list[tuple[Alternative, Alternative]] = []
    removed, added = list(old), list(new)

    def pair_by(key: Callable[[Alternative], object]) -> None:
        for item in list(removed):
            wanted = key(item)
            found = [other for other in added if wanted is not None and key(other) == wanted]
            alike = [other for other in removed if key(other) == wanted]
            if found and (len(alike) == 1 == len(found) or key is _content):
                pairs.append((item, found[0]))
                removed.remove(item)
                added.remove(found[0])

    pair_by(_content)
    pair_by(_labelled)
    pair_by(_kind)
    pair_by(_numeric)
    return Matching(pairs, removed, added)


def _content(item: Alternative) -> str:
    return item.content


def _labelled(item: Alternative) -> tuple[str, str] | None:
    return (item.kind, item.label) if item.label else None


def _kind(item: Alternative) -> str:
    return item.kind


def _numeric(item: Alternative) -> bool | None:
    return item.kind in ("number", "integer") or None
