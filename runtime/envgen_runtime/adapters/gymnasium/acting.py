"""From elements of a space to what an environment takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...json_value import as_array, as_object
from .checks import (
    ABSENT,
    Outside,
    below,
    checked_array,
    checked_items,
    checked_number,
    checked_text,
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
)


def to_value(field: Field, element: Any) -> Any:
    """The JSON value of an element of a field's space; ``ABSENT`` for a field that isn't given.

    Raises:
        Outside: it is no element of the space.
    """
    return _WRITERS[type(field)](field, element)


def chosen(element: Any, count: int) -> tuple[int, Any]:
    """The index of a union's member, and its element. Raises Outside."""
    match element:
        case (index, inner) if isinstance(element, tuple):
            return _index(index, count), inner
        case _:
            raise Outside("is no pair of a member's index and its element")


def _fixed(field: Fixed, element: Any) -> Any:
    _index(element, 1)
    return field.value


def _absent(_: Absent, element: Any) -> Any:
    _index(element, 1)
    return ABSENT


def _choice(field: Choice, element: Any) -> Any:
    return field.values[_index(element, len(field.values))]


def _number(field: Number, element: Any) -> Any:
    return checked_number(field, _scalar(element))


def _tensor(field: Tensor, element: Any) -> Any:
    found = of_shape(element, field.shape, "iuf")
    if found.dtype.kind == "f":  # what is sent is a float64, and compared as one
        found = found.astype(np.float64)
    checked_array(field, found)
    return _converted(found.tolist(), int if field.parts[0].is_integer else float)


def _converted(value: Any, kind: type) -> Any:
    items = as_array(value)
    return kind(value) if items is None else [_converted(item, kind) for item in items]


def _flags(field: Flags, element: Any) -> Any:
    found = of_shape(element, field.shape, "biu")
    if not np.all((found == 0) | (found == 1)):
        raise Outside("has other values than 0 and 1")
    return found.astype(bool).tolist()


def _string(field: String, element: Any) -> Any:
    text = checked_text(field, element)
    if not field.is_json:
        return text
    try:
        return json.loads(text)
    except ValueError:
        raise Outside("is no JSON") from None


def _list(field: ListOf, element: Any) -> Any:
    return [below("[]", to_value, field.item, item) for item in checked_items(field, element)]


def _tuple(field: TupleOf, element: Any) -> Any:
    items = items_of(element, len(field.items))
    return [
        below("[]" if field.is_uniform else f"[{at}]", to_value, each, items[at])
        for at, each in enumerate(field.items)
    ]


def _object(field: ObjectOf, element: Any) -> Any:
    value = dict(field.constants)
    if not field.properties:
        _index(element, 1)
        return value
    elements = as_object(element)
    names = {prop.name for prop in field.properties}
    if elements is None or elements.keys() != names:
        raise Outside(f"is no dict of {', '.join(sorted(names))}")
    for prop in field.properties:
        inner = below(f".{prop.name}", to_value, prop.field, elements[prop.name])
        if inner is not ABSENT:
            value[prop.name] = inner
    return value


def _union(field: Union, element: Any) -> Any:
    index, inner = chosen(element, len(field.members))
    label, member = field.members[index]
    return below(f"({label})" if label else "", to_value, member, inner)


def _index(element: Any, count: int) -> int:
    value = _scalar(element)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < count:
        raise Outside(f"is {shown(value)}, not an integer from 0 to {count - 1}")
    return value


def _scalar(element: Any) -> Any:
    """What stands in an array of one element, as a number of Python.

    Vectors of environments hand over numpy's scalars in its place.
    """
    array: Any = element
    if isinstance(element, np.ndarray | np.generic):
        if array.size != 1:
            raise Outside(f"has the shape {list(array.shape)}, not [1]")
        return array.item()
    return element


_WRITERS: Mapping[type, Callable[[Any, Any], Any]] = {
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
