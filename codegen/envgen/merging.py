"""``allOf``: what two schemas say together, as one schema."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, cast

from .schema import DESCRIBING, SCHEMAS, JsonSchema, as_array

Combine = Callable[[Any, Any], Any]
"""Makes one value of a keyword out of two; None where there is none."""

Conflict = Callable[[str], None]
"""Takes a keyword that both schemas have and that can't be said once."""


def intersection(first: JsonSchema, second: JsonSchema, conflict: Conflict) -> JsonSchema:
    """A schema for the values that fit both.

    Where two values of a keyword can't be made one, ``second``'s stands and ``conflict`` is told.
    """
    merged = dict(first)
    for key, value in second.items():
        if key not in merged or merged[key] == value or key in DESCRIBING:
            merged[key] = value
        elif key in _MAPS:
            merged[key] = _both_maps(merged[key], value)
        elif key in SCHEMAS and not isinstance(value, list):
            merged[key] = _both(merged[key], value)
        else:
            combine: Combine = _COMBINE.get(key, _nothing)
            merged[key] = combine(merged[key], value)
            if merged[key] is None:
                conflict(key)
                merged[key] = value
    if "enum" in merged and "const" in merged:
        del merged["enum"]
    return merged


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


def _either(first: bool, second: bool) -> bool:
    return first or second


_MAPS = frozenset({"properties", "patternProperties", "$defs", "definitions"})

_COMBINE: Mapping[str, Combine] = {
    "type": _types,
    "enum": _common,
    "required": _union,
    "uniqueItems": _either,
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
