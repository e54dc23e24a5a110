"""Discriminators as constants: the tags that a ``discriminator`` gives to the members of a union.

Its ``mapping`` names a member for each tag, and a member that it doesn't name has the name of its
schema as its tag. Where the member's own property is a plain string, it becomes an enumeration of
those tags, as members that say it themselves already have.
"""

from __future__ import annotations

import copy
from typing import Any

from envgen_runtime.json_value import at_pointer, pointer_keys, pointer_of

from ..errors import ContractError
from .document import PartDocument
from .keywords import JsonSchema, as_array, as_object, pointer_to, schemas_in

Tags = dict[str, dict[str, dict[Any, None]]]
"""For the place of each member, the values of the properties by which unions tell it apart."""


def with_tags(document: PartDocument) -> JsonSchema:
    """Return a part's schema in which every member of a union with a discriminator has its tag."""
    tags: Tags = {}
    for schema, _ in schemas_in(document.schema):
        discriminator = as_object(schema.get("discriminator")) or {}
        name = discriminator.get("propertyName")
        if isinstance(name, str):
            _collect(document, schema, name, as_object(discriminator.get("mapping")) or {}, tags)
    if not tags:
        return document.schema
    result = copy.deepcopy(document.schema)
    for place, properties in tags.items():
        member = at_pointer(result, place)
        own = member.setdefault("properties", {})
        for name, values in properties.items():
            own[name] = {**(as_object(own.get(name)) or {}), "enum": [*values]}
    return result


def _collect(
    document: PartDocument, schema: JsonSchema, name: str, mapping: dict[str, Any], tags: Tags
) -> None:
    mapped: dict[str, list[str]] = {}
    ends: dict[str, str] = {}
    for tag, target in mapping.items():
        place = pointer_of(target) if isinstance(target, str) else None
        if place is None:
            place = pointer_to("/$defs", str(target))
        if place not in ends:
            ends[place] = _end(document, place)
        mapped.setdefault(ends[place], []).append(tag)
    for keyword in ("anyOf", "oneOf"):
        for member in as_array(schema.get(keyword)) or []:
            place = pointer_of(str((as_object(member) or {}).get("$ref", "")))
            if place:
                end = _end(document, place)
                given = mapped.get(end) or mapped.get(place)
                values: list[Any] = list(given or [pointer_keys(place)[-1]])
                if _takes(document, end, name, values, is_mapped=given is not None):
                    tags.setdefault(end, {}).setdefault(name, {}).update(dict.fromkeys(values))


def _end(document: PartDocument, place: str) -> str:
    """Where a chain of references that begins at ``place`` ends; the place itself if it is none."""
    try:
        return document.followed(as_object(at_pointer(document.schema, place)) or {}, place)[0]
    except (ContractError, LookupError):
        return place  # the planner says what is wrong with it, if it comes there


def _takes(
    document: PartDocument, place: str, name: str, values: list[Any], *, is_mapped: bool
) -> bool:
    """Whether a member has a property for these tags that doesn't say them itself."""
    try:
        _, member = document.followed(as_object(at_pointer(document.schema, place)) or {}, place)
        properties = as_object(member.get("properties")) or {}
        if name not in properties:
            return False
        _, own = document.followed(as_object(properties[name]) or {}, place)
    except (ContractError, LookupError):
        return False
    if "const" in own or own.get("type", "string") != "string":
        return False
    allowed = as_array(own.get("enum"))
    return allowed is None or (
        is_mapped and len(allowed) > len(values) and _all_in(values, allowed)
    )


def _all_in(values: list[Any], allowed: list[Any]) -> bool:
    return set(values) <= {value for value in allowed if isinstance(value, str)}
