"""``allOf``: the intersection of two schemas, as one schema."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from envgen_runtime.json_value import comparable, same_json

from .keywords import DESCRIBING, JsonSchema, as_array

Combine = Callable[[Any, Any], Any]
"""Makes one value of a keyword out of two; returns None if it can't."""


def intersection(first: JsonSchema, second: JsonSchema) -> tuple[JsonSchema, list[str]]:
    """Return a schema for the values that fit both, and the keywords that conflict.

    If two values of a keyword can't become one, ``second``'s is used and the keyword conflicts.
    If one schema closes an object (``additionalProperties: false``) and the other names further
    fields, nothing with those fields fits both. People mean to allow both, so the fields stay and
    ``additionalProperties`` conflicts.
    """
    merged = dict(first)
    conflicts: list[str] = []
    for key, value in second.items():
        if key not in merged or same_json(merged[key], value) or key in DESCRIBING:
            merged[key] = value
        elif key in _MAPS:
            merged[key] = _both_maps(merged[key], value)
        elif key in _NARROWING and not isinstance(value, list):
            merged[key] = _both(merged[key], value)
        else:
            combine: Combine = _COMBINE.get(key, _nothing)
            merged[key] = combine(merged[key], value)
            if merged[key] is None:
                conflicts.append(key)
                merged[key] = value
    if "const" in merged and _contains(merged.get("enum", []), merged["const"]):
        del merged["enum"]
    for one, other in ((first, second), (second, first)):
        conflicts += _apply_rest(one, other, merged)
    conflicts += _split_groups(first, second)
    return merged, conflicts


def _apply_rest(one: JsonSchema, other: JsonSchema, merged: JsonSchema) -> Iterator[str]:
    """Apply what ``other`` says of all further fields to those that only ``one`` names."""
    rest = other.get("additionalProperties", True)
    foreign = one.get("properties", {}).keys() - other.get("properties", {}).keys()
    if foreign and rest is not True:
        if rest is False or "patternProperties" in other:
            yield "additionalProperties"
        else:
            narrowed = {name: _both(merged["properties"][name], rest) for name in foreign}
            merged["properties"] = {**merged["properties"], **narrowed}
    if "prefixItems" in one and "prefixItems" not in other and "items" in other:
        yield "items"


def _split_groups(first: JsonSchema, second: JsonSchema) -> Iterator[str]:
    """Yield keywords that only have a meaning together, and can't be taken from both."""
    for group in _GROUPS:
        one, other = ({key: item[key] for key in group if key in item} for item in (first, second))
        if one and other and not same_json(one, other):
            yield group[0]


def _both(first: Any, second: Any) -> Any:
    if first is False or second is False:
        return False
    if first is True or second is True:
        return second if first is True else first
    # Flat, for a wide allOf would become a deep one.
    members = first["allOf"] if first.keys() == {"allOf"} else [first]
    return {"allOf": [*members, second]}


def _both_maps(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return {
        **first,
        **{
            name: _both(first[name], child)
            if name in first and not same_json(first[name], child)
            else child
            for name, child in second.items()
        },
    }


def _types(first: Any, second: Any) -> Any:
    one, other = (as_array(value) or [value] for value in (first, second))
    common = [name for name in one if name in other or (name == "integer" and "number" in other)]
    if "integer" in other and "number" in one:
        common.append("integer")
    return (common[0] if len(common) == 1 else common) or None


def _common(first: list[Any], second: list[Any]) -> list[Any] | None:
    allowed = set(map(comparable, second))
    return [value for value in first if comparable(value) in allowed] or None


def _contains(values: list[Any], value: Any) -> bool:
    return any(same_json(item, value) for item in values)


def _union(first: list[Any], second: list[Any]) -> list[Any]:
    return list(dict.fromkeys([*first, *second]))


def _common_multiple(first: Any, second: Any) -> int | None:
    if first == int(first) and second == int(second):
        return math.lcm(int(first), int(second))
    return None


def _nothing(_first: Any, _second: Any) -> None:
    return None


def _either_schema(first: Any, second: Any) -> Any:
    return {"anyOf": [first, second]}


def _either(first: bool, second: bool) -> bool:
    return first or second


# Keywords whose schemas apply together.
_NARROWING = frozenset(
    {
        "additionalItems", "additionalProperties", "items", "propertyNames", "unevaluatedItems",
        "unevaluatedProperties",
    }
)  # fmt: skip

_GROUPS = (("if", "then", "else"), ("contains", "minContains", "maxContains"))

_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions"})

_COMBINE: Mapping[str, Combine] = {
    "type": _types,
    "enum": _common,
    "required": _union,
    "uniqueItems": _either,
    "not": _either_schema,
    "multipleOf": _common_multiple,
    **{
        key: cast("Combine", max)
        for key in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
    },
    **{
        key: cast("Combine", min)
        for key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
    },
}
