"""Polymorphism by inheritance, as OpenAPI has it, rewritten as a union.

A base has a ``discriminator`` and no union; its children name it in their ``allOf``. A reference to
the base means any of the children. That becomes ``oneOf`` the children under the base's name; what
the children have in common moves to a definition of its own, which only their ``allOf`` mentions.
"""

from __future__ import annotations

from typing import Any

from envgen_runtime.json_value import pointer_keys, pointer_of, reference_to

from ..errors import ContractError
from .keywords import (
    DEFINITIONS,
    DESCRIBING,
    JsonSchema,
    as_array,
    as_object,
    map_subschemas,
    pointer_to,
)
from .limits import MAX_SCHEMAS


def with_unions_of_children(schema: JsonSchema) -> JsonSchema:
    """Return a part's schema with every base that has children as the union of them."""
    places = {
        pointer_to("", holder, name): definition
        for holder in DEFINITIONS & schema.keys()
        for name, definition in schema[holder].items()
    }
    bases = {place for place, fields in places.items() if _is_base(fields)}
    if not bases:
        return schema
    parents = {place: _parents(fields) & places.keys() for place, fields in places.items()}
    children: dict[str, list[str]] = {base: [] for base in bases}
    number = 0
    for place in places:
        for ancestor in _ancestors(place, parents):
            if ancestor in bases:
                children[ancestor].append(place)
                number += 1
        if number > MAX_SCHEMAS:
            raise ContractError(f"more than {MAX_SCHEMAS:,} children of bases", pointer=place)
    moved = {base: _beside(base, places) for base in bases if children[base]}
    result = _redirected(schema, moved)
    for base, common in moved.items():
        holder, name = pointer_keys(base)
        own = result[holder][name]
        kept = {keyword: value for keyword, value in own.items() if keyword != "discriminator"}
        result[holder][pointer_keys(common)[-1]] = kept
        result[holder][name] = {
            **{keyword: own[keyword] for keyword in DESCRIBING & own.keys()},
            "oneOf": [{"$ref": reference_to(child)} for child in children[base]],
            "discriminator": own["discriminator"],
        }
    return result


def _is_base(definition: Any) -> bool:
    fields = as_object(definition) or {}
    return "discriminator" in fields and not {"anyOf", "oneOf"} & fields.keys()


def _parents(definition: Any) -> set[str]:
    members = as_array((as_object(definition) or {}).get("allOf")) or []
    targets = (pointer_of(str((as_object(member) or {}).get("$ref", ""))) for member in members)
    return {target for target in targets if target}


def _ancestors(place: str, parents: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [*parents[place]]
    while waiting:
        parent = waiting.pop()
        if parent not in found:
            found.add(parent)
            waiting += parents[parent]
    return found - {place}


def _beside(base: str, taken: dict[str, Any]) -> str:
    """A free place for what the children of ``base`` have in common."""
    place = f"{base} (common)"
    while place in taken:
        place += "'"
    return place


def _redirected(schema: JsonSchema, moved: dict[str, str]) -> JsonSchema:
    """Return a copy in which ``allOf`` refers to what was moved."""

    def redirect(fields: JsonSchema) -> JsonSchema:
        result = map_subschemas(fields, redirect)
        for index, member in enumerate(as_array(result.get("allOf")) or []):
            target = pointer_of(str((as_object(member) or {}).get("$ref", "")))
            if target in moved:
                result["allOf"][index] = {**member, "$ref": reference_to(moved[target])}
        return result

    return redirect(schema)
