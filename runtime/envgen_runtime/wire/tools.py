"""The request that lists a session's tools, and its replies: MCP's ``tools/list``. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ServerError
from ..json_value import JsonValue, as_array, as_object
from .protocol import Request, malformed

MAX_PAGES = 1000
"""Pages of a list that are asked for: some servers have hundreds of tools, and short pages."""


def list_request(number: int, cursor: Mapping[str, JsonValue]) -> dict[str, Any]:
    """The JSON-RPC request for a page: the first has no ``cursor``."""
    return {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": dict(cursor)}


def read_list(
    payload: Mapping[str, Any], *, request: Request
) -> tuple[list[dict[str, JsonValue]], str | None]:
    """Read a page: its tools, and the cursor of the next page if there is one.

    Raises:
        ServerError: the server doesn't list tools; its ``code`` is ``JSON_RPC`` and the number.
        ProtocolError: the reply is no list of tools.
    """
    result = as_object(payload.get("result"))
    if result is None:
        error = as_object(payload.get("error")) or {}
        message = str(error.get("message") or "no result")
        raise ServerError(
            f"the server doesn't list its tools: {message}",
            code=f"JSON_RPC {error.get('code')}",
            data=error,
            request_id=request.request_id,
            server_text=message,
        )
    items = as_array(result.get("tools"))
    tools = [tool for item in items or [] if (tool := as_object(item)) is not None]
    if items is None or len(tools) < len(items):
        raise malformed("a list of tools that is none", request)
    following = result.get("nextCursor")
    following = following if isinstance(following, str) and following else None
    return [with_mcp_names(tool) for tool in tools], following


_PYTHON_NAMES: Mapping[str, str] = {
    "input_schema": "inputSchema",
    "output_schema": "outputSchema",
    "read_only_hint": "readOnlyHint",
    "destructive_hint": "destructiveHint",
    "idempotent_hint": "idempotentHint",
    "open_world_hint": "openWorldHint",
}


def with_mcp_names(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool with MCP's own names.

    OpenEnv's servers dump tools by the names of Python's fields, which version 2 of MCP's SDK has
    changed: such a server sends ``input_schema``.
    """
    renamed = {_PYTHON_NAMES.get(key, key): value for key, value in tool.items()}
    annotations = as_object(tool.get("annotations"))
    if annotations is not None:
        renamed["annotations"] = {
            _PYTHON_NAMES.get(key, key): value for key, value in annotations.items()
        }
    return renamed
