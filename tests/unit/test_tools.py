"""Tools in a contract: what MCP's tools/list answers, kept beside the parts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from envgen.build import build_package
from envgen.contract.contract import EnvContract, parse_contract
from envgen.errors import ContractError
from envgen_runtime.contract.tools import calls_tools
from tests.support import contract, load

ADD = {
    "name": "add",
    "title": "Add",
    "description": "The sum.",
    "inputSchema": {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "customBasePath": "os.system",
    },
    "outputSchema": None,
    "annotations": {"readOnlyHint": True},
}


def parsed(*tools: Any) -> EnvContract:
    return parse_contract(contract(tools=list(tools)), source="x")


def test_a_contract_without_tools_is_what_it_was() -> None:
    plain = parse_contract(contract(), source="x")
    assert plain.fingerprint == parsed().fingerprint
    assert "tools" not in plain.to_json()
    assert parsed().to_json() == plain.to_json()


def test_tools_are_kept_in_their_order_and_without_what_is_unknown(tmp_path: Any) -> None:
    found = parsed({"name": "zap"}, ADD)
    kept = json.loads(found.to_json())["tools"]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"a": {"type": "integer"}},
    }
    assert kept == [
        {"name": "add", "description": "The sum.", "inputSchema": schema},
        {"name": "zap"},
    ]
    again = parse_contract(json.loads(found.to_json()), source="x")
    assert again.to_json() == found.to_json()
    folder = build_package(found, tmp_path).folder
    assert json.loads((folder / "contract.json").read_text())["tools"] == kept
    assert load(folder).DoEnv.fingerprint == found.fingerprint


def test_tools_are_part_of_the_structure_and_their_words_are_not() -> None:
    base = parsed(ADD).fingerprint
    assert base != parse_contract(contract(), source="x").fingerprint
    assert base == parsed({**ADD, "description": "Other words."}).fingerprint
    assert base != parsed({**ADD, "name": "plus"}).fingerprint
    assert base != parsed({**ADD, "inputSchema": {"type": "object"}}).fingerprint


def test_that_calls_are_not_typed_is_said() -> None:
    (finding,) = (item for item in parsed(ADD).findings if item.pointer == "/tools")
    assert finding.message == "its tools are known (1); the arguments of their calls are not typed"
    assert finding.severity == "info"


@pytest.mark.parametrize(
    ("tools", "pointer", "message"),
    [
        ({"add": ADD}, "/tools", "tools are a list"),
        ([ADD, ADD], "/tools/1", "another tool has this name"),
        ([{"inputSchema": {}}], "/tools/0", "a tool has no name"),
        ([7], "/tools/0", "a tool has no name"),
        ([{"name": "t", "inputSchema": 7}], "/tools/0/inputSchema", "schema"),
        ([{"name": f"t{number}"} for number in range(1001)], "/tools", "more than 1000"),
        ([{"name": "\ud800"}], "", "surrogate"),
    ],
)
def test_tools_that_are_none(tools: Any, pointer: str, message: str) -> None:
    with pytest.raises(ContractError, match=message) as caught:
        parse_contract(contract(tools=tools), source="x")
    assert caught.value.pointer == pointer


def test_the_action_of_an_environment_of_tools() -> None:
    call = {"properties": {"type": {"const": "call_tool"}, "tool_name": {"type": "string"}}}
    assert calls_tools(call)
    assert calls_tools({"oneOf": [{"$ref": "#/$defs/C"}], "$defs": {"C": call}})
    assert not calls_tools(contract()["action"])
    assert not calls_tools({"description": "call_tool"})
