"""What models are shown of an environment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from envgen_runtime import EnvClient, InvalidRequest
from envgen_runtime.calling.names import PARAMETER_NAME, TOOL_NAME, shown_names
from envgen_runtime.errors import ContractMissing
from generated.coding_env import AsyncCodingEnv, CodingEnv
from generated.warehouse_env import WarehouseEnv
from tests.calling.worlds import CALL_TOOL, LIST_TOOLS, NODE, acting, client, tagged, tool, tooled

TEXT = {"type": "string"}
FORMATS = ("openai", "anthropic", "mcp", "json-schema")


def parameters(specs: list[Any], number: int = 0) -> Any:
    """The parameters of a tool, in OpenAI's form."""
    return specs[number]["function"]["parameters"]


def test_each_format_has_its_form() -> None:
    schema = {
        "type": "object",
        "properties": {
            "metadata": {"type": "object", "additionalProperties": True, "default": {},
                         "description": "Anything to keep with the action."},
            "code": {"type": "string", "description": "The program."},
        },
        "required": ["code"],
        "additionalProperties": False,
    }  # fmt: skip
    shown = CodingEnv.tool_specs("openai")
    schema["properties"]["metadata"] = parameters(shown)["properties"]["metadata"]
    about = {"name": "CodeAction", "description": "Python source to run."}
    assert shown == [{"type": "function", "function": {**about, "parameters": schema}}]
    assert CodingEnv.tool_specs("anthropic") == [{**about, "input_schema": schema}]
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    assert CodingEnv.tool_specs("mcp") == [{**about, "inputSchema": {**dialect, **schema}}]
    titled = {"title": "CodeAction", "description": about["description"], **dialect, **schema}
    assert CodingEnv.tool_specs("json-schema") == [titled]
    assert shown.findings == ()
    assert shown.names == {"CodeAction": "CodeAction"}
    assert AsyncCodingEnv.tool_specs("openai") == shown


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_union_is_a_tool_for_each_member(format_name: Any) -> None:
    specs = WarehouseEnv.tool_specs(format_name)
    assert specs.names == {"move": "move", "pick": "pick", "place": "place"}
    assert len(specs) == 3
    assert json.loads(json.dumps(specs)) == specs


def test_members_are_named_by_tag_by_definition_or_by_title(tmp_path: Path) -> None:
    members = [{"$ref": "#/$defs/Go"}, {"title": "Stay", **tagged(b=TEXT)}, tagged(c=TEXT)]
    untagged = acting({"anyOf": members, "$defs": {"Go": tagged(a=TEXT)}})
    specs = client(untagged, tmp_path / "a").tool_specs("openai")
    assert [*specs.names] == ["Go", "Stay", "variant_2"]
    mapped = acting(
        {"oneOf": [{"$ref": "#/$defs/Go"}, {"$ref": "#/$defs/Stop"}],
         "discriminator": {"propertyName": "kind", "mapping": {
             "go!": "#/$defs/Go"}},
         "$defs": {"Go": tagged(kind=TEXT, a=TEXT), "Stop": tagged(kind=TEXT)}}
    )  # fmt: skip
    env = client(mapped, tmp_path / "b")
    assert env.tool_specs("openai").names == {"go_": "go!", "Stop": "Stop"}
    made = env.parse_call({"name": "go_", "arguments": {"a": "x"}})
    assert (made.arguments, made.action.a) == ({"kind": "go!", "a": "x"}, "x")
    assert env.parse_call({"name": "Stop"}).arguments == {"kind": "Stop"}


def test_unions_within_unions_and_behind_references_count(tmp_path: Path) -> None:
    both = {"oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}], "type": "object"}
    definitions = {
        "A": tagged(kind={"const": "a"}), "B": tagged(kind={"const": "b"}),
        "C": tagged(kind={"const": "c"}), "Both": both,
        "All": {"anyOf": [{"$ref": "#/$defs/Both"}, {"$ref": "#/$defs/C"}]},
    }  # fmt: skip
    union = acting({"$ref": "#/$defs/All", "$defs": definitions})
    assert [*client(union, tmp_path).tool_specs("mcp").names] == ["a", "b", "c"]


def test_tools_stand_beside_actions(tmp_path: Path) -> None:
    move = tagged(type={"const": "move", "type": "string"}, to=TEXT)
    action = {"title": "DoAction", "anyOf": [CALL_TOOL, LIST_TOOLS, move]}
    env = client(tooled(tool("look", {"at": TEXT}), action=action), tmp_path)
    specs = env.tool_specs("openai")
    assert [*specs.names] == ["move", "look"]
    assert parameters(specs, 1)["properties"] == {"at": TEXT}
    assert specs.findings == ()


def test_without_a_list_the_call_itself_is_shown(tmp_path: Path) -> None:
    specs = client(tooled(), tmp_path).tool_specs("openai")
    assert [*specs.names] == ["CallToolAction"]
    assert [finding.pointer for finding in specs.findings] == ["/tools"]


def test_names_fit_every_consumer(tmp_path: Path) -> None:
    names = ["get.weather", "get/weather", "get_weather", "größe", "x" * 70, "ok-1", "a.b"]
    env = client(tooled(*(tool(name, {}) for name in names)), tmp_path)
    specs = env.tool_specs("anthropic")
    assert sorted(specs.names.values()) == sorted(names)
    assert len(specs.names) == len(names)
    assert all(TOOL_NAME.fullmatch(name) for name in specs.names)
    shown = {wire: name for name, wire in specs.names.items()}
    assert (shown["get_weather"], shown["ok-1"], shown["a.b"]) == ("get_weather", "ok-1", "a_b")
    assert shown["get.weather"].startswith("get_weather_")
    assert {name: env.parse_call({"name": name}).name for name in specs.names} == specs.names


def test_a_name_depends_on_no_order() -> None:
    names = ["a.b", "a/b", "c d", "", "ü" * 80]
    assert shown_names(names, TOOL_NAME) == shown_names(names[::-1], TOOL_NAME)
    assert shown_names(["a.b"], TOOL_NAME) == {"a.b": "a_b"}
    assert len(set(shown_names(names, TOOL_NAME).values())) == len(names)


def test_an_action_and_a_tool_of_one_name_are_two(tmp_path: Path) -> None:
    action = {"anyOf": [CALL_TOOL, tagged(type={"const": "look", "type": "string"}, far=TEXT)]}
    env = client(tooled(tool("look", {"at": TEXT}), action=action), tmp_path)
    assert [*env.tool_specs("openai").names] == ["look_action", "look"]
    assert env.parse_call({"name": "look", "arguments": {"at": "x"}}).kind == "tool"
    assert env.parse_call({"name": "look_action", "arguments": {"far": "x"}}).kind == "action"


def test_only_some(tmp_path: Path) -> None:
    env = client(tooled(tool("a.b", {}), tool("c", {}), tool("d", {})), tmp_path)
    assert env.tool_specs("mcp", only=["c", "a_b"]).names == {"a_b": "a.b", "c": "c"}
    with pytest.raises(InvalidRequest, match=r"'cc'.*'c'"):
        env.tool_specs("mcp", only=["cc"])
    with pytest.raises(InvalidRequest, match="collection"):
        env.tool_specs("mcp", only="c")


def test_a_long_description_is_cut_where_the_consumer_refuses_it(tmp_path: Path) -> None:
    env = client(tooled({**tool("a", {}), "description": "word " * 400}), tmp_path)
    cut = env.tool_specs("openai")
    assert len(cut[0]["function"]["description"]) <= 1024
    assert [finding.pointer for finding in cut.findings] == ["/tools/0/description"]
    assert len(env.tool_specs("anthropic")[0]["description"]) == 2000
    whole = env.tool_specs("openai", max_description=5000)
    assert (len(whole[0]["function"]["description"]), whole.findings) == (2000, ())
    assert len(env.tool_specs("mcp", max_description=10)[0]["description"]) <= 10


def test_what_mcp_says_of_a_tool_is_kept(tmp_path: Path) -> None:
    output = {"type": "object", "properties": {"result": {"type": "integer"}}}
    env = client(tooled({**tool("a", {"x": TEXT}), "outputSchema": output}), tmp_path)
    (spec,) = env.tool_specs("mcp")
    assert spec["outputSchema"]["properties"] == output["properties"]


def test_references_are_replaced_where_consumers_do_not_follow_them(tmp_path: Path) -> None:
    point = {"type": "object", "properties": {"x": {"type": "integer"}}}
    named = tool("a", {"at": {"$ref": "#/$defs/P"}}, **{"$defs": {"P": point}})
    env = client(tooled(named), tmp_path)
    for format_name in ("openai", "anthropic"):
        text = json.dumps(env.tool_specs(format_name))
        assert "$ref" not in text
        assert "$defs" not in text
    assert env.tool_specs("mcp")[0]["inputSchema"]["properties"] == {"at": {"$ref": "#/$defs/P"}}


def test_recursion_is_kept_and_said(tmp_path: Path) -> None:
    recursive = tool("a", {"root": {"$ref": "#/$defs/Node"}}, **{"$defs": {"Node": NODE}})
    specs = client(tooled(recursive), tmp_path).tool_specs("openai")
    # A consumer that doesn't follow references still sees that it is an object.
    assert parameters(specs)["properties"]["root"] == {"type": "object", "$ref": "#/$defs/Node"}
    (finding,) = specs.findings
    assert (finding.tool, finding.pointer) == ("a", "/tools/0/inputSchema/$defs/Node")
    assert "vllm" in finding.consumers
    assert "vllm" in str(finding)


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "not", "allOf"])
def test_the_root_is_a_plain_object(keyword: str, tmp_path: Path) -> None:
    wanted = {"required": ["a"]} if keyword == "not" else [{"required": ["a"]}, {"required": ["b"]}]
    if keyword == "allOf":
        wanted = [{"anyOf": wanted}, {"anyOf": [{"required": ["a"]}, {"required": ["c"]}]}]
    rooted = tool("a", {"a": TEXT, "b": TEXT}, **{keyword: wanted, "if": {}, "then": {}})
    env = client(tooled(rooted), tmp_path)
    for format_name, key in (("openai", "parameters"), ("anthropic", "input_schema")):
        specs = env.tool_specs(format_name)
        schema = specs[0].get("function", specs[0])[key]
        assert schema["type"] == "object"
        assert not schema.keys() & {"anyOf", "oneOf", "allOf", "not", "enum", "$ref"}
        assert keyword in json.dumps(schema["then"])
        assert [finding.pointer for finding in specs.findings] == ["/tools/0/inputSchema"]


def test_parameters_have_names_that_anthropic_takes(tmp_path: Path) -> None:
    env = client(tooled(tool("a", {"$meta": TEXT, "x y": TEXT, "z": TEXT}, required=["x y"])),
                 tmp_path)  # fmt: skip
    (spec,) = env.tool_specs("anthropic")
    assert spec["input_schema"]["required"] == ["x_y"]
    assert all(PARAMETER_NAME.fullmatch(name) for name in spec["input_schema"]["properties"])
    assert [*parameters(env.tool_specs("openai"))["properties"]] == ["$meta", "x y", "z"]
    call = env.parse_call({"name": "a", "input": {"_meta": "m", "x_y": "y", "z": "z"}})
    assert call.arguments == {"$meta": "m", "x y": "y", "z": "z"}


def test_names_that_other_keywords_speak_of_stay_and_are_said(tmp_path: Path) -> None:
    env = client(tooled(tool("a", {"$m": TEXT}, dependentRequired={"$m": ["z"]})), tmp_path)
    specs = env.tool_specs("anthropic")
    assert "$m" in specs[0]["input_schema"]["properties"]
    assert [finding.consumers for finding in specs.findings] == [("anthropic",)]


def test_what_is_asked_for_has_to_exist() -> None:
    with pytest.raises(InvalidRequest, match="openai, anthropic, mcp, json-schema"):
        CodingEnv.tool_specs("gemini")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="strict"):
        CodingEnv.tool_specs("mcp", strict=True)
    with pytest.raises(ContractMissing):
        EnvClient.tool_specs("mcp")


def test_specifications_share_nothing() -> None:
    specs = CodingEnv.tool_specs("openai")
    parameters(specs)["properties"].clear()
    parameters(specs)["description"] = "changed"
    assert parameters(CodingEnv.tool_specs("openai"))["properties"]
