"""A server over stdio that answers errors as the official SDK's servers do: in results.

usage: desk.py [TOOL...]; with names, it has these tools alone. ``add+c`` is ``add`` with one more
parameter, and with a text as its result.
"""

from __future__ import annotations

import json
import sys
from typing import Any

NUMBER = {"type": "integer"}
LIST: dict[str, dict[str, Any]] = {
    "add": {
        "name": "add",
        "description": "The sum.",
        "inputSchema": {
            "type": "object",
            "properties": {"a": NUMBER, "b": NUMBER},
            "required": ["a", "b"],
        },
        "outputSchema": {
            "type": "object",
            "properties": {"result": NUMBER},
            "required": ["result"],
        },
    },
    "get-weather": {
        "name": "get-weather",
        "inputSchema": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": NUMBER},
            "required": ["city"],
        },
    },
    "fail": {"name": "fail", "inputSchema": {"type": "object", "properties": {}}},
    "lists": {"name": "lists", "inputSchema": {"type": "object", "properties": {}}},
    "remove": {"name": "remove", "inputSchema": {"type": "object", "properties": {}}},
}
"""The tools. ``lists`` says how often the list was asked for; ``remove`` takes ``fail`` away."""


def tools(names: list[str]) -> list[dict[str, Any]]:
    """The tools of these names; all if there is no name."""
    found = [LIST[name] for name in LIST if not names or name in names]
    if "add+c" in names:
        schema: dict[str, Any] = json.loads(json.dumps(LIST["add"]))
        schema["inputSchema"]["properties"]["c"] = NUMBER
        schema["inputSchema"]["required"].append("c")
        schema["outputSchema"]["properties"]["result"] = {"type": "string"}
        found.append(schema)
    return found


def main() -> None:
    """Answer requests until the input ends."""
    own = tools(sys.argv[1:])
    lists = 0
    for line in sys.stdin:
        message = json.loads(line)
        params = message.get("params") or {}
        result: dict[str, Any] = {}
        if message["method"] == "initialize":
            result = {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "desk", "version": "1"},
            }
        elif message["method"] == "tools/list":
            lists += 1
            result = {"tools": own}
        elif message["method"] == "tools/call":
            name, given = params["name"], params.get("arguments") or {}
            known = name in {tool["name"] for tool in own}
            data: Any = None
            text = ""
            if not known:
                text = f"Unknown tool: {name}"
            elif name == "add" and "c" in given:
                data = "a text"
            elif name == "add":
                try:
                    data = given["a"] + given["b"]
                except (KeyError, TypeError):
                    text = "1 validation error for addArguments"
            elif name == "get-weather":
                data = f"sun in {given['city']}"
            elif name == "lists":
                data = lists
            elif name == "remove":
                own = [tool for tool in own if tool["name"] != "fail"]
                data = "removed"
            else:
                text = "Error executing tool fail: no paper"
            if data is None:
                result = {"content": [{"type": "text", "text": text}], "isError": True}
            else:
                result = {
                    "content": [{"type": "text", "text": str(data)}],
                    "structuredContent": {"result": data},
                }
        if "id" in message:
            print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)


if __name__ == "__main__":
    main()
