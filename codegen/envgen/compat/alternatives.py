"""A schema as what it allows, each of one JSON type, and what of two schemas belongs together."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from ..schema.document import PartDocument
from ..schema.keywords import (
    DEFINITIONS,
    DESCRIBING,
    JsonSchema,
    about,
    as_array,
    as_object,
    is_kind,
    pointer_to,
)
from .structure import canonical, structure, value_text

_KINDS = ("string", "number", "boolean", "array", "object", "null")
_BESIDE = DESCRIBING | DEFINITIONS | {"$schema", "discriminator"}

_MAX_NESTING = 20
_MAX_ALTERNATIVES = 500
"""A union that is larger when written out is held against the other as text."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the things that a schema allows.

    Attributes:
        kind: its JSON type.
        schema: what is said of this type; references and ``allOf`` are folded in.
        pointer: where it stands in its part.
        label: what tells it from others of its kind: a tag or a title; may be empty.
        content: equal for alternatives that say the same.
    """

    kind: str
    schema: JsonSchema
    pointer: str
    label: str
    content: str


@dataclass(frozen=True, slots=True)
class Alternatives:
    """What a schema allows.

    Attributes:
        items: each alternative.
        may_overlap: whether a value may fit several members of a ``oneOf``, and so not the
            ``oneOf``. Tags that a ``discriminator`` names are taken to be there.
    """

    items: list[Alternative]
    may_overlap: bool = False


def alternatives(schema: Any, pointer: str, document: PartDocument) -> Alternatives:
    """What ``schema`` allows.

    Raises:
        ContractError: a reference leads nowhere, or back to itself.
    """
    if isinstance(schema, bool):
        return Alternatives([_alternative(kind, {}, pointer) for kind in _KINDS if schema])
    expansion = _Expansion(document)
    items = expansion.of(as_object(schema) or {}, pointer, 0)
    if expansion.is_too_large:
        place, folded = document.followed(as_object(schema) or {}, pointer)
        return Alternatives(_of_kinds(folded, place), may_overlap=True)
    return Alternatives(_simplified(items, pointer), expansion.may_overlap)


class _Expansion:
    """Writes unions within unions out, as one."""

    def __init__(self, document: PartDocument) -> None:
        self.may_overlap = False
        self.is_too_large = False
        self._document = document
        self._count = 0

    def of(self, schema: JsonSchema, pointer: str, nesting: int) -> list[Alternative]:
        self._count += 1
        self.is_too_large |= self._count > _MAX_ALTERNATIVES or nesting > _MAX_NESTING
        if self.is_too_large:
            return []
        pointer, folded = self._document.followed(schema, pointer)
        keyword = next((key for key in ("anyOf", "oneOf") if key in folded), None)
        if keyword is None:
            return _of_kinds(folded, pointer)
        members = [
            self._member(member, folded, keyword, pointer_to(pointer, keyword, index), nesting)
            for index, member in enumerate(folded[keyword])
        ]
        if keyword == "oneOf":
            tag = (as_object(folded.get("discriminator")) or {}).get("propertyName")
            self.may_overlap |= any(
                not _are_disjoint(one, other, tag)
                for first, second in itertools.combinations(members, 2)
                for one, other in itertools.product(first, second)
            )
        return [item for member in members for item in member]

    def _member(
        self, member: Any, union: JsonSchema, keyword: str, place: str, nesting: int
    ) -> list[Alternative]:
        if member is False:
            return []
        fields = as_object(member) or {}
        common = {key: value for key, value in union.items() if key not in _BESIDE | {keyword}}
        if common:
            place, fields = self._document.followed(fields, place)
            fields = self._document.both(fields, common, place)
        return self.of(fields, place, nesting + 1)


def _alternative(kind: str, schema: JsonSchema, pointer: str, label: str = "") -> Alternative:
    own = about(kind, {key: value for key, value in schema.items() if key not in _BESIDE})
    return Alternative(kind, own, pointer, label, canonical([kind, structure(own)]))


def _of_kinds(schema: JsonSchema, pointer: str) -> list[Alternative]:
    named = as_array(schema.get("type")) or [schema["type"]] if "type" in schema else None
    rest = {key: item for key, item in schema.items() if key not in ("const", "enum", "type")}
    values = enumerated(schema)
    if values is None:
        return [
            _alternative(kind, rest, pointer, _label(schema) if kind == "object" else "")
            for kind in named or _KINDS
        ]
    found: list[Alternative] = []
    for kind in _KINDS:
        own = [value for value in values if kind_of(value) == kind and _is_named(value, named)]
        if kind == "null" or (kind == "boolean" and {*own} == {True, False}):
            found += [_alternative(kind, rest, pointer)] if own else []
        elif own:
            found.append(_alternative(kind, {**rest, "enum": own}, pointer))
    return found


def enumerated(schema: JsonSchema) -> list[Any] | None:
    """The values to which ``enum`` and ``const`` limit a schema; None where they don't."""
    values = as_array(schema.get("enum"))
    if "const" not in schema:
        return values
    is_allowed = values is None or value_text(schema["const"]) in map(value_text, values)
    return [schema["const"]] if is_allowed else []


def kind_of(value: Any) -> str:
    """The JSON type of a value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "array"
    return "null" if value is None else "object" if isinstance(value, dict) else "number"


def _is_named(value: Any, kinds: list[str] | None) -> bool:
    return kinds is None or any(is_kind(value, kind) for kind in kinds)


def _label(schema: JsonSchema) -> str:
    for name, child in (as_object(schema.get("properties")) or {}).items():
        constant = (as_object(child) or {}).get("const")
        if isinstance(constant, str):
            return f"{name}={constant}"
    return str(schema.get("title", ""))


def _simplified(items: list[Alternative], pointer: str) -> list[Alternative]:
    """``items`` without what others say too, and with one list of values for each type."""
    contents = {item.content for item in items}
    kept: dict[str, Alternative] = {}
    values: dict[str, list[Any]] = {}
    for item in items:
        is_a_number_anyhow = item.kind == "integer" and (
            not contents.isdisjoint((canonical(["number", {}]), _as_number(item)))
        )
        if item.schema.keys() == {"enum"}:
            values.setdefault(item.kind, []).extend(item.schema["enum"])
            kept.setdefault(f"values {item.kind}", item)
        elif not is_a_number_anyhow:
            kept.setdefault(item.content, item)
    for kind, all_values in values.items():
        distinct = list({value_text(value): value for value in all_values}.values())
        if len(distinct) > len(kept[f"values {kind}"].schema["enum"]):
            kept[f"values {kind}"] = _alternative(kind, {"enum": distinct}, pointer)
    return list(kept.values())


def _as_number(item: Alternative) -> str:
    return canonical(["number", structure(item.schema)])


def _are_disjoint(one: Alternative, other: Alternative, tag: str | None) -> bool:
    """Whether it is certain that no value is both."""
    if one.kind != other.kind:
        return {one.kind, other.kind} != {"integer", "number"}
    if _have_other_values(one.schema, other.schema):
        return True
    schemas = (one.schema, other.schema)
    first, second = (as_object(item.get("properties")) or {} for item in schemas)
    required = {name for item in schemas for name in as_array(item.get("required")) or []}
    return any(
        _have_other_values(as_object(first[name]) or {}, as_object(second[name]) or {})
        for name in first.keys() & second.keys()
        if name == tag or name in required
    )


def _have_other_values(first: JsonSchema, second: JsonSchema) -> bool:
    one, other = enumerated(first), enumerated(second)
    if one is None or other is None or any(isinstance(item, dict | list) for item in one):
        return False
    return not {*map(value_text, one)} & {*map(value_text, other)}


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
    for key in _KEYS:
        for item, other in list(_alone(removed, added, key)):
            pairs.append((item, other))
            removed.remove(item)
            added.remove(other)
    return Matching(pairs, removed, added)


_Key = Callable[[Alternative], Hashable]

# By what alternatives are paired, the surest first; None where it doesn't tell.
_KEYS: tuple[_Key, ...] = (
    lambda item: (item.content, item.label),
    lambda item: item.content,
    lambda item: (item.kind, item.label) if item.label else None,
    lambda item: item.kind,
    lambda item: item.kind in ("number", "integer") or None,
)


def _alone(
    old: list[Alternative], new: list[Alternative], key: _Key
) -> Iterator[tuple[Alternative, Alternative]]:
    """Those that are the only ones with their key, on both sides."""
    for wanted in dict.fromkeys(map(key, old)):
        ones = [item for item in old if key(item) == wanted]
        others = [item for item in new if key(item) == wanted]
        if wanted is not None and len(ones) == 1 == len(others):
            yield ones[0], others[0]
