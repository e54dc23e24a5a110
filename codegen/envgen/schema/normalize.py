"""A JSON Schema, checked and brought into normal form.

The normal form holds known keywords only: extension keys, which some generators take for
instructions, end here. Keywords that say nothing about the data (examples, comments) are dropped
silently, unknown ones with a finding.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from envgen_runtime.contract.normal_form import normal_form

from ..errors import ContractError
from ..findings import Finding
from .keywords import (
    DEFINITIONS,
    MAX_DEPTH,
    SCHEMA_LISTS,
    SCHEMA_MAPS,
    SCHEMAS,
    TYPES,
    VALUES,
    JsonSchema,
    ValueType,
    as_array,
    as_object,
    json_type,
    pointer_to,
)
from .limits import Budget, shown_pointer

MAX_KEYWORD = 60
"""Characters of an unknown keyword that a finding shows."""

_SILENTLY_DROPPED = frozenset(
    {
        "$comment", "$schema", "$vocabulary", "example", "examples", "id",
        "x-fastmcp-wrap-result",  # the schema itself shows it
    }
)  # fmt: skip


def normalize(
    schema: Any, *, pointer: str, source: str, budget: Budget | None = None
) -> tuple[JsonSchema, tuple[Finding, ...]]:
    """Return the normal form of a part's ``schema``, and the findings about what was dropped.

    Errors and findings have ``pointer``, the part's place in the contract. What the schema has is
    taken from ``budget``, the contract's; without one, its limits hold for the schema alone.

    Raises:
        ContractError: it is not a JSON Schema, or is too large.
    """
    checker = _Checker(source, budget or Budget(source))
    title = (as_object(schema) or {}).get("title")
    if isinstance(title, str):
        checker.name(title, pointer)  # the class of a part has its title
    checker.schema(schema, pointer, depth=0)
    if not isinstance(schema, dict):
        raise ContractError(
            "a part of a contract is a schema object, not true or false",
            source=source,
            pointer=pointer,
        )
    return normal_form(schema), tuple(checker.findings)


class _Checker:
    """Refuses what is not a JSON Schema, and notes the keywords that envgen doesn't know."""

    def __init__(self, source: str, budget: Budget) -> None:
        self.findings: list[Finding] = []
        self._source = source
        self._budget = budget

    def name(self, name: str, pointer: str) -> None:
        """Check a name that a class may have."""
        self._budget.name(name, pointer)

    def schema(self, value: Any, pointer: str, *, depth: int) -> None:
        self._budget.schema(pointer)
        if depth > MAX_DEPTH:
            raise self._error(pointer, f"more than {MAX_DEPTH} levels")
        if isinstance(value, bool):
            return
        fields = as_object(value)
        if fields is None:
            raise self._error(pointer, f"a schema is an object or a boolean, not {_named(value)}")
        for key, child in fields.items():
            place = pointer_to(pointer, key[:MAX_KEYWORD])
            if key in SCHEMA_MAPS:
                self._map(key, child, place, depth)
            elif key in SCHEMA_LISTS or (key in SCHEMAS and isinstance(child, list)):
                self._list(child, place, depth)
            elif key in SCHEMAS:
                self.schema(child, place, depth=depth + 1)
            elif key in VALUES:
                self._value(key, child, place)
            elif key not in _SILENTLY_DROPPED:
                self._budget.value(None, place)
                self.findings.append(Finding("info", place, "not a keyword that envgen knows"))

    def _map(self, key: str, value: Any, pointer: str, depth: int) -> None:
        fields = as_object(value)
        if fields is None:
            raise self._error(pointer, f"expected an object of schemas, not {_named(value)}")
        for name, child in fields.items():
            if key == "patternProperties":
                self._budget.pattern(name, pointer)
            elif key in DEFINITIONS or key == "properties":
                self._budget.name(name, pointer)
            if key != "dependencies" or not _is_names(child):
                self.schema(child, pointer_to(pointer, name), depth=depth + 1)
            else:
                self._budget.value(child, pointer)

    def _list(self, value: Any, pointer: str, depth: int) -> None:
        items = as_array(value)
        if not items:
            raise self._error(pointer, "expected a list of schemas that is not empty")
        self._budget.members(items, pointer)
        for index, child in enumerate(items):
            self.schema(child, pointer_to(pointer, index), depth=depth + 1)

    def _value(self, key: str, value: Any, pointer: str) -> None:
        self._budget.value(value, pointer)
        is_valid, expected = _EXPECTED[VALUES[key]]
        if not is_valid(value):
            shown = textwrap.shorten(repr(value), width=60, placeholder="...")
            raise self._error(pointer, f"{key} can't be {shown}", hint=f"expected {expected}")
        if key == "pattern":
            self._budget.pattern(value, pointer)

    def _error(self, pointer: str, message: str, *, hint: str = "") -> ContractError:
        return ContractError(
            message, source=self._source, pointer=shown_pointer(pointer), hint=hint
        )


def _named(value: Any) -> str:
    """A value's type, as a message names it."""
    name = json_type(value)
    article = {"array": "an ", "null": "", "object": "an "}.get(name, "a ")
    return f"{article}{name}"


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_type(value: Any) -> bool:
    return all(isinstance(name, str) and name in TYPES for name in as_array(value) or [value])


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in as_array(value) or [])


def _is_name_map(value: Any) -> bool:
    fields = as_object(value)
    return fields is not None and all(map(_is_names, fields.values()))


def _is_discriminator(value: Any) -> bool:
    return isinstance((as_object(value) or {}).get("propertyName"), str)


# What the value of a keyword must be, and how a message says so.
_EXPECTED: Mapping[ValueType, tuple[Callable[[Any], bool], str]] = {
    "any": (lambda _: True, "any value"),
    "array": (lambda value: bool(as_array(value)), "a list of at least one value"),
    "boolean": (lambda value: isinstance(value, bool), "true or false"),
    # draft 4 and OpenAPI 3.0 have booleans
    "bound": (lambda value: _is_number(value) or isinstance(value, bool), "a number"),
    "discriminator": (_is_discriminator, 'an object such as {"propertyName": "type"}'),
    "name map": (_is_name_map, "an object of lists of names"),
    "names": (_is_names, "a list of names"),
    "number": (_is_number, "a number"),
    "positive": (lambda value: _is_number(value) and value > 0, "a number above zero"),
    "size": (_is_size, "a whole number, zero or more"),
    "string": (lambda value: isinstance(value, str), "a string"),
    "type": (_is_type, f"one or several of {', '.join(TYPES)}"),
}
