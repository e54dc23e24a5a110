"""JSON values: their type and equality, how places within them are told, and what is none."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from datetime import date, time, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast
from urllib.parse import quote, unquote
from uuid import UUID

if TYPE_CHECKING:
    from pydantic import JsonValue, ValidationError
else:
    # Replies come out of a JSON parser and requests go into a JSON writer, so validating them as
    # JSON would repeat that work, and pydantic's own validator walks every value in Python.
    JsonValue = Any

__all__ = [
    "Inner", "JsonFields", "JsonValue", "NotJson", "as_array", "as_object", "at_pointer",
    "comparable", "first_not_json", "from_numpy", "is_json_scalar", "is_numpys", "is_refused",
    "json_path", "pointer_keys", "pointer_of", "pointer_to", "reference_to", "same_json",
    "violations",
]  # fmt: skip

_MAX_INDEX_DIGITS = 9  # int() refuses very long texts
_DEEPEST = 254  # as pydantic writes
_SCALARS = (str, int, float, bool, type(None), date, time, timedelta, UUID, Enum)
_REFUSED = (bytes, bytearray, set, frozenset)


def as_object(value: Any) -> dict[str, Any] | None:
    """Return ``value`` if it is a JSON object (whose keys are strings, being JSON's)."""
    fields: dict[str, Any] | None = value if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType]
    return fields


def as_array(value: Any) -> list[Any] | None:
    """Return ``value`` if it is a JSON array."""
    items: list[Any] | None = value if isinstance(value, list) else None  # pyright: ignore[reportUnknownVariableType]
    return items


class JsonFields(dict[str, Any]):
    """The fields of an object, known to be JSON at every depth: pydantic-core may write them.

    Its writer is several times as quick as Python's, and writes what JSON doesn't have as well.
    """

    __slots__ = ()


# --- equality -----------------------------------------------------------------------------------


def same_json(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: 1 equals 1.0, and does not equal true."""
    waiting = [(one, other)]
    while waiting:
        first, second = waiting.pop()
        fields, others = as_object(first), as_object(second)
        items, members = as_array(first), as_array(second)
        if fields is not None and others is not None:
            if fields.keys() != others.keys():
                return False
            waiting += [(item, others[key]) for key, item in fields.items()]
        elif items is not None and members is not None:
            if len(items) != len(members):
                return False
            waiting += zip(items, members, strict=True)
        elif isinstance(first, bool) is not isinstance(second, bool) or first != second:
            return False
    return True


def comparable(value: Any) -> Hashable:
    """Return a key for sets and dictionaries; keys are equal where ``same_json`` holds.

    A tuple counts as an array, and a pydantic model as the object that it is dumped as.
    """
    if isinstance(value, bool):
        return ("bool", value)
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        return ("list", tuple(comparable(item) for item in cast("list[Any]", value)))
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return ("dict", frozenset((key, comparable(item)) for key, item in fields.items()))
    if hasattr(value, "model_dump"):
        return comparable(value.model_dump(by_alias=True, exclude_unset=True))
    return cast("Hashable", value)


# --- places -------------------------------------------------------------------------------------


def json_path(parts: Iterable[str | int], *, root: str = "$") -> str:
    """Return ``$.board[3]`` for ``("board", 3)``."""
    return root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def pointer_to(pointer: str, *keys: str | int) -> str:
    """Extend a JSON pointer (RFC 6901) by ``keys``, escaped."""
    escaped = (str(key).replace("~", "~0").replace("/", "~1") for key in keys)
    return "/".join((pointer, *escaped))


def pointer_keys(pointer: str) -> list[str]:
    """Split a JSON pointer into its keys, unescaped."""
    return [key.replace("~1", "/").replace("~0", "~") for key in pointer.split("/")[1:]]


def pointer_of(reference: str) -> str | None:
    """Return the JSON pointer in a reference such as ``#/$defs/Point``; None if it has none."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    return unquote(reference[1:])


def reference_to(pointer: str) -> str:
    """Return a reference with a JSON pointer: the inverse of ``pointer_of``."""
    return "#" + quote(pointer, safe="/~$")


def at_pointer(document: Any, pointer: str) -> Any:
    """Return the value at a JSON pointer. Raises LookupError if there is none."""
    value = document
    for key in pointer_keys(pointer):
        fields, items = as_object(value), as_array(value)
        if fields is not None and key in fields:
            value = fields[key]
        elif items is not None and key.isdecimal() and int(key[:_MAX_INDEX_DIGITS]) < len(items):
            value = items[int(key[:_MAX_INDEX_DIGITS])]
        else:
            raise LookupError(pointer)
    return value


# --- places that pydantic names -----------------------------------------------------------------

_MAX_SHOWN_ERRORS = 3
_MAX_EXCERPT = 60
_MAX_LISTED = 10_000
"""How many violations pydantic is asked to list, with 700 bytes for each. It leaves a list at its
first wrong item, but validates all of an object's values."""
_VALIDATOR = re.compile(r"[a-z][a-z-]*\[.+\]")
"""How pydantic names a branch of a union that has no name of one word: ``list[int]``."""


def violations(error: ValidationError, root: str) -> tuple[str, str]:
    """Describe a validation error: its first few violations as text, and the path of the first.

    ``root`` is the path of what was validated.
    """
    if (count := error.error_count()) > _MAX_LISTED:
        return f"{count:,} values don't fit, too many to list", root
    details = error.errors(include_url=False, include_context=False)
    paths = [json_path(loc, root=root) for loc in _places([detail["loc"] for detail in details])]
    shown = "; ".join(
        f"{path}: {detail['msg']}{_found(detail)}"
        for path, detail in zip(paths[:_MAX_SHOWN_ERRORS], details, strict=False)
    )
    more = len(details) - _MAX_SHOWN_ERRORS
    return (
        f"{shown} (and {more} more)" if more > 0 else shown,
        paths[0],
    )


def _places(locs: list[tuple[int | str, ...]]) -> list[tuple[int | str, ...]]:
    """Pydantic's places without the branches of unions, of which one is named by its validator."""
    unions = {
        loc[:at]
        for loc in locs
        for at, part in enumerate(loc)
        if isinstance(part, str) and _VALIDATOR.fullmatch(part)
    }
    return [tuple(part for at, part in enumerate(loc) if loc[:at] not in unions) for loc in locs]


def _found(detail: Any) -> str:
    """The value found; nothing for a missing field, whose input is all of its surroundings."""
    if detail["type"] == "missing":
        return ""
    text = repr(detail["input"])
    return f", not {text if len(text) <= _MAX_EXCERPT else text[: _MAX_EXCERPT - 3] + '...'}"


# --- what JSON doesn't have ----------------------------------------------------------------------

Inner: TypeAlias = Iterable[tuple[str | int, Any, bool]]
"""What is in a value: the key of each item, the item, and whether the item has no type of its own,
so that JSON's rule is the only one."""


class NotJson(NamedTuple):
    """A value that can't be sent.

    Attributes:
        path: where it stands, as a JSON path.
        reason: what it is.
    """

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


def is_json_scalar(value: Any) -> bool:
    """Whether a value that is no container is sent, where anything is that JSON has."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, _SCALARS)


def is_refused(value: Any) -> bool:
    """Whether a value is not sent whatever the type of its field: JSON has nothing like it."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, _REFUSED)


def from_numpy(value: Any) -> Any:
    """A numpy scalar or array as a number or a list; any other value as it is.

    numpy is not imported for it. One that Python has no number for comes back as it is.
    """
    return value.tolist() if is_numpys(value) else value


def is_numpys(value: Any) -> bool:
    """Whether a value is numpy's own."""
    return type(value).__module__ == "numpy" and hasattr(value, "tolist")


Found: TypeAlias = tuple[tuple[str | int, ...], Any, bool, tuple[int, ...]]
"""The path of a value, the value, whether it is free, and the ids of what it is in."""


def first_not_json(
    value: Any, fields_of: Callable[[Any], Inner | None] = lambda _: None
) -> NotJson | None:
    """The first value within ``value`` that can't be sent; None if there is none.

    Args:
        value: the fields of a request, as they were given.
        fields_of: the fields of a model; None for what is none.
    """
    waiting: list[Found] = [((), value, True, ())]
    while waiting:
        path, found, is_free, around = waiting.pop()
        item = from_numpy(found.value if isinstance(found, Enum) and is_free else found)
        inner = fields_of(item)
        if inner is None:
            inner = _inner(item, is_free=is_free)
        if inner is None:
            reason = _reason(item, is_free=is_free)
        elif id(found) in around:
            reason = f"a {type(found).__name__} that contains itself can't be sent"
        elif len(path) > _DEEPEST:
            path, reason = path[:1], f"more than {_DEEPEST} levels of values can't be sent"
        else:
            reason = _reason_of_keys(as_object(item) or {}) if is_free else None
        if reason is not None:
            return NotJson(json_path(path), reason)
        around = (*around, id(found))
        waiting += [((*path, key), each, free, around) for key, each, free in inner or ()][::-1]
    return None


def _inner(value: Any, *, is_free: bool) -> Inner | None:
    if (fields := as_object(value)) is not None:
        return [(key, item, is_free) for key, item in fields.items()]
    if isinstance(value, list | tuple):
        return [(at, item, is_free) for at, item in enumerate(cast("list[Any]", value))]
    return None


def _reason(value: Any, *, is_free: bool) -> str | None:
    if isinstance(value, str):
        return None if is_text(value) else _HALF
    if is_refused(value) or (is_free and not is_json_scalar(value)):
        shown = (
            repr(value) if isinstance(value, float) else f"a value of type {type(value).__name__}"
        )
        return f"{shown} can't be sent as JSON"
    return None


def _reason_of_keys(fields: Mapping[Any, Any]) -> str | None:
    for key in fields:
        if not isinstance(key, str):
            return f"a key of type {type(key).__name__} can't be sent: JSON's keys are strings"
        if not is_text(key):
            return f"a key with {_HALF}"
    return None


_HALF = "half of a surrogate pair can't be sent: UTF-8 doesn't have it"


def is_text(value: str) -> bool:
    """Whether UTF-8 has a text: it doesn't have half of a surrogate pair."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
