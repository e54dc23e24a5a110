"""The keywords of JSON Schema that envgen knows, and where they hold other schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

from ..json_value import as_array, as_object, pointer_to

JsonSchema: TypeAlias = dict[str, Any]

MAX_DEPTH = 100
"""Nesting allowed in a schema. Real ones stay under 15."""

# Keywords that hold schemas: by name, as a list, or one.
SCHEMA_MAPS = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
SCHEMA_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
SCHEMAS = frozenset(
    {
        "items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties",
        "unevaluatedProperties", "propertyNames", "not", "if", "then", "else",
    }
)  # fmt: skip

ValueType = Literal[
    "any", "array", "boolean", "bound", "discriminator", "name map", "names", "number",
    "positive", "size", "string", "type",
]  # fmt: skip

_BY_VALUE: Mapping[ValueType, str] = {
    "any": "const default",
    "array": "enum",
    "boolean": "deprecated readOnly writeOnly nullable uniqueItems",
    "bound": "exclusiveMinimum exclusiveMaximum",
    "discriminator": "discriminator",
    "name map": "dependentRequired",
    "names": "required",
    "number": "minimum maximum",
    "positive": "multipleOf",
    "size": "minLength maxLength minItems maxItems minContains maxContains minProperties "
    "maxProperties",
    "string": "$ref $id $anchor $dynamicRef $dynamicAnchor title description pattern format "
    "contentEncoding contentMediaType",
    "type": "type",
}

VALUES: Mapping[str, ValueType] = {
    keyword: value for value, keywords in _BY_VALUE.items() for keyword in keywords.split()
}
"""The keywords that hold no schemas, each with what its value must be."""

DEFINITIONS = frozenset({"$defs", "definitions"})
"""Keywords under which a schema keeps schemas for others to refer to."""

DESCRIBING = frozenset({"title", "description", "default", "deprecated", "readOnly", "writeOnly"})
"""Keywords beside a ``$ref`` that describe its target and do not narrow it."""

NAMING = frozenset({"$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$ref"})
"""Keywords that name a place or refer to one."""

PROSE = frozenset({"title", "description", "$comment", "examples", "deprecated"})
"""Keywords that only people read."""


def subschemas(schema: JsonSchema, pointer: str = "") -> Iterator[tuple[Any, str]]:
    """Yield the schemas directly within a schema, each with its pointer."""
    for key, value in schema.items():
        place = pointer_to(pointer, key)
        if key in SCHEMA_MAPS:
            for name, child in (as_object(value) or {}).items():
                if not isinstance(child, list):  # names, in ``dependencies``
                    yield child, pointer_to(place, name)
        elif key in SCHEMA_LISTS | SCHEMAS and isinstance(value, list):
            children = enumerate(as_array(value) or [])
            yield from ((child, pointer_to(place, index)) for index, child in children)
        elif key in SCHEMAS:
            yield value, place


def schemas_in(schema: Any) -> Iterator[tuple[JsonSchema, str]]:
    """Yield a schema and every one within it, each with its pointer; not true and false."""
    waiting: list[tuple[Any, str]] = [(schema, "")]
    while waiting:
        value, place = waiting.pop()
        fields = as_object(value)
        if fields is not None:
            yield fields, place
            waiting.extend(subschemas(fields, place))


def map_subschemas(schema: JsonSchema, change: Callable[[JsonSchema], JsonSchema]) -> JsonSchema:
    """Return a copy of ``schema`` with ``change`` applied to the schemas directly within it."""

    def changed(value: Any) -> Any:
        fields = as_object(value)
        return value if fields is None else change(fields)

    result: JsonSchema = {}
    for key, value in schema.items():
        fields, items = as_object(value), as_array(value)
        if key in SCHEMA_MAPS and fields is not None:
            result[key] = {name: changed(child) for name, child in fields.items()}
        elif key in SCHEMA_LISTS | SCHEMAS:
            result[key] = changed(value) if items is None else [*map(changed, items)]
        else:
            result[key] = value
    return result


def without_prose(schema: JsonSchema) -> JsonSchema:
    """Return ``schema`` without the keywords that only people read."""
    kept = {key: value for key, value in schema.items() if key not in PROSE}
    return map_subschemas(kept, without_prose)


def types_of(schema: JsonSchema) -> list[Any]:
    """Return what ``type`` names, as a list; empty where the schema has none."""
    if "type" not in schema:
        return []
    return as_array(schema["type"]) or [schema["type"]]


def json_type(value: Any) -> str:
    """Return the JSON type of a value: ``number`` for integers too."""
    if isinstance(value, bool):
        return "boolean"
    names: dict[type, str] = {str: "string", list: "array", dict: "object", type(None): "null"}
    return next((name for type_, name in names.items() if isinstance(value, type_)), "number")


def is_of_type(value: Any, type_: str) -> bool:
    """Whether a JSON value is of a JSON type: 1.0 is an integer, true is no number."""
    found = json_type(value)
    if type_ == "integer" and found == "number":
        return not isinstance(value, float) or value.is_integer()
    return found == type_
