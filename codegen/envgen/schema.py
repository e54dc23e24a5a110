"""A JSON Schema, rebuilt from the keywords that envgen knows.

Nothing else of a schema goes on: extension keys, which some generators take for instructions, and
references that leave the document end here. Keywords that say nothing about the data (examples,
comments) are dropped without a word; unknown ones with a finding.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, cast

from .errors import ContractError
from .findings import Finding

JsonSchema: TypeAlias = dict[str, Any]

MAX_DEPTH = 100
"""Nesting allowed in a schema. Real ones stay under 15."""

MAX_NODES = 100_000
"""Schemas allowed within a part. Real ones stay under 500."""

_PROSE = frozenset({"title", "description", "$comment", "examples", "deprecated"})
_SILENTLY_DROPPED = frozenset({"$comment", "$id", "$schema", "example", "examples"})


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


def implied_type(schema: JsonSchema) -> str | None:
    """The type that a schema without ``type`` is about, as its keywords tell; None for any."""
    if "properties" in schema:
        return "object"
    return "array" if "prefixItems" in schema else None


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


def without_prose(schema: Any) -> Any:
    """``schema`` without what only people read."""
    fields = as_object(schema)
    if fields is None:
        return schema
    return {
        key: _without_prose_in(key, value) for key, value in fields.items() if key not in _PROSE
    }


def _without_prose_in(key: str, value: Any) -> Any:
    if key in _SCHEMA_MAPS:
        return {name: without_prose(child) for name, child in value.items()}
    children = as_array(value)
    if children is not None and key in _SCHEMA_LISTS | _SCHEMAS:
        return [without_prose(child) for child in children]
    return without_prose(value) if key in _SCHEMAS else value


def subschemas(schema: JsonSchema, pointer: str) -> Iterator[tuple[Any, str]]:
    """The schemas directly within a schema, each with its pointer."""
    for key, value in schema.items():
        place = pointer_to(pointer, key)
        if key in _SCHEMA_MAPS:
            yield from ((child, pointer_to(place, name)) for name, child in value.items())
        elif key in _SCHEMA_LISTS | _SCHEMAS and isinstance(value, list):
            children = enumerate(as_array(value) or [])
            yield from ((child, pointer_to(place, index)) for index, child in children)
        elif key in _SCHEMAS:
            yield value, place


def rebuild(schema: Any, *, pointer: str, source: str, findings: list[Finding]) -> JsonSchema:
    """A copy of ``schema`` that holds known keywords only.

    Args:
        schema: the schema of one part, as it was read.
        pointer: where in the contract it stands.
        source: what to call the contract in errors.
        findings: takes what is worth saying.

    Raises:
        ContractError: it is not a JSON Schema, refers outside the document, or is too large.
    """
    rebuilt = _Rebuilder(source, findings).schema(schema, pointer, depth=0)
    if not isinstance(rebuilt, dict):
        raise ContractError(
            "a part of a contract is a schema object, not true or false",
            source=source,
            pointer=pointer,
        )
    return rebuilt


class _Rebuilder:
    def __init__(self, source: str, findings: list[Finding]) -> None:
        self._source = source
        self._findings = findings
        self._nodes = 0

    def schema(self, value: Any, pointer: str, *, depth: int) -> JsonSchema | bool:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise self._error(pointer, f"more than {MAX_DEPTH} levels or {MAX_NODES} schemas")
        if isinstance(value, bool):
            return value
        fields = as_object(value)
        if fields is None:
            raise self._error(pointer, f"a schema is an object or a boolean, not {_kind(value)}")
        result: JsonSchema = {}
        for key, child in fields.items():
            place = pointer_to(pointer, key)
            if key in _SCHEMA_MAPS:
                result[_RENAMED.get(key, key)] = self._map(child, place, depth)
            elif key in _SCHEMA_LISTS or (key in _SCHEMAS and isinstance(child, list)):
                result[key] = self._list(child, place, depth)
            elif key in _SCHEMAS:
                result[key] = self.schema(child, place, depth=depth + 1)
            elif key in _KEYWORDS:
                result[key] = self._checked(key, child, place)
            elif key not in _SILENTLY_DROPPED:
                self._findings.append(Finding("info", place, "not a keyword that envgen knows"))
        return result

    def _map(self, value: Any, pointer: str, depth: int) -> dict[str, Any]:
        fields = as_object(value)
        if fields is None:
            raise self._error(pointer, f"expected an object of schemas, not {_kind(value)}")
        return {
            key: self.schema(child, pointer_to(pointer, key), depth=depth + 1)
            for key, child in fields.items()
        }

    def _list(self, value: Any, pointer: str, depth: int) -> list[Any]:
        items = as_array(value)
        if not items:
            raise self._error(pointer, "expected a list of schemas that is not empty")
        return [
            self.schema(child, pointer_to(pointer, index), depth=depth + 1)
            for index, child in enumerate(items)
        ]

    def _checked(self, key: str, value: Any, pointer: str) -> Any:
        if not _KEYWORDS[key](value):
            raise self._error(pointer, f"{key} can't be {_shown(value)}")
        if key == "$ref":
            return self._reference(value, pointer)
        return value

    def _reference(self, target: str, pointer: str) -> str:
        if not target.startswith("#"):
            raise ContractError(
                f"a $ref that leaves the document: {_shown(target)}",
                source=self._source,
                pointer=pointer,
                hint="put what it refers to under $defs and refer to #/$defs/NAME",
            )
        return target.replace("#/definitions/", "#/$defs/", 1)

    def _error(self, pointer: str, message: str) -> ContractError:
        return ContractError(message, source=self._source, pointer=pointer)


def _kind(value: Any) -> str:
    kinds: dict[type, str] = {
        dict: "an object",
        list: "an array",
        str: "a string",
        bool: "a boolean",
        type(None): "null",
    }
    return next((name for kind, name in kinds.items() if isinstance(value, kind)), "a number")


def _shown(value: Any) -> str:
    return textwrap.shorten(repr(value), width=60, placeholder="...")


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_size(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_bound(value: Any) -> bool:
    return _is_number(value) or isinstance(value, bool)  # draft 4 and OpenAPI 3.0 have booleans


def _is_type(value: Any) -> bool:
    names = as_array(value) or [value]
    return all(isinstance(name, str) and name in _TYPES for name in names)


def _is_names(value: Any) -> bool:
    return all(isinstance(name, str) for name in as_array(value) or []) and isinstance(value, list)


def _is_nonempty_array(value: Any) -> bool:
    return bool(as_array(value))


def _is_discriminator(value: Any) -> bool:
    return isinstance((as_object(value) or {}).get("propertyName"), str)


def _is_anything(_value: Any) -> bool:
    return True


def _is_name_map(value: Any) -> bool:
    return all(_is_names(names) for names in (as_object(value) or {"": None}).values())


_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})

# Where a keyword's value holds schemas.
_SCHEMA_MAPS = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
)
_SCHEMA_LISTS = frozenset({"anyOf", "oneOf", "allOf", "prefixItems"})
_SCHEMAS = frozenset(
    {
        "items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties",
        "unevaluatedProperties", "propertyNames", "not", "if", "then", "else",
    }
)  # fmt: skip
_RENAMED = {"definitions": "$defs"}

# The other keywords, each with what its value must be.
_KEYWORDS: Mapping[str, Callable[[Any], bool]] = {
    "$ref": _is_string,
    "title": _is_string,
    "description": _is_string,
    "type": _is_type,
    "enum": _is_nonempty_array,
    "const": _is_anything,
    "default": _is_anything,
    "deprecated": _is_boolean,
    "readOnly": _is_boolean,
    "writeOnly": _is_boolean,
    "nullable": _is_boolean,
    "minimum": _is_number,
    "maximum": _is_number,
    "exclusiveMinimum": _is_bound,
    "exclusiveMaximum": _is_bound,
    "multipleOf": _is_positive,
    "minLength": _is_size,
    "maxLength": _is_size,
    "pattern": _is_string,
    "format": _is_string,
    "contentEncoding": _is_string,
    "contentMediaType": _is_string,
    "minItems": _is_size,
    "maxItems": _is_size,
    "uniqueItems": _is_boolean,
    "minContains": _is_size,
    "maxContains": _is_size,
    "minProperties": _is_size,
    "maxProperties": _is_size,
    "required": _is_names,
    "dependentRequired": _is_name_map,
    "discriminator": _is_discriminator,
}
