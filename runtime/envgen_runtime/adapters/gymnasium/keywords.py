"""What the keywords of a schema say, for ``schemas``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contract import keywords
from ...contract.keywords import DEFINITIONS, DESCRIBING, JsonSchema
from ...json_value import as_array, as_object, comparable

UNIONS = ("anyOf", "oneOf")
ANNOTATIONS = frozenset({*DESCRIBING, *DEFINITIONS, "format", "contentEncoding"}) | frozenset(
    {"contentMediaType", "discriminator"}
)
"""Keywords that limit nothing. What pydantic makes of formats is looked at elsewhere."""

_READ: Mapping[str, frozenset[str]] = {
    "number": frozenset(
        {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
    ),
    "string": frozenset({"minLength", "maxLength", "pattern"}),
    "array": frozenset({"items", "prefixItems", "minItems", "maxItems", "uniqueItems"}),
    "object": frozenset({"properties", "required", "additionalProperties"}),
}
_UNREAD: Mapping[str, frozenset[str]] = {
    "array": frozenset({"contains", "minContains", "maxContains", "unevaluatedItems"}),
    "object": frozenset(
        {
            *("minProperties", "maxProperties", "propertyNames", "patternProperties"),
            *("unevaluatedProperties", "dependentRequired", "dependentSchemas"),
        }
    ),
}


def unread(schema: JsonSchema, name: str) -> list[str]:
    """The keywords of a schema that limit the values of a type, and that no space can say."""
    family = "number" if name == "integer" else name
    meant = {*_READ.get(family, ()), "type"}
    others = {key for keys in (*_READ.values(), *_UNREAD.values()) for key in keys}
    meant |= others - _UNREAD.get(family, frozenset())
    return sorted(schema.keys() - ANNOTATIONS - meant)


def listed_values(schema: JsonSchema) -> list[Any] | None:
    """The values of ``const`` and ``enum``; None if there is neither."""
    values = as_array(schema.get("enum"))
    if "const" in schema:
        constant = comparable(schema["const"])
        is_allowed = values is None or constant in map(comparable, values)
        return [schema["const"]] if is_allowed else []
    return values


def types_of(schema: JsonSchema) -> list[str]:
    """The types of a schema; a number includes integers."""
    types = keywords.types_of(schema)
    return [name for name in types if not (name == "integer" and "number" in types)]


def is_of(value: Any, types: list[str]) -> bool:
    """Whether a value has one of some types."""
    return any(keywords.is_of_type(value, name) for name in types)


def is_of_schema(value: Any, schema: JsonSchema) -> bool:
    """Whether a default has a type that its schema allows."""
    values = listed_values(schema)
    if values is not None:
        return comparable(value) in map(comparable, values)
    types = types_of(schema)
    if types and not is_of(value, types):
        return False
    unions = [as_array(schema[key]) or [] for key in UNIONS if key in schema]
    return all(
        any(is_of_schema(value, as_object(member) or {}) for member in members)
        for members in unions
    )


def labels_of(members: list[JsonSchema]) -> list[str]:
    """What names each member of a union: its tag, its title, its type, or its number."""
    for name in (_tag, _title, _only_type):
        labels = [name(member) for member in members]
        if all(labels) and len(set(labels)) == len(labels):
            return labels
    return [str(index) for index in range(len(members))]


def _tag(member: JsonSchema) -> str:
    for schema in (as_object(member.get("properties")) or {}).values():
        values = listed_values(as_object(schema) or {}) or []
        if len(values) == 1 and isinstance(values[0], str):
            return values[0]
    return ""


def _title(member: JsonSchema) -> str:
    return str(member.get("title") or "")


def _only_type(member: JsonSchema) -> str:
    types = types_of(member)
    return types[0] if len(types) == 1 else ""
