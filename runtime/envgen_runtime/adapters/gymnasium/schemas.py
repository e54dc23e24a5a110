"""From schemas to fields."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...contract.keywords import JsonSchema
from ...json_value import as_array, as_object, comparable
from .arrays import read_array
from .fields import Absent, Choice, Field, Fixed, Number, ObjectOf, Property, Union, are_apart
from .hints import Hint
from .keywords import (
    ANNOTATIONS,
    UNIONS,
    is_of,
    is_of_schema,
    labels_of,
    listed_values,
    types_of,
    unread,
)
from .notes import Notes
from .scalars import read_number, read_string

BESIDE = frozenset({"done", "reward", "metadata"})
"""What ``step`` returns beside an observation, and ``info`` has."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads schemas of one direction: of what is sent, or of what is received.

    Attributes:
        known: what is found.
        is_action: whether what is read is sent.
        tags: properties of an action whose value is known from elsewhere.
    """

    known: Notes
    is_action: bool
    tags: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def read(self, schema: Any, place: str, *, shape: tuple[int, ...] = ()) -> Field:
        """The field of a schema. What can't be said is noted, and any field returned.

        Args:
            schema: in 2020-12, without references that can be followed.
            place: its place, as hints name it.
            shape: what the hint for an array around it leaves for it.
        """
        hint = self.hint(place)
        if shape and hint.shape is not None:
            self.wrong(place, "shape: the array around it has a shape for it already")
        if shape:
            hint = replace(hint, shape=shape)
        fields = as_object(schema)
        if hint.as_json and not self.is_action:
            self.only(place, hint, "as_json", "max_length", "charset")
            return read_string(self, {}, place, hint)
        if fields is None or "$ref" in fields:
            why = "refers to itself" if fields else _ANY if schema is True else "has no value"
            return self.refuse(place, why, *_AS_JSON)
        if (values := listed_values(fields)) is not None:
            return self._choice(fields, values, place, hint)
        types = types_of(fields)
        union = next((key for key in UNIONS if key in fields), None)
        if union is not None and not (types and self._is_whole(fields, union)):
            return self._union(fields, union, place)
        if len(types) != 1:
            members = [{**fields, "type": name} for name in types]
            return self._members(members, place) if types else self.refuse(place, _ANY, *_AS_JSON)
        return self._typed(fields, types[0], place, hint)

    def _typed(self, schema: JsonSchema, name: str, place: str, hint: Hint) -> Field:
        """The field of a schema of one type."""
        beyond = unread(schema, name)
        if "allOf" in schema or (self.is_action and beyond):
            return self.refuse(place, f"is limited by {', '.join(beyond)}", *_AS_JSON)
        read = _READERS.get(name)
        if read is not None:
            return read(self, {**schema, "type": name}, place, hint)
        if name == "object":
            self.only(place, hint)
            return self._object(schema, place)
        if name == "boolean":
            self.only(place, hint)
        return Choice((False, True)) if name == "boolean" else Fixed(None)

    # --- what is noted ----------------------------------------------------------------------------

    def hint(self, place: str) -> Hint:
        """The hint for a place, which becomes known."""
        self.known.places[place] = None
        return self.known.hints.get(place, Hint())

    def is_ignored(self, place: str, *, is_allowed: bool = True) -> bool:
        """Whether a field, or a member of a union, is left out."""
        hint = self.hint(place)
        self.known.members.add(place)
        if is_allowed:
            self.known.ignorable.add(place)
        elif hint.ignore:
            self.wrong(place, "it can't be ignored: the contract requires it")
        if hint.ignore and hint != Hint(ignore=True):
            self.wrong(place, "ignore stands alone")
        return hint.ignore

    def refuse(self, place: str, why: str, *helping: str) -> Field:
        """Note that no space says what is at a place, and which hints together help."""
        if self.is_action and "as_json" in helping:
            helping = ()
        may_ignore = place in self.known.ignorable
        self.known.refuse(place, why, helping or (("ignore",) if may_ignore else ()))
        return Fixed(None)

    def wrong(self, place: str, why: str) -> None:
        """Note a hint that can't be true."""
        self.known.wrong.append(f"{place}: {why}")

    def only(self, place: str, hint: Hint, *allowed: str) -> None:
        """Note the hints that mean nothing at a place."""
        for name in ("bounds", "dtype", "max_length", "charset", "shape", "as_json"):
            if name not in allowed and getattr(hint, name):
                takes = f"it takes {', '.join(allowed)}" if allowed else "it takes none of these"
                self.wrong(place, f"{name} means nothing here: {takes}")

    # --- choices and unions -----------------------------------------------------------------------

    def _choice(self, schema: JsonSchema, values: list[Any], place: str, hint: Hint) -> Field:
        self.only(place, hint)
        types = types_of(schema)
        beyond = schema.keys() - ANNOTATIONS - {"type", "enum", "const"}
        if self.is_action and beyond:
            return self.refuse(place, f"is limited by {', '.join(sorted(beyond))}")
        allowed = [value for value in values if not types or is_of(value, types)]
        unique = {comparable(value): value for value in allowed}
        return self.choice(unique.values(), place)

    def choice(self, values: Iterable[Any], place: str) -> Field:
        """The field of some values."""
        listed = list(values)
        if not listed:
            return self.refuse(place, "has no value")
        if len(listed) == 1:
            return Fixed(listed[0])
        if all(type(value) is int for value in listed):
            low, high = min(listed), max(listed)
            if high - low == len(listed) - 1 and low >= -(2**63) and high < 2**63:
                return Number(is_integer=True, low=low, high=high)
        return Choice(tuple(listed))

    def _is_whole(self, schema: JsonSchema, union: str) -> bool:
        """Whether what stands beside a union says all that a space of an observation says."""
        members = as_array(schema[union]) or []
        adds = any("properties" in (as_object(member) or {}) for member in members)
        return not self.is_action and not adds and schema.keys() >= {"properties"}

    def _union(self, schema: JsonSchema, union: str, place: str) -> Field:
        members = [as_object(member) for member in as_array(schema[union]) or []]
        beyond = schema.keys() - ANNOTATIONS - {union, "type"}
        if beyond or None in members:
            listed = ", ".join(sorted({union, *beyond}))
            return self.refuse(place, f"is said by {listed}", *_AS_JSON)
        said = {"type": schema["type"]} if "type" in schema else {}
        typed = [{**said, **(member or {})} for member in members]
        return self._members(typed, place, is_exclusive=union == "oneOf")

    def _members(
        self, members: list[JsonSchema], place: str, *, is_exclusive: bool = False
    ) -> Field:
        """The field of a union. A union of one member and null has its member's place."""
        others = [member for member in members if types_of(member) != ["null"]]
        labels = labels_of(others) if len(others) > 1 else [""]
        if len(others) > 1:
            self.only(place, self.hint(place))
        read: list[tuple[str, Field]] = []
        ignored: list[Field] = []
        unsaid: list[str] = []
        waiting = iter(labels)
        for member in members:
            if member not in others:
                read.append(("null", Fixed(None)))
                continue
            label = next(waiting)
            where = f"{place}({label})" if label else place
            if place in self.known.roots:
                self.known.roots.add(where)
            if label and self.is_ignored(where):
                ignored.append(replace(self, known=Notes({})).read(member, where))
                continue
            found = self.read(member, where)
            if label and self.known.helping(where) == ("ignore",):
                unsaid.append(where)
            read += found.members if isinstance(found, Union) and not label else [(label, found)]
        if len(unsaid) == len(others):
            self.known.forget(unsaid)
            return self.refuse(place, "has no member that a space can say", *_AS_JSON)
        if not read:
            self.wrong(place, "every member is ignored")
            return Fixed(None)
        all_members = [*(found for _, found in read), *ignored]
        if self.is_action and is_exclusive and not _are_all_apart(all_members):
            return self.refuse(place, "is one of members (oneOf) that may overlap")
        unique = list({repr(found): (label, found) for label, found in read}.values())
        return unique[0][1] if len(unique) == 1 else Union(tuple(unique))

    # --- objects ----------------------------------------------------------------------------------

    def _object(self, schema: JsonSchema, place: str) -> Field:
        properties = as_object(schema.get("properties")) or {}
        required: list[str] = [str(name) for name in as_array(schema.get("required")) or []]
        is_closed = schema.get("additionalProperties") is False
        undescribed = [name for name in required if name not in properties]
        if undescribed:
            return self.refuse(place, f"requires {', '.join(undescribed)}, undescribed", *_AS_JSON)
        is_free = "properties" not in schema or "additionalProperties" in schema
        if not properties and not is_closed and is_free:
            return self.refuse(place, "is an object of any fields", *_AS_JSON)
        is_root = place in self.known.roots
        kept: list[Property] = []
        fixed: dict[str, Any] = {}
        for name, described in properties.items():
            where, is_required = f"{place}.{name}", name in required
            if is_root and self._is_beside(name, is_required=is_required):
                continue
            if is_root and name in self.tags:
                fixed[name] = self.tags[name]
            elif not self.is_ignored(where, is_allowed=not (self.is_action and is_required)):
                found = self._property(name, described, where, is_required=is_required)
                if isinstance(found.field, Fixed) and where not in self.known.refused:
                    fixed[name] = found.field.value
                else:
                    kept.append(found)
        return ObjectOf(tuple(kept), tuple(fixed.items()), is_closed)

    def _is_beside(self, name: str, *, is_required: bool) -> bool:
        if self.is_action:
            return name == "metadata" and not is_required
        return name in BESIDE

    def _property(self, name: str, schema: Any, place: str, *, is_required: bool) -> Property:
        hint = self.hint(place)
        found = self.read(schema, place)
        if hint.given and is_required:
            self.wrong(place, "given: the contract requires it already")
        if is_required or hint.given or isinstance(found, Fixed):
            return Property(name, found)
        default = (as_object(schema) or {}).get("default", _MISSING)
        if default is not _MISSING and is_of_schema(default, as_object(schema) or {}):
            return Property(name, found, has_default=True, default=default)
        members = found.members if isinstance(found, Union) else (("", found),)
        return Property(name, Union((*members, ("not given", Absent()))))


_MISSING: Any = object()
_ANY = "can be any JSON value"
_AS_JSON = ("as_json", "max_length")
_READERS: Mapping[str, Callable[[Reader, JsonSchema, str, Hint], Field]] = {
    "integer": read_number,
    "number": read_number,
    "string": read_string,
    "array": read_array,
}


def _are_all_apart(found: list[Field]) -> bool:
    return all(are_apart(one, other) for at, one in enumerate(found) for other in found[:at])
