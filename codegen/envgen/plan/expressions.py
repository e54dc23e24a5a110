"""Type expressions: scalars, literals, unions, and the constraints on them."""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from fractions import Fraction
from typing import Any
from uuid import UUID

from pydantic_core import (
    CoreConfig,
    SchemaError,
    SchemaValidator,
    ValidationError,
    core_schema,
)

from ..schema.keywords import JsonSchema, as_array, as_object
from ..text import UntrustedText, literal

JSON_VALUE = "JsonValue"

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


def scalar(kind: str, schema: JsonSchema, report: Report) -> str:
    """The expression for a scalar of JSON type ``kind``, with its constraints."""
    python = _SCALARS[kind]
    if kind == "string":
        known = FORMAT_TYPES.get(str(schema.get("format")))
        if known is not None:
            for keyword in _LENGTHS["string"].keys() | {"pattern"}:
                if keyword in schema:
                    report(keyword, f"{keyword} isn't checked on a {known}")
            return known
    limits = _limits(kind, schema, report)
    arguments = (
        f"{name}={literal(UntrustedText(limit)) if isinstance(limit, str) else repr(limit)}"
        for name, limit in limits.items()
    )
    return annotated(python, arguments)


def fits(kind: str, schema: JsonSchema, value: Any) -> bool:
    """Whether a scalar keeps the limits that the type for ``kind`` has."""
    limits = _limits(kind, schema, _ignore)
    try:
        SchemaValidator(_core_schema(kind, limits), CoreConfig()).validate_python(value)
    except ValidationError:
        return False
    return True


def _ignore(_keyword: str, _why: str) -> None:
    """Reports are for the type; a default repeats none."""


def annotated(expression: str, arguments: Iterable[str], *constraints: str) -> str:
    """``expression`` under a ``Field`` with ``arguments`` and under ``constraints``, if any."""
    field = ", ".join(arguments)
    metadata = [*([f"Field({field})"] if field else []), *constraints]
    return f"Annotated[{expression}, {', '.join(metadata)}]" if metadata else expression


def lengths(kind: str, schema: JsonSchema) -> list[str]:
    """The ``Field`` arguments that limit an array's or a map's length."""
    return [f"{argument}={limit}" for argument, limit in _lengths(kind, schema).items()]


def _lengths(kind: str, schema: JsonSchema) -> dict[str, int]:
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
        limits.update(_lengths(kind, schema))
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
    """Whether pydantic would accept these limits when the module is imported."""
    try:
        SchemaValidator(_core_schema(kind, limits), CoreConfig())
    except (SchemaError, OverflowError, TypeError, ValueError):
        return False
    return True


def choices(values: list[Any]) -> str:
    """The expression for an enumeration or a constant."""
    has_fractions = any(isinstance(value, float) and not value.is_integer() for value in values)
    literals: list[Any] = []
    others: dict[str, list[Any]] = {}
    for value in values:
        if isinstance(value, float) and not has_fractions:
            literals.append(int(value))
        elif (
            value is None
            or isinstance(value, str | bool)
            or (isinstance(value, int) and not has_fractions)
        ):
            literals.append(value)
        else:
            others.setdefault(_kind(value), []).append(value)
    unique = dict.fromkeys(value_literal(value) for value in literals if value is not None)
    members = [f"Literal[{', '.join(unique)}]"] if unique else []
    members += [f"Annotated[{kind}, {one_of(allowed)}]" for kind, allowed in others.items()]
    return " | ".join(members + ["None"] * (None in literals))


def constant_of(expression: str) -> str | None:
    """The one value of a type that has no other, as an expression."""
    match ast.parse(expression, mode="eval").body:
        case ast.Subscript(value=ast.Name(id="Literal"), slice=ast.Constant() as only):
            return value_literal(only.value)
        case _:
            return None


def one_of(values: list[Any]) -> str:
    """The constraint that a value is one of these."""
    return f"OneOf({', '.join(map(value_literal, values))})"


def _kind(value: Any) -> str:
    if isinstance(value, dict):
        return f"dict[str, {JSON_VALUE}]"
    return f"list[{JSON_VALUE}]" if isinstance(value, list) else "float"


def value_literal(value: Any) -> str:
    """The Python literal for a JSON value."""
    if isinstance(value, str):
        return literal(UntrustedText(value))
    fields, items = as_object(value), as_array(value)
    if fields is not None:
        pairs = (f"{value_literal(key)}: {value_literal(item)}" for key, item in fields.items())
        return f"{{{', '.join(pairs)}}}"
    if items is not None:
        return f"[{', '.join(map(value_literal, items))}]"
    return repr(value)


def parsed_literal(schema: JsonSchema, text: str) -> str | None:
    """The expression for a string of a format that has a Python type, ``text`` otherwise.

    None where the text isn't of the format, or Python has no expression for it.
    """
    known = FORMAT_TYPES.get(str(schema.get("format")))
    if known is None:
        return value_literal(text)
    parse = _PARSERS.get(known)
    if parse is None:
        return None
    try:
        parse(text)
    except ValueError:
        return None
    call = known if known == "UUID" else f"{known}.fromisoformat"
    return f"{call}({value_literal(text)})"


def nullable(expression: str) -> str:
    """``expression`` or ``None``."""
    is_nullable = expression in (JSON_VALUE, "None") or expression.endswith("| None")
    if is_nullable or expression.startswith("Omittable["):
        return expression
    return f"{expression} | None"


def absent(expression: str) -> str:
    """The type of a field that may be left out, which reads as None, but is never null."""
    if nullable(expression) == expression:
        return expression
    return f"Omittable[{expression}]"


def names_in(expression: str) -> list[str]:
    """The names that an expression uses, each once."""
    nodes = ast.walk(ast.parse(expression, mode="eval"))
    names = sorted((node.col_offset, node.id) for node in nodes if isinstance(node, ast.Name))
    return list(dict.fromkeys(name for _, name in names))


def union_of(members: list[str]) -> str:
    """The union of ``members``, each once, ``None`` last."""
    parts = [part for member in members for part in _without_none(member)]
    unique = [part for part in dict.fromkeys(parts) if part != "None"]
    if JSON_VALUE in unique:
        return JSON_VALUE
    return " | ".join(unique + ["None"] * ("None" in parts)) or JSON_VALUE


def tagged_union(members: tuple[str, ...], tag: str | None) -> str:
    """The union of classes that the field ``tag`` tells apart; a plain one where it is None."""
    arguments = [] if tag is None else [f"discriminator={literal(UntrustedText(tag))}"]
    return annotated(" | ".join(members), arguments)


def _without_none(expression: str) -> list[str]:
    if expression.endswith(" | None"):
        return [expression.removesuffix(" | None"), "None"]
    return [expression]
