"""A model's call in the forms in which models and their clients give it, and what isn't one."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from envgen_runtime import InvalidRequest
from envgen_runtime.calling.advice import InvalidCall
from envgen_runtime.calling.calls import read_call
from generated.coding_env import CodeAction, CodingEnv
from generated.warehouse_env import WarehouseEnv
from generated.warehouse_env.models import Move, Pick, Position
from tests.calling.worlds import NODE, acting, client, tagged, tool, tooled

ARGUMENTS = {"code": "print(1)"}
TEXT = json.dumps(ARGUMENTS)
PLAIN = {"name": "CodeAction", "arguments": ARGUMENTS}
OPENAI = {"id": "1", "type": "function", "function": {"name": "CodeAction", "arguments": TEXT}}


def as_object(value: Any) -> Any:
    """A mapping as the attributes of an object, but for its arguments."""
    return SimpleNamespace(
        **{
            key: as_object(item) if key in ("function", "params") else item
            for key, item in value.items()
        }
    )


@pytest.mark.parametrize(
    ("call", "number"),
    [
        (OPENAI, "1"),
        (as_object(OPENAI), "1"),
        (
            {
                "type": "function_call",
                "id": "fc",
                "call_id": "c",
                "name": "CodeAction",
                "arguments": TEXT,
            },
            "c",
        ),
        ({"type": "tool_use", "id": "t", "name": "CodeAction", "input": ARGUMENTS}, "t"),
        ({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": PLAIN}, "7"),
        (as_object({"method": "tools/call", "params": PLAIN}), None),
        (PLAIN, None),
        ([PLAIN], None),
        ({"name": "CodeAction", "parameters": ARGUMENTS}, None),
        ({"name": "CodeAction", "arguments": TEXT}, None),
        ({"name": "CodeAction", "arguments": json.dumps(TEXT)}, None),
        (json.dumps(PLAIN), None),
        (json.dumps(OPENAI), "1"),
        (f"```json\n{json.dumps(PLAIN, indent=2)}\n```", None),
        (f"I'll run it.\n\n```\n{json.dumps([PLAIN])}\n```\nDone.", None),
        (f"<tool_call>\n{json.dumps(PLAIN)}\n</tool_call>", None),
    ],
)
def test_forms_of_a_call(call: Any, number: str | None) -> None:
    made = CodingEnv.parse_call(call)
    assert made.action == CodeAction(code="print(1)")
    assert (made.name, made.kind, made.arguments, made.id) == (
        "CodeAction", "action", ARGUMENTS, number,
    )  # fmt: skip
    assert CodingEnv.parse_call(made) is made


def test_a_fence_within_an_argument_is_the_argument() -> None:
    code = "```python\nprint(1)\n```\n```\n"
    text = json.dumps({"name": "CodeAction", "arguments": {"code": code}})
    assert CodingEnv.parse_call(text).arguments == {"code": code}
    fenced = f"```json\n{text}\n```"
    assert CodingEnv.parse_call(fenced).arguments == {"code": code}


@pytest.mark.parametrize("nothing", [{}, "", " ", None, "{}", "null"])
def test_no_arguments(nothing: Any, tmp_path: Path) -> None:
    assert read_call({"name": "t", "arguments": nothing}).arguments == {}
    assert read_call({"name": "t"}).arguments == {}


@pytest.mark.parametrize(
    "call",
    [
        "", "no call", "```\nno call\n```", "[]", "3", '"text"', "null", "[" * 100_000,
        '{"name": "CodeAction", "arguments": {"code": NaN}}',
        '{"name": "CodeAction", "arguments": {"code": ' + "9" * 5000 + "}}",
        f"```\n{json.dumps(PLAIN)}\n```\n```\n{json.dumps(PLAIN)}\n```", [PLAIN, PLAIN], [], None,
        7, {}, {"name": ""}, {"name": 3}, {"name": "CodeAction", "arguments": [1]},
        {"name": "CodeAction", "arguments": "[1]"}, {"name": "CodeAction", "arguments": "{"},
        {"name": "CodeAction", "arguments": 3}, {"role": "assistant", "tool_calls": [OPENAI]},
        {"type": "custom", "custom": {"name": "CodeAction", "input": "x"}}, object(),
        " " * 2_000_000,
    ],
)  # fmt: skip
def test_what_is_no_call_is_refused(call: Any) -> None:
    with pytest.raises(InvalidCall) as caught:
        CodingEnv.parse_call(call)
    assert len(str(caught.value)) < 2500
    assert isinstance(caught.value, InvalidRequest)
    assert (caught.value.sent, caught.value.episode_lost) == (False, False)


def refusal(env: Any, name: str, arguments: Any) -> InvalidCall:
    with pytest.raises(InvalidCall) as caught:
        env.parse_call({"name": name, "arguments": arguments})
    return caught.value


def test_a_close_name_is_told() -> None:
    error = refusal(WarehouseEnv, "mov", {})
    assert "'move'" in str(error)
    assert "move, pick, place" in str(error)
    assert error.tool == "mov"


def test_an_error_says_what_is_wrong_and_what_is_allowed() -> None:
    wrong = {"to": {"x": -1}, "sped": 3, "speed": 9}
    error = refusal(WarehouseEnv, "move", wrong)
    lines = str(error).splitlines()[1:]
    by_path = {line.split(": ")[0].removeprefix("- "): line for line in lines}
    assert by_path.keys() == {"$.to.x", "$.to.y", "$.speed", "$.sped"}
    assert "-1" in by_path["$.to.x"]
    assert "at least 0" in by_path["$.to.x"]
    assert "missing" in by_path["$.to.y"]
    assert "at most 2.0" in by_path["$.speed"]
    assert "'speed'" in by_path["$.sped"]
    assert (error.tool, error.path) == ("move", "$.to.x")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.tool, again.path) == (str(error), error.tool, error.path)


@pytest.mark.parametrize("wrong", ["[1]", [1], 3, None])
def test_an_object_is_told_by_its_parameters(wrong: Any) -> None:
    assert "object with x, y" in str(refusal(WarehouseEnv, "move", {"to": wrong}))


def test_an_error_of_a_tool_says_the_same(tmp_path: Path) -> None:
    at = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 0}},
          "required": ["x"], "additionalProperties": False}  # fmt: skip
    how = {"enum": ["slow", "fast"]}
    go = tool("go", {"at": at, "how": how}, required=["at"], additionalProperties=False)
    env = client(tooled(go), tmp_path)
    text = str(refusal(env, "go", {"at": {"x": -1, "z": 0}, "how": "fats", "hwo": 1}))
    assert "$.at.x: " in text
    assert "at least 0" in text
    assert "$.at.z: is not a parameter" in text
    assert 'one of "slow", "fast"' in text
    assert "$.hwo: is not a parameter. Did you mean 'how'?" in text
    assert "$.at: is missing; expected an object with x" in str(refusal(env, "go", {}))
    assert env.parse_call({"name": "go", "arguments": {"at": {"x": 1}}}).arguments == {
        "at": {"x": 1}
    }


def test_names_by_pattern_are_parameters(tmp_path: Path) -> None:
    by_pattern = tool("t", {"a": {}}, patternProperties={"^x": {}}, additionalProperties=False)
    text = str(refusal(client(tooled(by_pattern), tmp_path), "t", {"x1": 1, "y": 2}))
    assert "x1" not in text
    assert "y" in text


def test_an_error_within_a_recursive_schema_is_told(tmp_path: Path) -> None:
    recursive = tool("t", {"root": {"$ref": "#/$defs/Node"}}, **{"$defs": {"Node": NODE}})
    env = client(tooled(recursive), tmp_path)
    wrong = {"root": {"name": "r", "children": [{"name": 3}]}}
    text = str(refusal(env, "t", wrong))
    assert "$.root.children[0].name" in text
    assert "expected a string" in text


def test_an_error_is_bounded() -> None:
    many = {f"field_{number}" * 50: "x" * 10_000 for number in range(500)}
    assert len(str(refusal(WarehouseEnv, "move", many))) < 2500
    assert len(str(refusal(WarehouseEnv, "m\x1b[31m" * 10_000, {}))) < 2500
    assert "\x1b" not in str(refusal(WarehouseEnv, "\x1b[31m", {}))


@pytest.mark.parametrize(
    "value", ['{"v": "\\ud800"}', {"v": "\ud800"}, {"v": float("nan")}, {"v": b""}, {"v": {1, 2}}]
)
def test_what_json_does_not_have_is_refused(value: Any, tmp_path: Path) -> None:
    env = client(tooled(tool("t", {"v": {}})), tmp_path)
    assert refusal(env, "t", value).tool == "t"


@pytest.mark.parametrize("value", ["1", True, 1.5, None])
def test_values_are_not_converted(value: Any) -> None:
    refusal(WarehouseEnv, "move", {"to": {"x": value, "y": 1}})


def test_a_tag_may_be_left_out_and_may_not_be_another() -> None:
    to = {"x": 1, "y": 2}
    move = Move(to=Position(x=1, y=2))
    for given in ({"to": to}, {"kind": "move", "to": to}):
        made = WarehouseEnv.parse_call({"name": "move", "arguments": given})
        assert made.action == move
        assert made.arguments == {"kind": "move", "to": to}
    error = refusal(WarehouseEnv, "move", {"kind": "pick", "to": to})
    assert error.path == "$.kind"
    assert "left out" in str(error)
    pick = {"sku": "a", "from": to}
    made = WarehouseEnv.parse_call({"name": "pick", "arguments": pick})
    assert isinstance(made.action, Pick)


def test_a_call_is_of_the_variant_that_it_names(tmp_path: Path) -> None:
    number, text = {"type": "integer"}, {"type": "string"}
    members = {"One": tagged(x=number), "Two": tagged(y=text)}
    union = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in members], "$defs": members}
    env = client(acting(union), tmp_path)
    assert env.parse_call({"name": "One", "arguments": {"x": 1}}).action.x == 1
    refusal(env, "One", {"y": "text"})


def test_a_constant_that_is_optional_is_not_filled_in(tmp_path: Path) -> None:
    flag = {"const": True}
    both = {"One": tagged(k={"const": 1}, kind={}), "Two": tagged(k={"const": 2}, kind={})}
    for definition in both.values():
        definition["properties"]["dry"] = flag
        definition["properties"].pop("kind")
    union = {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in both], "$defs": both}
    env = client(acting(union), tmp_path)
    assert env.parse_call({"name": "One"}).arguments == {"k": 1}


def test_a_call_is_the_action_that_calls_the_tool(tmp_path: Path) -> None:
    env = client(tooled(tool("get.weather", {"city": {"type": "string"}})), tmp_path)
    made = env.parse_call({"name": "get_weather", "arguments": {"city": "Oslo"}})
    assert (made.name, made.kind) == ("get.weather", "tool")
    assert (made.action.tool_name, made.action.arguments) == ("get.weather", {"city": "Oslo"})


SAID = json.dumps(PLAIN)
DRAFT = '<tool_call>{"name": "CodeAction", "arguments": {"code": "draft"}}</tool_call>'


@pytest.mark.parametrize(
    "text",
    [
        f"<think>{DRAFT}</think>\n<tool_call>{SAID}</tool_call>",
        f"<think>```json\n{SAID}\n```</think>\n```json\n{SAID}\n```",
        f"{DRAFT} is what I could do.</think>\n<tool_call>{SAID}</tool_call>",
        f"<think>{DRAFT}</think>\n\n{SAID}",
        f"<think>I never end.\n<tool_call>{SAID}</tool_call>",
        f'```json\n{{"ok": true}}\n```\n<tool_call>{SAID}</tool_call>',
        f"```json\n{DRAFT[11:-12]}\n```\n<tool_call>{SAID}</tool_call>",
        f'```json\n{{"ok": true}}\n```\n```json\n{SAID}\n```',
        f"[TOOL_CALLS] [{SAID}]",
        f"[TOOL_CALLS]CodeAction{TEXT}",
        f"[TOOL_CALLS]CodeAction[CALL_ID]a1[ARGS]{TEXT}",
        f"<function=CodeAction>{TEXT}</function>",
        f"<tool_call>\n<function=CodeAction>\n{TEXT}\n</function>\n</tool_call>",
        f"<|python_tag|>{SAID}<|eom_id|>",
    ],
)
def test_a_call_is_found_in_what_a_model_says(text: str) -> None:
    assert CodingEnv.parse_call(text).arguments == ARGUMENTS


def test_a_thought_within_an_argument_is_the_argument() -> None:
    code = f"<think>{DRAFT}</think>"
    text = json.dumps({"name": "CodeAction", "arguments": {"code": code}})
    for said in (text, f"<tool_call>{text}</tool_call>", f"<think>a</think>```\n{text}\n```"):
        assert CodingEnv.parse_call(said).arguments == {"code": code}


@pytest.mark.parametrize("text", ["I'll run it.", "", "<think>hm</think> Done.", "```\nno\n```"])
def test_a_text_without_a_call_is_told_the_forms(text: str) -> None:
    with pytest.raises(InvalidCall, match="holds no call") as caught:
        read_call(text)
    assert '{"name": "TOOL", "arguments"' in str(caught.value)
    assert "<tool_call>" in str(caught.value)


def test_a_broken_call_in_a_tag_is_told_where() -> None:
    with pytest.raises(InvalidCall, match="can't be read as JSON") as caught:
        read_call('Now: <tool_call>{"name": "a", "arguments": {"b" 1}}</tool_call>')
    assert '"b" 1' in str(caught.value)


@pytest.mark.parametrize("mark", ["<think>", "</think>", "```{", "<tool_call>[", "[TOOL_CALLS]a{"])
def test_many_marks_take_no_long_time(mark: str) -> None:
    with pytest.raises(InvalidCall):
        read_call(" x" + mark * (900_000 // len(mark)))


def test_arguments_beside_the_name_are_told_where_they_go(tmp_path: Path) -> None:
    env = client(tooled(tool("say", {"text": {"type": "string"}}, required=["text"])), tmp_path)
    with pytest.raises(InvalidCall, match="under arguments") as caught:
        env.parse_call({"name": "say", "text": "a"})
    assert '{"name": "say", "arguments": {"text": ...}}' in str(caught.value)


@pytest.mark.parametrize("number", ["9" * 5000, 10**5000], ids=["text", "value"])
def test_a_number_of_many_digits_is_told_in_our_words(number: Any) -> None:
    given = f'{{"n": {number}}}' if isinstance(number, str) else {"n": number}
    with pytest.raises(InvalidCall, match="too many digits") as caught:
        read_call({"name": "t", "arguments": given})
    assert "sys" not in str(caught.value)


def test_what_cannot_be_sent_is_told_by_its_parameter() -> None:
    with pytest.raises(InvalidCall) as caught:
        read_call({"name": "t", "arguments": {"a": [{"city": "\ud83d"}]}})
    assert caught.value.path == "$.a[0].city"
    assert "$.a[0].city: half of a surrogate pair" in str(caught.value)


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_a_union_is_told_by_what_it_allows(keyword: str, tmp_path: Path) -> None:
    members = [{"type": "string"}, {"type": "integer", "minimum": 1}, {"type": "null"}]
    env = client(tooled(tool("t", {"n": {keyword: members}})), tmp_path)
    error = refusal(env, "t", {"n": [0]})
    assert "- $.n: is [0]; expected a string or an integer, at least 1 or null" in str(error)
    assert keyword not in str(error)
    assert error.for_model() == str(error)
