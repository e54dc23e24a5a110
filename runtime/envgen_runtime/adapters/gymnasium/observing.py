"""From what an environment shows to elements of a space."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ...json_value import as_object, same_json
from .checks import (
    ABSENT,
    Outside,
    below,
    checked_array,
    checked_items,
    checked_number,
    checked_text,
    dtype_of,
    items_of,
    of_shape,
    shown,
)
from .fields import (
    Absent,
    Choice,
    Field,
    Fixed,
    Flags,
    ListOf,
    Number,
    ObjectOf,
    String,
    Tensor,
    TupleOf,
    Union,
    json_type,
    may_be_absent,
)


def to_element(field: Field, value: Any) -> Any:
    """The element of a field's space for a JSON value.

    Raises:
        Outside: there is none.
    """
    return _READERS[type(field)](field, value)


def _fixed(field: Fixed, value: Any) -> Any:
    if not same_json(value, field.value):
        raise Outside(f"is not {shown(field.value)}")
    return np.int64(0)


def _absent(_: Absent, _value: Any) -> Any:
    raise Outside("is given")


def _choice(field: Choice, value: Any) -> Any:
    for index, item in enumerate(field.values):
        if same_json(item, value):
            return np.int64(index)
    raise Outside(f"is {shown(value)}, not one of {len(field.values)} values")


def _number(field: Number, value: Any) -> Any:
    number = checked_number(field, value)
    return np.int64(number) if field.is_discrete else np.array([number], dtype_of(field))


def _tensor(field: Tensor, value: Any) -> Any:
    return checked_array(field, of_shape(value, field.shape, "iuf"))


def _flags(field: Flags, value: Any) -> Any:
    return of_shape(value, field.shape, "b").astype(np.int8)


def _string(field: String, value: Any) -> str:
    return checked_text(field, json.dumps(value) if field.is_json else value)


def _list(field: ListOf, value: Any) -> Any:
    return tuple(below("[]", to_element, field.item, it) for it in checked_items(field, value))


def _tuple(field: TupleOf, value: Any) -> Any:
    items = items_of(value, len(field.items))
    return tuple(
        below("[]" if field.is_uniform else f"[{at}]", to_element, each, items[at])
        for at, each in enumerate(field.items)
    )


def _object(field: ObjectOf, value: Any) -> Any:
    fields = as_object(value)
    if fields is None:
        raise Outside(f"is no object, but {shown(value)}")
    for name, constant in field.constants:
        if name in fields and not same_json(fields[name], constant):
            raise Outside(f"is not {shown(constant)}", place=f".{name}")
    found: dict[str, Any] = {}
    for prop in field.properties:
        given = fields.get(prop.name, prop.default if prop.has_default else ABSENT)
        if given is ABSENT and not may_be_absent(prop.field):
            raise Outside("isn't given", "given", f".{prop.name}")
        found[prop.name] = below(f".{prop.name}", to_element, prop.field, given)
    return found or np.int64(0)


def _union(field: Union, value: Any) -> Any:
    """The index and the element of the first member that has a value.

    Of objects, the members that know the most of its fields come first.
    """
    members = field.members
    if value is ABSENT:
        kinds = [type(member) for _, member in members]
        return (np.int64(kinds.index(Absent)), np.int64(0))
    order: Sequence[int] = range(len(members))
    fields = as_object(value)
    if fields is not None:
        order = sorted(order, key=lambda index: _unknown(members[index][1], fields))
    telling: Outside | None = None
    for index in order:
        label, member = members[index]
        try:
            return (np.int64(index), to_element(member, value))
        except Outside as error:
            if telling is None and (error.place or error.hint):
                telling = error.below(f"({label})" if label else "")
    if telling is not None:
        raise telling
    raise Outside(f"is {shown(value)}: no member of the union is such a {json_type(value)}")


def _unknown(member: Field, fields: Mapping[str, Any]) -> int:
    return len(fields.keys() - member.names) if isinstance(member, ObjectOf) else len(fields)


_READERS: Mapping[type, Callable[[Any, Any], Any]] = {
    Fixed: _fixed,
    Absent: _absent,
    Choice: _choice,
    Number: _number,
    Tensor: _tensor,
    Flags: _flags,
    String: _string,
    ListOf: _list,
    TupleOf: _tuple,
    ObjectOf: _object,
    Union: _union,
}
