"""What observing and acting check alike, and how they say that a value is outside of its space."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

import numpy as np

from .fields import Field, ListOf, Number, String, Tensor

T = TypeVar("T")

ABSENT: Any = object()
"""The value of an optional field that isn't given."""

_MAX_SHOWN = 60


class Outside(Exception):
    """A value is outside of its space.

    Attributes:
        place: where, below the place that the caller knows.
        why: what is wrong there.
        hint: the name of the hint that decides it; "" if there is none.
    """

    def __init__(self, why: str, hint: str = "", place: str = "") -> None:
        super().__init__(why)
        self.place, self.why, self.hint = place, why, hint

    def below(self, place: str) -> Outside:
        """The same, seen from further up."""
        return Outside(self.why, self.hint, place + self.place)


def below(place: str, convert: Callable[[Field, Any], T], field: Field, value: Any) -> T:
    """``convert(field, value)``; an error says that it happened below ``place``."""
    try:
        return convert(field, value)
    except Outside as error:
        raise error.below(place) from None


def shown(value: Any) -> str:
    """A value as a message may have it."""
    text = repr(cast("Any", value.item() if isinstance(value, np.generic) else value))
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def dtype_of(field: Number) -> np.dtype[Any]:
    """The numpy type of a number."""
    return np.dtype(field.numpy_type)


# --- numbers --------------------------------------------------------------------------------------


def checked_number(field: Number, value: Any) -> float:
    """A number of a field, as Python's int or float. Raises Outside."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Outside(f"is no number, but {shown(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise Outside(f"is {shown(value)}, which JSON doesn't have")
    if field.is_integer and value % 1:
        raise Outside(f"is {shown(value)}, not an integer")
    is_low = field.low is not None and value < field.low
    if is_low or (field.high is not None and value > field.high):
        raise Outside(_out_of_bounds(field, value), "bounds")
    return _of_type(field, value)


def _of_type(field: Number, value: float) -> float:
    """The number, if its numpy type has it."""
    dtype = dtype_of(field)
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        is_known = float(limits.min) <= value <= float(limits.max)
    else:
        bounds = np.iinfo(dtype)
        is_known = int(bounds.min) <= value <= int(bounds.max)
    if not is_known:
        raise Outside(f"is {shown(value)}, which {field.numpy_type} doesn't have", "dtype")
    return int(value) if field.is_integer else float(value)


def checked_array(field: Tensor, array: Any) -> Any:
    """An array of a field's shape, in its numpy type. Raises Outside."""
    part, inside = field.parts[0], "[]" * len(field.shape)
    if part.is_integer and array.dtype.kind == "f" and not np.all(array == np.floor(array)):
        raise Outside("has fractions", place=inside)
    if len(field.parts) == 1:
        _check_bounds(part, array, inside)
    else:
        for at, each in enumerate(field.parts):
            _check_bounds(each, array[at], f"[{at}]")
    with np.errstate(over="ignore", invalid="ignore"):
        typed = array.astype(dtype_of(part))
    is_kept = np.all(typed == array) if part.is_integer else np.all(np.isfinite(typed))
    if not is_kept:
        raise Outside(f"has values that {part.numpy_type} doesn't have", "dtype", inside)
    return typed


def _check_bounds(part: Number, values: Any, place: str) -> None:
    is_low = part.low is not None and bool(np.any(values < part.low))
    if is_low or (part.high is not None and bool(np.any(values > part.high))):
        worst = np.min(values) if is_low else np.max(values)
        raise Outside(_out_of_bounds(part, worst), "bounds", place)


def _out_of_bounds(field: Number, value: Any) -> str:
    low = "-inf" if field.low is None else field.low
    return f"is {shown(value)}, not from {low} to {'inf' if field.high is None else field.high}"


def of_shape(value: Any, shape: tuple[int, ...], kinds: str) -> Any:
    """Nested arrays as one array of numpy, whose type is of one of some kinds. Raises Outside."""
    try:
        array = np.asarray(value)
    except ValueError:  # their lengths differ
        array = np.asarray(None)
    if array.shape != shape:
        found = f"the shape {list(array.shape)}" if array.dtype.kind in kinds else "another shape"
        raise Outside(f"has {found}, not {list(shape)}", "shape")
    if array.dtype.kind not in kinds:
        raise Outside("has items of another type, or numbers too large")
    return array


# --- strings and arrays ---------------------------------------------------------------------------


def checked_text(field: String, value: Any) -> str:
    """A string of a field. Raises Outside."""
    if not isinstance(value, str):
        raise Outside(f"is no string, but {shown(value)}")
    text = str(value)
    if not field.min_length <= len(text) <= field.max_length:
        limits = f"{field.min_length} to {field.max_length}"
        raise Outside(f"has {len(text)} characters, not {limits}", "max_length")
    if field.charset is not None:
        beyond = set(text) - _characters(field.charset)
        if beyond:
            raise Outside(f"has {min(beyond)!r}, which the charset doesn't have", "charset")
    return text


@cache
def _characters(charset: str) -> frozenset[str]:
    return frozenset(charset)


def checked_items(field: ListOf, value: Any) -> list[Any]:
    """The items of an array whose length varies. Raises Outside."""
    items = items_of(value)
    if len(items) < field.min_items or (
        field.max_items is not None and len(items) > field.max_items
    ):
        most = "more" if field.max_items is None else field.max_items
        raise Outside(f"has {len(items)} items, not {field.min_items} to {most}")
    return items


def items_of(value: Any, count: int | None = None) -> list[Any]:
    """The items of an array, of so many if a count is given. Raises Outside."""
    if isinstance(value, list | tuple):
        items = [*cast("list[Any]", value)]
    elif isinstance(value, np.ndarray) and value.ndim:
        items = [*value]
    else:
        raise Outside(f"is no array, but {shown(value)}")
    if count is not None and len(items) != count:
        raise Outside(f"has {len(items)} items, not {count}", "shape")
    return items
