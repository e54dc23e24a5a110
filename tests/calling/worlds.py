"""Contracts for models, the clients that are built from them, and servers for both sides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from tests.runtime.servers import observed, requests
from tests.support import build, contract

SEEN = {"title": "SeeObservation", "type": "object", "properties": {"seen": {}}}
CALL_TOOL = {
    "title": "CallToolAction",
    "description": "A call.",
    "type": "object",
    "properties": {
        "type": {"const": "call_tool", "default": "call_tool", "type": "string"},
        "tool_name": {"type": "string"},
        "arguments": {"type": "object", "additionalProperties": True},
    },
    "required": ["tool_name"],
    "additionalProperties": False,
}
LIST_TOOLS = {
    "title": "ListToolsAction",
    "type": "object",
    "properties": {"type": {"const": "list_tools", "type": "string"}},
    "required": ["type"],
    "additionalProperties": False,
}
NODE = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
    },
    "required": ["name"],
}


def tagged(**properties: Any) -> dict[str, Any]:
    """An object of these properties, all required but its tag."""
    required = [name for name in properties if name != "kind"]
    return {"type": "object", "properties": properties, "required": required,
            "additionalProperties": False}  # fmt: skip


def tool(name: str, properties: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    """A tool with these parameters."""
    schema = {"type": "object", "properties": properties, **keywords}
    return {"name": name, "inputSchema": schema}


def tooled(*tools: dict[str, Any], action: Any = None) -> dict[str, Any]:
    """The contract of an environment of tools."""
    return contract(action=action or CALL_TOOL, observation=SEEN, tools=[*tools])


def acting(action: dict[str, Any]) -> dict[str, Any]:
    """A contract with this action."""
    return contract(action={"title": "DoAction", **action}, observation=SEEN)


def client(document: dict[str, Any], folder: Path, *, is_async: bool = False) -> Any:
    """The client's class of a contract."""
    module = build(document, folder)
    return module.AsyncDoEnv if is_async else module.DoEnv


async def _echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for text in requests(websocket):
        frame = json.loads(text)
        if frame["type"] == "close":
            return
        if frame["type"] == "mcp":
            error = {"code": -32603, "message": "Environment does not support MCP"}
            told = {"jsonrpc": "2.0", "id": frame["data"]["id"], "error": error}
            await websocket.send_text(json.dumps({"type": "mcp", "data": told}))
            continue
        seen = frame.get("data") if frame["type"] == "step" else None
        await websocket.send_text(observed({"seen": seen}, reward=0.5, done=seen is not None))


ECHO = Starlette(routes=[WebSocketRoute("/ws", _echo)])
"""An environment that observes the action that it was sent."""


def model_server(name: str, arguments: Any, asked: list[Any]) -> Starlette:
    """A server of OpenAI's and Anthropic's routes, whose model calls one tool, and then answers.

    ``asked`` gets the bodies of the requests.
    """

    async def chat(request: Request) -> JSONResponse:
        asked.append(body := await request.json())
        message: dict[str, Any] = {"role": "assistant", "content": "done"}
        if body["messages"][-1]["role"] == "user":
            function = {"name": name, "arguments": json.dumps(arguments)}
            call = {"id": "call_1", "type": "function", "function": function}
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return JSONResponse(
            {"id": "c", "object": "chat.completion", "created": 0, "model": "m",
             "choices": [choice]}
        )  # fmt: skip

    async def messages(request: Request) -> JSONResponse:
        asked.append(await request.json())
        call = {"type": "tool_use", "id": "toolu_1", "name": name, "input": arguments}
        return JSONResponse(
            {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [call],
             "stop_reason": "tool_use", "stop_sequence": None,
             "usage": {"input_tokens": 1, "output_tokens": 1}}
        )  # fmt: skip

    return Starlette(
        routes=[
            Route("/v1/chat/completions", chat, methods=["POST"]),
            Route("/v1/messages", messages, methods=["POST"]),
        ]
    )
