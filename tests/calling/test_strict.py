"""OpenAI's strict mode: what it can say, what it can't, and what comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.calling.worlds import NODE, client, tool, tooled

TEXT = {"type": "string"}


def strict(properties: dict[str, Any], folder: Path, **keywords: Any) -> tuple[Any, Any]:
    """The function, and what its specification's findings say of which place."""
    env = client(tooled(tool("t", properties, **keywords)), folder)
    specs = env.tool_specs("openai", strict=True)
    place = "/tools/0/inputSchema"
    return specs[0]["function"], {item.pointer.removeprefix(place) for item in specs.findings}


def test_every_object_is_closed_and_requires_everything(tmp_path: Path) -> None:
    inner = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 0}}}
    function, said = strict({"a": TEXT, "p": inner}, tmp_path, required=["p"])
    assert function["strict"] is True
    assert said == set()
    assert function["parameters"] == {
        "type": "object",
        "properties": {
            "a": {"type": ["string", "null"]},
            "p": {
                "type": "object",
                "properties": {"x": {"type": ["integer", "null"], "minimum": 0}},
                "required": ["x"],
                "additionalProperties": False,
            },
        },
        "required": ["a", "p"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"enum": ["a", "b"]}, {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"anyOf": [TEXT, {"type": "integer"}]},
         {"anyOf": [TEXT, {"type": "integer"}, {"type": "null"}]}),
        ({"oneOf": [TEXT, {"type": "integer"}]},
         {"anyOf": [TEXT, {"type": "integer"}, {"type": "null"}]}),
        ({"type": "integer", "default": 3, "description": "How many."},
         {"type": ["integer", "null"], "description": "How many. Default: 3."}),
        ({"type": "integer", "default": 3, "description": "How many"},
         {"type": ["integer", "null"], "description": "How many. Default: 3."}),
        ({"const": "a", "default": "a"}, {"const": "a"}),
        ({"type": "array", "items": TEXT, "minItems": 1},
         {"type": ["array", "null"], "items": TEXT, "minItems": 1}),
    ],
)  # fmt: skip
def test_null_is_how_a_parameter_is_left_out(value: Any, shown: Any, tmp_path: Path) -> None:
    function, said = strict({"v": value}, tmp_path)
    assert function["parameters"]["properties"]["v"] == shown
    assert said == set()


@pytest.mark.parametrize(
    "value",
    [
        {}, {"type": "object"}, {"type": "object", "additionalProperties": TEXT},
        {"type": "string", "minLength": 1}, {"type": "array"}, {"type": "array", "items": {}},
        {"type": "array", "items": TEXT, "uniqueItems": True}, {"not": TEXT},
        {"oneOf": [{"type": "integer"}, {"type": "number"}]}, {"type": ["object", "string"]},
        {"type": "object", "properties": {"x": {}}, "required": ["x"]},
    ],
    ids=str,
)  # fmt: skip
def test_what_it_cannot_say_is_left_out_or_not_strict(value: Any, tmp_path: Path) -> None:
    function, said = strict({"v": value, "w": TEXT}, tmp_path / "optional", required=["w"])
    assert function["strict"] is True
    assert [*function["parameters"]["properties"]] == ["w"]
    assert said == {"/properties/v"}
    function, said = strict({"v": value}, tmp_path / "required", required=["v"])
    assert function["strict"] is False
    assert function["parameters"]["properties"]["v"] == value
    assert len(said) == 1


def test_recursion_can_be_said(tmp_path: Path) -> None:
    node = {"root": {"$ref": "#/$defs/Node"}}
    function, _ = strict(node, tmp_path, required=["root"], **{"$defs": {"Node": NODE}})
    assert function["strict"] is True
    children = function["parameters"]["$defs"]["Node"]["properties"]["children"]
    assert children == {"type": ["array", "null"], "items": {"$ref": "#/$defs/Node"}}


def test_members_with_other_constants_are_apart(tmp_path: Path) -> None:
    members = [
        {"type": "object", "properties": {"k": {"const": name}}, "required": ["k"]}
        for name in ("a", "b")
    ]
    function, _ = strict({"v": {"oneOf": members}}, tmp_path, required=["v"])
    assert function["strict"] is True
    assert len(function["parameters"]["properties"]["v"]["anyOf"]) == 2


def test_nulls_that_mean_absence_are_dropped(tmp_path: Path) -> None:
    inner = {"type": "object", "properties": {"x": {"type": "integer"}, "n": {"type": "null"}}}
    schema = {
        "a": TEXT,
        "p": inner,
        "items": {"type": "array", "items": inner},
        "either": {"anyOf": [TEXT, inner]},
        "root": {"$ref": "#/$defs/Node"},
    }
    env = client(tooled(tool("t", schema, **{"$defs": {"Node": NODE}})), tmp_path)
    given = {
        "a": None,
        "p": {"x": None, "n": None},
        "items": [{"x": None}, {"x": 1}],
        "either": {"x": None},
        "root": {"name": "r", "children": [{"name": "c", "children": None}]},
    }
    call = env.parse_call({"name": "t", "arguments": given}, strict=True)
    assert call.arguments == {
        "p": {"n": None},
        "items": [{}, {"x": 1}],
        "either": {},
        "root": {"name": "r", "children": [{"name": "c"}]},
    }
    with pytest.raises(ValueError, match=r"\$\.a"):
        env.parse_call({"name": "t", "arguments": {"a": None}})
