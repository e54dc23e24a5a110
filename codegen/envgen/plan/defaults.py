"""Defaults, as expressions that a type checker takes for the field's type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from envgen_runtime.json_value import comparable, same_json

from ..schema.document import PartDocument
from ..schema.keywords import (
    MAX_DEPTH,
    JsonSchema,
    as_array,
    as_object,
    fixed_items,
    is_of_type,
    is_tuple,
    pointer_to,
)
from .scalars import fits, parsed_literal
from .types import value_literal

_NONE_OF_THEM = ""


class _Class(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def fields(self) -> list[Any]: ...
    @property
    def extras(self) -> object | None: ...


class Defaults:
    """Writes defaults.

    Args:
        classes: all planned classes, by part and place.

    Attributes:
        used: the classes whose instances the last default holds.
    """

    def __init__(self, classes: Mapping[tuple[str, str], _Class]) -> None:
        self.used: set[str] = set()
        self._classes = classes
        self._depth = 0

    def of(self, document: PartDocument, schema: Any, pointer: str) -> str | None:
        """The expression for a schema's default; None where it is none of the schema's values."""
        self.used = set()
        return self._value(document, schema, schema["default"], pointer)

    def _value(self, document: PartDocument, schema: Any, value: Any, pointer: str) -> str | None:
        document.spend(pointer)
        if self._depth > MAX_DEPTH:
            raise document.error(pointer, f"a default of more than {MAX_DEPTH} levels")
        self._depth += 1
        try:
            return self._fitting(document, schema, value, pointer)
        finally:
            self._depth -= 1

    def _fitting(self, document: PartDocument, schema: Any, value: Any, pointer: str) -> str | None:
        fields = as_object(schema)
        if value is None or fields is None:
            return value_literal(value)
        pointer, resolved = document.followed(fields, pointer)
        for keyword in ("anyOf", "oneOf"):
            if keyword in resolved:
                tried = (
                    self._value(document, member, value, pointer_to(pointer, keyword, index))
                    for index, member in enumerate(resolved[keyword])
                )
                return next((expression for expression in tried if expression is not None), None)
        if "enum" in resolved or "const" in resolved:
            allowed = resolved.get("enum", [resolved.get("const")])
            document.spend(pointer, len(allowed) // 10)
            return value_literal(value) if any(same_json(value, item) for item in allowed) else None
        return self._plain(document, resolved, value, pointer)

    def _plain(
        self, document: PartDocument, schema: JsonSchema, value: Any, pointer: str
    ) -> str | None:
        kinds = as_array(schema.get("type")) or [schema.get("type")]
        kind = next(
            (kind for kind in kinds if kind is None or is_of_type(value, kind)), _NONE_OF_THEM
        )
        if kind == _NONE_OF_THEM:
            return None
        fields, items = as_object(value), as_array(value)
        if fields is not None:
            make = self._instance if schema.get("properties") else self._map
            return make(document, schema, fields, pointer)
        if items is not None:
            return self._list(document, schema, items, pointer)
        if kind is not None and not fits(kind, schema, value):
            return None
        if isinstance(value, str):
            return parsed_literal(schema, value)
        return value_literal(int(value) if kind == "integer" else value)

    def _map(
        self,
        document: PartDocument,
        schema: JsonSchema,
        value: dict[str, Any],
        pointer: str,
    ) -> str | None:
        if {"patternProperties", "propertyNames"} & schema.keys():
            return None if value else "{}"
        if not _is_between(len(value), schema, "minProperties", "maxProperties"):
            return None
        place, child = (
            pointer_to(pointer, "additionalProperties"),
            schema.get("additionalProperties"),
        )
        members = {key: self._value(document, child, item, place) for key, item in value.items()}
        if None in members.values():
            return None
        return f"{{{', '.join(f'{value_literal(key)}: {item}' for key, item in members.items())}}}"

    def _list(
        self,
        document: PartDocument,
        schema: JsonSchema,
        items: list[Any],
        pointer: str,
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
            member = self._value(document, child, item, place)
            if member is None:
                return None
            members.append(member)
        return f"({', '.join(members)},)" if is_tuple(schema) else f"[{', '.join(members)}]"

    def _instance(
        self,
        document: PartDocument,
        schema: JsonSchema,
        value: dict[str, Any],
        pointer: str,
    ) -> str | None:
        planned = self._classes.get((document.part, pointer))
        if planned is None:
            return None
        required = {item.wire_name.raw for item in planned.fields if item.is_required}
        unknown = value.keys() - schema["properties"].keys()
        if not required <= value.keys() or (unknown and planned.extras is None):
            return None
        for key, child in schema["properties"].items():
            place = pointer_to(pointer, "properties", key)
            if key in value and not self._value(document, child, value[key], place):
                return None
        self.used.add(planned.name)
        return f"{planned.name}.model_validate({value_literal(value)})"


def _is_between(number: int, schema: JsonSchema, least: str, most: str) -> bool:
    return bool(schema.get(least, 0) <= number <= schema.get(most, number))
