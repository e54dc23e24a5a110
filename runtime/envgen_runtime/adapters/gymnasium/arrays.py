"""From the schemas of arrays to fields."""

from __future__ import annotations

import math
from itertools import repeat
from typing import Any

from ...contract.keywords import JsonSchema
from ...json_value import as_array
from .fields import Choice, Field, Fixed, Flags, ListOf, Number, Tensor, TupleOf
from .hints import Hint
from .notes import Reading

MAX_ITEMS = 10_000
"""Items of an array that get a space each. Numbers and booleans share one."""

MAX_ELEMENTS = 100_000_000
"""Numbers of one ``Box``."""


def read_array(reading: Reading, schema: JsonSchema, place: str, hint: Hint) -> Field:
    """The field of an array."""
    reading.only(place, hint, "shape")
    first: list[Any] = as_array(schema.get("prefixItems")) or []
    rest: Any = schema.get("items", True)
    least, most = _lengths(schema, first, rest)
    if hint.shape is not None:
        length = hint.shape[0]
        if length < least or (most is not None and length > most):
            reading.wrong(place, f"shape: the contract allows {_range(least, most)} items")
        least = most = length
    may_repeat = schema.get("uniqueItems") is not True or most in (0, 1)
    if most is not None and least > most:
        return reading.refuse(place, "has no value")
    if reading.is_action and not may_repeat:
        return reading.refuse(place, "is an array of unique items")
    if most == 0:
        return Fixed([])
    if first:
        return _tuple(reading, place, [*first], rest, (least, most))
    item = reading.read(rest, f"{place}[]", shape=hint.shape[1:] if hint.shape else ())
    if least != most:
        return ListOf(item, least, most)
    return _uniform(reading, place, item, least)


def _lengths(schema: JsonSchema, first: list[Any], rest: Any) -> tuple[int, int | None]:
    """The least and the greatest length."""
    longest = [int(schema["maxItems"])] if "maxItems" in schema else []
    if rest is False:
        longest.append(len(first))
    return int(schema.get("minItems", 0)), min(longest, default=None)


def _uniform(reading: Reading, place: str, item: Field, length: int) -> Field:
    """The field of an array of so many items of one kind."""
    match item:
        case Number():
            found: Tensor | Flags = Tensor((length,), (item,))
        case Tensor(shape, (part,)):
            found = Tensor((length, *shape), (part,))
        case Choice((False, True)):
            found = Flags((length,))
        case Flags(shape):
            found = Flags((length, *shape))
        case _:
            if length > MAX_ITEMS:
                return reading.refuse(place, f"has {length} items, which need a space each")
            return TupleOf((item,) * length, is_uniform=True)
    if math.prod(found.shape) > MAX_ELEMENTS:
        return reading.refuse(place, f"has more than {MAX_ELEMENTS} elements")
    return found


def _tuple(
    reading: Reading,
    place: str,
    first: list[Any],
    rest: Any,
    lengths: tuple[int, int | None],
) -> Field:
    """The field of an array whose first items have schemas of their own."""
    least, most = lengths
    if most is None or least != most or most > MAX_ITEMS:
        return reading.refuse(place, "is a tuple whose length varies", "shape")
    schemas: list[Any] = [*first, *repeat(rest, most)][:most]
    items = [reading.read(item, f"{place}[{at}]") for at, item in enumerate(schemas)]
    numbers = [item for item in items if isinstance(item, Number)]
    is_alike = len({(item.is_integer, item.dtype) for item in numbers}) == 1
    if len(numbers) == len(items) and is_alike:
        return Tensor((len(items),), tuple(numbers))
    return TupleOf(tuple(items))


def _range(least: int, most: int | None) -> str:
    return f"{least} or more" if most is None else f"{least} to {most}"
