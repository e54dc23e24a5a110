"""Whether the texts of a function tell a model what its type hints can't say of a schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from envgen_runtime.calling.advice import BOUNDS
from envgen_runtime.json_value import as_array, as_object
from envgen_runtime.printable import printable

_WORDS = {"required": "required", "uniqueItems": "without duplicates"}
_OF_ONE = ("additionalProperties", "items")
_OF_NAMED = ("patternProperties", "properties")
_OF_SCHEMAS = frozenset({*_OF_ONE, *_OF_NAMED, "anyOf", "oneOf", "prefixItems"})
_ASIDE = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "type",
     "$comment", "$defs", "$schema", "$id"}
)  # fmt: skip


def untold(schema: Any, shown: Mapping[str, Any], names: Mapping[str, str]) -> set[str]:
    """The keywords of a tool's schema that are lost: neither hints nor texts say them.

    Args:
        schema: the contract's, in normal form.
        shown: what the model is shown; its descriptions are the texts.
        names: the names that it has for parameters, by the contract's.
    """
    fields = as_object(schema) or {}
    properties = as_object(fields.get("properties")) or {}
    required = [name for name in as_array(fields.get("required")) or [] if name not in properties]
    rules: dict[str, Any] = {**fields, "properties": {}, "required": required}
    closed = ("additionalProperties", "unevaluatedProperties")  # functions are
    told = _squeezed(str(shown.get("description")))
    found = {
        keyword
        for keyword, value in rules.items()
        if not (_is_aside(keyword, value) or (keyword in closed and value is False))
        and _squeezed(f'"{keyword}": {_json(value)}') not in told
    }
    for name, property_ in properties.items():
        parameter = shown["properties"].get(names.get(name, name), {})
        told = _squeezed(str(parameter.get("description")))
        for keyword, as_json, parts in _lost(property_):
            if as_json not in told and not all(part in told for part in parts):
                found.add(keyword)
    return found


def _lost(schema: Any) -> Iterator[tuple[str, str, list[str]]]:
    """The keywords of a parameter that hints lose, as JSON, and what else a text says of each."""
    for keyword, value in (as_object(schema) or {}).items():
        if _is_aside(keyword, value):
            continue
        as_json = f'"{keyword}": {_json(value)}'
        parts = _words(keyword, value, as_json)
        yield keyword, _squeezed(as_json), [*map(_squeezed, parts)]
        if keyword in _OF_SCHEMAS:
            within = as_array(value) or ([value] if keyword in _OF_ONE else [*value.values()])
            for part in within:
                yield from _lost(part)


def _words(keyword: str, value: Any, as_json: str) -> list[str]:
    """What a text has that tells a keyword without JSON."""
    if keyword in BOUNDS:
        return [BOUNDS[keyword].format(_json(value))]
    match keyword:
        case "items" | "additionalProperties" if value is False:
            return ["nothing" if keyword == "items" else "no"]
        case "enum" | "const":
            values = [value] if keyword == "const" else value
            is_hinted = all(it is None or isinstance(it, str | int) for it in values)
            return [] if is_hinted else [*map(_json, values)]
        case "$ref":
            return [value.rpartition("/")[2]]
        case _ if keyword in _OF_SCHEMAS:
            return [_json(name)[1:-1] for name in value] if keyword in _OF_NAMED else []
        case _:
            return [_WORDS.get(keyword, as_json)]


def _is_aside(keyword: str, value: Any) -> bool:
    """Whether a keyword refuses nothing."""
    is_open = value in ({}, []) or value is (keyword != "uniqueItems")
    return keyword in _ASIDE or keyword.startswith("x-") or is_open


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return printable(text, len(text) + 1)  # no text has what a model can't see


def _squeezed(text: str) -> str:
    """A text without spaces: docstrings are wrapped."""
    return "".join(text.split())
