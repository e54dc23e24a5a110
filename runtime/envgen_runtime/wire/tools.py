"""The request that lists a session's tools, and its replies: MCP's ``tools/list``. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ServerError
from ..json_value import JsonValue, as_array, as_object
from .protocol import Request, malformed

MAX_PAGES = 100
"""Pages of a list that are asked for."""


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
    tools = as_array(result.get("tools"))
    if tools is None or not all(isinstance(tool, dict) for tool in tools):
        raise malformed("a list of tools that is none", request)
    following = result.get("nextCursor")
    return tools, following if isinstance(following, str) and following else None
