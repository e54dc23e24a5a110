"""JSON Schemas as data: the runtime's table of keywords, and what keywords say about types."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from envgen_runtime.contract.keywords import (
    DEFINITIONS,
    DESCRIBING,
    MAX_DEPTH,
    NAMING,
    SCHEMA_LISTS,
    SCHEMA_MAPS,
    SCHEMAS,
    VALUES,
    JsonSchema,
    ValueType,
    is_of_type,
    json_type,
    map_subschemas,
    schemas_in,
    subschemas,
    types_of,
    without_prose,
)
from envgen_runtime.json_value import as_array, as_object, pointer_to

__all__ = [
    "DEFINITIONS", "DESCRIBING", "MAX_DEPTH", "NAMING", "SCHEMAS", "SCHEMA_LISTS", "SCHEMA_MAPS",
    "TYPES", "VALUES", "JsonSchema", "ValueType", "as_array", "as_object", "fixed_items",
    "for_type", "implied_types", "is_of_type", "is_tuple", "json_type", "map_subschemas",
    "pointer_to", "schemas_in", "subschemas", "tags_in", "types_of", "without_prose",
]  # fmt: skip

# The keywords that constrain one type only. A schema without ``type`` allows all the others.
_BY_TYPE = {
    "object": {
        "properties", "required", "additionalProperties", "patternProperties", "propertyNames",
        "minProperties", "maxProperties", "dependentRequired", "dependentSchemas", "dependencies",
        "unevaluatedProperties",
    },
    "array": {
        "items", "prefixItems", "additionalItems", "minItems", "maxItems", "uniqueItems",
        "contains", "minContains", "maxContains", "unevaluatedItems",
    },
    "string": {"minLength", "maxLength", "pattern", "format", "contentEncoding"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"},
}  # fmt: skip

TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


def implied_types(schema: JsonSchema) -> list[str]:
    """Return the types that a schema without ``type`` constrains."""
    return [type_ for type_, keywords in _BY_TYPE.items() if keywords & schema.keys()]


def for_type(type_: str, schema: JsonSchema) -> JsonSchema:
    """Return ``schema`` without the keywords that constrain other types than ``type_``."""
    own = _BY_TYPE.get("number" if type_ == "integer" else type_, set[str]())
    others = set[str]().union(*_BY_TYPE.values()) - own
    return {key: value for key, value in schema.items() if key not in others}


def fixed_items(schema: JsonSchema) -> tuple[str, list[Any], str]:
    """Return the schemas of an array's first items, and the keywords for them and for the rest."""
    if isinstance(schema.get("items"), list):  # drafts before 2020-12
        return "items", as_array(schema["items"]) or [], "additionalItems"
    return "prefixItems", as_array(schema.get("prefixItems")) or [], "items"


def is_tuple(schema: JsonSchema) -> bool:
    """Whether an array has exactly as many items as it has fixed ones."""
    _, fixed, rest = fixed_items(schema)
    is_closed = schema.get(rest) is False or schema.get("maxItems") == len(fixed)
    return bool(fixed) and is_closed and schema.get("minItems") == len(fixed)


def tags_in(schema: JsonSchema) -> Iterator[str]:
    """Yield the fields by which unions within a schema tell their members apart."""
    for fields, _ in schemas_in(schema):
        tag = (as_object(fields.get("discriminator")) or {}).get("propertyName")
        if isinstance(tag, str):
            yield tag
