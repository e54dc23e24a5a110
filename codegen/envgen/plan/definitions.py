"""The definitions of a contract: every schema that a reference reaches, and every part itself.

A definition is what its contract calls it. The same definition in several parts is one; two of the
same name that differ in what they say, or in what they refer to, are two. Prose is no difference,
nor is which of the fields with a default are required: FastAPI publishes a model as ``Move-Input``
and ``Move-Output``, which differ in nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from envgen_runtime.contract.keywords import PROSE
from envgen_runtime.json_value import pointer_keys

from ..contract.contract import REQUESTS
from ..contract.tools import is_arguments
from ..schema.document import PartDocument
from ..schema.keywords import (
    DEFINITIONS,
    JsonSchema,
    as_array,
    as_object,
    map_subschemas,
    subschemas,
)

_VARIANTS = ("-Input", "-Output")


@dataclass(eq=False, slots=True)
class Found:
    """A definition in one part.

    Attributes:
        document: the part.
        place: its pointer within the part.
        schema: what it says.
        targets: the places of the definitions that it refers to, in order.
    """

    document: PartDocument
    place: str
    schema: JsonSchema
    targets: list[str] = field(default_factory=list[str])

    @property
    def own_name(self) -> str:
        """What the contract calls it; empty for what has no name."""
        if not self.place:
            return str(self.schema.get("title") or "")
        keys = pointer_keys(self.place)
        return keys[-1] if len(keys) > 1 and keys[-2] in DEFINITIONS else ""

    @property
    def common_name(self) -> str:
        """Its name without what tells the two variants of FastAPI apart."""
        name = self.own_name
        return next((name.removesuffix(end) for end in _VARIANTS if name.endswith(end)), name)


@dataclass(eq=False, slots=True)
class Definition:
    """A definition of the contract, in all parts that have it.

    Attributes:
        found: where it is; the first is what is planned.
        sent: whether an action, reset parameters or a tool's arguments can contain it.
        name: its Python name, once it is claimed.
    """

    found: list[Found]
    sent: bool = False
    name: str = ""

    @property
    def optional_elsewhere(self) -> frozenset[str]:
        """The fields that are not required wherever it is."""
        required = [frozenset(as_array(item.schema.get("required")) or []) for item in self.found]
        return required[0] - required[0].intersection(*required[1:])


Definitions = Mapping[tuple[str, str], Definition]
"""Definitions by part and place."""


def find_definitions(documents: Mapping[str, PartDocument]) -> dict[tuple[str, str], Definition]:
    """Return the definitions that parts reach, those that are the same as one.

    Raises:
        ContractError: a reference leads nowhere.
    """
    found = {
        (document.part, item.place): item
        for document in documents.values()
        for item in _reach(document)
    }
    definitions: dict[tuple[str, str], Definition] = {}
    for same in _same(found):
        items = [found[key] for key in same]
        definition = Definition(sorted(items, key=lambda item: item.place.endswith("-Output")))
        definitions.update(dict.fromkeys(same, definition))
    waiting = [(part, "") for part in documents if part in REQUESTS or is_arguments(part)]
    while waiting:
        key = waiting.pop()
        if not definitions[key].sent:
            definitions[key].sent = True
            sources = definitions[key].found
            waiting += [(item.document.part, place) for item in sources for place in item.targets]
    return {key: definitions[key] for key in found}


def _reach(document: PartDocument) -> Iterator[Found]:
    passed = {""}
    waiting = [Found(document, "", document.schema)]
    while waiting:
        item = waiting.pop()
        for target, pointer in _references(item.schema, item.place):
            place, schema = document.resolve(target, pointer)
            item.targets.append(place)
            if place not in passed:
                passed.add(place)
                waiting.append(Found(document, place, schema))
        yield item


def _references(schema: JsonSchema, pointer: str) -> Iterator[tuple[str, str]]:
    """Yield the references in a schema, in order, each with its place; not in its definitions."""
    waiting: list[tuple[Any, str]] = [(schema, pointer)]
    while waiting:
        value, place = waiting.pop()
        fields = as_object(value)
        if fields is None:
            continue
        if "$ref" in fields:
            yield fields["$ref"], place
        inner = {key: child for key, child in fields.items() if key not in DEFINITIONS}
        # By name, for the order of properties is no difference between two definitions.
        waiting.extend(sorted(subschemas(inner, place), key=lambda child: child[1], reverse=True))


# --- identity -----------------------------------------------------------------------------------


_Key = tuple[str, str]


def _same(found: Mapping[_Key, Found]) -> Iterable[list[_Key]]:
    """Group the definitions of all parts: those of a group are the same, whatever they reach."""
    alike: dict[tuple[str, str], list[_Key]] = {}
    for key, item in found.items():
        alike.setdefault((_name(item), _content(item)), []).append(key)
    different = _different(found, alike.values())
    for keys in alike.values():
        groups: list[list[_Key]] = []
        for key in keys:
            group = next((it for it in groups if frozenset((it[0], key)) not in different), None)
            if group is None:
                groups.append([key])
            else:
                group.append(key)
        yield from groups


def _different(found: Mapping[_Key, Found], alike: Collection[list[_Key]]) -> set[frozenset[_Key]]:
    """The pairs that say the same, but refer to what isn't the same."""
    block = {key: number for number, keys in enumerate(alike) for key in keys}
    referring: dict[_Key, list[_Key]] = {}
    for key, item in found.items():
        for target in item.targets:
            referring.setdefault((key[0], target), []).append(key)
    different: set[frozenset[_Key]] = set()
    waiting = [pair for keys in alike for pair in combinations(keys, 2)]
    while waiting:
        one, other = waiting.pop()
        pair = frozenset((one, other))
        targets = zip(found[one].targets, found[other].targets, strict=True)
        reached = [((one[0], mine), (other[0], theirs)) for mine, theirs in targets]
        if pair not in different and any(
            block[mine] != block[theirs] or frozenset((mine, theirs)) in different
            for mine, theirs in reached
        ):
            different.add(pair)
            alike_holders: dict[int, list[_Key]] = {}
            for holder in referring.get(other, ()):
                alike_holders.setdefault(block[holder], []).append(holder)
            waiting += [
                (mine, theirs)
                for mine in referring.get(one, ())
                for theirs in alike_holders.get(block[mine], ())
            ]
    return different


def _name(item: Found) -> str:
    """Where a definition stands, in whichever part: what has no name is alone in its place."""
    is_nested = item.place.count("/") > len(("$defs", "name"))
    if item.own_name and not is_nested:
        return f"named {item.common_name}"
    part = str(item.document.part)
    return f"{part} {item.place}" if item.place else part.removeprefix("reset_")


def _content(item: Found) -> str:
    """What a definition itself says, as text: without prose, references by their names."""

    def plain(schema: JsonSchema) -> JsonSchema:
        kept = {
            key: value
            for key, value in schema.items()
            if key not in PROSE and key not in DEFINITIONS
        }
        properties = as_object(kept.get("properties"))
        if properties is not None and "required" in kept:
            kept["required"] = sorted(
                name
                for name in as_array(kept["required"]) or []
                if "default" not in (as_object(properties.get(name)) or {})
            )
        if not kept.get("required"):
            kept.pop("required", None)
        if "$ref" in kept:
            kept["$ref"] = ""
        mapping = (as_object(kept.get("discriminator")) or {}).get("mapping")
        if mapping is not None:
            kept["discriminator"] = {**kept["discriminator"], "mapping": sorted(mapping)}
        return map_subschemas(kept, plain)

    return json.dumps(plain(item.schema), sort_keys=True)


__all__ = ["Definition", "Definitions", "Found", "find_definitions"]
