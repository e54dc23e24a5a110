"""Scalars, enumerations, and the limits on them: what of them pydantic can check."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from fractions import Fraction
from functools import lru_cache
from typing import Any
from uuid import UUID

from pydantic_core import (
    CoreConfig,
    SchemaError,
    SchemaValidator,
    ValidationError,
    core_schema,
)

from ..schema.keywords import JsonSchema
from ..schema.limits import MAX_PATTERN_COST, pattern_cost
from .types import (
    ANY_LIST,
    ANY_MAP,
    NONE,
    Constrained,
    Scalar,
    Type,
    Values,
    union_of,
    value_literal,
)

Report = Callable[[str, str], None]
"""Takes a keyword and why it isn't checked."""

_SCALARS = {"boolean": "bool", "integer": "int", "null": "None", "number": "float", "string": "str"}

# Formats that have a Python type. The others are hints to people, and stay strings: the types that
# pydantic has for URLs, email addresses and secrets rewrite or hide what they hold.
FORMAT_TYPES = {
    "date": "date",
    "date-time": "datetime",
    "duration": "timedelta",
    "time": "time",
    "uuid": "UUID",
}

# What those types don't keep.
LOSSES = {
    "date-time": "a datetime keeps microseconds: nanoseconds are cut off, and a leap second is "
    "the last microsecond before it ends",
    "duration": "a timedelta keeps days: a year is read as 365 of them, a month as 30",
    "time": "a time keeps microseconds: nanoseconds are cut off, and a leap second is the last "
    "microsecond before it ends",
}

_PARSERS: Mapping[str, Callable[[str], object]] = {
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "time": time.fromisoformat,
    "UUID": UUID,
}

_NUMBER_BOUNDS = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
    "multipleOf": "multiple_of",
}
_LENGTHS = {
    "string": {"minLength": "min_length", "maxLength": "max_length"},
    "array": {"minItems": "min_length", "maxItems": "max_length"},
    "object": {"minProperties": "min_length", "maxProperties": "max_length"},
}

FIELD_KEYWORDS: Mapping[str, str] = {
    argument: keyword
    for keyword, argument in {**_NUMBER_BOUNDS, **_LENGTHS["string"], "pattern": "pattern"}.items()
}
"""The keyword of JSON Schema that each argument of ``Field`` on a scalar stands for."""

JSON_TYPES: Mapping[str, str] = {python: type_ for type_, python in _SCALARS.items()}
"""The JSON type of each scalar of Python."""


def scalar(kind: str, schema: JsonSchema, report: Report) -> Type:
    """The type for a scalar of JSON type ``kind``, with its limits."""
    if kind == "string":
        known = FORMAT_TYPES.get(str(schema.get("format")))
        if known is not None:
            for keyword in _LENGTHS["string"].keys() | {"pattern"}:
                if keyword in schema:
                    report(keyword, f"{keyword} isn't checked on a {known}")
            return Scalar(known)
    return limited(Scalar(_SCALARS[kind]), _limits(kind, schema, report))


def limited(type_: Type, limits: Mapping[str, Any], *, unique: bool = False) -> Type:
    """``type_`` under limits, if there are any."""
    return Constrained(type_, limits, unique=unique) if limits or unique else type_


def fits(kind: str, schema: JsonSchema, value: Any) -> bool:
    """Whether a scalar keeps the limits that the type for ``kind`` has."""
    limits = _limits(kind, schema, _ignore)
    try:
        _validator(kind, tuple(limits.items())).validate_python(value)
    except ValidationError:
        return False
    return True


def _ignore(_keyword: str, _why: str) -> None:
    """Reports are for the type; a default repeats none."""


def lengths(kind: str, schema: JsonSchema) -> dict[str, int]:
    """The ``Field`` arguments that limit an array's, a map's or a string's length."""
    return {
        # Nothing is longer than what Python can count.
        argument: min(int(schema[keyword]), sys.maxsize)
        for keyword, argument in _LENGTHS[kind].items()
        if keyword in schema
    }


def _limits(kind: str, schema: JsonSchema, report: Report) -> dict[str, Any]:
    """The ``Field`` arguments for a scalar."""
    limits: dict[str, Any] = {}
    if kind == "string":
        limits.update(lengths(kind, schema))
        pattern = schema.get("pattern")
        if pattern is not None and _is_usable(kind, {"pattern": pattern}):
            limits["pattern"] = pattern
        elif pattern is not None:
            report("pattern", "the pattern is not one that pydantic's regular expressions can say")
    if kind in ("integer", "number"):
        for keyword, argument in _NUMBER_BOUNDS.items():
            value = schema.get(keyword)
            if value is None:
                continue
            name, limit = (
                _integer_limit(argument, value) if kind == "integer" else (argument, value)
            )
            if _is_usable(kind, {name: limit}):
                limits[name] = limit
            else:
                report(keyword, f"{limit!r} is no limit for a Python {_SCALARS[kind]}")
    return limits


def _integer_limit(argument: str, value: float) -> tuple[str, int]:
    """The limit that a fraction is to integers."""
    if value == int(value):
        return argument, int(value)
    match argument:
        case "ge" | "gt":
            return "ge", math.ceil(value)
        case "le" | "lt":
            return "le", math.floor(value)
        case _:  # a multiple of 3/2 that is an integer is one of 3
            return argument, Fraction(str(value)).numerator


@lru_cache(maxsize=16)  # a pattern takes long to compile, and every enumerated value asks for it
def _validator(kind: str, limits: tuple[tuple[str, Any], ...]) -> SchemaValidator:
    return SchemaValidator(_core_schema(kind, dict(limits)), CoreConfig())


def _core_schema(kind: str, limits: dict[str, Any]) -> core_schema.CoreSchema:
    match kind:
        case "string":
            return core_schema.str_schema(**limits)
        case "integer":
            return core_schema.int_schema(**limits)
        case "number":
            return core_schema.float_schema(**limits)
        case _:
            return core_schema.any_schema()


def _is_usable(kind: str, limits: dict[str, Any]) -> bool:
    """Whether pydantic would accept these limits, and soon, when the module is imported."""
    if pattern_cost(limits.get("pattern", "")) > MAX_PATTERN_COST:
        return False
    try:
        _validator(kind, tuple(limits.items()))
    except (SchemaError, OverflowError, TypeError, ValueError):
        return False
    return True


def choices(values: list[Any]) -> Type:
    """The type for an enumeration or a constant."""
    numbers = [item for item in values if isinstance(item, int | float) and item is not True]
    numbers = [item for item in numbers if item is not False]
    is_whole = all(not isinstance(item, float) or item.is_integer() for item in numbers)
    # pydantic compares literals as integers of 64 bits, and type checkers know no fractions.
    fits_literal = is_whole and all(-(2**63) <= item < 2**63 for item in numbers)
    literals: list[str | int | bool] = []
    others: dict[Type, list[Any]] = {}
    for given in values:
        is_number = isinstance(given, int | float) and not isinstance(given, bool)
        value: Any = int(given) if is_number and is_whole else given
        if isinstance(value, str | bool) or (is_number and fits_literal):
            literals.append(value)
        elif value is not None:
            others.setdefault(_kind(value, is_whole=is_whole), []).append(value)
    unique = {value_literal(value): value for value in literals}
    members: list[Type] = [Values(tuple(unique.values()))] if unique else []
    members += [Constrained(kind, {}, tuple(allowed)) for kind, allowed in others.items()]
    return union_of([*members, *([NONE] if None in values else [])])


def _kind(value: Any, *, is_whole: bool) -> Type:
    if isinstance(value, dict):
        return ANY_MAP
    if isinstance(value, list):
        return ANY_LIST
    return Scalar("int" if is_whole else "float")


def parsed_literal(schema: JsonSchema, text: str) -> str | None:
    """The expression for a string of a format that has a Python type, ``text`` otherwise.

    None where the text isn't of the format, or Python has no expression for it.
    """
    known = FORMAT_TYPES.get(str(schema.get("format")))
    if known is None:
        return value_literal(text)
    if known == "timedelta":
        return _duration(text)
    parse = _PARSERS.get(known)
    if parse is None:
        return None
    try:
        parse(text)
    except ValueError:
        return None
    call = known if known == "UUID" else f"{known}.fromisoformat"
    return f"{call}({value_literal(text)})"


def _duration(text: str) -> str | None:
    """The expression for a duration, as pydantic reads it."""
    try:
        value = SchemaValidator(core_schema.timedelta_schema()).validate_python(text)
    except ValidationError:
        return None
    parts = {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}
    given = ", ".join(f"{name}={number}" for name, number in parts.items() if number)
    return f"timedelta({given})"
