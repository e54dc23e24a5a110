"""Where references lead: every ``$ref`` of a schema as a JSON pointer into the same document.

A schema may name its places by ``$id`` and ``$anchor`` and refer to them by URI. Nothing is ever
fetched for that: a reference whose target isn't in the document refuses the contract.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from .errors import ContractError
from .schema import (
    DESCRIBING,
    DRAFT_7,
    JsonSchema,
    as_object,
    map_subschemas,
    pointer_to,
    subschemas,
)

if TYPE_CHECKING:
    from referencing._core import Resolver  # the class is public, its module isn't

_NAMING = frozenset({"$id", "$anchor", "$dynamicAnchor", "$dynamicRef"})

Lookup = Callable[[JsonSchema, str], str]
"""Takes a schema that has a reference, and the reference; gives the pointer of its target."""


def localized(schema: JsonSchema, *, pointer: str, source: str) -> JsonSchema:
    """``schema`` with plain pointers (``#/$defs/NAME``) for references, and without names.

    Raises:
        ContractError: a reference leads to something that isn't in the document.
    """
    used = _references(schema)
    is_plain = all(target == "#" or target.startswith("#/") for _, _, target in used)
    siblings_count = schema.get("$schema") != DRAFT_7
    if is_plain and siblings_count and not _has_names(schema):
        return schema
    lookup = _lookup_by_name(schema)
    pointers: dict[int, str] = {}
    for holder, place, target in used:
        try:
            pointers[id(holder)] = lookup(holder, target)
        except LookupError as error:
            shown = textwrap.shorten(repr(target), width=60, placeholder="...")
            raise ContractError(
                f"a $ref that leaves the document: {shown}",
                source=source,
                pointer=pointer + pointer_to(place, "$ref"),
                hint="put what it refers to under $defs and refer to #/$defs/NAME",
            ) from error

    def localize(fields: JsonSchema) -> JsonSchema:
        target = pointers.get(id(fields))
        kept = {key: value for key, value in fields.items() if key not in _NAMING}
        if target is not None:
            if not siblings_count:
                kept = {key: value for key, value in kept.items() if key in DESCRIBING}
            kept["$ref"] = "#" + quote(target, safe="/~")
        return map_subschemas(kept, localize)

    return localize(schema)


def _references(schema: JsonSchema) -> list[tuple[JsonSchema, str, str]]:
    """The schemas that refer to others: each with its place and its reference."""
    found: list[tuple[JsonSchema, str, str]] = []
    waiting: list[tuple[Any, str]] = [(schema, "")]
    while waiting:
        value, place = waiting.pop()
        fields = as_object(value) or {}
        target = fields.get("$ref", fields.get("$dynamicRef"))
        if target is not None:
            found.append((fields, place, target))
        waiting.extend(subschemas(fields, place))
    return found


def _has_names(schema: JsonSchema) -> bool:
    waiting: list[Any] = [schema]
    while waiting:
        fields = as_object(waiting.pop()) or {}
        if fields.keys() & _NAMING:
            return True
        waiting.extend(child for child, _ in subschemas(fields, ""))
    return False


def _lookup_by_name(schema: JsonSchema) -> Lookup:
    # A library for what few contracts need: it is imported for those.
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT7, DRAFT202012

    specification = DRAFT7 if schema.get("$schema") == DRAFT_7 else DRAFT202012
    resource: Resource[Any] = specification.create_resource(schema)
    registry: Registry[Any] = Registry()
    root = registry.with_resource("", resource).resolver_with_root(resource)
    resolvers: dict[int, Resolver[Any]] = {}
    pointers: dict[int, str] = {}
    waiting: list[tuple[Any, str, Resolver[Any]]] = [(schema, "", root)]
    while waiting:
        value, place, resolver = waiting.pop()
        fields = as_object(value)
        if fields is None:
            continue
        inner = resolver.in_subresource(specification.create_resource(fields)) if place else root
        resolvers[id(fields)], pointers[id(fields)] = inner, place
        waiting.extend((child, where, inner) for child, where in subschemas(fields, place))

    def lookup(holder: JsonSchema, target: str) -> str:
        try:
            found = resolvers[id(holder)].lookup(target).contents
            return pointers[id(found)]
        except (Unresolvable, ValueError) as error:
            raise LookupError(target) from error

    return lookup
