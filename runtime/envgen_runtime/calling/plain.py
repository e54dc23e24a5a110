"""What a model answers in plain text: a call, or the action itself, such as code or a move.

A text that may be meant as a call is one, and has to be right: it is never taken for the action.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ..json_value import as_array, as_object
from .advice import InvalidCall, invalid
from .calls import without_thoughts
from .catalogue import ModelTool, catalogue
from .dispatch import ToolCall, action_of, parse_call
from .for_models import ActT, ToolsForModels
from .specs import UNLIMITED, tool_specs

_CALL_MARK = re.compile(
    r"""<[^<>\s]{0,40}tool[_▁]calls?[^<>\s]{0,40}> | <function= | <invoke\ name= | <\|python_tag\|>
    | \[TOOL_CALLS\] | to=functions\. | ```tool_(?:call|code) | ^Action\ ?Input:
    | ["']name["']\s{0,20}:\s{0,20}["'][^"']{0,200}["']\s{0,20},\s{0,20}
      ["'](?:arguments|input|parameters)["']\s{0,20}:
    """,
    re.VERBOSE | re.MULTILINE,
)
"""What begins a call in the formats of Hermes, Llama, Mistral, DeepSeek, harmony and ReAct."""

_BEGIN, _END = "<action>", "</action>"
_FENCE = re.compile(r"([ \t]*)(`{3,})[^`\n]*")


@dataclass(frozen=True, slots=True)
class PlainAction:
    """The only action of an environment, which one text makes.

    Attributes:
        tool: the action.
        parameter: which of its parameters the text is.
        has_others: whether it has more, which only a call can give.
    """

    tool: ModelTool
    parameter: str
    has_others: bool


@cache
def plain_action(client: type) -> PlainAction | None:
    """The action that plain text makes in an environment; None where a call is needed.

    There is one if a model can call a single action, which requires a single parameter, a string
    (or requires none, and has no other). Constants and ``metadata`` don't count.

    Raises:
        ContractMissing: the client was written by hand.
    """
    tools = catalogue(client).tools
    if len(tools) != 1 or tools[0].kind != "action" or tools[0].is_of_tools:
        return None
    (tool,) = tools
    names = [name for name in tool.properties if name not in tool.tags and name != "metadata"]
    required = [name for name in tool.schema.get("required", []) if name not in tool.tags]
    wanted = required or names
    if len(wanted) != 1:
        return None
    schema = as_object(tool.properties.get(wanted[0])) or {}
    if schema.get("type") != "string":
        return None
    return PlainAction(tool, wanted[0], len(names) > 1)


def call_from_text(client: type[ToolsForModels[ActT]], text: str) -> ToolCall[ActT]:
    """Read what a model answered as text, and validate it. Nothing is sent.

    - Thoughts (``<think>...</think>``) don't count.
    - A call in any form that ``parse_call`` reads, or alone in ``<action>...</action>``, is that
      call.
    - Where the only action takes one string, other text is this string: what stands in
      ``<action>...</action>``; else in the last fence of Markdown; else all of it. Spaces around it
      are dropped.
    - A text that looks like a call is one, and refused if it can't be read: it has a mark of a
      model's call (``<tool_call>``), or JSON that names a tool or the action's own parameters.
      An ``<action>`` or a fence that doesn't end is refused: it was cut off.

    Args:
        client: a generated client's class.
        text: all that the model said in its turn.

    Returns:
        The call, for ``dispatch`` or ``Episode.call``.

    Raises:
        InvalidCall: it is none of these, or doesn't fit the contract. ``for_model()`` tells the
            model what is wrong, and in which form to answer.
        MissingExtra: as for ``parse_call``.
        ContractMissing: the client was written by hand.
    """
    cls: type = client
    try:
        said = without_thoughts(text)
        plain = plain_action(cls)
        if plain is None or _CALL_MARK.search(said) or _names_tool(said, plain):
            return parse_call(client, _unwrapped(said))
        found = _plain_text(said)
        if _is_like_call(found, plain):
            return parse_call(client, found)
    except InvalidCall as error:
        if error.tool is None:  # it couldn't be read, so the form is what was wrong
            raise invalid(f"{error}\n{answer_forms(client)}") from error
        raise
    return parse_call(client, {"name": plain.tool.name, "arguments": {plain.parameter: found}})


def action_from_text(client: type[ToolsForModels[ActT]], text: str) -> ActT:
    """Return the action that a model's text makes, for ``step``. As ``call_from_text``.

    Raises:
        InvalidCall: also for a tool that no step calls.
    """
    return action_of(call_from_text(client, text))


def answer_forms(client: type) -> str:
    """Say to a model in which forms it can answer, in a sentence or two."""
    plain = plain_action(client)
    if plain is None:
        tools = catalogue(client).tools
        example = _example(tools[0]) if len(tools) == 1 else _ANY_CALL
        return f"Answer with one call: <tool_call>{example}</tool_call>"
    text = (
        f"Answer with the {plain.parameter} itself, in {_BEGIN}...{_END} or in a fence (```); of "
        "several fences the last counts. Without either, the whole answer is taken."
    )
    if not plain.has_others:
        return text
    return f"{text} Its other parameters need a call: <tool_call>{_example(plain.tool)}</tool_call>"


def instructions(client: type) -> str:
    """What a model's prompt has to say of the actions and the forms, for ``call_from_text``.

    It has the specification of each action and tool, as JSON with the contract's own schema.

    Args:
        client: a generated client's class.

    Raises:
        ContractMissing: the client was written by hand.
    """
    plain = plain_action(client)
    specs = tool_specs(client, "openai", max_description=UNLIMITED)
    listed = [json.dumps(spec["function"], ensure_ascii=False) for spec in specs]
    forms = answer_forms(client)
    if plain is None:
        return "\n".join([f"{forms}\nThe tools, each a JSON object:", *listed])
    return "\n".join([forms, f"What the {plain.parameter} is, in a JSON object:", *listed])


_ANY_CALL = '{"name": "TOOL", "arguments": {"PARAMETER": "VALUE"}}'


def _example(tool: ModelTool) -> str:
    required = [name for name in tool.schema.get("required", []) if name not in tool.tags]
    arguments = {
        tool.parameter_names.get(name, name): _sample(tool.properties.get(name))
        for name in required
    }
    return json.dumps({"name": tool.name, "arguments": arguments})


def _sample(schema: Any) -> Any:
    """A value of a parameter's type, for a model to see where its own belongs."""
    fields = as_object(schema) or {}
    for keyword in ("const", "default"):
        if keyword in fields:
            return fields[keyword]
    values = as_array(fields.get("enum"))
    return values[0] if values else _SAMPLES.get(str(fields.get("type")), "...")


_SAMPLES: Mapping[str, Any] = {
    "integer": 0, "number": 0.5, "boolean": True, "array": [], "object": {}, "null": None,
}  # fmt: skip


# --- what may be a call ---------------------------------------------------------------------------


def _unwrapped(said: str) -> str:
    """A call without the ``<action>`` around it."""
    text = said.strip()
    is_wrapped = text.startswith(_BEGIN) and text.endswith(_END) and text.count(_BEGIN) == 1
    return text[len(_BEGIN) : -len(_END)] if is_wrapped else said


def _names_tool(said: str, plain: PlainAction) -> bool:
    """Whether there is JSON, or nearly, that names the tool."""
    names = _any_of({plain.tool.name, plain.tool.wire_name})
    return re.search(rf"""["']name["']\s{{0,20}}:\s{{0,20}}["'](?:{names})["']""", said) is not None


def _is_like_call(text: str, plain: PlainAction) -> bool:
    """Whether a text begins as a call or an object with the action's parameters does."""
    names = _any_of({plain.tool.name, plain.tool.wire_name})
    if re.match(rf"\[?\s*(?:{names})(?:\(|\s*\{{)", text):
        return True
    if not re.match(r"\[?\s*\{", text):
        return False
    keys = _any_of({plain.parameter, "arguments", "function", "tool_calls"})
    return re.search(rf"""["'](?:{keys})["']\s{{0,20}}:""", text) is not None


def _any_of(names: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(names)))


# --- plain text -----------------------------------------------------------------------------------


def _plain_text(said: str) -> str:
    """The action in a text without calls: in a tag, in the last fence, or all of it."""
    if said.lstrip().startswith("<think>"):
        raise invalid("the thought doesn't end, so there is no answer: close it with </think>")
    begins, ends = said.count(_BEGIN), said.count(_END)
    text = said.strip()
    if begins or ends:
        start, end = said.find(_BEGIN) + len(_BEGIN), said.find(_END)
        if begins != 1 or ends != 1 or end < start:
            raise invalid(f"there has to be one {_BEGIN}, and one {_END} behind it")
        text = said[start:end].strip()
        if text.startswith("```") and len(fences := _fences(text)) == 1 and text.endswith("```"):
            text = fences[0].strip()
    elif "```" in said:
        fences = _fences(said)
        if not fences:
            raise invalid("a fence (```) has to begin and end on lines of their own")
        text = fences[-1].strip()
    if not text:
        raise invalid("the answer is empty")
    return text


def _fences(text: str) -> list[str]:
    """The contents of a text's fences. Raises InvalidCall if one doesn't end."""
    found: list[str] = []
    lines: list[str] | None = None
    indent = mark = ""
    for line in text.split("\n"):
        opening = _FENCE.fullmatch(line.rstrip("\r"))
        if lines is None:
            if opening is not None:
                indent, mark, lines = opening[1], opening[2], []
        elif opening is not None and set(line.strip()) == {"`"} and len(opening[2]) >= len(mark):
            found.append("\n".join(lines))
            lines = None
        else:
            lines.append(line.removeprefix(indent))
    if lines is not None:
        raise invalid("a fence (```) begins and doesn't end, on a line of its own")
    return found
