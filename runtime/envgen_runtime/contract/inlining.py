"""A schema without references, for consumers that don't follow them.

The result is in 2020-12, and accepts what the schema accepts. A reference is replaced by what it
leads to. One that leads back to itself stays, and its target is kept under ``$defs``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..json_value import as_object, at_pointer, pointer_keys, pointer_to
from .dialects import in_2020_12
from .keywords import (
    DEFINITIONS,
    MAX_DEPTH,
    NAMING,
    JsonSchema,
    map_subschemas,
    schemas_in,
    subschemas,
)
from .merging import all_of
from .normal_form import DRAFT_2020_12, metaschema
from .references import References

MAX_SCHEMAS = 20_000
"""Schemas that there may be when references are replaced. Real tools have some hundreds."""

_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_LEFT_OUT = frozenset({*DEFINITIONS, *NAMING, "$schema", "discriminator"})
_REFERENCES = ("$ref", "$dynamicRef")


@dataclass(frozen=True, slots=True)
class Inlined:
    """A schema whose references are replaced.

    Attributes:
        schema: the schema in 2020-12, without ``$schema``.
        kept: the targets of the references that stay: names under ``$defs``, with pointers into
            the document.
        is_too_large: every reference stays, because there would be too many schemas.
        unknown: the pointers of the schemas that have a reference to something unknown: to a
            metaschema, or to what depends on where it is reached from. It accepts anything.
    """

    schema: JsonSchema
    kept: dict[str, str]
    is_too_large: bool
    unknown: tuple[str, ...]


def inlined(document: JsonSchema, pointer: str = "", *, keep: bool = False) -> Inlined:
    """Return a schema of a document without its references.

    Args:
        document: a schema in normal form.
        pointer: the place of the schema within it.
        keep: replace no reference, and have all targets under ``$defs``: what is at ``pointer`` can
            then stand alone.

    Raises:
        LookupError: there is nothing at ``pointer``.
    """
    if keep:
        return _Inliner(document, keep_all=True).run(pointer)
    try:
        return _Inliner(document, keep_all=False).run(pointer)
    except _TooLarge:
        return _Inliner(document, keep_all=True).run(pointer, is_too_large=True)


class _TooLarge(Exception):
    """There are more schemas, or more levels of them, than the limits allow."""


class _Inliner:
    def __init__(self, document: JsonSchema, *, keep_all: bool) -> None:
        self._document = document
        self._dialect = str(document.get("$schema", DRAFT_2020_12))
        self._references = References(document)
        self._keep_all = keep_all
        self._is_recursive: dict[str, bool] = {}
        self._edges: dict[str, frozenset[str]] = {}
        self._names: dict[str, str] = {}
        self._unknown: dict[str, None] = {}
        self._count = 0

    def run(self, pointer: str, *, is_too_large: bool = False) -> Inlined:
        schema = self._schema(at_pointer(self._document, pointer), pointer, 0, unfolded=(pointer,))
        result = as_object(schema) or ({} if schema is True else {"not": {}})
        definitions: JsonSchema = {}
        while waiting := [place for place in self._names if self._names[place] not in definitions]:
            for place in waiting:
                target = at_pointer(self._document, place)
                definitions[self._names[place]] = self._schema(target, place, 0)
        if definitions:
            result = {**result, "$defs": definitions}
        kept = {name: place for place, name in self._names.items()}
        return Inlined(result, kept, is_too_large, tuple(self._unknown))

    def _schema(self, value: Any, place: str, depth: int, *, unfolded: tuple[str, ...] = ()) -> Any:
        """The schema ``value`` at ``place`` without references.

        Where ``unfolded`` isn't empty, what the schema refers to is written in its place even if it
        recurs; it has the places that led here.
        """
        fields = as_object(value)
        self._count += 1
        if not self._keep_all and (depth > MAX_DEPTH or self._count > MAX_SCHEMAS):
            raise _TooLarge
        if fields is None:
            return value
        said = in_2020_12(fields, self._dialect)
        places = {id(child): where for child, where in subschemas(fields, place)}

        def change(child: JsonSchema) -> JsonSchema:
            changed: JsonSchema = self._schema(child, places.get(id(child), place), depth + 1)
            return changed

        kept = {key: item for key, item in said.items() if key not in _LEFT_OUT}
        result = map_subschemas(kept, change)
        members: list[Any] = []
        for target in self._targets(said, place):
            if target in unfolded or not (unfolded or self._may_replace(target)):
                members.append(self._kept(target))
            else:
                schema = at_pointer(self._document, target)
                passed = (*unfolded, target) if unfolded else ()
                members.append(self._schema(schema, target, depth + 1, unfolded=passed))
        members += result.pop("allOf", [])
        for keyword in ("anyOf", "oneOf"):
            if len(result.get(keyword, [])) == 1:
                members += result.pop(keyword)
        return all_of(result, members)

    def _may_replace(self, target: str) -> bool:
        return not self._keep_all and not self._recurs(target)

    def _kept(self, target: str) -> JsonSchema:
        """A reference to a target under ``$defs``.

        Its type stands beside it: consumers that don't follow references read a value by that.
        """
        kind = (as_object(at_pointer(self._document, target)) or {}).get("type")
        shown = {"type": kind} if isinstance(kind, str) else {}
        return {**shown, "$ref": f"#/$defs/{self._name(target)}"}

    def _name(self, target: str) -> str:
        """A name for a definition, as the document calls it as far as URIs allow."""
        if target not in self._names:
            keys = pointer_keys(target)
            called = _NOT_IN_A_NAME.sub("_", keys[-1] if keys else "root")
            taken, name, number = set(self._names.values()), called, 2
            while name in taken:
                name, number = f"{called}_{number}", number + 1
            self._names[target] = name
        return self._names[target]

    # --- where references lead --------------------------------------------------------------------

    def _targets(self, schema: JsonSchema, place: str) -> list[str]:
        """The pointers of what a schema refers to. What isn't known is noted."""
        targets: list[str] = []
        for keyword in _REFERENCES:
            if keyword in schema:
                target = self._target(keyword, str(schema[keyword]), place)
                if target is None:
                    self._unknown[place] = None
                else:
                    targets.append(target)
        return targets

    def _target(self, keyword: str, reference: str, place: str) -> str | None:
        anchor = reference.rpartition("#")[2]
        if metaschema(reference) is not None:
            return None
        if keyword == "$dynamicRef" and self._dynamic_anchors[anchor] > 1:
            return None
        try:
            target = pointer_to("", *pointer_keys(self._references.place(reference, place)))
            is_schema = isinstance(at_pointer(self._document, target), dict | bool)
        except LookupError:
            return None
        return target if is_schema else None

    @cached_property
    def _dynamic_anchors(self) -> Counter[str]:
        return Counter(
            str(fields["$dynamicAnchor"])
            for fields, _ in schemas_in(self._document)
            if "$dynamicAnchor" in fields
        )

    def _recurs(self, target: str) -> bool:
        """Whether a schema refers to itself, by way of others or not."""
        if target not in self._is_recursive:
            passed: set[str] = set()
            waiting = [*self._references_in(target)]
            while waiting and target not in passed:
                place = waiting.pop()
                if place not in passed:
                    passed.add(place)
                    waiting.extend(self._references_in(place))
            self._is_recursive[target] = target in passed
        return self._is_recursive[target]

    def _references_in(self, place: str) -> frozenset[str]:
        """What the schema at a place, and those within it, refer to."""
        if place not in self._edges:
            self._edges[place] = frozenset(
                target
                for fields, where in self._within(place)
                for target in self._targets(fields, where)
            )
        return self._edges[place]

    def _within(self, place: str) -> Iterator[tuple[JsonSchema, str]]:
        """A schema and those that it holds, without its definitions: they hold by references."""
        waiting: list[tuple[Any, str]] = [(at_pointer(self._document, place), place)]
        while waiting:
            value, where = waiting.pop()
            fields = as_object(value)
            if fields is not None:
                said = in_2020_12(fields, self._dialect)
                yield said, where
                held = {
                    key: item
                    for key, item in fields.items()
                    if key not in DEFINITIONS and (key in said or "$ref" not in fields)
                }
                waiting.extend(subschemas(held, where))
