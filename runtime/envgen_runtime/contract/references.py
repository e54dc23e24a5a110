"""Where the references of a JSON Schema lead, and the walks along them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import unquote, urljoin

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
    """What references within a schema lead to, by pointer or by name (``$id``, ``$anchor``)."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def resolve(self, reference: str, holder: str = "") -> Any:
        """Return what a reference leads to; or raise LookupError. As ``place``."""
        return at_pointer(self._schema, self.place(reference, holder))

    def place(self, reference: str, holder: str = "") -> str:
        """Return the pointer of what a reference leads to.

        Args:
            reference: as it stands in a ``$ref`` or ``$dynamicRef``.
            holder: the pointer of the schema that has it: an ``$id`` around that changes what
                references mean.

        Raises:
            LookupError: no place of the document has that name.
        """
        pointer = pointer_of(reference)
        if pointer is not None and not holder:
            return pointer
        uri, root = next(
            item for item in self._resources if holder == item[1] or _is_below(holder, item[1])
        )
        if pointer is not None:
            return root + pointer
        absolute = _joined(uri, reference)
        found = self._named.get(absolute, self._named.get(reference))
        if found is not None:
            return found
        uri, _, fragment = absolute.partition("#")
        if fragment.startswith("/") and uri in self._named:
            return self._named[uri] + unquote(fragment)
        raise LookupError(reference)

    @cached_property
    def _resources(self) -> list[tuple[str, str]]:
        """The URI and the pointer of the document and of each part with an ``$id``, inmost first.

        URIs are made absolute against those around them.
        """
        found: list[tuple[str, str]] = [("", "")]
        ids = [
            (place, fields["$id"])
            for fields, place in schemas_in(self._schema)
            if isinstance(fields.get("$id"), str) and not fields["$id"].startswith("#")
        ]
        for place, uri in sorted(ids, key=lambda item: item[0].count("/")):
            around = next(item for item in found if not place or _is_below(place, item[1]))
            found.insert(0, (_joined(around[0], uri).removesuffix("#"), place))
        return found

    @cached_property
    def _named(self) -> dict[str, str]:
        """The pointers of the schemas that have names, by the references to them."""
        named = {uri: place for uri, place in reversed(self._resources) if uri}
        for fields, place in schemas_in(self._schema):
            base = next(
                uri for uri, root in self._resources if place == root or _is_below(place, root)
            )
            anchors = [str(fields[key]) for key in ("$anchor", "$dynamicAnchor") if key in fields]
            own = str(fields.get("$id", ""))
            if own.startswith("#"):  # as drafts before 2019-09 wrote anchors
                anchors.append(own[1:])
            elif own:
                named.setdefault(own, place)
            for anchor in anchors:
                named.setdefault(f"{base}#{anchor}", place)
                named.setdefault(f"#{anchor}", place)
        return named


def _is_below(place: str, root: str) -> bool:
    return place.startswith(f"{root}/")


def _joined(base: str, reference: str) -> str:
    """``reference`` as a URI, read where the URI is ``base``. Joins what isn't hierarchical."""
    if reference.startswith("#"):
        return base.partition("#")[0] + reference
    try:
        return urljoin(base, reference)
    except ValueError:  # such as half of an IPv6 address
        return reference


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
