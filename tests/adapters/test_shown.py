"""What trainers list as tools, and what they return of a call."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from envgen_runtime.adapters.episode import Turn
from envgen_runtime.adapters.rows import first_messages
from envgen_runtime.adapters.shown import called_result, listed_tools, shown_schemas
from envgen_runtime.adapters.text import observation_to_text
from envgen_runtime.tools.content import read_content
from envgen_runtime.tools.errors import ToolExecutionFailed
from envgen_runtime.tools.result import ToolResult
from generated.warehouse_env import WarehouseEnv
from tests.support import build, contract

TOTAL = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> type:
    size = {"$defs": {"Size": {"type": "integer", "minimum": 1}}}
    place = {
        **size, "type": "object", "properties": {"size": {"$ref": "#/$defs/Size"}},
        "required": ["size"],
    }  # fmt: skip
    calls = {"title": "CallToolAction", "type": "object", "properties": {
        "type": {"const": "call_tool"}, "tool_name": {"type": "string"},
        "arguments": {"type": "object"}}, "required": ["type", "tool_name"]}  # fmt: skip
    tools = [
        {"name": "place", "description": "x" * 2000, "inputSchema": place, "outputSchema": TOTAL},
        {"name": "look", "inputSchema": {"type": "object", "properties": {}}},
    ]
    built = build(contract(action=calls, tools=tools), tmp_path_factory.mktemp("shop"))
    client: type = built.DoEnv
    return client


def test_tools_are_listed_without_references_and_uncut(shop: type) -> None:
    look, place = listed_tools(shop)
    assert place["inputSchema"]["properties"]["size"] == {"type": "integer", "minimum": 1}
    assert len(place["description"]) == 2000
    assert look["description"] == ""
    assert shown_schemas(shop) == {
        "place": place["inputSchema"],
        "look": look["inputSchema"],
    }


def test_each_variant_of_an_action_is_a_tool() -> None:
    assert {"move", "pick"} <= shown_schemas(WarehouseEnv).keys()


def result(structured: Any, *blocks: dict[str, Any]) -> Turn:
    content = read_content(list(blocks))
    found: ToolResult[Any] = ToolResult(None, content=content, structured=structured)
    return Turn(observation_to_text(found), result=found)


def test_results_keep_what_the_server_sent() -> None:
    blocks = [
        {"type": "text", "text": "5 in all"},
        {"type": "image", "data": "iVBORw==", "mime_type": "image/png"},
        {"type": "resource", "resource": {"uri": "a:b", "text": "a note"}},
        {"type": "novel", "x": 1},
    ]
    found = called_result(result({"total": 5}, *blocks))
    assert found["structuredContent"] == {"total": 5}
    assert found["isError"] is False
    assert found["content"] == [
        {"type": "text", "text": "5 in all"},
        {"type": "image", "data": "iVBORw==", "mimeType": "image/png"},
        {"type": "text", "text": "a note"},
        {"type": "text", "text": "(novel)"},
    ]
    image = called_result(result(None, blocks[1]))
    assert [block["type"] for block in image["content"]] == ["text", "image"]
    assert called_result(result(None))["isError"] is False


def test_a_text_that_a_reader_made_is_all_that_is_shown() -> None:
    whole = result({"total": 5}, {"type": "text", "text": "5 in all"})
    found = called_result(replace(whole, text="five"))
    assert found == {"content": [{"type": "text", "text": "five"}], "isError": False}


def test_a_failed_call_is_an_error() -> None:
    error = ToolExecutionFailed("no", tool="look")
    found = called_result(Turn("sold out", error=error))
    assert found == {"content": [{"type": "text", "text": "sold out"}], "isError": True}


@pytest.mark.parametrize(
    ("prompt", "observation", "messages"),
    [
        (None, "", [{"role": "user", "content": "Begin."}]),
        (None, "a board", [{"role": "user", "content": "a board"}]),
        ("Win.", "", [{"role": "user", "content": "Win."}]),
        ("Win.", "a board", [{"role": "user", "content": "Win.\n\na board"}]),
        (
            [{"role": "system", "content": "You play."}],
            "a board",
            [{"role": "system", "content": "You play."}, {"role": "user", "content": "a board"}],
        ),
        (
            [{"role": "system", "content": "You play."}, {"role": "user", "content": "Win."}],
            "a board",
            [
                {"role": "system", "content": "You play."},
                {"role": "user", "content": "Win.\n\na board"},
            ],
        ),
    ],
)
def test_the_first_messages(prompt: Any, observation: str, messages: list[Any]) -> None:
    before = deepcopy(prompt)
    assert first_messages(prompt, observation) == messages
    assert prompt == before


def test_the_system_message_tells_more() -> None:
    told = {"role": "system", "content": "Answer with code."}
    begin = {"role": "user", "content": "Begin."}
    assert first_messages(None, "", "Answer with code.") == [told, begin]
    prompt = [{"role": "system", "content": "You play."}, {"role": "user", "content": []}]
    first, last = first_messages(prompt, "a board", "Answer with code.")
    assert first["content"] == "You play.\n\nAnswer with code."
    assert last["content"] == [{"type": "text", "text": "a board"}]
