"""What models read of an environment, and what they answer."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import BaseModel

from ..calling.plain import action_from_text, call_from_text, instructions
from ..json_value import as_array, as_object
from ..tools.content import EmbeddedResource, TextContent
from ..tools.result import ToolResult

NOTHING = "(nothing to show)"
"""A user's turn that says nothing: servers of models refuse empty ones."""

_BESIDE = frozenset({"reward", "done", "metadata"})
"""What trainers are told beside an observation. It says nothing to a model."""

_TOO_DEEP = "(an observation that is nested too deeply to be shown)"

_DATA_URL = re.compile(r"data:([\w.+-]{1,100}/[\w.+-]{1,100})[^,]{0,100};base64,")
_BASE64 = re.compile(r"[A-Za-z0-9+/_\s-]*=*\s*")
_SIGNATURES = {
    "iVBORw0KGgo": "image/png",
    "/9j/": "image/jpeg",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
}
_LEAST_DATA = 256


def observation_to_text(seen: Any) -> str:
    """What a model reads of an observation, or of a tool's result.

    A tool's result is its text; or its data where it has none. Of an observation count the fields
    that the server sent, without nulls, ``reward``, ``done`` and ``metadata``: one string is the
    text as it stands; anything else is written as JSON. Without any, it is ``metadata["error"]``,
    where OpenEnv's environments of tools say why they refused an action, or nothing.

    An image is named, with its size: in base64 it would be a text that no model reads.

    Args:
        seen: an observation, the result of ``reset`` or ``step``, or a ``ToolResult``.
    """
    if isinstance(seen, ToolResult):
        return _of_tool(seen)  # pyright: ignore[reportUnknownArgumentType]
    observation = getattr(seen, "observation", seen)
    try:
        return _of_observation(observation)
    except (ValueError, RecursionError):  # pydantic's limit of levels, or Python's
        return _TOO_DEEP


def _of_observation(observation: Any) -> str:
    if not isinstance(observation, BaseModel):
        return _text(observation)
    dumped = observation.model_dump(mode="json", by_alias=True, exclude_unset=True)
    fields = as_object(dumped)
    if fields is None:  # a root model
        return _text(dumped)
    shown = {
        name: value for name, value in fields.items() if name not in _BESIDE and value is not None
    }
    if not shown:
        error = (as_object(fields.get("metadata")) or {}).get("error")
        return error if isinstance(error, str) else ""
    only = next(iter(shown.values())) if len(shown) == 1 else None
    return _text(only if isinstance(only, str) else shown)


def _of_tool(result: ToolResult[Any]) -> str:
    texts = [
        block.text
        for block in result.content
        if isinstance(block, TextContent | EmbeddedResource) and block.text
    ] or ([result.text] if result.text else [])
    others = [
        str(block.fields.get("type"))
        for block in result.content
        if not isinstance(block, TextContent) and getattr(block, "text", None) is None
    ]
    notes = [f"(not shown: {', '.join(others)})"] if others else []
    if texts:
        return "\n".join([*texts, *notes])
    if result.structured is not None:
        return _text(result.structured)
    if notes or result.observation is None:
        return "".join(notes)
    return observation_to_text(result.observation)  # a last step that replied without the result


def _text(value: Any) -> str:
    shown = _without_images(value)
    if isinstance(shown, str):
        return shown
    return json.dumps(shown, ensure_ascii=False, default=str)


def _without_images(value: Any) -> Any:
    if isinstance(value, str):
        return _image_note(value) or value
    if (items := as_array(value)) is not None:
        return [_without_images(item) for item in items]
    if (fields := as_object(value)) is not None:
        return {name: _without_images(item) for name, item in fields.items()}
    return value


def _image_note(text: str) -> str | None:
    """What stands for an image in base64; None if the text is none."""
    if len(text) < _LEAST_DATA:
        return None
    url = _DATA_URL.match(text)
    if url is not None:
        kind, data = url[1], text[url.end() :]
    else:
        kinds = (kind for sign, kind in _SIGNATURES.items() if text.startswith(sign))
        kind, data = next(kinds, ""), text
    if not kind or not _BASE64.fullmatch(data):
        return None
    return f"({kind}, {len(data) * 3 // 4:,} bytes, not shown)"


__all__ = ["action_from_text", "call_from_text", "instructions", "observation_to_text"]
