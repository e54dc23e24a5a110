"""What can't be sent, and what can't be read: the call fails, and the session goes on."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime import ToolsClient
from envgen_runtime.generated import RequestModel
from envgen_runtime.tools import Tool, Toolset

HALF = "\ud83d"


class EchoArguments(RequestModel):
    value: Any


class CityArguments(RequestModel):
    city: str


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (HALF, "$.value"),
        ({"a": [1, HALF]}, "$.value.a[1]"),
        ({HALF: 1}, "$.value"),
        ({1: 2}, "$.value"),
        (object(), "$.value"),
        (float("nan"), "$.value"),
        ([{1, 2}], "$.value[0]"),
    ],
    ids=["text", "nested", "key", "number as a key", "object", "NaN", "set"],
)
def test_what_json_does_not_have_is_refused(client: ToolsClient, value: Any, path: str) -> None:
    tool = Tool[EchoArguments, Any]("echo")
    for call in (
        lambda: client.call_tool("echo", {"value": value}),
        lambda: client._toolset(Toolset)._call(tool, {"value": value}),
    ):
        with pytest.raises(rt.ToolArgumentsInvalid, match="nothing was sent") as raised:
            call()
        assert (raised.value.path, raised.value.sent) == (path, False)
    assert client.call_tool("echo", {"value": 1})["content"] is not None


def test_half_a_surrogate_pair_is_refused_as_a_typed_text_too(client: ToolsClient) -> None:
    tool = Tool[CityArguments, Any]("get-weather")
    with pytest.raises(rt.ToolArgumentsInvalid) as raised:
        client._toolset(Toolset)._call(tool, {"city": HALF})
    assert raised.value.path == "$.city"
    assert client._toolset(Toolset)._call(tool, {"city": "Oslo"}).data["city"] == "Oslo"


@pytest.mark.parametrize("name", [HALF, object()])
def test_a_name_that_cannot_be_sent_is_no_tools(client: ToolsClient, name: Any) -> None:
    with pytest.raises(rt.ToolNotFound) as raised:
        client.call_tool(name)
    assert not raised.value.sent
    assert client.call_tool("echo", {"value": 1})["content"] is not None


def test_values_of_python_that_json_has_are_sent(client: ToolsClient) -> None:
    when = dt.date(2026, 11, 27)
    value: Any = [when, (1, 2)]
    result: Any = client.call_tool("echo", {"value": value})
    assert result["structuredContent"]["result"] == '["2026-11-27", [1, 2]]'
