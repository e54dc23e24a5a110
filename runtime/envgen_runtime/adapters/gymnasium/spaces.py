"""Spaces for fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces

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
from .kinds import BoundedSequence, ContractOneOf, ContractText, UnicodeText

_INT64 = (-(2**63), 2**63 - 2)
"""The integers that a ``Box`` can sample (its docstring in Gymnasium 1.4)."""


def space_of(field: Field, *, is_action: bool) -> spaces.Space[Any]:
    """The space of a field.

    Bounds that its type can't have exactly are rounded inwards for what is sent, and outwards for
    what is received.
    """
    return _MAKERS[type(field)](field, is_action)


def _single(_: Fixed | Absent, _is_action: bool) -> spaces.Space[Any]:
    return spaces.Discrete(1)


def _choice(field: Choice, _is_action: bool) -> spaces.Space[Any]:
    return spaces.Discrete(len(field.values))


def _number(field: Number, is_action: bool) -> spaces.Space[Any]:
    if field.is_discrete and field.low is not None and field.high is not None:
        low, high = int(field.low), int(field.high)
        return spaces.Discrete(high - low + 1, start=low)
    return _box((1,), (field,), is_action=is_action)


def _tensor(field: Tensor, is_action: bool) -> spaces.Space[Any]:
    return _box(field.shape, field.parts, is_action=is_action)


def _flags(field: Flags, _is_action: bool) -> spaces.Space[Any]:
    shape = field.shape
    return spaces.MultiBinary(shape[0] if len(shape) == 1 else list(shape))


def _string(field: String, _is_action: bool) -> spaces.Space[Any]:
    if field.charset is None:
        return UnicodeText(field.min_length, field.max_length)
    return ContractText(field.max_length, min_length=field.min_length, charset=field.charset)


def _list(field: ListOf, is_action: bool) -> spaces.Space[Any]:
    item = space_of(field.item, is_action=is_action)
    return BoundedSequence(item, field.min_items, field.max_items)


def _tuple(field: TupleOf, is_action: bool) -> spaces.Space[Any]:
    return spaces.Tuple([space_of(item, is_action=is_action) for item in field.items])


def _object(field: ObjectOf, is_action: bool) -> spaces.Space[Any]:
    found = {prop.name: space_of(prop.field, is_action=is_action) for prop in field.properties}
    return spaces.Dict(found) if found else spaces.Discrete(1)


def _union(field: Union, is_action: bool) -> spaces.Space[Any]:
    return ContractOneOf([space_of(member, is_action=is_action) for _, member in field.members])


_MAKERS: Mapping[type, Callable[[Any, bool], spaces.Space[Any]]] = {
    Fixed: _single,
    Absent: _single,
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


def _box(shape: tuple[int, ...], parts: Sequence[Number], *, is_action: bool) -> spaces.Box[Any]:
    dtype = np.dtype(parts[0].numpy_type)
    lows = [_limit(part.low, -1, dtype, is_action=is_action) for part in parts]
    highs = [_limit(part.high, 1, dtype, is_action=is_action) for part in parts]
    if len(parts) == 1:  # a scalar that is infinite is no bound of an integer, either
        return spaces.Box(lows[0], highs[0], shape, dtype=dtype.type)
    if dtype.kind != "f":
        lows = [max(low, _INT64[0]) for low in lows]
        highs = [min(high, _INT64[1]) for high in highs]
    return spaces.Box(np.array(lows, dtype), np.array(highs, dtype), shape, dtype=dtype.type)


def _limit(bound: float | None, side: int, dtype: np.dtype[Any], *, is_action: bool) -> Any:
    """A bound in a numpy type: the lower one for -1, the upper one for 1."""
    if bound is None:
        return side * np.inf
    if dtype.kind != "f":
        least, most = (_INT64[0], _INT64[1]) if dtype == np.int64 else (None, None)
        is_out = least is not None and most is not None and not least <= bound <= most
        return side * np.inf if is_out else int(bound)
    with np.errstate(over="ignore"):
        rounded = dtype.type(bound)
    beyond = float(rounded) > bound if side > 0 else float(rounded) < bound
    within = float(rounded) < bound if side > 0 else float(rounded) > bound
    if is_action and beyond:
        rounded = np.nextafter(rounded, dtype.type(-side * np.inf))
    elif not is_action and within:
        rounded = np.nextafter(rounded, dtype.type(side * np.inf))
    return rounded
