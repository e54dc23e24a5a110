"""Defaults, as expressions that a type checker takes for the field's type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from envgen_runtime.json_value import comparable, same_json

from ..schema.document import PartDocument
from ..schema.keywords import (
    JsonSchema,
    as_array,
    as_object,
    fixed_items,
    is_of_type,
    is_tuple,
    pointer_to,
)
from .expressions import fits, parsed_literal, value_literal
from .plan import PlannedClass

_NONE_OF_THEM = ""

ClassAt = Callable[[str], PlannedClass | None]
"""The class planned for the schema at a pointer, if it is complete."""


def default_expression(
    document: PartDocument, schema: Any, value: Any, pointer: str, class_at: ClassAt
) -> str | None:
    """The expression for a default, or None where it is none of the schema's values."""
    fields = as_object(schema)
    if value is None or fields is None:
        return value_literal(value)
    pointer, resolved = document.followed(fields, pointer)
    for keyword in ("anyOf", "oneOf"):
        if keyword in resolved:
            tried = (
                default_expression(
                    document, member, value, pointer_to(pointer, keyword, index), class_at
                )
                for index, member in enumerate(resolved[keyword])
            )
            return next((expression for expression in tried if expression is not None), None)
    if "enum" in resolved or "const" in resolved:
        allowed = resolved.get("enum", [resolved.get("const")])
        return value_literal(value) if any(same_json(value, item) for item in allowed) else None
    return _plain(document, resolved, value, pointer, class_at)


def _plain(
    document: PartDocument, schema: JsonSchema, value: Any, pointer: str, class_at: ClassAt
) -> str | None:
    kinds = as_array(schema.get("type")) or [schema.get("type")]
    kind = next((kind for kind in kinds if kind is None or is_of_type(value, kind)), _NONE_OF_THEM)
    if kind == _NONE_OF_THEM:
        return None
    fields, items = as_object(value), as_array(value)
    if fields is not None:
        make = _instance if schema.get("properties") else _map
        return make(document, schema, fields, pointer, class_at)
    if items is not None:
        return _list(document, schema, items, pointer, class_at)
    if kind is not None and not fits(kind, schema, value):
        return None
    if isinstance(value, str):
        return parsed_literal(schema, value)
    return value_literal(int(value) if kind == "integer" else value)


def _map(
    document: PartDocument,
    schema: JsonSchema,
    value: dict[str, Any],
    pointer: str,
    class_at: ClassAt,
) -> str | None:
    if {"patternProperties", "propertyNames"} & schema.keys():
        return None if value else "{}"
    if not _is_between(len(value), schema, "minProperties", "maxProperties"):
        return None
    place, child = pointer_to(pointer, "additionalProperties"), schema.get("additionalProperties")
    members = {
        key: default_expression(document, child, item, place, class_at)
        for key, item in value.items()
    }
    if None in members.values():
        return None
    return f"{{{', '.join(f'{value_literal(key)}: {item}' for key, item in members.items())}}}"


def _is_between(number: int, schema: JsonSchema, least: str, most: str) -> bool:
    return bool(schema.get(least, 0) <= number <= schema.get(most, number))


def _list(
    document: PartDocument,
    schema: JsonSchema,
    items: list[Any],
    pointer: str,
    class_at: ClassAt,
) -> str | None:
    key, fixed, rest = fixed_items(schema)
    if is_tuple(schema) and len(items) != len(fixed):
        return None
    different = set(map(comparable, items))
    if schema.get("uniqueItems") and len(different) < len(items):
        return None
    if not _is_between(len(items), schema, "minItems", "maxItems"):
        return None
    members: list[str] = []
    for index, item in enumerate(items):
        is_fixed = index < len(fixed)
        place = pointer_to(pointer, key, index) if is_fixed else pointer_to(pointer, rest)
        child = fixed[index] if is_fixed else schema.get(rest)
        member = default_expression(document, child, item, place, class_at)
        if member is None:
            return None
        members.append(member)
    return f"({', '.join(members)},)" if is_tuple(schema) else f"[{', '.join(members)}]"


def _instance(
    document: PartDocument,
    schema: JsonSchema,
    value: dict[str, Any],
    pointer: str,
    class_at: ClassAt,
) -> str | None:
    planned = class_at(pointer)
    if planned is None:
        return None
    required = {item.wire_name.raw for item in planned.fields if item.default is None}
    unknown = value.keys() - schema["properties"].keys()
    if not required <= value.keys() or (unknown and planned.direction == "request"):
        return None
    for key, child in schema["properties"].items():
        place = pointer_to(pointer, "properties", key)
        if key in value and not default_expression(document, child, value[key], place, class_at):
            return None
    return f"{planned.name}.model_validate({value_literal(value)})"
