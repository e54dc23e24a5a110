"""A server over stdio without the SDK, which starts at once: for how sessions begin and end.

usage: bare.py [PAGE]; with a number, tools come in pages of that many.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

NAMES = ("cancelled", "die", "echo", "variable", "wait_forever")
PAGE = int(sys.argv[1]) if sys.argv[1:] else len(NAMES)
waiting: dict[Any, str] = {}
cancelled: list[str] = []


def send(**message: Any) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def call(number: Any, name: str, arguments: dict[str, Any], token: Any) -> None:
    if name == "wait_forever":
        waiting[number] = arguments["name"]
        if token is not None:
            params = {"progressToken": token, "progress": 0, "total": 1}
            for wrong in ("1", True, None, [1], {}, float("inf"), float("nan")):
                send(method="notifications/progress", params={**params, "progress": wrong})
            send(method="notifications/progress", params=params)
            send(
                method="notifications/progress",
                params={**params, "progress": 1, "total": "1", "message": 5},
            )
        return
    if name == "answer":
        print(json.dumps({"jsonrpc": "2.0", "id": number, **arguments}), flush=True)
        return
    if name == "die":
        words = f"the last words {os.environ.get('API_TOKEN', '')}".strip()
        print(words, file=sys.stderr, flush=True)
        os._exit(arguments["status"])
    values: dict[str, Any] = {
        "echo": json.dumps(arguments.get("value")),
        "variable": os.environ.get(arguments.get("name", "")),
        "cancelled": cancelled,
    }
    if name not in values:
        send(id=number, error={"code": -32602, "message": f"no {name} here"})
    elif name == "echo" and "value" not in arguments:
        send(id=number, error={"code": -32602, "message": "value is missing"})
    elif arguments.get("value") == "late":
        send(id=number, error={"code": -32001, "message": "too slow"})
    else:
        # A number as a text, and fields that no version of the protocol knows.
        result = {"content": [], "structuredContent": {"result": values[name]}, "mood": "good"}
        send(id=str(number), result=result)


print("not JSON: a banner", flush=True)
send(id="of the server", method="ping")
for line in sys.stdin:
    message = json.loads(line)
    method, number, params = message.get("method"), message.get("id"), message.get("params") or {}
    if method == "initialize":
        about = {"name": "bare", "version": str(os.getpid())}
        capabilities = {"tools": {}}
        result = {"protocolVersion": "2025-06-18", "capabilities": capabilities}
        send(id=number, result={**result, "serverInfo": about})
    elif method == "tools/list":
        at = int(params.get("cursor", 0))
        tools = [{"name": name, "inputSchema": {"type": "object"}} for name in NAMES]
        following = {"nextCursor": str(at + PAGE)} if at + PAGE < len(NAMES) else {}
        send(id=number, result={"tools": tools[at : at + PAGE], **following})
    elif method == "tools/call":
        token = (params.get("_meta") or {}).get("progressToken")
        call(number, params["name"], params.get("arguments") or {}, token)
    elif method == "notifications/cancelled":
        cancelled.append(waiting.pop(params["requestId"], "what was answered"))
