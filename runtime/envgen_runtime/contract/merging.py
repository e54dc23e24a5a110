"""``allOf`` written as one schema where that says exactly the same.

For types it is enough to say nearly the same, and the generator does (``schema/all_of``). What a
model is shown has to accept what the contract accepts, so here two schemas stay apart if one
schema can't say what both do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from ..json_value import as_array, as_object, same_json
from .keywords import DESCRIBING, JsonSchema


def all_of(schema: JsonSchema, members: Iterable[Any]) -> JsonSchema:
    """Return a schema for what fits ``schema`` and all ``members``: in 2020-12, without references.

    What describes ``schema`` wins over what describes a member. Members that can't be written into
    one schema with it stay in an ``allOf``.
    """
    nothing: JsonSchema = {"not": {}}
    apart: list[Any] = []
    for member in members:
        fields = nothing if member is False else as_object(member) or {}
        whole = _merged(schema, fields)
        if whole is None:
            apart.append(fields)
        else:
            schema = whole
    if not apart:
        return schema
    # The type is said in front as well: many consumers look for it there, and nowhere else.
    types = [fields["type"] for fields in apart if isinstance(fields.get("type"), str)]
    shown = {"type": types[0]} if types and "type" not in schema else {}
    return {**shown, **schema, "allOf": [*schema.get("allOf", []), *apart]}


def _merged(first: JsonSchema, second: JsonSchema) -> JsonSchema | None:
    one, other = first.keys() - DESCRIBING, second.keys() - DESCRIBING
    if one and other and not _are_independent(first, second):
        return None
    result = {**second, **first}
    for key in one & other:
        result[key] = _combined(key, first[key], second[key])
        if result[key] is None:
            return None
    return result


def _are_independent(first: JsonSchema, second: JsonSchema) -> bool:
    """Whether no keyword of one schema changes what a keyword of the other means."""
    if (first.keys() | second.keys()) & {"unevaluatedItems", "unevaluatedProperties"}:
        return False
    for group in _GROUPS:
        one, other = ({key: item[key] for key in group & item.keys()} for item in (first, second))
        plain = one.keys() == other.keys() == {"properties"}
        if one and other and not plain and not same_json(one, other):
            return False
    return True


def _combined(key: str, first: Any, second: Any) -> Any:
    """One value of a keyword for two; None if there is none."""
    if same_json(first, second):
        return first
    combine = _COMBINE.get(key)
    return None if combine is None else combine(first, second)


def _properties(first: JsonSchema, second: JsonSchema) -> JsonSchema:
    both = {name: _both(first[name], second[name]) for name in first.keys() & second.keys()}
    return {**first, **second, **both}


def _both(first: Any, second: Any) -> Any:
    if first is False or second is False:
        return False
    return all_of(as_object(first) or {}, [second])


def _types(first: Any, second: Any) -> Any:
    one, other = (as_array(value) or [value] for value in (first, second))
    common = [name for name in one if name in other or (name == "integer" and "number" in other)]
    if "integer" in other and "number" in one and "integer" not in common:
        common.append("integer")
    return (common[0] if len(common) == 1 else common) or None


def _union(first: list[Any], second: list[Any]) -> list[Any]:
    return list(dict.fromkeys([*first, *second]))


def _joined(first: list[Any], second: list[Any]) -> list[Any]:
    return [*first, *second]


_GROUPS = (
    frozenset({"properties", "patternProperties", "additionalProperties"}),
    frozenset({"items", "prefixItems"}),
    frozenset({"contains", "minContains", "maxContains"}),
    frozenset({"if", "then", "else"}),
)
"""Keywords whose meaning depends on each other."""

_COMBINE: Mapping[str, Callable[[Any, Any], Any]] = {
    "properties": _properties,
    "type": _types,
    "required": _union,
    "allOf": _joined,
    **{
        key: cast("Callable[[Any, Any], Any]", max)
        for key in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
    },
    **{
        key: cast("Callable[[Any, Any], Any]", min)
        for key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
    },
}
