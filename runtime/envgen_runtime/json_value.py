"""The type of a value that may be any JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import JsonValue
else:
    # Replies come out of a JSON parser and requests go into a JSON writer: a validator would be
    # the second to look, and pydantic's own walks every value in Python.
    JsonValue = Any

__all__ = ["JsonValue"]
