"""Instances that break one keyword of a schema, for each keyword at each place."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from envgen_runtime.contract.references import References

OTHERS: tuple[Any, ...] = (None, True, 7, 0.5, "text", [], {}, [1], {"a": 1})
_MAX_LEVELS = 8


Change = tuple[tuple[Any, ...], Any]
"""A path in an instance, and the value that comes there."""


def violations(schema: Any, root: Any, base: Any) -> Iterator[tuple[str, Change]]:
    """Yield changes of ``base``, each with the keyword that it is meant to break.

    Args:
        schema: a schema in normal form.
        root: the document that it is in, into which its references lead.
        base: an instance that fits it; places that it doesn't have aren't tried.
    """
    for place, part, path in _places(schema, base, References(root), (), 0):
        for keyword in part:
            for bad in _breaking(keyword, part, place):
                yield keyword, (path, bad)


def _places(
    schema: Any, value: Any, root: References, path: tuple[Any, ...], level: int
) -> Iterator[tuple[Any, dict[str, Any], tuple[Any, ...]]]:
    """Yield the value at each place, with each schema that holds for it, and its path."""
    if not isinstance(schema, dict) or level > _MAX_LEVELS:
        return
    if "$ref" in schema:
        yield from _places(root.resolve(schema["$ref"]), value, root, path, level + 1)
    yield value, schema, path
    for keyword in ("anyOf", "oneOf", "allOf"):
        for member in schema.get(keyword, []):
            yield from _places(member, value, root, path, level + 1)
    for keyword in ("then", "else", "not"):
        yield from _places(schema.get(keyword), value, root, path, level + 1)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name, item in value.items():
            inner = properties.get(name, schema.get("additionalProperties"))
            yield from _places(inner, item, root, (*path, name), level + 1)
    if isinstance(value, list):
        items = schema.get("items")
        fixed = items if isinstance(items, list) else schema.get("prefixItems", [])
        rest = schema.get("additionalItems") if isinstance(items, list) else items
        for index, item in enumerate(value[:3]):
            inner = fixed[index] if index < len(fixed) else rest
            yield from _places(inner, item, root, (*path, index), level + 1)


def _breaking(keyword: str, schema: dict[str, Any], value: Any) -> Iterator[Any]:
    said = schema[keyword]
    match keyword:
        case "type" | "enum" | "const" | "anyOf" | "oneOf" | "allOf" | "format" | "not":
            yield from OTHERS
        case "minimum":
            yield from (said - 1, said)
        case "maximum":
            yield from (said + 1, said)
        case "exclusiveMinimum" | "exclusiveMaximum":
            yield said
        case "multipleOf":
            yield said / 2
        case "minLength" if said:
            yield "x" * (said - 1)
        case "maxLength" if said < 100_000:
            yield "x" * (said + 1)
        case "pattern":
            yield from ("", "\n", "no match \x00")
        case _:
            yield from _in_parts(keyword, said, value)


def _in_parts(keyword: str, said: Any, value: Any) -> Iterator[Any]:
    fields = value if isinstance(value, dict) else None
    items = value if isinstance(value, list) else None
    match keyword:
        case "required" if fields is not None:
            for name in said:
                yield {key: item for key, item in fields.items() if key != name}
        case "properties" if fields is not None:
            for name in said:
                yield {**fields, name: []}
                yield {**fields, name: None}
                yield {key: item for key, item in fields.items() if key != name}
        case (
            "additionalProperties" | "propertyNames" | "unevaluatedProperties" | "maxProperties"
        ) if fields is not None:
            yield {**fields, "unknown": 1}
            yield {**fields, "un known!": {"a": 1}}
            yield {**fields, **{f"more_{number}": 1 for number in range(9)}}
        case "minProperties" if fields is not None:
            yield {}
        case "minItems":
            yield []
        case "maxItems" if items is not None and said < 1000:
            yield (items or [1]) * (said + 1)
        case "uniqueItems" if items is not None:
            yield [*items, *items] if items else [1, 1]
        case "items" | "prefixItems" | "additionalItems" | "contains" if items is not None:
            yield from ([None], [*items, {"a": [1]}], [7], ["text"])
        case "if" | "dependencies" | "dependentRequired" | "dependentSchemas" if fields is not None:
            yield {}
            yield {**fields, **dict.fromkeys(said if isinstance(said, dict) else (), 1)}
        case _:
            pass


def changed(instance: Any, change: Change) -> Any:
    """A copy of an instance with a change. LookupError or TypeError: it has no such place."""
    path, value = change
    if not path:
        return value
    copied = copy.deepcopy(instance)
    holder = copied
    for part in path[:-1]:
        holder = holder[part]
    if isinstance(holder, dict) is not isinstance(path[-1], str):
        raise LookupError(path)
    holder[path[-1]] = value
    return copied
