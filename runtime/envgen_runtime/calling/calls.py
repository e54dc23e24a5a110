"""A model's tool call, in any of the forms in which models and their clients give it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, cast

from ..json_value import as_array, as_object, first_not_json
from .advice import InvalidCall, invalid

_MARK = re.compile(
    r"""</?think>
    | (?P<tag> (?:<tool_call>\s*)? <function=(?P<function>[^>\s]{1,200})>
             | <tool_call> | <\|python_tag\|>
             | \[TOOL_CALLS\]\s*
               (?:(?P<mistral>[\w.-]{1,200})(?:\[CALL_ID\]\w{1,100})?(?:\[ARGS\])?)?
      )\s*(?=[{\[])
    | ```[\w-]*\s*(?=[{\[])
    """,
    re.VERBOSE,
)
"""What begins a call in a text: a tag of a model's own, or a fence; and what is around thoughts."""

_THOUGHT, _END_OF_THOUGHT = "<think>", "</think>"
_ARGUMENTS = ("arguments", "input", "parameters")
_IDS = ("call_id", "tool_use_id", "id")  # an item of OpenAI's Responses has an id of its own, too
_WANTED = 'a call is a JSON object such as {"name": "TOOL", "arguments": {"PARAMETER": "VALUE"}}'
_NO_CALL = f"the text holds no call: {_WANTED}, alone, in a fence (```json) or in a <tool_call>"
_TOO_LARGE = "a number has too many digits"
_OF_CALL = frozenset({"name", "type", "index", "status", *_ARGUMENTS, *_IDS})

_MAX_TEXT = 1_000_000
_MAX_TRIES = 200


@dataclass(frozen=True, slots=True)
class GivenCall:
    """A tool call as it was given: nothing in it is checked yet.

    Attributes:
        name: the name in it.
        arguments: the arguments in it.
        id: its id, which the answer to a model has to name; None if it has none.
        beside: what stands beside the name, in a call without arguments: they may be meant.
    """

    name: str
    arguments: dict[str, Any]
    id: str | None
    beside: tuple[str, ...] = ()


def read_call(call: object) -> GivenCall:
    """Read a model's tool call.

    Args:
        call: an OpenAI ``tool_call`` (or ``function_call`` item), an Anthropic ``tool_use`` block,
            an MCP ``tools/call`` (or its ``params``), ``{"name": ..., "arguments": ...}``: as an
            object of the SDK or as a mapping. Or JSON text of one of those, alone, in a fence of
            Markdown or in a tag such as ``<tool_call>``, which comes before fences. The arguments
            may be JSON text. What is between ``<think>`` and ``</think>`` doesn't count.

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
    beside = tuple(key for key in as_object(call) or {} if key not in _OF_CALL)
    number = None if number is None else str(number)
    return GivenCall(name, arguments, number, beside if given is None else ())


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
    fault = first_not_json(arguments)
    if fault is not None:
        message = f"the arguments of {name[:100]} can't be sent:\n- {fault}"
        raise invalid(message, tool=name, path=fault.path)
    try:
        json.dumps(arguments)
    except ValueError as error:
        message = f"the arguments of {name[:100]} can't be written as JSON: {_TOO_LARGE}"
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
    name = None
    if not _is_json(text):
        name, text = _marked(text)
    value = _json(text, "the call")
    if name is not None:
        return {"name": name, "arguments": value}
    if as_object(value) is None and as_array(value) is None:
        raise invalid(f"the call is {_kind(value)}: {_WANTED}")
    return value


def _is_json(text: str) -> bool:
    return text.lstrip().startswith(("{", "[")) and not text.lstrip().startswith("[TOOL_CALLS]")


class _Marked(NamedTuple):
    """A text of JSON that a tag or a fence holds: a call, or the arguments of the one it names."""

    name: str | None
    text: str


class _Scanned(NamedTuple):
    """What the tags and fences of a text hold, and where what follows its thoughts begins."""

    tagged: list[_Marked]
    fenced: list[tuple[_Marked, bool]]
    broken: list[_Marked]
    said_from: int


def without_thoughts(text: str) -> str:
    """What a model says in a text behind its last thought. Raises InvalidCall as ``read_call``."""
    if len(text) > _MAX_TEXT:
        raise invalid(f"the text is longer than {_MAX_TEXT:,} characters")
    if _is_json(text) and not _is_no_json(text):
        return text
    return text[_scanned(text).said_from :]


def _marked(text: str) -> _Marked:
    """The call that a tag holds, or else a fence, or else what follows the thoughts."""
    tagged, fenced, broken, said_from = _scanned(text)
    calls = tagged or [item for item, is_call in fenced if is_call] or [item for item, _ in fenced]
    if len(calls) > 1:
        raise invalid(f"these are {len(calls)} calls: give one at a time")
    said = text[said_from:]
    if not calls and not broken and not _is_json(said) and _is_no_json(said):
        raise invalid(_NO_CALL)
    return [*calls, *broken, _Marked(None, said)][0]


def _scanned(text: str) -> _Scanned:
    tagged: list[_Marked] = []
    fenced: list[tuple[_Marked, bool]] = []
    broken: list[_Marked] = []
    tries_left = _MAX_TRIES
    last_end = text.rfind(_END_OF_THOUGHT)
    end = said_from = 0
    while (mark := _MARK.search(text, end)) is not None:
        end = mark.end()
        if mark[0] == _THOUGHT:
            end = text.find(_END_OF_THOUGHT, end) if end <= last_end else end
        elif mark[0] == _END_OF_THOUGHT:  # many models' prompts have the beginning
            tagged, fenced, broken, said_from = [], [], [], end
        else:
            name = mark["function"] or mark["mistral"]
            try:
                value, end = json.JSONDecoder().raw_decode(text, end)
            except (ValueError, RecursionError) as error:
                tries_left -= 1
                if not tries_left:  # each takes as long as the text before it
                    raise invalid(_NO_CALL) from error
                broken = broken or [_Marked(name, text[end:])]  # or a fence of something else
            else:
                found = _Marked(name, text[mark.end() : end])
                if mark["tag"]:
                    tagged.append(found)
                else:
                    fenced.append((found, _is_call(value)))
    return _Scanned(tagged, fenced, broken, said_from)


def _is_call(value: object) -> bool:
    """Whether what was read from a text may be meant as a call, or as several."""
    items = as_array(value)
    fields = as_object(items[0] if items else value) or {}
    return not fields.keys().isdisjoint(("name", "function", "params", "tool_calls"))


def _is_no_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return True
    return False


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
    except _NoConstant as error:
        raise invalid(f"{what} can't be read as JSON: {error}", tool=tool) from error
    except ValueError as error:
        raise invalid(f"{what} can't be read as JSON: {_TOO_LARGE}", tool=tool) from error


class _NoConstant(ValueError):
    """A number that JSON doesn't have."""


def _no_constant(name: str) -> NoReturn:
    raise _NoConstant(f"{name} is no JSON")


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


__all__ = ["GivenCall", "InvalidCall", "read_call", "without_thoughts"]
