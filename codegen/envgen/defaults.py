"""Defaults, as expressions that a type checker takes for the field's type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .document import PartDocument
from .expressions import is_parsed, value_literal
from .schema import JsonSchema, as_array, as_object, implied_type, pointer_to

ClassAt = Callable[[str], str | None]
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
        return value_literal(value) if value in allowed else None
    return _plain(document, resolved, value, pointer, class_at)


def _plain(
    document: PartDocument, schema: JsonSchema, value: Any, pointer: str, class_at: ClassAt
) -> str | None:
    kinds = as_array(schema.get("type")) or [schema.get("type") or implied_type(schema)]
    if None not in kinds and not any(_is_kind(value, kind) for kind in kinds):
        return None
    if isinstance(value, dict) and schema.get("properties"):
        name = class_at(pointer)
        return None if name is None else f"{name}.model_validate({value_literal(value)})"
    items = as_array(value)
    if items is not None and isinstance(schema.get("items"), dict):
        place = pointer_to(pointer, "items")
        members = [
            default_expression(document, schema["items"], item, place, class_at) for item in items
        ]
        known = [member for member in members if member is not None]
        return f"[{', '.join(known)}]" if len(known) == len(members) else None
    return None if isinstance(value, str) and is_parsed(schema) else value_literal(value)


def _is_kind(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    kinds: dict[str, tuple[type, ...]] = {
        "array": (list,),
        "integer": (int,),
        "number": (int, float),
        "object": (dict,),
        "string": (str,),
    }
    return isinstance(value, kinds.get(kind, ()))
