"""A JSON Schema, rebuilt from the keywords that envgen knows, in their present form.

Nothing else of a schema goes on: extension keys, which some generators take for instructions, end
here. Keywords that say nothing about the data (examples, comments) are dropped without a word;
unknown ones with a finding. What older drafts and OpenAPI 3.0 say in a way of their own
(``nullable``, boolean ``exclusiveMinimum``) is said as JSON Schema does now.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ContractError
from ..findings import Finding
from .keywords import (
    DESCRIBING,
    DRAFT_7,
    SCHEMA_LISTS,
    SCHEMA_MAPS,
    SCHEMAS,
    JsonSchema,
    as_array,
    as_object,
    metaschema,
    pointer_to,
)

MAX_DEPTH = 100
"""Nesting allowed in a schema. Real ones stay under 15."""

MAX_NODES = 100_000
"""Schemas allowed within a part. Real ones stay under 500."""

_SILENTLY_DROPPED = frozenset({"$comment", "$schema", "$vocabulary", "example", "examples", "id"})


def rebuild(schema: Any, *, pointer: str, source: str, findings: list[Finding]) -> JsonSchema:
    """A copy of ``schema`` that holds known keywords only.

    It names its dialect (``$schema``) where that is not the present one, 2020-12.

    Args:
        schema: the schema of one part, as it was read.
        pointer: where in the contract it stands.
        source: what to call the contract in errors.
        findings: takes what is worth saying.

    Raises:
        ContractError: it is not a JSON Schema, or is too large.
    """
    rebuilder = _Rebuilder(source, findings)
    rebuilt = rebuilder.schema(schema, pointer, depth=0)
    if not isinstance(rebuilt, dict):
        raise ContractError(
            "a part of a contract is a schema object, not true or false",
            source=source,
            pointer=pointer,
        )
    dialect = _dialect(schema, rebuilder.is_older)
    return rebuilt if dialect is None else {"$schema": dialect, **rebuilt}


def _dialect(schema: JsonSchema, is_older: bool) -> str | None:
    """The dialect to name: the schema's own, else draft 7 if its keywords are of that time."""
    match metaschema(str(schema.get("$schema", ""))):
        case None:
            return DRAFT_7 if is_older else None
        case "2020-12":
            return None
        case "2019-09":
            return "https://json-schema.org/draft/2019-09/schema"
        case _:
            return DRAFT_7  # drafts 4 and 6 were rewritten


class _Rebuilder:
    def __init__(self, source: str, findings: list[Finding]) -> None:
        self._source = source
        self._findings = findings
        self._nodes = 0
        self.is_older = False
        """Whether a keyword was met that has another meaning in 2020-12, or none."""

    def schema(self, value: Any, pointer: str, *, depth: int) -> JsonSchema | bool:
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            raise self._error(pointer, f"more than {MAX_DEPTH} levels or {MAX_NODES} schemas")
        if isinstance(value, bool):
            return value
        fields = as_object(value)
        if fields is None:
            raise self._error(pointer, f"a schema is an object or a boolean, not {_kind(value)}")
        self.is_older |= (
            isinstance(fields.get("items"), list)
            or "dependencies" in fields
            or str(fields.get("$id", "")).startswith("#")
        )
        result: JsonSchema = {}
        for key, child in fields.items():
            place = pointer_to(pointer, key)
            if key in SCHEMA_MAPS:
                result[key] = self._map(key, child, place, depth)
            elif key in SCHEMA_LISTS or (key in SCHEMAS and isinstance(child, list)):
                result[key] = self._list(child, place, depth)
            elif key in SCHEMAS:
                result[key] = self.schema(child, place, depth=depth + 1)
            elif key in _KEYWORDS:
                result[key] = self._checked(key, child, place)
            elif key not in _SILENTLY_DROPPED:
                self._findings.append(Finding("info", place, "not a keyword that envgen knows"))
        return _with_null(_without_boolean_bounds(result))

    def _map(self, key: str, value: Any, pointer: str, depth: int) -> dict[str, Any]:
        fields = as_object(value)
        if fields is None:
            raise self._error(pointer, f"expected an object of schemas, not {_kind(value)}")
        return {
            name: child
            if key == "dependencies" and _is_names(child)
            else self.schema(child, pointer_to(pointer, name), depth=depth + 1)
            for name, child in fields.items()
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
            raise self._error(
                pointer, f"{key} can't be {_shown(value)}", hint=_WANTED.get(_KEYWORDS[key], "")
            )
        if _depth(value) > MAX_DEPTH:
            raise self._error(pointer, f"{key} has more than {MAX_DEPTH} levels")
        return value

    def _error(self, pointer: str, message: str, *, hint: str = "") -> ContractError:
        return ContractError(message, source=self._source, pointer=pointer, hint=hint)


def _without_boolean_bounds(schema: JsonSchema) -> JsonSchema:
    """Draft 4 and OpenAPI 3.0 say ``minimum: 0, exclusiveMinimum: true``."""
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        is_exclusive = schema.get(exclusive)
        if isinstance(is_exclusive, bool):
            del schema[exclusive]
            if is_exclusive and inclusive in schema:
                schema[exclusive] = schema.pop(inclusive)
    return schema


def _with_null(schema: JsonSchema) -> JsonSchema:
    """OpenAPI 3.0 says ``nullable: true``."""
    if schema.pop("nullable", False) is not True or not schema.keys() - DESCRIBING:
        return schema
    null: JsonSchema = {"type": "null"}
    if "type" in schema and not schema.keys() & {"const", "$ref", "anyOf", "oneOf", "allOf"}:
        kinds = as_array(schema["type"]) or [schema["type"]]
        schema["type"] = list(dict.fromkeys([*kinds, "null"]))
        if "enum" in schema and None not in schema["enum"]:
            schema["enum"] = [*schema["enum"], None]
        return schema
    described = {key: value for key, value in schema.items() if key in DESCRIBING}
    rest = {key: value for key, value in schema.items() if key not in DESCRIBING}
    if rest.keys() == {"anyOf"}:
        return {**described, "anyOf": [*rest["anyOf"], null]}
    return {**described, "anyOf": [rest, null]}


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


def _depth(value: Any) -> int:
    """How deeply a JSON value is nested; counted no further than what is refused."""
    level: list[Any] = [value]
    for depth in range(MAX_DEPTH + 2):
        level = [
            child
            for item in level
            for child in (as_array(item) or list((as_object(item) or {}).values()))
        ]
        if not level:
            return depth
    return MAX_DEPTH + 1


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


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

# The keywords that hold no schemas, each with what its value must be.
_KEYWORDS: Mapping[str, Callable[[Any], bool]] = {
    "$ref": _is_string,
    "$id": _is_string,
    "$anchor": _is_string,
    "$dynamicRef": _is_string,
    "$dynamicAnchor": _is_string,
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

_WANTED: Mapping[Callable[[Any], bool], str] = {
    _is_string: "it is a string",
    _is_boolean: "it is true or false",
    _is_number: "it is a number",
    _is_bound: "it is a number",
    _is_positive: "it is a number above zero",
    _is_size: "it is a whole number, zero or more",
    _is_type: f"it is one or several of {', '.join(sorted(_TYPES))}",
    _is_names: "it is a list of names",
    _is_nonempty_array: "it is a list of at least one value",
    _is_discriminator: 'it is an object such as {"propertyName": "type"}',
    _is_name_map: "it is an object of lists of names",
}
