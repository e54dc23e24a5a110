"""From the schemas of numbers and strings to fields."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction

from ...contract.keywords import JsonSchema
from .charsets import read_charset, simple_pattern
from .fields import Field, Number, String
from .hints import FLOAT_TYPES, INTEGER_TYPES, Hint
from .notes import Reading

MAX_CHOICES = 100_000
"""Multiples that a ``Discrete`` may list. Each is kept."""

# --- numbers --------------------------------------------------------------------------------------


def read_number(reading: Reading, schema: JsonSchema, place: str, hint: Hint) -> Field:
    """The field of a number or an integer."""
    reading.only(place, hint, "bounds", "dtype")
    is_integer = schema["type"] == "integer"
    low, high = _bounds(schema, is_integer=is_integer)
    if hint.bounds is not None:
        low, high = _hinted(reading, place, hint.bounds, (low, high), is_integer=is_integer)
    dtype = hint.dtype
    if dtype is not None and is_integer != (dtype in INTEGER_TYPES):
        types = ", ".join(INTEGER_TYPES if is_integer else FLOAT_TYPES)
        reading.wrong(place, f"dtype: one of {types}")
        dtype = None
    if dtype is not None and dtype in INTEGER_TYPES:
        least, most = INTEGER_TYPES[dtype]
        low, high = max(_or(low, least), least), min(_or(high, most), most)
    if low is not None and high is not None and low > high:
        return reading.refuse(place, "has no value")
    if reading.is_action:
        what = "an integer" if is_integer else "a number"
        if hint.bounds is None and (low is None or high is None):
            return reading.refuse(place, f"is {what} without two bounds", "bounds")
        if math.isinf(_float(_or(high, 0)) - _float(_or(low, 0))):
            return reading.refuse(place, f"is {what} with bounds too far apart", "bounds")
        step = schema.get("multipleOf")
        if step is not None and not (is_integer and Fraction(str(step)).numerator == 1):
            return _multiples(reading, place, step, low, high, is_integer=is_integer)
    return Number(is_integer, low, high, dtype)


def _bounds(schema: JsonSchema, *, is_integer: bool) -> tuple[float | None, float | None]:
    """The least and the greatest value that the contract allows."""
    lows: list[float] = []
    highs: list[float] = []
    if (low := schema.get("minimum")) is not None:
        lows.append(math.ceil(low) if is_integer else _float(low))
    if (above := schema.get("exclusiveMinimum")) is not None:
        lows.append(math.floor(above) + 1 if is_integer else _next(above, math.inf))
    if (high := schema.get("maximum")) is not None:
        highs.append(math.floor(high) if is_integer else _float(high))
    if (below := schema.get("exclusiveMaximum")) is not None:
        highs.append(math.ceil(below) - 1 if is_integer else _next(below, -math.inf))
    return max(lows, default=None), min(highs, default=None)


def _float(bound: float) -> float:
    """The nearest float of a bound; an infinity where it is beyond them all."""
    try:
        return float(bound)
    except OverflowError:
        return math.copysign(math.inf, bound)


def _next(bound: float, towards: float) -> float:
    """The first float beyond a bound that is exclusive."""
    nearest = _float(bound)
    is_beyond = nearest > bound if towards > 0 else nearest < bound
    return nearest if is_beyond else math.nextafter(nearest, towards)


def _hinted(
    reading: Reading,
    place: str,
    bounds: tuple[float, float],
    contracts: tuple[float | None, float | None],
    *,
    is_integer: bool,
) -> tuple[float | None, float | None]:
    """The bounds of a hint, within those of the contract."""
    low, high = (None if math.isinf(bound) else bound for bound in bounds)
    least, most = contracts
    if is_integer and any(bound is not None and bound % 1 for bound in (low, high)):
        reading.wrong(place, "bounds: of an integer, they are integers")
        return contracts
    is_wider = (least is not None and _or(low, -math.inf) < least) or (
        most is not None and _or(high, math.inf) > most
    )
    if is_wider:
        allowed = [_or(least, -math.inf), _or(most, math.inf)]
        reading.wrong(place, f"bounds: the contract allows no more than {allowed}")
        return contracts
    convert = int if is_integer else float
    return (None if low is None else convert(low), None if high is None else convert(high))


def _multiples(
    reading: Reading,
    place: str,
    step: float,
    low: float | None,
    high: float | None,
    *,
    is_integer: bool,
) -> Field:
    """The multiples of a number, one by one: no ``Box`` has these alone."""
    if low is None or high is None:
        return reading.refuse(place, f"is a multiple of {step} without two bounds", "bounds")
    each = Fraction(str(step))
    if is_integer:
        each = Fraction(each.numerator)
    first = math.ceil(Fraction(Decimal(str(low))) / each)
    last = math.floor(Fraction(Decimal(str(high))) / each)
    if last - first >= MAX_CHOICES:
        return reading.refuse(place, f"has more than {MAX_CHOICES} multiples of {step}", "bounds")
    found = (each * number for number in range(first, last + 1))
    values = [int(value) if is_integer else float(value) for value in found]
    return reading.choice(values, place)


def _or(bound: float | None, otherwise: float) -> float:
    return otherwise if bound is None else bound


# --- strings --------------------------------------------------------------------------------------


def read_string(reading: Reading, schema: JsonSchema, place: str, hint: Hint) -> Field:
    """The field of a string; of JSON text if the hint says so."""
    as_json = ("as_json",) if hint.as_json and not schema else ()
    reading.only(place, hint, "max_length", "charset", *as_json)
    if reading.is_action and "format" in schema:
        return reading.refuse(place, f"is a string of format {schema['format']}")
    shortest, longest, charset = _said(schema)
    if reading.is_action and charset is None and "pattern" in schema:
        return reading.refuse(place, "has a pattern that says more than its characters")
    charset = _hinted_charset(reading, place, hint.charset, charset)
    if reading.is_action and charset is not None:
        charset = "".join(filter(_can_be_sent, charset))
    if hint.max_length is not None:
        if longest is not None and hint.max_length > longest:
            reading.wrong(place, f"max_length: the contract allows no more than {longest}")
        elif hint.max_length < shortest:
            reading.wrong(place, f"max_length: the contract allows no less than {shortest}")
        longest = hint.max_length
    lacks_charset = charset is None and reading.is_action
    if longest is None or lacks_charset:
        lacking = {
            "of any length": ("max_length", longest is None),
            "of any characters": ("charset", lacks_charset),
        }
        why = " and ".join(words for words, (_, is_so) in lacking.items() if is_so)
        needed = [name for name, is_so in lacking.values() if is_so]
        return reading.refuse(place, f"is a string {why}", *as_json, *needed)
    if longest == 0 or (charset == "" and shortest == 0):
        return reading.choice([""] if shortest == 0 else [], place)
    if shortest > longest or charset == "":
        return reading.refuse(place, "has no value")
    return String(shortest, longest, charset, is_json=bool(as_json))


def _said(schema: JsonSchema) -> tuple[int, int | None, str | None]:
    """The least and the greatest length, and the characters of a pattern that says no more."""
    shortest = int(schema.get("minLength", 0))
    longest = [int(schema["maxLength"])] if "maxLength" in schema else []
    simple = simple_pattern(str(schema["pattern"])) if "pattern" in schema else None
    if simple is None:
        return shortest, min(longest, default=None), None
    if simple.max_length is not None:
        longest.append(simple.max_length)
    return max(shortest, simple.min_length), min(longest, default=None), simple.charset


def _hinted_charset(
    reading: Reading, place: str, hinted: str | None, contracts: str | None
) -> str | None:
    if hinted is None:
        return contracts
    charset = read_charset(hinted)
    if contracts is not None and (beyond := sorted(set(charset) - set(contracts))):
        reading.wrong(place, f"charset: the contract's pattern doesn't allow {beyond[0]!r}")
    return charset


def _can_be_sent(character: str) -> bool:
    """Whether a sample can have a character.

    UTF-8 has no halves of surrogate pairs, and numpy's strings, of which samples are made, lose
    NUL.
    """
    return character != "\0" and not "\ud800" <= character <= "\udfff"
