"""OpenAI's strict mode: the part of JSON Schema that its models can be held to.

Every object is closed there and requires all of its properties. So what may be left out may be null
instead, and a null means that it was left out (``without_nulls``). Optional parameters that strict
mode can't say are left out of the specification; if it can't say a required one, the tool isn't
strict.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from ..contract.keywords import JsonSchema, types_of
from ..json_value import (
    as_array,
    as_object,
    at_pointer,
    comparable,
    pointer_of,
    pointer_to,
    same_json,
)
from ..printable import as_sentence

_MAX_LEVELS = 10
_MAX_PROPERTIES = 5000
_SAID = frozenset(
    {
        "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf",
        "$ref", "description", "pattern", "format", "multipleOf", "minimum", "maximum",
        "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems",
    }
)  # fmt: skip
_DROPPED = frozenset({"title", "default", "deprecated", "readOnly", "writeOnly"})
_NULL: JsonSchema = {"type": "null"}


@dataclass(frozen=True, slots=True)
class Strict:
    """A schema for strict mode.

    Attributes:
        schema: the schema; None if strict mode can't say it.
        left_out: the pointers of the optional parameters that it doesn't have, with the reasons;
            or the first place that strict mode can't say, if ``schema`` is None.
    """

    schema: JsonSchema | None
    left_out: dict[str, str] = field(default_factory=dict[str, str])


def strict(schema: JsonSchema) -> Strict:
    """Return a schema, as ``inlined`` makes them, for OpenAI's strict mode."""
    rewriting = _Rewriting()
    try:
        result = rewriting.schema({**schema, "type": "object"}, "", 0)
        definitions = {
            name: rewriting.schema(target, pointer_to("/$defs", name), 0)
            for name, target in (as_object(schema.get("$defs")) or {}).items()
        }
    except _CannotSay as fault:
        return Strict(None, {fault.place: fault.reason})
    if rewriting.count > _MAX_PROPERTIES:
        return Strict(None, {"": f"strict mode takes at most {_MAX_PROPERTIES:,} properties"})
    return Strict({**result, "$defs": definitions} if definitions else result, rewriting.left_out)


class _CannotSay(Exception):
    def __init__(self, place: str, reason: str) -> None:
        super().__init__(place, reason)
        self.place = place
        self.reason = reason


class _Rewriting:
    def __init__(self) -> None:
        self.left_out: dict[str, str] = {}
        self.count = 0

    def schema(self, value: Any, place: str, level: int) -> JsonSchema:
        """One schema. Raises _CannotSay."""
        fields = as_object(value)
        if not fields:
            raise _CannotSay(place, "strict mode can't say any value")
        if level > _MAX_LEVELS:
            raise _CannotSay(place, f"strict mode takes at most {_MAX_LEVELS} levels")
        if "$ref" in fields and not fields.keys() - _DROPPED - {"$ref", "type", "description"}:
            return {"$ref": fields["$ref"]}
        own, kinds = _said(fields, place), _types(fields)
        if "anyOf" in own:
            own["anyOf"] = [
                self.schema(member, pointer_to(place, "anyOf", index), level)
                for index, member in enumerate(own["anyOf"])
            ]
        if "object" in kinds:
            own |= self._object(own, place, level)
        if "array" in kinds:
            own["items"] = self.schema(own.get("items"), pointer_to(place, "items"), level + 1)
        return own

    def _object(self, fields: JsonSchema, place: str, level: int) -> JsonSchema:
        properties = as_object(fields.get("properties"))
        if fields.get("additionalProperties", False) is not False:
            raise _CannotSay(place, "strict mode can't say further properties")
        if properties is None and place:
            raise _CannotSay(place, "strict mode can't say an object of any properties")
        required = as_array(fields.get("required")) or []
        if set(required) - (properties or {}).keys():
            raise _CannotSay(place, "strict mode can't require a property that has no schema")
        said: JsonSchema = {}
        for name, value in (properties or {}).items():
            where = pointer_to(place, "properties", name)
            left_out = dict(self.left_out)
            try:
                schema = self.schema(value, where, level + 1)
            except _CannotSay as fault:
                if name in required:
                    raise
                self.left_out = {**left_out, where: f"{fault.reason}; the parameter is left out"}
            else:
                said[name] = schema if name in required else _or_null(schema, value)
        self.count += len(said)
        return {"properties": said, "required": [*said], "additionalProperties": False}


def _said(fields: JsonSchema, place: str) -> JsonSchema:
    """The keywords of a schema that count. Raises _CannotSay if strict mode doesn't have one."""
    own = {key: item for key, item in fields.items() if key not in (*_DROPPED, "$defs")}
    kinds = _types(own)
    if "oneOf" in own and "anyOf" not in own and _are_apart(own["oneOf"]):
        own["anyOf"] = own.pop("oneOf")
    if "object" not in kinds:
        own.pop("required", None)
    for key in own:
        if key not in _SAID:
            raise _CannotSay(place, f"strict mode can't say {key}")
    if not own.keys() & {"type", "enum", "const", "anyOf"}:
        raise _CannotSay(place, "strict mode can't say a value without a type")
    if len(kinds - {"null"}) > 1 and kinds & {"object", "array"}:
        raise _CannotSay(place, "strict mode can't say one of several types with parts")
    return own


def _or_null(schema: JsonSchema, source: Any) -> JsonSchema:
    """A schema that null fits, too: it means that the parameter isn't given."""
    text = schema.get("description")
    default = (as_object(source) or {}).get("default")
    if "const" in schema and same_json(schema["const"], default):
        return schema  # left out or not, it is the same
    if default is not None:
        said = f"Default: {json.dumps(default, ensure_ascii=False)}."
        before = as_sentence(text) if isinstance(text, str) else ""
        schema = {**schema, "description": f"{before} {said}".lstrip()}
    if accepts_null(schema, {}):
        return schema
    kinds = schema.get("type")
    if isinstance(kinds, str) and not schema.keys() & {"enum", "const"}:
        return {**schema, "type": [kinds, "null"]}
    if "anyOf" in schema and not schema.keys() - {"anyOf", "description"}:
        return {**schema, "anyOf": [*schema["anyOf"], _NULL]}
    described = {key: schema[key] for key in ("description",) if key in schema and len(schema) > 1}
    rest = {key: item for key, item in schema.items() if key not in described}
    return {**described, "anyOf": [rest, _NULL]}


def _types(fields: JsonSchema) -> set[str]:
    return set(types_of(fields))


def _are_apart(members: list[Any]) -> bool:
    """Whether no value fits two members: they have other types, or other constants."""
    schemas = [as_object(member) or {} for member in members]
    kinds = [kind for schema in schemas for kind in _types(schema) or {"any"}]
    is_numeric = {"integer", "number"} <= set(kinds)
    if len(set(kinds)) == len(kinds) and "any" not in kinds and not is_numeric:
        return True
    constants = [
        {
            name: comparable(fields["const"])
            for name, value in (as_object(schema.get("properties")) or {}).items()
            if "const" in (fields := as_object(value) or {})
            and name in (as_array(schema.get("required")) or [])
        }
        for schema in schemas
    ]
    return any(
        all(name in own for own in constants)
        and len({own[name] for own in constants}) == len(constants)
        for name in constants[0]
    )


# --- what comes back ------------------------------------------------------------------------------


def accepts_null(schema: Any, root: JsonSchema, *, depth: int = 0) -> bool:
    """Whether null fits a schema, as far as its type, its values and its unions say."""
    fields = as_object(schema)
    if fields is None:
        return schema is not False
    if (place := pointer_of(str(fields.get("$ref", "")))) is not None:
        is_known = bool(root) and depth < _MAX_LEVELS
        return is_known and accepts_null(at_pointer(root, place), root, depth=depth + 1)
    unions = (as_array(fields.get(keyword)) for keyword in ("anyOf", "oneOf"))
    return (
        fields.get("const") is None
        and None in (as_array(fields.get("enum")) or [None])
        and ("type" not in fields or "null" in _types(fields))
        and all(
            any(accepts_null(item, root, depth=depth) for item in members)
            for members in unions
            if members is not None
        )
    )


def without_nulls(value: Any, schema: Any, root: JsonSchema) -> Any:
    """Return arguments without the nulls that mean, in strict mode, that something isn't given.

    Those are the nulls of properties that aren't required and can't be null.
    """
    fields = as_object(schema) or {}
    if (place := pointer_of(str(fields.get("$ref", "")))) is not None:
        fields = as_object(at_pointer(root, place)) or {}
    items, given = as_array(value), as_object(value)
    if items is not None:
        return [without_nulls(item, fields.get("items"), root) for item in items]
    if given is None:
        return value
    properties = as_object(fields.get("properties"))
    if properties is None:
        for member in [*fields.get("anyOf", []), *fields.get("oneOf", [])]:
            cleaned = without_nulls(value, member, root)
            if cleaned != value:
                return cleaned
        return given
    if not given.keys() <= properties.keys():
        return given
    required = as_array(fields.get("required")) or []
    return {
        name: without_nulls(item, properties[name], root)
        for name, item in given.items()
        if item is not None or name in required or accepts_null(properties[name], root)
    }
