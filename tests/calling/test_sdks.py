"""Specifications and calls go through the clients that people use: OpenAI's, Anthropic's, MCP's.

Their packages take seconds to import, so each test imports the one that it needs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from generated.coding_env import CodingEnv
from generated.warehouse_env import WarehouseEnv
from tests.calling.worlds import NODE, client, model_server, tool, tooled
from tests.support import ROOT

pytestmark = pytest.mark.slow
ODD = tooled(
    tool("get.weather", {"$meta": {"type": "string"}}, anyOf=[{"required": ["$meta"]}, {}]),
    {**tool("tree", {"root": {"$ref": "#/$defs/Node"}}, **{"$defs": {"Node": NODE}}),
     "description": "word " * 500,
     "outputSchema": {"type": "object", "properties": {"result": {"type": "string"}}}},
)  # fmt: skip


@pytest.fixture
def envs(tmp_path: Path) -> list[Any]:
    return [CodingEnv, WarehouseEnv, client(ODD, tmp_path)]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    contract = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
    with serving(create_app(contract, partial(CodingEnvironment, max_steps=2))) as base_url:
        yield base_url


def is_of(kind: Any, value: dict[str, Any]) -> None:
    """Check a value against a TypedDict: its types, and that it has no other keys."""
    TypeAdapter(kind).validate_python(value)
    assert value.keys() <= kind.__annotations__.keys()


def test_specifications_are_of_openais_types(envs: list[Any]) -> None:
    from openai.types.chat import ChatCompletionFunctionToolParam
    from openai.types.shared_params import FunctionDefinition

    for env in envs:
        for strict in (False, True):
            for spec in env.tool_specs("openai", strict=strict):
                is_of(ChatCompletionFunctionToolParam, spec)
                is_of(FunctionDefinition, spec["function"])


def test_specifications_are_of_anthropics_types(envs: list[Any]) -> None:
    from anthropic.types import ToolParam

    for env in envs:
        for spec in env.tool_specs("anthropic"):
            is_of(ToolParam, spec)


def test_specifications_are_of_mcps_types(envs: list[Any]) -> None:
    from mcp.types import Tool

    for env in envs:
        for spec in env.tool_specs("mcp"):
            made = Tool.model_validate(spec)
            assert made.model_dump(by_alias=True, exclude_none=True, mode="json") == spec


def test_a_turn_of_openai(url: str) -> None:
    import openai

    asked: list[Any] = []
    server = model_server("CodeAction", {"code": "print(6 * 7)"}, asked)
    with (
        serving(server) as model_url,
        openai.OpenAI(api_key="k", base_url=f"{model_url}/v1", max_retries=0) as model,
        CodingEnv(url) as env,
    ):
        env.reset()
        reply = model.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Compute 6 * 7."}],
            tools=env.tool_specs("openai"),
        )
        (call,) = reply.choices[0].message.tool_calls or []
        assert env.dispatch(call).observation.stdout == "42\n"
        assert env.parse_call(call).id == "call_1"
        assert env.parse_call(call.model_dump()).id == "call_1"
    assert asked[0]["tools"] == CodingEnv.tool_specs("openai")


def test_a_turn_of_anthropic(url: str) -> None:
    import anthropic

    asked: list[Any] = []
    server = model_server("CodeAction", {"code": "print(6 * 7)"}, asked)
    with (
        serving(server) as model_url,
        anthropic.Anthropic(api_key="k", base_url=model_url, max_retries=0) as model,
        CodingEnv(url) as env,
    ):
        env.reset()
        reply = model.messages.create(
            model="m",
            max_tokens=100,
            messages=[{"role": "user", "content": "Compute 6 * 7."}],
            tools=env.tool_specs("anthropic"),
        )
        (block,) = [block for block in reply.content if block.type == "tool_use"]
        assert env.dispatch(block).observation.stdout == "42\n"
        assert env.parse_call(block).id == "toolu_1"
    assert asked[0]["tools"] == CodingEnv.tool_specs("anthropic")


def test_a_call_of_mcp() -> None:
    from mcp.types import CallToolRequest, CallToolRequestParams

    arguments = {"code": "1"}
    params = CallToolRequestParams(name="CodeAction", arguments=arguments)
    request = CallToolRequest(method="tools/call", params=params)
    for call in (params, request, request.model_dump(by_alias=True)):
        assert CodingEnv.parse_call(call).arguments == arguments
