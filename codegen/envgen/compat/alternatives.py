"""A schema as alternatives of one JSON type each, and the pairing of two schemas' alternatives."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from envgen_runtime.json_value import comparable

from ..schema.document import PartDocument
from ..schema.keywords import (
    DEFINITIONS,
    DESCRIBING,
    JsonSchema,
    as_array,
    as_object,
    for_type,
    is_of_type,
    json_type,
    pointer_to,
    types_of,
)
from .structure import content

_TYPES = ("string", "number", "boolean", "array", "object", "null")
_BESIDE = DESCRIBING | DEFINITIONS | {"$schema", "discriminator"}

_MAX_NESTING = 20
_MAX_ALTERNATIVES = 500
"""A union with more alternatives than this is compared as a whole."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the types that a schema allows: its keywords, with references and ``allOf`` folded in.

    Attributes:
        pointer: where it stands in its part.
        label: what distinguishes it from others of its type: a tag or a title; may be empty.
        content: equal for alternatives of equal structure.
    """

    type: str
    schema: JsonSchema
    pointer: str
    label: str
    content: Hashable


@dataclass(frozen=True, slots=True)
class Alternatives:
    """Everything that a schema allows.

    Attributes:
        items: each alternative.
        may_overlap: whether a value may fit several members of a ``oneOf``, and so not the
            ``oneOf``. Tags that a ``discriminator`` names count as required.
    """

    items: list[Alternative]
    may_overlap: bool = False


def alternatives(schema: Any, pointer: str, document: PartDocument) -> Alternatives:
    """Return what ``schema`` allows. Raises ContractError if a reference has no end."""
    if isinstance(schema, bool):
        return Alternatives([_alternative(type_, {}, pointer) for type_ in _TYPES if schema])
    expansion = _Expansion(document)
    items = expansion.of(as_object(schema) or {}, pointer, 0)
    if expansion.is_too_large:
        place, folded = document.followed(as_object(schema) or {}, pointer)
        return Alternatives(_of_types(folded, place), may_overlap=True)
    return Alternatives(_simplified(items, pointer), expansion.may_overlap)


class _Expansion:
    """Flattens unions within unions."""

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
            return _of_types(folded, pointer)
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


def _alternative(type_: str, schema: JsonSchema, pointer: str, label: str = "") -> Alternative:
    own = for_type(type_, {key: value for key, value in schema.items() if key not in _BESIDE})
    return Alternative(type_, own, pointer, label, (type_, content(own)))


def _of_types(schema: JsonSchema, pointer: str) -> list[Alternative]:
    named = types_of(schema)
    rest = {key: item for key, item in schema.items() if key not in ("const", "enum", "type")}
    values = enumerated(schema)
    if values is None:
        return [
            _alternative(type_, rest, pointer, _label(schema) if type_ == "object" else "")
            for type_ in named or _TYPES
        ]
    if named:
        values = [value for value in values if any(is_of_type(value, type_) for type_ in named)]
    found: list[Alternative] = []
    for type_ in _TYPES:
        own = [value for value in values if json_type(value) == type_]
        if type_ == "null" or (type_ == "boolean" and {*own} == {True, False}):
            found += [_alternative(type_, rest, pointer)] if own else []
        elif own:
            found.append(_alternative(type_, {**rest, "enum": own}, pointer))
    return found


def enumerated(schema: JsonSchema) -> list[Any] | None:
    """Return the values to which ``enum`` and ``const`` limit a schema; None if they don't."""
    values = as_array(schema.get("enum"))
    if "const" not in schema:
        return values
    is_allowed = values is None or comparable(schema["const"]) in map(comparable, values)
    return [schema["const"]] if is_allowed else []


def _label(schema: JsonSchema) -> str:
    for name, child in (as_object(schema.get("properties")) or {}).items():
        constant = (as_object(child) or {}).get("const")
        if isinstance(constant, str):
            return f"{name}={constant}"
    return str(schema.get("title", ""))


def _simplified(items: list[Alternative], pointer: str) -> list[Alternative]:
    """Drop items that others include, and merge the enumerated values of each type."""
    contents = {item.content for item in items}
    kept: dict[Hashable, Alternative] = {}
    values: dict[str, list[Any]] = {}
    for item in items:
        numbers = {("number", content({})), ("number", content(item.schema))}
        if item.schema.keys() == {"enum"}:
            values.setdefault(item.type, []).extend(item.schema["enum"])
            kept.setdefault(item.type, item)
        elif item.type != "integer" or contents.isdisjoint(numbers):
            kept.setdefault(item.content, item)
    for type_, all_values in values.items():
        distinct = list({comparable(value): value for value in all_values}.values())
        if len(distinct) > len(kept[type_].schema["enum"]):
            kept[type_] = _alternative(type_, {"enum": distinct}, pointer)
    return list(kept.values())


def _are_disjoint(one: Alternative, other: Alternative, tag: str | None) -> bool:
    """Whether it is certain that no value fits both."""
    if one.type != other.type:
        return {one.type, other.type} != {"integer", "number"}
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
    return not {*map(comparable, one)} & {*map(comparable, other)}


@dataclass(frozen=True, slots=True)
class Matching:
    """The alternatives of two schemas in pairs, and those without a counterpart."""

    pairs: list[tuple[Alternative, Alternative]]
    removed: list[Alternative]
    added: list[Alternative]


def match(old: list[Alternative], new: list[Alternative]) -> Matching:
    """Pair equal alternatives, those with one label, and those that are the only one of a type."""
    pairs: list[tuple[Alternative, Alternative]] = []
    removed, added = list(old), list(new)
    for key in _KEYS:
        for item, other in list(_alone(removed, added, key)):
            pairs.append((item, other))
            removed.remove(item)
            added.remove(other)
    return Matching(pairs, removed, added)


_Key = Callable[[Alternative], Hashable]

# Keys that pair alternatives, the most certain first; None pairs nothing.
_KEYS: tuple[_Key, ...] = (
    lambda item: (item.content, item.label),
    lambda item: item.content,
    lambda item: (item.type, item.label) if item.label else None,
    lambda item: item.type,
    lambda item: item.type in ("number", "integer") or None,
)


def _alone(
    old: list[Alternative], new: list[Alternative], key: _Key
) -> Iterator[tuple[Alternative, Alternative]]:
    """Yield those that are the only ones with their key, on both sides."""
    for shared in dict.fromkeys(map(key, old)):
        ones = [item for item in old if key(item) == shared]
        others = [item for item in new if key(item) == shared]
        if shared is not None and len(ones) == 1 == len(others):
            yield ones[0], others[0]
