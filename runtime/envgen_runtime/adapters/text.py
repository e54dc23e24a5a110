"""What models read of an environment."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from ..json_value import as_object
from ..tools.result import ToolResult

_BESIDE = frozenset({"reward", "done", "metadata"})
"""What trainers are told beside an observation. It says nothing to a model."""


def observation_to_text(seen: Any) -> str:
    """What a model reads of an observation, or of a tool's result.

    A tool's result is its text. Of an observation count the fields that the server sent, without
    nulls, ``reward``, ``done`` and ``metadata``: one string is the text as it stands; anything else
    is written as JSON.

    Args:
        seen: an observation, the result of ``reset`` or ``step``, or a ``ToolResult``.
    """
    if isinstance(seen, ToolResult):
        return _of_tool(seen)  # pyright: ignore[reportUnknownArgumentType]
    observation = getattr(seen, "observation", seen)
    if not isinstance(observation, BaseModel):
        return observation if isinstance(observation, str) else _json(observation)
    dumped = observation.model_dump(mode="json", by_alias=True, exclude_unset=True)
    fields = as_object(dumped)
    if fields is None:  # a root model
        return dumped if isinstance(dumped, str) else _json(dumped)
    shown = {
        name: value for name, value in fields.items() if name not in _BESIDE and value is not None
    }
    if not shown:
        return ""
    only = next(iter(shown.values())) if len(shown) == 1 else None
    return only if isinstance(only, str) else _json(shown)


def _of_tool(result: ToolResult[Any]) -> str:
    if result.text:
        return result.text
    if result.structured is not None:
        return _json(result.structured)
    kinds = [str(block.fields.get("type")) for block in result.content]
    return f"(no text: {', '.join(kinds)})" if kinds else ""


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
