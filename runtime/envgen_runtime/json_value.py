"""JSON values: their type, their equality, and how places within them are written."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, unquote

if TYPE_CHECKING:
    from pydantic import JsonValue
else:
    # Replies come out of a JSON parser and requests go into a JSON writer, so validating them as
    # JSON would repeat that work, and pydantic's own validator walks every value in Python.
    JsonValue = Any

__all__ = [
    "JsonFields", "JsonValue", "as_array", "as_object", "at_pointer", "comparable", "json_path",
    "pointer_keys", "pointer_of", "pointer_to", "reference_to", "same_json",
]  # fmt: skip

_MAX_INDEX_DIGITS = 9  # int() refuses very long texts


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
