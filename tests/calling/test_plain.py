"""What a model answers in plain text: a call, or the action itself, and never one for the other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from envgen_runtime.adapters.text import action_from_text, call_from_text, instructions
from envgen_runtime.calling.advice import InvalidCall
from generated.coding_env import CodeAction, CodingEnv
from generated.warehouse_env import WarehouseEnv
from tests.calling.worlds import CALL_TOOL, acting, client, tagged, tool, tooled

CALL = '{"name": "CodeAction", "arguments": {"code": "print(1)"}}'
STRING = {"type": "string"}


@pytest.mark.parametrize(
    "text",
    [
        "print(1)",
        " print(1)\n",
        "<think>print(2)</think>\nprint(1)",
        "I thought of <action>print(2)</action>.</think> print(1)",
        "I run <action> print(1) </action> now.",
        "<action>\n```python\nprint(1)\n```\n</action>",
        "First\n```python\nprint(2)\n```\nor, better,\n```py\nprint(1)\n```\nDone.",
        "1. It prints:\n   ```python\n   print(1)\n   ```\n",
        "```\r\nprint(1)\r\n```",
        "````\nprint(1)\n````",
        CALL,
        f"<action>{CALL}</action>",
        f"```python\nprint(2)\n```\n<tool_call>{CALL}</tool_call>",
        f"```json\n{CALL}\n```",
        f"<think>print(2)</think>{CALL}",
    ],
)
def test_forms_of_an_action_of_one_text(text: str) -> None:
    assert action_from_text(CodingEnv, text) == CodeAction(code="print(1)")


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1}',
        "[x for x in range(3)]",
        "if x:\n    y = {'name': 'Bob', 'age': 3}",
        "```no fence``` of `code`".replace("```", "``"),
        "a\n\n    b\u2028c",
        "name = 'CodeAction'",
    ],
)
def test_other_text_is_taken_as_it_stands(text: str) -> None:
    assert action_from_text(CodingEnv, text).code == text


def test_a_fence_in_a_list_is_as_far_to_the_left_as_it_begins() -> None:
    text = "1. It prints:\n   ```python\n   if 1:\n     print(1)\n   ```\n"
    assert action_from_text(CodingEnv, text).code == "if 1:\n  print(1)"


def test_lines_of_a_fence_keep_their_indentation() -> None:
    code = "if 1:\n\n    print('```')  # ```\n\ty"
    assert action_from_text(CodingEnv, f"Now\n```python\n{code}\n```\n").code == code


@pytest.mark.parametrize(
    "text",
    [
        '{"code": "print(1)"}',
        '```json\n{"code": "print(1)"}\n```',
        '<action>{"reason": "", "code": "print("1")"}</action>',
        CALL.replace("print(1)", 'print("1")'),
        f"I call {CALL}",
        f"{CALL} and more",
        CALL.replace("CodeAction", "CodeActon"),
        f"I call {CALL.replace('CodeAction', 'CodeActon')}",
        CALL.replace('"', "'"),
        '{"arguments": {"code": 1}, "name": "CodeAction"}',
        'I call {"arguments": {"code": "1"}, "name": "CodeAction"}',
        '[{"function": {"name": "f"}, "type": "function"}]',
        "<tool_call>print(1)</tool_call>",
        "print(1)</tool_call>",
        "<function=CodeAction><parameter=code>print(1)</parameter></function>",
        '<invoke name="CodeAction">print(1)</invoke>',
        "<\uff5ctool\u2581calls\u2581begin\uff5c>print(1)",
        "```tool_code\nprint(1)\n```",
        "Action: CodeAction\nAction Input: print(1)",
        'CodeAction(code="print(1)")',
        '[CodeAction(code="print(1)")]',
        'CodeAction {"code": "print(1)"}',
    ],
)
def test_what_looks_like_a_call_is_never_taken_as_text(text: str) -> None:
    with pytest.raises(InvalidCall) as caught:
        action_from_text(CodingEnv, text)
    assert caught.value.tool or "<action>...</action>" in caught.value.for_model()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("<think>print(1)</think>", "empty"),
        ("<action> </action>", "empty"),
        ("<think>I <action>print(1)</action>", "doesn't end"),
        ("<action>print(1)", "one </action>"),
        ("print(1)</action>", "one <action>"),
        ("</action>print(1)<action>", "one <action>"),
        ("<action>a</action><action>b</action>", "one <action>"),
        ("```python\nprint(1)", "doesn't end"),
        ("```\na\n```\n```python\nprint(1)", "doesn't end"),
        ("```python print(1)```", "lines of their own"),
        ("x" * 1_000_001, "1,000,000 characters"),
    ],
)
def test_what_is_cut_off_or_unclear_is_told_the_forms(text: str, said: str) -> None:
    with pytest.raises(InvalidCall) as caught:
        action_from_text(CodingEnv, text)
    assert said in caught.value.for_model()
    assert "in <action>...</action> or in a fence (```)" in caught.value.for_model()


def test_a_text_is_validated_as_a_call_is(tmp_path: Path) -> None:
    move = {"type": "string", "enum": ["up", "down"]}
    env = client(acting(tagged(move=move)), tmp_path)
    assert action_from_text(env, "I go <action>up</action>").move == "up"
    with pytest.raises(InvalidCall, match=r"one of .*down"):
        action_from_text(env, "I go up")


def test_which_actions_are_a_text(tmp_path: Path) -> None:
    worlds: dict[str, tuple[Any, bool]] = {
        "one": (acting(tagged(a=STRING)), True),
        "with others": (acting({**tagged(a=STRING, n={"type": "integer"}), "required": ["a"]}), 1),
        "optional": (acting({**tagged(a=STRING), "required": []}), True),
        "tagged": (acting(tagged(kind={"const": "x"}, a=STRING)), True),
        "two": (acting(tagged(a=STRING, b=STRING)), False),
        "two optional": (acting({**tagged(a=STRING, b=STRING), "required": []}), False),
        "number": (acting(tagged(a={"type": "integer"})), False),
        "nullable": (acting(tagged(a={"type": ["string", "null"]})), False),
        "nothing": (acting(tagged()), False),
        "union": (acting({"oneOf": [tagged(a=STRING), tagged(b=STRING)]}), False),
        "tool": (tooled(tool("say", {"a": STRING}, required=["a"])), False),
        "any tool": (tooled(action=CALL_TOOL), False),
    }
    for name, (document, is_text) in worlds.items():
        env = client(document, tmp_path / name.replace(" ", "_"))
        if is_text:
            assert call_from_text(env, "hi").arguments["a"] == "hi", name
        else:
            with pytest.raises(InvalidCall, match="<tool_call>") as caught:
                call_from_text(env, "hi")
            assert "holds no call" in str(caught.value), name


def test_a_tool_is_called_by_text(tmp_path: Path) -> None:
    env = client(tooled(tool("say", {"a": STRING}, required=["a"])), tmp_path)
    text = '<tool_call>{"name": "say", "arguments": {"a": "hi"}}</tool_call>'
    call = call_from_text(env, text)
    assert (call.name, call.kind, call.arguments) == ("say", "tool", {"a": "hi"})
    assert action_from_text(env, text).arguments == {"a": "hi"}
    assert call_from_text(env, f"<action>{text}</action>").arguments == {"a": "hi"}
    with pytest.raises(InvalidCall) as caught:
        call_from_text(env, "say hi")
    assert '<tool_call>{"name": "say", "arguments": {"a": "..."}}</tool_call>' in str(caught.value)


def test_the_form_that_is_taught_has_values_of_their_types(tmp_path: Path) -> None:
    """Models copy it."""
    schemas = {
        "count": {"type": "integer"},
        "unit": {"enum": ["cm", "m"]},
        "exact": {"type": "boolean"},
    }
    env = client(tooled(tool("move", schemas, required=[*schemas])), tmp_path)
    with pytest.raises(InvalidCall) as caught:
        call_from_text(env, "go")
    (taught,) = re.findall("<tool_call>(.*)</tool_call>", str(caught.value))
    assert call_from_text(env, taught).arguments == {"count": 0, "unit": "cm", "exact": True}


def test_instructions_have_the_forms_and_the_contracts_schemas() -> None:
    told = instructions(CodingEnv)
    assert "<action>...</action>" in told
    (spec,) = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert spec["parameters"] == CodingEnv.tool_specs("openai")[0]["function"]["parameters"]
    told = instructions(WarehouseEnv)
    assert "<tool_call>" in told
    assert "<action>" not in told
    specs = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert specs == [spec["function"] for spec in WarehouseEnv.tool_specs("openai")]


@pytest.mark.parametrize(
    "part", ["<think>", "```\n", "<action>", '"name": "', "<tool", "[{", "'name' : 'a' , "]
)
def test_hostile_texts_take_no_long_time(part: str) -> None:
    with pytest.raises(InvalidCall):
        action_from_text(CodingEnv, part * (900_000 // len(part)) + "</action>")
