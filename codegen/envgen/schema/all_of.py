"""``allOf``: what two schemas say together, as one schema."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

from .keywords import DESCRIBING, JsonSchema, as_array

Combine = Callable[[Any, Any], Any]
"""Makes one value of a keyword out of two; None where there is none."""

Conflict = Callable[[str], None]
"""Takes a keyword that both schemas have and that can't be said once."""


def intersection(first: JsonSchema, second: JsonSchema, conflict: Conflict) -> JsonSchema:
    """A schema for the values that fit both.

    Where two values of a keyword can't be made one, ``second``'s stands and ``conflict`` is told.
    Where one schema closes an object (``additionalProperties: false``) and the other names fields
    of it, nothing with those fields fits; people mean both to be allowed, so they stay, and
    ``conflict`` is told of ``additionalProperties``.
    """
    merged = dict(first)
    for key, value in second.items():
        if key not in merged or merged[key] == value or key in DESCRIBING:
            merged[key] = value
        elif key in _MAPS:
            merged[key] = _both_maps(merged[key], value)
        elif key in _NARROWING and not isinstance(value, list):
            merged[key] = _both(merged[key], value)
        else:
            combine: Combine = _COMBINE.get(key, _nothing)
            merged[key] = combine(merged[key], value)
            if merged[key] is None:
                conflict(key)
                merged[key] = value
    if "const" in merged and merged["const"] in merged.get("enum", ()):
        del merged["enum"]
    for one, other in ((first, second), (second, first)):
        _apply_rest(one, other, merged, conflict)
    _check_groups(first, second, conflict)
    return merged


def _apply_rest(one: JsonSchema, other: JsonSchema, merged: JsonSchema, conflict: Conflict) -> None:
    """Hold what ``one`` names, and ``other`` doesn't, to what ``other`` says of all the rest."""
    rest = other.get("additionalProperties", True)
    foreign = one.get("properties", {}).keys() - other.get("properties", {}).keys()
    if foreign and rest is not True:
        if rest is False or "patternProperties" in other:
            conflict("additionalProperties")
        else:
            held = {name: _both(merged["properties"][name], rest) for name in foreign}
            merged["properties"] = {**merged["properties"], **held}
    if "prefixItems" in one and "prefixItems" not in other and "items" in other:
        conflict("items")


def _check_groups(first: JsonSchema, second: JsonSchema, conflict: Conflict) -> None:
    """Tell of keywords that mean something together only, and can't be taken from both."""
    for group in _GROUPS:
        one, other = ({key: item[key] for key in group if key in item} for item in (first, second))
        if one and other and one != other:
            conflict(group[0])


def _both(first: Any, second: Any) -> Any:
    if first is False or second is False:
        return False
    if first is True or second is True:
        return second if first is True else first
    return {"allOf": [first, second]}


def _both_maps(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    return {
        **first,
        **{
            name: _both(first[name], child) if name in first and first[name] != child else child
            for name, child in second.items()
        },
    }


def _types(first: Any, second: Any) -> Any:
    one, other = (as_array(value) or [value] for value in (first, second))
    common = [kind for kind in one if kind in other or (kind == "integer" and "number" in other)]
    if "integer" in other and "number" in one:
        common.append("integer")
    return (common[0] if len(common) == 1 else common) or None


def _common(first: list[Any], second: list[Any]) -> list[Any] | None:
    return [value for value in first if value in second] or None


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


# Schemas that both hold where each does.
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
