"""What NeMo Gym's models and data sets are shown. The servers are tested where NeMo is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from envgen_runtime.adapters.nemo_gym import (
    gymnasium_server,
    resources_server,
    shown_tools,
    task_data,
)
from envgen_runtime.adapters.nemo_tools import body_of, routes_of, show_schemas
from envgen_runtime.adapters.skyrl import skyrl_env
from envgen_runtime.errors import MissingExtra
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.calling.worlds import NODE, client, tool, tooled
from tests.support import build, contract


def test_routes_are_none_of_nemos_own(tmp_path: Path) -> None:
    names = ["verify", "verify_tool", "get.weather", "mcp"]
    env = client(tooled(*(tool(name, {}) for name in names)), tmp_path)
    routes = {route.tool.wire_name: route.name for route in routes_of(env)}
    shown = ["verify_tool_tool", "verify_tool", "get_weather", "mcp_tool"]
    assert routes == dict(zip(names, shown, strict=True))
    assert [item["name"] for item in shown_tools(env)] == [*routes.values()]


def test_models_are_shown_the_contract(tmp_path: Path) -> None:
    place = {"$ref": "#/$defs/Place"}
    defs = {"Place": {"type": "object", "properties": {"x": {"type": "integer", "minimum": 0}}}}
    env = client(tooled(tool("go", {"to": place}, **{"$defs": defs})), tmp_path)
    (shown,) = shown_tools(env)
    assert (shown["type"], shown["strict"]) == ("function", False)
    assert shown["parameters"]["properties"]["to"]["properties"]["x"]["minimum"] == 0
    (body,) = map(body_of, routes_of(env))
    assert body.model_json_schema() == shown["parameters"]
    body.model_json_schema()["type"] = "changed"
    assert body.model_json_schema() == shown["parameters"]


def test_references_lead_into_the_document(tmp_path: Path) -> None:
    properties = {"tree": {"$ref": "#/$defs/Node"}}
    env = client(tooled(tool("plant", properties, **{"$defs": {"Node": NODE}})), tmp_path)
    (route,) = routes_of(env)

    class App:
        @staticmethod
        def openapi() -> dict[str, Any]:
            return {"components": {"schemas": {"plant_arguments": {}}}}

    app = App()
    show_schemas(app, {"plant_arguments": route.parameters})
    schema = app.openapi()["components"]["schemas"]["plant_arguments"]
    ((name, node),) = schema["$defs"].items()
    place = f"#/components/schemas/plant_arguments/$defs/{name}"
    assert node["properties"]["children"]["items"]["$ref"] == place


def test_rows_are_described_by_the_contract(tmp_path: Path) -> None:
    parameters = {
        "type": "object",
        "properties": {
            "level": {"type": "integer", "minimum": 1},
            "from": {"type": "string"},
            "copy": {"type": "boolean"},
        },
        "required": ["level"],
    }
    module = build(contract(name="maze_env", reset_parameters=parameters), tmp_path)
    rows = task_data(module.MazeEnv, columns=["split"])
    schema = rows.model_json_schema()
    assert schema["required"] == ["level"]
    assert {*schema["properties"]} == {"seed", "episode_id", "level", "from", "copy", "split"}
    assert rows.model_validate({"level": 2, "from": None, "prompt": "?"}).model_extra == {
        "prompt": "?"
    }
    for wrong in ({}, {"level": 0}, {"level": 2, "from": 1}, {"level": 2, "seed": "x"}):
        with pytest.raises(ValidationError):
            rows.model_validate(wrong)


@pytest.mark.parametrize(
    ("make", "extra"),
    [
        (lambda: resources_server(AsyncCodingEnv, "http://127.0.0.1:9"), "nemo-gym"),
        (lambda: gymnasium_server(AsyncCodingEnv, "http://127.0.0.1:9"), "nemo-gym"),
        (lambda: skyrl_env(CodingEnv, "http://127.0.0.1:9"), "skyrl"),
    ],
)
def test_a_trainer_that_isnt_installed_is_told(make: Any, extra: str) -> None:
    with pytest.raises(MissingExtra, match=rf"envgen-runtime\[{extra}\]"):
        make()
