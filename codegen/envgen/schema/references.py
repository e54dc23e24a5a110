"""Where references lead: every ``$ref`` of a schema as a JSON pointer into the same document.

A schema may name its places by ``$id`` and ``$anchor`` and refer to them by URI. Nothing is ever
fetched for that: a reference whose target isn't in the document refuses the contract.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..errors import ContractError
from ..findings import Finding
from .keywords import (
    DEFINITIONS,
    DESCRIBING,
    DRAFT_7,
    JsonSchema,
    as_object,
    map_subschemas,
    metaschema,
    pointer_to,
    subschemas,
)

if TYPE_CHECKING:
    from referencing._core import Resolver  # the class is public, its module isn't

# What names a place or refers to one; plain pointers take the place of all of it.
_NAMING = frozenset({"$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$ref"})

Lookup = Callable[[JsonSchema, str], str]
"""Takes a schema that has a reference, and the reference; gives the pointer of its target."""


def localized(
    schema: JsonSchema, *, pointer: str, source: str, findings: list[Finding]
) -> JsonSchema:
    """``schema`` with plain pointers (``#/$defs/NAME``) for references, and without names.

    References to a metaschema of JSON Schema, and those whose target depends on where they are
    reached from (``$dynamicRef`` with several anchors), are taken out with a finding.

    Raises:
        ContractError: a reference leads to something that isn't in the document.
    """
    used = _references(schema)
    is_plain = all(target == "#" or target.startswith("#/") for _, _, target in used)
    siblings_count = schema.get("$schema") != DRAFT_7
    if is_plain and siblings_count and not _has_names(schema):
        return schema
    schema = _with_object_definitions(schema)
    lookup = _lookup_by_name(schema)
    pointers: dict[int, str] = {}
    for holder, place, target in _references(schema):
        where = pointer + pointer_to(place, "$ref")
        if metaschema(target) is not None or (
            "$ref" not in holder and _is_ambiguous(schema, target)
        ):
            findings.append(
                Finding("warning", where, f"{target} isn't followed; any value is taken")
            )
            continue
        try:
            pointers[id(holder)] = lookup(holder, target)
        except LookupError as error:
            shown = textwrap.shorten(repr(target), width=60, placeholder="...")
            raise ContractError(
                f"a $ref that leaves the document: {shown}",
                source=source,
                pointer=where,
                hint="put what it refers to under $defs and refer to #/$defs/NAME; files beside "
                "the contract are taken in with --bundle",
            ) from error

    def localize(fields: JsonSchema) -> JsonSchema:
        target = pointers.get(id(fields))
        kept = {key: value for key, value in fields.items() if key not in _NAMING}
        if "$ref" in fields and not siblings_count:
            kept = {key: value for key, value in kept.items() if key in DESCRIBING | DEFINITIONS}
        if target is not None:
            kept["$ref"] = "#" + quote(target, safe="/~")
        return map_subschemas(kept, localize)

    return localize(schema)


def _is_ambiguous(schema: JsonSchema, target: str) -> bool:
    """Whether several places have the name that a ``$dynamicRef`` leads to."""
    name = target.rpartition("#")[2]
    return [fields.get("$dynamicAnchor") for fields in _schemas(schema)].count(name) > 1


def _with_object_definitions(schema: JsonSchema) -> JsonSchema:
    """``schema`` with definitions that are true or false as objects: those can be told apart."""
    result = map_subschemas(schema, _with_object_definitions)
    for key in DEFINITIONS:
        if key in result:
            result[key] = {
                name: {True: {}, False: {"not": {}}}[child] if isinstance(child, bool) else child
                for name, child in result[key].items()
            }
    return result


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
    return any(fields.keys() & _NAMING - {"$ref"} for fields in _schemas(schema))


def _schemas(schema: JsonSchema) -> Iterator[JsonSchema]:
    """A schema and all that it holds, but for true and false."""
    waiting: list[Any] = [schema]
    while waiting:
        fields = as_object(waiting.pop())
        if fields is not None:
            yield fields
            waiting.extend(child for child, _ in subschemas(fields, ""))


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
