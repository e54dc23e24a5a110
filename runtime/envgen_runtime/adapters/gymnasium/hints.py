"""What a contract can't say, said by the user: a hint for a place of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...errors import EnvError
from ...json_value import as_array, as_object
from .charsets import read_charset

# The integers that a float64 has all of, and what a Box can sample: numpy's types without uint64.
INTEGER_TYPES: Final[Mapping[str, tuple[int, int]]] = {
    **{f"int{bits}": (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (0, 2**bits - 1) for bits in (8, 16, 32)},
}
FLOAT_TYPES = ("float32", "float64")


class HintError(EnvError, ValueError):
    """A hint that can't be: of an unknown place, of another type, or against the contract."""


@dataclass(frozen=True, slots=True)
class Hint:
    r"""What is true of a place beyond the contract.

    Attributes:
        bounds: the least and the greatest value of a number; they may be infinite.
        dtype: the numpy type of a number's ``Box``. Its range is a bound.
        max_length: of a string, in code points.
        charset: the characters of a string, such as ``[a-z0-9 \n]``.
        shape: the length of an array, and of the arrays within it.
        as_json: write an observed value of any type as JSON, into a ``Text``.
        given: an optional field is always given.
        ignore: leave out a field, or a member of a union.
    """

    bounds: tuple[float, float] | None = None
    dtype: str | None = None
    max_length: int | None = None
    charset: str | None = None
    shape: tuple[int, ...] | None = None
    as_json: bool = False
    given: bool = False
    ignore: bool = False


def read_hints(hints: Mapping[str, object]) -> dict[str, Hint]:
    """Read hints, by their places.

    Args:
        hints: for each place, a mapping with some of ``Hint``'s attributes, as TOML and JSON have
            them: arrays for ``bounds`` and ``shape``, an infinite bound as ``inf`` or null.

    Raises:
        HintError: one can't be read.
    """
    return {place: _hint(place, value) for place, value in hints.items()}


def _hint(place: str, value: object) -> Hint:
    fields = as_object(value)
    if not fields:
        raise HintError(f"{place}: a hint has some of {', '.join(_READERS)}")
    unknown = sorted(fields.keys() - _READERS.keys())
    if unknown:
        raise HintError(f"{place}: {', '.join(unknown)}: a hint has some of {', '.join(_READERS)}")
    read: dict[str, Any] = {}
    for name, given in fields.items():
        try:
            read[name] = _READERS[name](given)
        except ValueError as error:
            raise HintError(f"{place}: {name}: {error}") from error
    return Hint(**read)


def _bounds(value: Any) -> tuple[float, float]:
    match as_array(value):
        case [least, most] if _is_bound(least) and _is_bound(most):
            low = -math.inf if least is None else least
            high = math.inf if most is None else most
        case _:
            raise ValueError("two numbers, such as [0, 6]")
    if math.isnan(low) or math.isnan(high) or low > high:
        raise ValueError("the least value comes first")
    return (low, high)


def _shape(value: Any) -> tuple[int, ...]:
    items = as_array(value)
    if not items or not all(map(_is_count, items)):
        raise ValueError("the length of each level, such as [6, 7]")
    return tuple(items)


def _dtype(value: Any) -> str:
    if value in INTEGER_TYPES or value in FLOAT_TYPES:
        return str(value)
    raise ValueError(f"one of {', '.join((*INTEGER_TYPES, *FLOAT_TYPES))}")


def _max_length(value: Any) -> int:
    if not _is_count(value):
        raise ValueError("a count of characters, such as 1000")
    return int(value)


def _charset(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(  # noqa: TRY004 - as for the others
            "a class of a regular expression, such as '[a-z0-9 ]'"
        )
    read_charset(value)
    return value


def _true(value: Any) -> bool:
    if value is not True:
        raise ValueError("true, or no hint")
    return True


def _is_bound(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "bounds": _bounds,
    "dtype": _dtype,
    "max_length": _max_length,
    "charset": _charset,
    "shape": _shape,
    "as_json": _true,
    "given": _true,
    "ignore": _true,
}
