"""JSON Schemas as data: where a schema holds other schemas, pointers, and what keywords imply."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias, cast

JsonSchema: TypeAlias = dict[str, Any]

DRAFT_7 = "http://json-schema.org/draft-07/schema#"

# Where a keyword's value holds schemas.
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

# Where a schema keeps schemas for others to refer to.
DEFINITIONS = frozenset({"$defs", "definitions"})

# Keywords beside a $ref that describe what is referred to, rather than narrow it.
DESCRIBING = frozenset({"title", "description", "default", "deprecated", "readOnly", "writeOnly"})

_PROSE = frozenset({"title", "description", "$comment", "examples", "deprecated"})

# The keywords that are about one type only. A schema without a type says nothing of the others.
_ABOUT = {
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


# The addresses of JSON Schema's own dialects: the draft before 2019, or the year.
_METASCHEMA = re.compile(
    r"https?://json-schema\.org/(?:draft-0?(?P<draft>[467])|draft/(?P<year>2019-09|2020-12))/schema#?"
)


def metaschema(uri: str) -> str | None:
    """The dialect whose address ``uri`` is: a draft's number or a year and month; or None."""
    match = _METASCHEMA.fullmatch(uri)
    return match and (match["draft"] or match["year"])


def as_object(value: Any) -> dict[str, Any] | None:
    """``value`` if it is a JSON object."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def as_array(value: Any) -> list[Any] | None:
    """``value`` if it is a JSON array."""
    items: list[Any] | None = value if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType]
    return items


def pointer_to(pointer: str, *keys: str | int) -> str:
    """``pointer`` extended by ``keys``, escaped as RFC 6901 has it."""
    escaped = (str(key).replace("~", "~0").replace("/", "~1") for key in keys)
    return "/".join((pointer, *escaped))


def implied_types(schema: JsonSchema) -> list[str]:
    """The types that a schema without ``type`` says something about."""
    return [kind for kind, keywords in _ABOUT.items() if keywords & schema.keys()]


def is_kind(value: Any, kind: str) -> bool:
    """Whether a JSON value is of a JSON type."""
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    kinds: dict[str, tuple[type, ...]] = {
        "array": (list,),
        "integer": (int,),
        "number": (int, float),
        "null": (type(None),),
        "object": (dict,),
        "string": (str,),
    }
    return isinstance(value, kinds.get(kind, ()))


def about(kind: str, schema: JsonSchema) -> JsonSchema:
    """``schema`` without the keywords that are about other types than ``kind``."""
    own = _ABOUT.get("number" if kind == "integer" else kind, set[str]())
    others = set[str]().union(*_ABOUT.values()) - own
    return {key: value for key, value in schema.items() if key not in others}


def fixed_items(schema: JsonSchema) -> tuple[str, list[Any], str]:
    """The schemas of an array's first items, and the keywords that hold them and the rest's."""
    if isinstance(schema.get("items"), list):  # drafts before 2020-12
        return "items", as_array(schema["items"]) or [], "additionalItems"
    return "prefixItems", as_array(schema.get("prefixItems")) or [], "items"


def is_tuple(schema: JsonSchema) -> bool:
    """Whether an array has as many items as it has fixed ones, no less and no more."""
    _, fixed, rest = fixed_items(schema)
    is_closed = schema.get(rest) is False or schema.get("maxItems") == len(fixed)
    return bool(fixed) and is_closed and schema.get("minItems") == len(fixed)


def subschemas(schema: JsonSchema, pointer: str) -> Iterator[tuple[Any, str]]:
    """The schemas directly within a schema, each with its pointer."""
    for key, value in schema.items():
        place = pointer_to(pointer, key)
        if key in SCHEMA_MAPS:
            for name, child in value.items():
                if not isinstance(child, list):  # names, in ``dependencies``
                    yield child, pointer_to(place, name)
        elif key in SCHEMA_LISTS | SCHEMAS and isinstance(value, list):
            children = enumerate(as_array(value) or [])
            yield from ((child, pointer_to(place, index)) for index, child in children)
        elif key in SCHEMAS:
            yield value, place


def tags_in(schema: JsonSchema) -> Iterator[str]:
    """The fields by which unions within a schema tell their members apart."""
    tag = (as_object(schema.get("discriminator")) or {}).get("propertyName")
    if isinstance(tag, str):
        yield tag
    for child, _ in subschemas(schema, ""):
        yield from tags_in(as_object(child) or {})


def map_subschemas(schema: JsonSchema, change: Callable[[JsonSchema], JsonSchema]) -> JsonSchema:
    """A copy of ``schema`` in which ``change`` was made to the schemas directly within it."""

    def changed(value: Any) -> Any:
        fields = as_object(value)
        return value if fields is None else change(fields)

    result: JsonSchema = {}
    for key, value in schema.items():
        children = as_array(value)
        if key in SCHEMA_MAPS:
            result[key] = {name: changed(child) for name, child in value.items()}
        elif key in SCHEMA_LISTS | SCHEMAS:
            result[key] = changed(value) if children is None else [*map(changed, children)]
        else:
            result[key] = value
    return result


def without_prose(schema: JsonSchema) -> JsonSchema:
    """``schema`` without what only people read."""
    kept = {key: value for key, value in schema.items() if key not in _PROSE}
    return map_subschemas(kept, without_prose)
