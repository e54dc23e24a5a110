"""A saved reply of an MCP server to ``tools/list``, as a contract."""

from __future__ import annotations

from typing import Any

from envgen_runtime.contract.parts import PARTS

from ..schema.keywords import as_array, as_object

_KEPT = ("name", "instructions", "tools", "unpublished")


def is_tools_list(content: Any) -> bool:
    """Whether a document is a list of tools, or a JSON-RPC reply with one, and no environment's."""
    fields = _result(content)
    return as_array(fields.get("tools")) is not None and fields.keys().isdisjoint(PARTS)


def as_contract(content: Any) -> dict[str, Any]:
    """Return such a document as a contract, without what is about the server and not its tools."""
    fields = _result(content)
    return {key: fields[key] for key in _KEPT if fields.get(key) is not None}


def _result(content: Any) -> dict[str, Any]:
    fields = as_object(content) or {}
    is_reply = "jsonrpc" in fields or fields.keys() == {"result"}
    return (as_object(fields.get("result")) or {}) if is_reply else fields
