"""References of a schema, each rewritten as a JSON pointer into the same document.

A schema may name its places by ``$id`` and ``$anchor`` and refer to them by URI. Nothing is ever
fetched for that: a reference to something outside the document refuses the contract.
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from envgen_runtime.contract.normal_form import DRAFT_7, metaschema
from envgen_runtime.json_value import pointer_of, reference_to

from ..errors import ContractError
from ..findings import Finding
from .keywords import (
    DEFINITIONS,
    DESCRIBING,
    NAMING,
    JsonSchema,
    as_object,
    map_subschemas,
    pointer_to,
    schemas_in,
    subschemas,
)

if TYPE_CHECKING:
    from referencing._core import Resolver  # the class is public, its module isn't

Lookup = Callable[[JsonSchema, str], str]
"""Takes a schema that has a reference, and the reference; returns the pointer of its target."""


def object_schema(schema: bool) -> JsonSchema:
    """Return the schema true or false as an object of its own."""
    return {} if schema else {"not": {}}


def with_local_refs(
    schema: JsonSchema, *, pointer: str, source: str
) -> tuple[JsonSchema, tuple[Finding, ...]]:
    """Return ``schema`` with plain pointers (``#/$defs/NAME``) as references, and the findings.

    The result has no names and no ``$schema``, which says what references mean and is used up here.
    References to a metaschema of JSON Schema, and those whose target depends on where they are
    reached from (``$dynamicRef`` with several anchors), are taken out with a finding.

    Raises:
        ContractError: a reference leads to something that isn't in the document.
    """
    has_names = any(fields.keys() & NAMING - {"$ref"} for fields, _ in schemas_in(schema))
    is_plain = all(pointer_of(target) is not None for _, _, target in _references(schema))
    siblings_count = schema.get("$schema") != DRAFT_7
    if is_plain and siblings_count and not has_names:
        return {key: value for key, value in schema.items() if key != "$schema"}, ()
    schema = _with_object_definitions(schema)
    lookup = _lookup_by_name(schema)
    dynamic = Counter(fields.get("$dynamicAnchor") for fields, _ in schemas_in(schema))
    findings: list[Finding] = []
    pointers: dict[int, str] = {}
    for holder, place, target in _references(schema):
        where = pointer + pointer_to(place, "$ref")
        is_dynamic = "$ref" not in holder
        if metaschema(target) is not None or (
            is_dynamic and dynamic[target.rpartition("#")[2]] > 1
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
                hint="put its target under $defs and refer to #/$defs/NAME; --bundle includes "
                "files beside the contract",
            ) from error

    def with_pointers(fields: JsonSchema) -> JsonSchema:
        target = pointers.get(id(fields))
        kept = {key: value for key, value in fields.items() if key not in NAMING}
        if "$ref" in fields and not siblings_count:
            kept = {key: value for key, value in kept.items() if key in DESCRIBING | DEFINITIONS}
        if target is not None:
            kept["$ref"] = reference_to(target)
        return map_subschemas(kept, with_pointers)

    document = with_pointers(schema)
    document.pop("$schema", None)
    return document, tuple(findings)


def _with_object_definitions(schema: JsonSchema) -> JsonSchema:
    """Return ``schema`` with boolean definitions as objects, which have an identity."""
    result = map_subschemas(schema, _with_object_definitions)
    for key in DEFINITIONS & result.keys():
        result[key] = {
            name: object_schema(child) if isinstance(child, bool) else child
            for name, child in result[key].items()
        }
    return result


def _references(schema: JsonSchema) -> list[tuple[JsonSchema, str, str]]:
    """Return the schemas that refer to others, each with its place and its reference."""
    found = (
        (fields, place, fields.get("$ref", fields.get("$dynamicRef")))
        for fields, place in schemas_in(schema)
    )
    return [(fields, place, target) for fields, place, target in found if target is not None]


def _lookup_by_name(schema: JsonSchema) -> Lookup:
    # Few contracts need this library, so it is imported for those that do.
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT7, DRAFT201909, DRAFT202012

    has_older_items = any(isinstance(fields.get("items"), list) for fields, _ in schemas_in(schema))
    specification = DRAFT201909 if has_older_items else DRAFT202012
    if schema.get("$schema") == DRAFT_7:
        specification = DRAFT7
    resource: Resource[Any] = specification.create_resource(schema)
    registry: Registry[Any] = Registry()
    # Crawled once: a registry that isn't crawls all of the document for every anchor.
    uri = resource.id() or ""
    root = registry.with_resources([("", resource), (uri, resource)]).crawl().resolver(uri)
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
