"""The normal form of a JSON Schema: what the generator builds from and what drift is measured in.

Generator and runtime both call ``normal_form``, so a schema that a server publishes unchanged is
always equal to the one in the package that was built from it. It keeps known keywords only, writes
``nullable`` and boolean bounds (OpenAPI 3.0, draft 4) as JSON Schema does now, and names its
dialect.
"""

from __future__ import annotations

import re
from typing import Any

from ..json_value import as_array, as_object
from .keywords import (
    DESCRIBING,
    MAX_DEPTH,
    SCHEMA_LISTS,
    SCHEMA_MAPS,
    SCHEMAS,
    VALUES,
    JsonSchema,
    schemas_in,
)

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
DRAFT_2019_09 = "https://json-schema.org/draft/2019-09/schema"
DRAFT_2020_12 = "https://json-schema.org/draft/2020-12/schema"

_METASCHEMA = re.compile(
    r"https?://json-schema\.org/(?:draft-0?(?P<draft>[467])|draft/(?P<year>2019-09|2020-12))/schema#?"
)


def metaschema(uri: str) -> str | None:
    """Return the dialect that ``uri`` names: a draft's number or a year and month; or None."""
    match = _METASCHEMA.fullmatch(uri)
    return match and (match["draft"] or match["year"])


def normal_form(schema: Any) -> Any:
    """Return ``schema`` in normal form, with ``$schema`` first.

    What is no schema stays as it is, and so do keywords with a value that they can't have. Schemas
    nested deeper than ``MAX_DEPTH`` become false.
    """
    form = as_object(_normal(schema, 0))
    return schema if form is None else {"$schema": _dialect(form, schema), **form}


def _dialect(form: JsonSchema, schema: JsonSchema) -> str:
    """Return the schema's own dialect, else draft 7 if one of its keywords is of that time."""
    match metaschema(str(schema.get("$schema", ""))):
        case None:
            is_older = any(_is_older(fields) for fields, _ in schemas_in(form))
            return DRAFT_7 if is_older else DRAFT_2020_12
        case "2020-12":
            return DRAFT_2020_12
        case "2019-09":
            return DRAFT_2019_09
        case _:
            return DRAFT_7  # drafts 4 and 6 have been rewritten


def _is_older(fields: JsonSchema) -> bool:
    """Whether a keyword has another meaning in 2020-12, or none."""
    return (
        isinstance(fields.get("items"), list)
        or "dependencies" in fields
        or str(fields.get("$id", "")).startswith("#")
    )


def _normal(schema: Any, depth: int) -> Any:
    fields = as_object(schema)
    if fields is None:
        return schema
    if depth > MAX_DEPTH:
        return False
    result: JsonSchema = {}
    for key, value in fields.items():
        children, items = as_object(value), as_array(value)
        if key in SCHEMA_MAPS and children is not None:
            result[key] = {name: _normal(child, depth + 1) for name, child in children.items()}
        elif key in SCHEMA_LISTS | SCHEMAS and items is not None:
            result[key] = [_normal(child, depth + 1) for child in items]
        elif key in SCHEMAS:
            result[key] = _normal(value, depth + 1)
        elif key in VALUES or key in SCHEMA_MAPS | SCHEMA_LISTS:
            result[key] = value
    return _with_null(_without_boolean_bounds(result))


def _without_boolean_bounds(schema: JsonSchema) -> JsonSchema:
    """Rewrite ``minimum: 0, exclusiveMinimum: true`` of draft 4 and OpenAPI 3.0."""
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        is_exclusive = schema.get(exclusive)
        if isinstance(is_exclusive, bool):
            del schema[exclusive]
            if is_exclusive and inclusive in schema:
                schema[exclusive] = schema.pop(inclusive)
    return schema


def _with_null(schema: JsonSchema) -> JsonSchema:
    """Rewrite ``nullable: true`` of OpenAPI 3.0."""
    if schema.pop("nullable", False) is not True or not schema.keys() - DESCRIBING:
        return schema
    null: JsonSchema = {"type": "null"}
    if "type" in schema and not schema.keys() & {"const", "$ref", "anyOf", "oneOf", "allOf"}:
        types = as_array(schema["type"]) or [schema["type"]]
        schema["type"] = [*types, "null"] if "null" not in types else types
        values = as_array(schema.get("enum"))
        if values is not None and None not in values:
            schema["enum"] = [*values, None]
        return schema
    described = {key: value for key, value in schema.items() if key in DESCRIBING}
    rest = {key: value for key, value in schema.items() if key not in DESCRIBING}
    if rest.keys() == {"anyOf"} and isinstance(rest["anyOf"], list):
        return {**described, "anyOf": [*rest["anyOf"], null]}
    return {**described, "anyOf": [rest, null]}
