"""A model's tool call, in any of the forms in which models and their clients give it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, cast

from ..json_value import as_array, as_object
from .advice import InvalidCall, invalid

_OPENING = re.compile(r"(?:```[\w-]*|<tool_call>)\s*(?=[{\[])")
_ARGUMENTS = ("arguments", "input", "parameters")
_IDS = ("id", "call_id", "tool_use_id")
_WANTED = 'a call is a JSON object such as {"name": "TOOL", "arguments": {"PARAMETER": "VALUE"}}'

_MAX_TEXT = 1_000_000


@dataclass(frozen=True, slots=True)
class GivenCall:
    """A tool call as it was given: nothing in it is checked yet.

    Attributes:
        name: the name in it.
        arguments: the arguments in it.
        id: its id, which the answer to a model has to name; None if it has none.
    """

    name: str
    arguments: dict[str, Any]
    id: str | None


def read_call(call: object) -> GivenCall:
    """Read a model's tool call.

    Args:
        call: an OpenAI ``tool_call`` (or ``function_call`` item), an Anthropic ``tool_use`` block,
            an MCP ``tools/call`` (or its ``params``), ``{"name": ..., "arguments": ...}``: as an
            object of the SDK or as a mapping. Or JSON text of one of those, alone, in a fence of
            Markdown or in a ``<tool_call>``. The arguments may be JSON text.

    Raises:
        InvalidCall: it is none of these, or holds several calls.
    """
    found = _only(_from_text(call) if isinstance(call, str) else call)
    for key in ("function", "params"):
        inner = _field(found, key)
        if inner is not None and not isinstance(inner, str) and _field(inner, "name") is not None:
            return _read(inner, holder=found)
    return _read(found, holder=found)


def _read(call: object, *, holder: object) -> GivenCall:
    name = _field(call, "name")
    if not isinstance(name, str) or not name:
        if _field(call, "tool_calls") is not None or _field(call, "content") is not None:
            raise invalid("this is a message, not a call: give its calls, one at a time")
        raise invalid(f"the call names no tool: {_WANTED}")
    given = next((value for key in _ARGUMENTS if (value := _field(call, key)) is not None), None)
    ids = (_field(item, key) for item in (holder, call) for key in _IDS)
    number = next((value for value in ids if isinstance(value, str | int)), None)
    arguments = _arguments(given, name)
    return GivenCall(name, arguments, None if number is None else str(number))


def _arguments(given: object, name: str) -> dict[str, Any]:
    if isinstance(given, str):
        given = _json(given, f"the arguments of {name[:100]}", tool=name) if given.strip() else {}
        if isinstance(given, str):  # encoded twice, as some models do
            given = _json(given, f"the arguments of {name[:100]}", tool=name)
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        message = f"the arguments of {name[:100]} are {_kind(given)}, not an object: {_WANTED}"
        raise invalid(message, tool=name, path="$")
    fields: Mapping[Any, Any] = given  # pyright: ignore[reportUnknownVariableType]
    arguments = {str(key): value for key, value in fields.items()}
    try:
        json.dumps(arguments, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        message = f"the arguments of {name[:100]} can't be written as JSON: {error}"
        raise invalid(message, tool=name, path="$") from error
    return arguments


def _field(value: object, name: str) -> Any:
    """A field of a mapping or an attribute of an object; None if there is none."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value).get(name)
    return getattr(value, name, None)


def _only(value: object) -> object:
    """The only item, if this is a list."""
    items = as_array(value)
    if items is None:
        return value
    if len(items) != 1:
        raise invalid(f"these are {len(items)} calls: give one at a time")
    return items[0]


# --- text -----------------------------------------------------------------------------------------


def _from_text(text: str) -> object:
    if len(text) > _MAX_TEXT:
        raise invalid(f"the call is longer than {_MAX_TEXT:,} characters")
    if not text.lstrip().startswith(("{", "[")):
        text = _enclosed(text)
    value = _json(text, "the call")
    if as_object(value) is None and as_array(value) is None:
        raise invalid(f"the call is {_kind(value)}: {_WANTED}")
    return value


def _enclosed(text: str) -> str:
    """The JSON in a fence or in a tag; the text itself if there is none."""
    found: list[str] = []
    opening = _OPENING.search(text)
    while opening is not None:
        end = opening.end()
        try:
            _, end = json.JSONDecoder().raw_decode(text, end)
        except (ValueError, RecursionError):
            pass  # a fence of something else, or its end
        else:
            found.append(text[opening.end() : end])
        opening = _OPENING.search(text, end)
    if len(found) > 1:
        raise invalid(f"these are {len(found)} calls: give one at a time")
    return found[0] if found else text


def _json(text: str, what: str, *, tool: str | None = None) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise invalid(f"{what} can't be read: it is nested too deeply", tool=tool) from error
    except json.JSONDecodeError as error:
        around = text[max(error.pos - 20, 0) : error.pos + 20]
        message = (
            f"{what} can't be read as JSON: {error.msg} at character {error.pos}, near {around!r}"
        )
        raise invalid(message, tool=tool) from error
    except ValueError as error:  # a number of thousands of digits, or one that JSON doesn't have
        raise invalid(f"{what} can't be read as JSON: {error}", tool=tool) from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_KINDS: dict[type, str] = {
    str: "a text",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    list: "a list",
    type(None): "null",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), f"a {type(value).__name__}")


__all__ = ["GivenCall", "InvalidCall", "read_call"]
