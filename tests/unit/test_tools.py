"""Tools in a contract: what MCP's tools/list answers, kept beside the parts."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from envgen.build import build_package
from envgen.contract.contract import EnvContract, parse_contract
from envgen.contract.tools import ANYTHING
from envgen.errors import ContractError
from envgen.plan.planner import make_plan
from envgen_runtime.contract.drift import differences, tool_differences
from envgen_runtime.contract.tools import calls_tools, with_tool_replies
from envgen_runtime.tools import ToolArgumentsInvalid, ToolReply
from envgen_runtime.tools.live import LiveTools
from tests.support import ROOT, contract, load

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
        {
            "name": "add",
            "title": "Add",
            "description": "The sum.",
            "inputSchema": schema,
            "annotations": {"readOnlyHint": True},
        },
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


def test_a_schema_that_is_none_types_nothing_and_is_said() -> None:
    found = parsed({"name": "t", "inputSchema": 7}, ADD)
    (finding,) = (item for item in found.findings if item.severity == "warning")
    assert finding.pointer == "/tools/0/inputSchema"
    assert "its schema can't be used, so it is not typed" in finding.message
    assert found.tools[1].schemas == {"inputSchema": ANYTHING}


TEXT: dict[str, Any] = {"type": "string"}


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"type": "string", "enum": []}, "/enum"),
        ({"type": "string", "required": True}, "/required"),
        ({"type": "string", "$ref": "#/$defs/Missing"}, "/$ref"),
        ("a string", ""),
        ({"type": "text"}, "/type"),
    ],
)
def test_what_is_wrong_with_a_schema_is_left_out(wrong: Any, place: str, tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"a": wrong, "b": TEXT}, "required": ["b"]}
    found = parsed({"name": "t", "inputSchema": schema})
    (finding,) = (item for item in found.findings if item.severity == "warning")
    assert finding.pointer == f"/tools/0/inputSchema/properties/a{place}"
    kept = found.tools[0].schemas["inputSchema"]["properties"]
    assert kept == {"a": TEXT if wrong != "a string" and place != "/type" else {}, "b": TEXT}
    again = parse_contract(json.loads(found.to_json()), source="x")
    assert again.to_json() == found.to_json()
    listed = [{"name": "t", "inputSchema": schema}]
    assert tool_differences(json.loads(found.to_json()), listed) == []


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["object", "null"], "properties": {"b": TEXT}},
        {"anyOf": [{"type": "object", "properties": {"b": TEXT}}, {"type": "null"}]},
    ],
)
def test_arguments_are_an_object_though_null_is_allowed(schema: Any) -> None:
    contract = parse_contract(
        {"name": "x", "tools": [{"name": "t", "inputSchema": schema}]}, source=""
    )
    plan, findings = make_plan(contract)
    assert findings == ()
    assert [field.name for field in plan.classes["TArguments"].fields] == ["b"]


def test_a_schema_of_many_faults_is_not_typed() -> None:
    faults = {f"p{number}": {"enum": []} for number in range(11)}
    found = parsed({"name": "t", "inputSchema": {"type": "object", "properties": faults}})
    assert found.tools[0].schemas["inputSchema"] == ANYTHING


def test_a_list_that_differs() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    built = json.loads(parsed({"name": "kept", "inputSchema": schema}, {"name": "gone"}).to_json())
    retyped = {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": ["b"]}
    listed = [{"name": "new"}, {"name": "kept", "inputSchema": retyped, "outputSchema": schema}]
    assert tool_differences(built, listed) == [
        "/tools/gone: removed",
        "/tools/kept/inputSchema/properties/b: now required",
        "/tools/kept/inputSchema/properties/a/type: 'integer' became 'string'",
        "/tools/kept/inputSchema/properties/b: added",
        "/tools/kept/outputSchema: added",
        "/tools/new: added",
    ]
    assert tool_differences(built, built["tools"]) == []
    many = [{"name": f"t{number}"} for number in range(30)]
    assert tool_differences(built, [*built["tools"], *many])[-1] == "and more"


def test_the_names_of_pythons_fields_are_mcps() -> None:
    dumped = {
        "name": "t",
        "input_schema": {"type": "object", "properties": {"a": TEXT}},
        "output_schema": {"type": "object"},
        "annotations": {"read_only_hint": True, "title": "T"},
    }
    (tool,) = parsed(dumped).tools
    assert tool.schemas.keys() == {"inputSchema", "outputSchema"}
    assert (tool.annotations, tool.title) == ({"readOnlyHint": True}, "T")


def test_a_call_is_checked_against_a_list() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "integer"},
            "x": {"type": ["number", "null"]},
            "kind": {"enum": ["a", 1]},
            "any": {},
        },
        "required": ["n"],
        "additionalProperties": False,
    }
    live = LiveTools([{"name": "t", "inputSchema": schema}], is_exact=False)
    for right in ({"n": 1}, {"n": 2.0, "x": None, "kind": 1.0, "any": [{}]}, {"n": 1, "x": 0.5}):
        live.check("t", right)
    for wrong, path in (
        ({}, "$.n"),
        ({"n": True}, "$.n"),
        ({"n": 1.5}, "$.n"),
        ({"n": 1, "x": "1"}, "$.x"),
        ({"n": 1, "x": False}, "$.x"),
        ({"n": 1, "kind": True}, "$.kind"),
        ({"n": 1, "m": 1}, "$.m"),
    ):
        with pytest.raises(ToolArgumentsInvalid) as refused:
            live.check("t", wrong)
        assert (refused.value.path, refused.value.sent) == (path, False)
    live.check("unlisted", {"anything": 1})
    exact = LiveTools(
        [{"name": "t", "inputSchema": {"properties": {"a": {"minimum": 1}}}}], is_exact=True
    )
    with pytest.raises(ToolArgumentsInvalid):
        exact.check("t", {"a": 0})


@pytest.mark.parametrize(
    ("tools", "pointer", "message"),
    [
        ({"add": ADD}, "/tools", "tools are a list"),
        ([ADD, ADD], "/tools/1", "the tools at 0 and 1 are both called add"),
        ([{"inputSchema": {}}], "/tools/0", "the tool at 0 has no name"),
        ([7], "/tools/0", "the tool at 0 has no name"),
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
    assert calls_tools({"properties": {"type": {"enum": ["call", "call_tool"]}}})
    assert not calls_tools({"description": "call_tool"})
    assert not calls_tools({"properties": {"history": {"items": call}}}), "it only tells of calls"


# --- what their servers reply -------------------------------------------------------------------

BASE = {"done": {"type": "boolean", "default": False}, "metadata": {"type": "object"}}
CALL = {
    "title": "CallToolAction",
    "type": "object",
    "properties": {"type": {"const": "call_tool"}, "tool_name": {"type": "string"}},
}
MOVE = {"title": "MoveAction", "type": "object", "properties": {"type": {"const": "move"}}}
RESULT = {
    "title": "CallToolObservation",
    "type": "object",
    "properties": {**BASE, "tool_name": {"type": "string"}, "result": {}, "error": {}},
    "required": ["tool_name"],
}
PLACE = {
    "title": "Place",
    "type": "object",
    "properties": {**BASE, "name": {"type": "string"}},
    "required": ["name", "done"],
}
READY = {"observation": {"status": "ready"}, "reward": None, "done": False}
LAST = {"observation": {}, "reward": 2.0, "done": True}


def tooled(**parts: Any) -> dict[str, Any]:
    return contract(**{"action": CALL, "observation": RESULT, **parts})


def client_of(document: dict[str, Any], folder: Path) -> Any:
    parsed = parse_contract(document, source="x")
    again = parse_contract(json.loads(parsed.to_json()), source="x")
    assert again.to_json() == parsed.to_json(), "a saved contract is read as it is"
    assert differences(json.loads(parsed.to_json()), document) == []
    assert differences(document, document) == []
    package = load(build_package(parsed, folder).folder)
    return package.DoEnv("http://127.0.0.1:9")


@pytest.mark.parametrize(
    "document",
    [
        tooled(),
        tooled(reset_observation=RESULT),
        tooled(action={"anyOf": [CALL, MOVE]}),
        tooled(action={"title": "MCPAction", "type": "object", "properties": {}}),
        tooled(observation={"$ref": "#/$defs/R", "$defs": {"R": RESULT}}),
    ],
    ids=["unsaid", "said wrongly", "union", "action of any form", "reference"],
)
def test_a_reset_without_a_tool(document: dict[str, Any], tmp_path: Path) -> None:
    client = client_of(document, tmp_path)
    reset = client._parse_reset(READY)
    assert type(reset.observation).__name__ == "Observation"
    assert (reset.done, reset.observation.done, reset.observation.status) == (False, False, "ready")
    last = client._parse_result(LAST)
    assert (last.reward, last.done, last.observation.done) == (2.0, True, True)
    assert last.observation.tool_name is None


def test_what_is_assumed_of_a_reset_is_said() -> None:
    parsed = parse_contract(tooled(), source="x")
    assert [(item.severity, item.pointer) for item in parsed.findings] == [
        ("info", "/observation"),
        ("info", "/reset_observation"),
    ]


@pytest.mark.parametrize("published", [{}, {"reset_observation": PLACE}])
def test_an_observation_of_its_own_beside_calls(published: Any, tmp_path: Path) -> None:
    document = contract(action={"oneOf": [CALL, MOVE]}, observation=PLACE, **published)
    parsed = parse_contract(document, source="x")
    assert [item.pointer for item in parsed.findings] == ["/observation"]
    client = client_of(document, tmp_path)
    home = {"observation": {"name": "home"}, "reward": None, "done": False}
    assert client._parse_reset(home).observation.name == "home"
    assert client._parse_result(LAST).observation.name is None


def test_a_union_of_observations_takes_the_base_observation(tmp_path: Path) -> None:
    members = {"oneOf": [{"$ref": "#/$defs/CallToolObservation"}, {"$ref": "#/$defs/Place"}]}
    definitions = {"CallToolObservation": RESULT, "Place": PLACE}
    document = tooled(observation={**members, "title": "Seen", "$defs": definitions})
    client = client_of(document, tmp_path)
    call = {"observation": {"tool_name": "add"}, "reward": 1.0, "done": False}
    assert type(client._parse_result(call).observation).__name__ == "CallToolObservation"
    for reply in (client._parse_reset(READY), client._parse_result(LAST)):
        assert type(reply.observation).__name__ == "Observation"


def test_a_reset_observation_of_its_own_stays() -> None:
    parsed = parse_contract(tooled(reset_observation=PLACE), source="x")
    assert parsed.parts["reset_observation"]["required"] == ["name", "done"]


def test_a_server_with_routes_of_its_own_replies_as_it_publishes() -> None:
    reset, step = (
        {"method": "POST", "path": path, "reply": {"observation": "/observation"}}
        for path in ("/reset", "/step")
    )
    wire = {"reset": reset, "step": step}
    parsed = parse_contract(tooled(wire=wire), source="x")
    assert "reset_observation" not in parsed.parts
    assert parsed.parts["observation"]["required"] == ["tool_name"]


@pytest.mark.parametrize(
    "document",
    [contract(), contract(observation=PLACE), tooled(observation={**RESULT, "required": []})],
    ids=["no tools", "required fields", "a base Observation fits"],
)
def test_other_contracts_are_as_published(document: dict[str, Any]) -> None:
    assert with_tool_replies(document) is document


# --- what generated methods send ------------------------------------------------------------------


class Kept:
    """A caller that keeps what it is asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def call(self, name: str, arguments: Any, *, timeout_s: float | None) -> ToolReply:
        self.calls.append((name, arguments))
        return ToolReply({"content": [], "structuredContent": {"result": None}})

    def explain(self, error: Any) -> Any: ...


def test_names_on_the_wire_are_kept() -> None:
    desk = load(ROOT / "tests" / "golden" / "tools_environment" / "expected")
    caller = Kept()
    tools = desk.DeskToolset(caller)
    odd = {"from_": "a", "self_": "b", "timeout_s": 3, "If_Match": "c", "meta": "d", "json_": "e"}
    tools.get_weather(**odd)
    tools.get_weather_2(limit=1, day=date(2026, 2, 1))
    assert tools.from_().data is None
    tools.step(reset=True, speed=1.5)
    tools.broken(a=[None])
    buy, sell = (desk.OrderArguments.__args__[number] for number in (0, 1))
    tools.Order_(buy(qty=2))
    tools.Order_(sell(sku="x"), timeout_s=3)
    sent = {"from": "a", "self": "b", "timeout_s": 3, "If-Match": "c", "$meta": "d", "json": "e"}
    assert caller.calls == [
        ("get_weather", sent),
        ("get-weather", {"limit": 1, "day": "2026-02-01"}),
        ("from", {}),
        ("step", {"reset": True, "speed": 1.5}),
        ("broken", {"a": [None]}),
        ("Order", {"kind": "buy", "qty": 2}),
        ("Order", {"kind": "sell", "sku": "x"}),
    ]
    for wrong in ({"limit": None}, {"limit": "1"}, {"colour": 1}):
        with pytest.raises((ToolArgumentsInvalid, TypeError)):
            tools.get_weather_2(**wrong)
    assert len(caller.calls) == 7
