"""What real servers publish of themselves, release by release.

Nothing of envgen is used here. Where a test of ours fails and this file passes, we are wrong;
where this file fails on a new release, the wire has changed.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.interop.asking import SEED, ask, http, receive, socket_of
from tests.interop.conftest import Serve
from tests.interop.running import Release
from tests.interop.venvs import ROOT


def plain(schema: Any) -> Any:
    """A schema without the words that are for people."""
    if isinstance(schema, dict):
        words = {"description", "title"}
        return {
            name: plain(part)
            for name, part in schema.items()
            if name not in words or not isinstance(part, str)
        }
    return [plain(part) for part in schema] if isinstance(schema, list) else schema


def test_health(release: Release, serve: Serve) -> None:
    with http(serve(release, "coding")) as client:
        assert client.get("/health").json() == {"status": "healthy"}


@pytest.mark.parametrize("path", ["/schema", "/metadata"])
def test_the_seed_tells_nothing_of_itself(serve: Serve, path: str) -> None:
    with http(serve(SEED, "coding")) as client:
        assert client.get(path).status_code == 404


def test_schema_has_a_reset_observation_since_0_8(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        parts = {"action", "observation", "state"}
        if modern.has_reset_observation:
            parts.add("reset_observation")
        assert set(client.get("/schema").json()) == parts


def test_metadata_names_the_environment(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        assert client.get("/metadata").json()["name"] == "CodingEnvironment"


def test_schema_of_the_coding_environment_is_its_contract(modern: Release, serve: Serve) -> None:
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with http(serve(modern, "coding")) as client:
        schema = client.get("/schema").json()
    for part in ("action", "observation"):
        assert plain(schema[part]) == plain(contract[part])


def test_schema_has_the_state_class_where_the_server_can_be_told(
    modern: Release, serve: Serve
) -> None:
    with http(serve(modern, "coding")) as client:
        title = client.get("/schema").json()["state"]["title"]
    assert title == ("CodeState" if str(modern) == "openenv-0.10.0" else "State")


def test_schema_has_the_base_state_where_the_server_was_not_told(
    modern: Release, serve: Serve
) -> None:
    with http(serve(modern, "base_state")) as client:
        state = client.get("/schema").json()["state"]
    assert (state["title"], set(state["properties"])) == ("State", {"episode_id", "step_count"})
    assert state["additionalProperties"] is True


def test_schema_has_bounds_enums_and_nested_lists(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "grid")) as client:
        action = client.get("/schema").json()["action"]
    assert action["$defs"]["Direction"]["enum"] == ["up", "down", "left", "right"]
    distance, paint = action["properties"]["distance"], action["properties"]["paint"]
    assert (distance["minimum"], distance["maximum"]) == (1, 3)
    assert paint["items"] == {"type": "array", "items": {"type": "integer"}}
    assert "default" not in paint, "a default_factory says nothing"


def test_openapi_has_the_action_as_a_free_object(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
    action = schemas["StepRequest"]["properties"]["action"]
    assert (action["type"], action["additionalProperties"]) == ("object", True)
    assert "CodeAction" not in schemas


def test_reset_may_observe_another_class(modern: Release, serve: Serve) -> None:
    server = serve(modern, "faults")
    with socket_of(server) as socket, http(server) as client:
        observation = ask(socket, "reset")["data"]["observation"]
        schema = client.get("/schema").json()
    assert observation["ready"] is True
    if modern.has_reset_observation:
        assert schema["reset_observation"]["title"] == "FaultReset"
    assert schema["observation"]["title"] == "FaultObservation"


# MCP, asked of an environment that has no tools


def test_ws_mcp_frame(modern: Release, serve: Serve) -> None:
    with socket_of(serve(modern, "coding")) as socket:
        reply = ask(socket, "mcp", jsonrpc="2.0", id=5, method="tools/list")
    assert reply["type"] == "mcp"
    assert (reply["data"]["id"], "error" in reply["data"]) == (5, True)


def test_post_mcp_since_0_2_2(modern: Release, serve: Serve) -> None:
    with http(serve(modern, "coding")) as client:
        reply = client.post("/mcp", json={"jsonrpc": "2.0", "id": 5, "method": "tools/list"})
    assert reply.status_code == (404 if modern.version == "0.2.1" else 200)


def test_ws_mcp_route_since_0_2_2(modern: Release, serve: Serve) -> None:
    server = serve(modern, "coding")
    if modern.version == "0.2.1":
        with pytest.raises(InvalidStatus), socket_of(server, "/mcp"):
            pass
        return
    with socket_of(server, "/mcp") as socket:
        socket.send('{"jsonrpc": "2.0", "id": 5, "method": "tools/list"}')
        assert receive(socket)["id"] == 5
