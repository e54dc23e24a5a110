"""Schemas and values in a form in which equal ones compare equal."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

from envgen_runtime.contract.references import reachable
from envgen_runtime.json_value import comparable

from ..schema.document import PartDocument
from ..schema.keywords import JsonSchema, as_object, without_prose


def value_text(value: Any) -> str:
    """Return a value as JSON for messages; a whole number as an integer, since 1.0 is 1."""
    is_whole = isinstance(value, float) and value.is_integer()
    return json.dumps(int(value) if is_whole else value, sort_keys=True, ensure_ascii=False)


def structure(schema: Any) -> Any:
    """Return a schema without what only people read."""
    fields = as_object(schema)
    return schema if fields is None else without_prose(fields)


def content(schema: Any) -> Hashable:
    """Return a key that is equal for schemas of equal structure."""
    return comparable(structure(schema))


def meaning(schema: JsonSchema, document: PartDocument) -> Hashable:
    """Return a key for a schema and all that it refers to, which must be there (ContractError)."""
    referred = {
        fields["$ref"]: content(document.resolve(fields["$ref"], place)[1])
        for fields, place in reachable(structure(schema), "", document.resolve)
        if "$ref" in fields
    }
    return (content(schema), frozenset(referred.items()))
