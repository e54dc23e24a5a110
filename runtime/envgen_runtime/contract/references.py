"""Where the references of a JSON Schema lead, and the walks along them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

from ..json_value import as_object, at_pointer, pointer_of
from .keywords import JsonSchema, schemas_in, subschemas

_UNIONS = ("anyOf", "oneOf", "allOf")

Place = TypeVar("Place")


class CircularReference(LookupError):
    """A chain of references that leads back to itself, at ``place``."""

    def __init__(self, reference: str, place: Any) -> None:
        super().__init__(reference)
        self.place = place


def reference_of(schema: Any) -> str | None:
    """Return the ``$ref`` of a schema; None if it has none."""
    target = (as_object(schema) or {}).get("$ref")
    return target if isinstance(target, str) else None


class References:
    """What references within a schema lead to."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def resolve(self, reference: str) -> Any:
        """Return what a reference leads to, by pointer or name; or raise LookupError."""
        pointer = pointer_of(reference)
        return self._named[reference] if pointer is None else at_pointer(self._schema, pointer)

    @cached_property
    def _named(self) -> dict[str, JsonSchema]:
        """The schemas that have names, by the references to them: found by one walk for all."""
        named: dict[str, JsonSchema] = {}
        for fields, _ in schemas_in(self._schema):
            names = [f"#{fields[key]}" for key in ("$anchor", "$dynamicAnchor") if key in fields]
            for name in (*names, str(fields.get("$id"))):
                named.setdefault(name, fields)
        return named


def follow(
    start: Place,
    next_reference: Callable[[Place], str | None],
    resolve: Callable[[str, Place], Place],
) -> Place:
    """Return the end of a chain of references that begins at ``start``, or raise CircularReference.

    ``next_reference`` returns the reference at a place, None at the end; ``resolve`` returns the
    target of a reference, given the place that has it.
    """
    place, passed = start, set[str]()
    while (reference := next_reference(place)) is not None:
        if reference in passed:
            raise CircularReference(reference, place)
        passed.add(reference)
        place = resolve(reference, place)
    return place


def reachable(
    schema: Any,
    pointer: str,
    resolve: Callable[[str, str], tuple[str, Any]],
    within: Callable[[JsonSchema, str], Iterable[tuple[Any, str]]] = subschemas,
) -> Iterator[tuple[JsonSchema, str]]:
    """Yield a schema and every one that it holds or refers to, each with its pointer.

    ``resolve`` takes a reference and the pointer of its holder, and returns the target's pointer
    and the target; it is called once for each reference. ``within`` yields the schemas in a schema
    that count as held.
    """
    passed: set[str] = set()
    waiting: list[tuple[Any, str]] = [(schema, pointer)]
    while waiting:
        value, place = waiting.pop()
        fields = as_object(value)
        if fields is None:
            continue
        yield fields, place
        reference = reference_of(fields)
        if reference is not None and reference not in passed:
            passed.add(reference)
            target_place, target = resolve(reference, place)
            waiting.append((target, target_place))
        waiting.extend(within(fields, place))


def members(schema: Any) -> Iterator[JsonSchema]:
    """Yield a schema, what it refers to, and the members of its unions and of its ``allOf``.

    References that lead nowhere are passed over.
    """
    references = References(schema)

    def target(reference: str, _place: str) -> tuple[str, Any]:
        try:
            return "", references.resolve(reference)
        except LookupError:
            return "", None

    def within(fields: JsonSchema, pointer: str) -> Iterator[tuple[Any, str]]:
        return subschemas({key: fields[key] for key in _UNIONS if key in fields}, pointer)

    yield from (fields for fields, _ in reachable(schema, "", target, within))
