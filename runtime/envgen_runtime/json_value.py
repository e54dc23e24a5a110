"""Any JSON: its type, and how a place within it is written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pydantic import JsonValue
else:
    # Replies come out of a JSON parser and requests go into a JSON writer: a validator would be
    # the second to look, and pydantic's own walks every value in Python.
    JsonValue = Any

__all__ = ["JsonValue", "as_object", "json_path"]


def json_path(parts: Iterable[str | int], *, root: str = "$") -> str:
    """``$.board[3]`` for ``("board", 3)``."""
    return root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def as_object(value: Any) -> dict[str, Any] | None:
    """``value`` if it is a JSON object (whose keys are strings, being JSON's)."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
