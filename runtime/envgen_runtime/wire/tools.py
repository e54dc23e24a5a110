"""The list of a server's tools, page by page: MCP's ``tools/list``. No I/O."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import ProtocolError, ServerError
from ..json_value import JsonValue, as_array, as_object
from .protocol import Request

MAX_PAGES = 1000
"""Pages of a list that are asked for: some servers have hundreds of tools, and short pages."""

MAX_TOOLS = 10_000
"""How many tools are read."""


def list_request(pages: ToolPages) -> dict[str, Any]:
    """The JSON-RPC request for the next page."""
    return {"jsonrpc": "2.0", "id": pages.number, "method": "tools/list", "params": pages.params}


MAX_LIST_BYTES = 16 * 1024 * 1024
"""The largest list as JSON, all pages together: as large as a contract may be."""


class ToolPages:
    """The pages of ``tools/list``, read one after the other.

    Attributes:
        tools: the tools so far, as the server sent them.
    """

    def __init__(self) -> None:
        self.tools: list[dict[str, JsonValue]] = []
        self._cursors: list[str] = []
        self._size = 0

    @property
    def number(self) -> int:
        """The next page's number, from 1."""
        return len(self._cursors) + 1

    @property
    def params(self) -> dict[str, JsonValue]:
        """The parameters of the next request."""
        return {"cursor": self._cursors[-1]} if self._cursors else {}

    def add(self, result: Mapping[str, Any]) -> bool:
        """Take a page. True if another follows.

        Raises:
            ProtocolError: it is no page, or there is no end to them.
        """
        tools = as_array(result.get("tools"))
        if tools is None:
            raise ProtocolError("the server's list of tools has no tools")
        found = [fields for tool in tools if (fields := as_object(tool)) is not None]
        if len(found) < len(tools):
            raise ProtocolError("the server's list of tools has something that is no tool")
        self.tools += found
        cursor = result.get("nextCursor")
        try:
            self._size += len(json.dumps((found, cursor)))
        except RecursionError as error:
            raise ProtocolError("the server's list of tools is nested too deeply") from error
        if self._size > MAX_LIST_BYTES:
            raise ProtocolError(f"the server's list of tools is larger than {MAX_LIST_BYTES} bytes")
        if not isinstance(cursor, str) or not cursor:
            return False
        if cursor in self._cursors or self.number >= MAX_PAGES:
            raise ProtocolError("the server's list of tools doesn't end")
        if len(self.tools) > MAX_TOOLS:
            raise ProtocolError(f"the server has more than {MAX_TOOLS} tools")
        self._cursors.append(cursor)
        return True


def read_page(payload: Mapping[str, Any], pages: ToolPages, *, request: Request) -> bool:
    """Read a JSON-RPC reply into ``pages``. True if another page follows.

    Raises:
        ServerError: the server doesn't list tools; its ``code`` is ``JSON_RPC`` and the number.
        ProtocolError: the reply is no list of tools, or there is no end to them.
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
    return pages.add(result)


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
