"""A model's call, made: over a real socket, with its reward."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envgen.demo.server import serving
from envgen_runtime import MissingExtra, NotReset, SessionError
from envgen_runtime.calling.advice import InvalidCall
from tests.calling.worlds import CALL_TOOL, ECHO, acting, client, tagged, tool, tooled
from tests.support import contract

UNION = acting(
    {"oneOf": [{"$ref": "#/$defs/Go"}, {"$ref": "#/$defs/Stop"}],
     "$defs": {"Go": tagged(kind={"const": "go", "default": "go"}, to={"type": "string"}),
               "Stop": tagged(kind={"const": "stop", "default": "stop"})}}
)  # fmt: skip
TOOLS = tooled(tool("get-weather", {"city": {"type": "string"}}, required=["city"]))
WEATHER = '```json\n{"name": "get-weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}\n```'


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(ECHO) as base_url:
        yield base_url


def test_an_action_is_stepped(url: str, tmp_path: Path) -> None:
    with client(UNION, tmp_path)(url) as env:
        env.reset()
        result = env.dispatch({"name": "go", "arguments": {"to": "door"}}, timeout_s=30)
        assert result.observation.seen == {"kind": "go", "to": "door"}
        assert (result.reward, result.done) == (0.5, True)
        env.reset()
        made = env.parse_call({"name": "stop"})
        assert env.dispatch(made).observation.seen == {"kind": "stop"}


def test_a_tool_is_called_by_a_step(url: str, tmp_path: Path) -> None:
    with client(TOOLS, tmp_path)(url) as env:
        env.reset()
        result = env.dispatch(WEATHER)
        seen = {"type": "call_tool", "tool_name": "get-weather", "arguments": {"city": "Oslo"}}
        assert result.observation.seen == seen
        assert result.reward == 0.5


def test_the_async_client_does_the_same(url: str, tmp_path: Path) -> None:
    async def play() -> Any:
        async with client(TOOLS, tmp_path, is_async=True)(url) as env:
            await env.reset()
            return await env.dispatch(WEATHER)

    assert asyncio.run(play()).observation.seen["arguments"] == {"city": "Oslo"}


def test_a_wrong_call_costs_nothing(url: str, tmp_path: Path) -> None:
    with client(TOOLS, tmp_path)(url) as env:
        with pytest.raises(NotReset):
            env.dispatch(WEATHER)
        env.reset()
        with pytest.raises(InvalidCall) as caught:
            env.dispatch({"name": "get-weather", "arguments": {"town": "Oslo"}})
        assert not isinstance(caught.value, SessionError)
        assert env.dispatch(WEATHER).reward == 0.5


def test_nulls_of_strict_mode_are_left_out(url: str, tmp_path: Path) -> None:
    optional = tooled(tool("t", {"a": {"type": "string"}}))
    with client(optional, tmp_path)(url) as env:
        env.reset()
        call = {"name": "t", "arguments": {"a": None}}
        assert env.dispatch(call, strict=True).observation.seen["arguments"] == {}
        with pytest.raises(InvalidCall):
            env.dispatch(call)


def test_the_library_that_validates_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    env = client(TOOLS, tmp_path)
    with pytest.raises(MissingExtra, match=r"arguments.*envgen-runtime\[exact\]"):
        env.parse_call(WEATHER)
    assert client(UNION, tmp_path / "typed").parse_call({"name": "stop"}).arguments


def test_an_action_that_takes_more_than_a_call_is_told(tmp_path: Path) -> None:
    more = {**CALL_TOOL, "required": ["tool_name", "token"]}
    more["properties"] = {**CALL_TOOL["properties"], "token": {"type": "string"}}
    env = client(tooled(tool("look", {}), action=more), tmp_path)
    with pytest.raises(InvalidCall, match="look"):
        env.parse_call({"name": "look"})


def test_a_tool_that_no_step_calls_is_not_made(url: str, tmp_path: Path) -> None:
    env = client(contract(tools=[tool("look", {})]), tmp_path)(url)
    made = env.parse_call({"name": "look"})
    assert (made.name, made.arguments, made.action) == ("look", {}, None)
    with pytest.raises(InvalidCall, match="look"):
        env.dispatch(made)


def test_a_model_does_not_grade_itself(tmp_path: Path) -> None:
    """A resources server's ``verify`` gives the reward of whatever response it is sent."""
    document = tooled(tool("count", {}), tool("verify", {"response": {"type": "string"}}))
    env = client({**document, "wire": {"protocol": "nemo-gym"}}, tmp_path)
    assert list(env.tool_specs("openai").names) == ["count"]
    with pytest.raises(InvalidCall, match="no tool 'verify'"):
        env.parse_call({"name": "verify", "arguments": {"response": "right"}})
