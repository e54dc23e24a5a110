"""JSON Schema -> plain Python types, for trainers that read a tool's schema out of a signature.

A hint says no more than the type: what it can't say (bounds, the fields of nested objects) is told
as text (``told``). It never refuses what the contract accepts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from envgen_runtime.contract.keywords import json_type, types_of
from envgen_runtime.json_value import as_array, as_object, at_pointer, pointer_of

from ..plan.types import NONE, STR, ListOf, MapOf, Scalar, TupleOf, Type, Union, Values, size

ANY = Scalar("Any")
_OBJECT = MapOf(STR, ANY)
_MAX_SIZE = 40  # types in a hint: a larger one is no help to who reads the signature
_MAX_LEVELS = 12
_MAX_READ = 5000  # schemas: what refers to itself in several places could be read forever

_SCALARS: Mapping[str, Type] = {
    "string": STR,
    "integer": Scalar("int"),
    "number": Scalar("float"),
    "boolean": Scalar("bool"),
    "null": NONE,
    "object": _OBJECT,
    "array": ListOf(ANY),
}


def hint_of(schema: Any, root: Mapping[str, Any]) -> Type:
    """The plain type of what a schema accepts.

    Args:
        schema: the schema, in normal form.
        root: the document that its references lead into.
    """
    found = _Reader(root).read(schema, 0)
    return found if size(found) <= _MAX_SIZE else _shallow(found)


class _Reader:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = _MAX_READ

    def read(self, schema: Any, level: int) -> Type:
        fields = as_object(schema)
        self._left -= 1
        if fields is None or level > _MAX_LEVELS or self._left < 0:
            return ANY
        place = pointer_of(str(fields.get("$ref", "")))
        if place is not None:
            return self.read(at_pointer(self._root, place), level + 1)
        kinds = types_of(fields)
        values = [fields["const"]] if "const" in fields else as_array(fields.get("enum"))
        if values is not None:
            return _of_values([value for value in values if _is_of(value, kinds)])
        if kinds:
            return union([self._of_kind(kind, fields, level) for kind in kinds])
        return self._of_members(fields, level)

    def _of_members(self, fields: Mapping[str, Any], level: int) -> Type:
        for keyword in ("anyOf", "oneOf"):
            members = as_array(fields.get(keyword))
            if members:
                return union([self.read(member, level + 1) for member in members])
        # What all of these accept, each of them accepts: any that says something will do.
        every = (self.read(item, level + 1) for item in as_array(fields.get("allOf")) or [])
        return next((hint for hint in every if hint != ANY), ANY)

    def _of_kind(self, kind: str, fields: Mapping[str, Any], level: int) -> Type:
        match kind:
            case "array":
                return self._array(fields, level)
            case "object" if not (fields.keys() & _NAMED_FIELDS):
                value = self.read(fields.get("additionalProperties"), level + 1)
                return MapOf(STR, value)
            case _:
                return _SCALARS.get(kind, ANY)

    def _array(self, fields: Mapping[str, Any], level: int) -> Type:
        fixed = as_array(fields.get("prefixItems"))
        if fixed is None:
            return ListOf(self.read(fields.get("items"), level + 1))
        if len(fixed) == 1:  # transformers takes no tuple of one
            return ListOf(ANY)
        return TupleOf(tuple(self.read(item, level + 1) for item in fixed))


_NAMED_FIELDS = frozenset({"properties", "patternProperties"})


def union(members: Iterable[Type]) -> Type:
    """One of several types: each once, constants together, ``None`` last."""
    unique: dict[Type, None] = {}
    for member in members:
        unique.update(dict.fromkeys(member.members if isinstance(member, Union) else (member,)))
    if ANY in unique or not unique:
        return ANY
    constants = [item for item in unique if isinstance(item, Values)]
    types: list[Type] = [item for item in unique if item != NONE and item not in constants]
    values = [value for item in constants for value in item.values]
    if NONE in unique and values and not types:
        values.append(None)
    if values:
        types.insert(0, _of_values(values))
    if NONE in unique and None not in values:
        types.append(NONE)
    return types[0] if len(types) == 1 else Union(tuple(types))


def _of_values(values: Iterable[Any]) -> Type:
    """What has one of these values: constants where ``Literal`` can say them."""
    found = [*values]
    if found and all(value is None or isinstance(value, str | int) for value in found):
        return Values(tuple({repr(value): value for value in found}.values()))
    return union([_SCALARS[_kind(value)] for value in found])


def _shallow(hint: Type) -> Type:
    """A large hint without what is within it."""
    match hint:
        case ListOf() | TupleOf():
            return ListOf(ANY)
        case MapOf():
            return _OBJECT
        case Union(members=members):
            small = union(map(_shallow, members))
            return small if size(small) <= _MAX_SIZE else ANY
        case _:
            return hint


def _is_of(value: Any, kinds: Sequence[str]) -> bool:
    """Whether a value has one of these JSON types; of none named, it may have any."""
    kind = _kind(value)
    return not kinds or kind in kinds or (kind == "integer" and "number" in kinds)


def _kind(value: Any) -> str:
    """The JSON type of a value; an integer's is ``integer``."""
    kind = json_type(value)
    return "integer" if kind == "number" and isinstance(value, int) else kind


__all__ = ["ANY", "hint_of", "union"]
