"""Whether a schema that a server publishes can be looked at.

A server may publish anything. What compares contracts takes a schema for one: that its keywords
have values of their kind, and that a walk over it ends soon. This says so, without recursion, and
looks at each value once.
"""

from __future__ import annotations

from typing import Any

from ..json_value import as_array, as_object
from .keywords import MAX_DEPTH, SCHEMA_LISTS, SCHEMA_MAPS, SCHEMAS, VALUES

MAX_VALUES = 50_000
"""JSON values in a published schema. Real ones have some hundreds; the largest public one 1,418."""


def fault(schema: Any) -> str | None:
    """Return why a published schema can't be compared; None where it can."""
    level: list[tuple[Any, bool]] = [(schema, True)]
    number = 0
    for _ in range(2 * MAX_DEPTH):  # a schema and the map that holds it are two levels of JSON
        number += len(level)
        if number > MAX_VALUES:
            return f"it has more than {MAX_VALUES:,} values"
        inner: list[tuple[Any, bool]] = []
        for value, is_schema in level:
            fields = as_object(value)
            if is_schema and fields is not None:
                for keyword, child in fields.items():
                    if not _fits(keyword, child):
                        return f"{keyword[:40]!r} has a value that it can't have"
                    inner += _within(keyword, child)
            elif is_schema and not isinstance(value, bool):
                return "it is not a JSON Schema"
            elif fields is not None:
                inner += [(child, False) for child in fields.values()]
            else:
                inner += [(child, False) for child in as_array(value) or []]
        if not inner:
            return None
        level = inner
    return "it is nested too deeply"


def _within(keyword: str, value: Any) -> list[tuple[Any, bool]]:
    """The values within the value of a keyword, and whether each is a schema."""
    fields, items = as_object(value), as_array(value)
    if keyword in SCHEMA_MAPS and fields is not None:
        return [(child, not isinstance(child, list)) for child in fields.values()]
    if keyword in SCHEMA_LISTS | SCHEMAS:
        return [(value, True)] if items is None else [(child, True) for child in items]
    return [(value, False)]


def _fits(keyword: str, value: Any) -> bool:
    """Whether a keyword has a value that those who read schemas can do something with."""
    if VALUES.get(keyword) == "names":
        items = as_array(value)
        return items is not None and all(isinstance(item, str) for item in items)
    return isinstance(value, _KINDS.get(keyword, object))


_KINDS: dict[str, type] = {
    **dict.fromkeys(SCHEMA_MAPS, dict),
    **dict.fromkeys(SCHEMA_LISTS, list),
    **{keyword: str for keyword, kind in VALUES.items() if kind == "string"},
    **{keyword: list for keyword, kind in VALUES.items() if kind == "array"},
    **{keyword: dict for keyword, kind in VALUES.items() if kind in ("discriminator", "name map")},
}

__all__ = ["MAX_VALUES", "fault"]
