"""A saved reply of an MCP server to ``tools/list``, as a contract."""

from __future__ import annotations

from typing import Any

from envgen_runtime.contract.parts import PARTS

from ..errors import ContractError
from ..findings import Finding
from ..schema.keywords import as_array, as_object

_KEPT = ("name", "instructions", "tools", "unpublished")


def is_tools_list(content: Any) -> bool:
    """Whether a document is a list of tools, or a JSON-RPC reply to one who asked for it.

    An environment's is none. A reply with an error counts: ``as_contract`` says what it is.
    """
    fields = _result(content)
    is_list = as_array(fields.get("tools")) is not None and fields.keys().isdisjoint(PARTS)
    return is_list or _error(content) is not None


def as_contract(content: Any, *, source: str) -> dict[str, Any]:
    """Return such a document as a contract, without what is about the server and not its tools.

    Raises:
        ContractError: there are no tools in it.
    """
    fields = _result(content)
    error = _error(content)
    if error is not None:
        said = error.get("message")
        reason = f": {said}" if isinstance(said, str) and said else ""
        message = f"this is a server's error, and no list of tools{reason}"
        raise ContractError(message, source=source)
    if not fields["tools"]:
        raise ContractError(
            "a list without tools: there is nothing to call",
            source=source,
            hint="some servers list their tools only to those who may call them",
        )
    return {key: fields[key] for key in _KEPT if fields.get(key) is not None}


def findings_of(content: Any) -> list[Finding]:
    """What is missing in such a document."""
    if not _result(content).get("nextCursor"):
        return []
    message = "the list goes on (it has a nextCursor): the tools of its other pages are missing"
    hint = "save every page in one list, or give the server: mcp+http://HOST/mcp"
    return [Finding("warning", "/nextCursor", message, hint)]


def _result(content: Any) -> dict[str, Any]:
    items = as_array(content)
    if items is not None and (not items or any(map(_is_like_a_tool, items))):
        return {"tools": items}
    fields = as_object(content) or {}
    is_reply = "jsonrpc" in fields or fields.keys() == {"result"}
    return (as_object(fields.get("result")) or {}) if is_reply else fields


def _is_like_a_tool(item: Any) -> bool:
    return isinstance((as_object(item) or {}).get("name"), str)


def _error(content: Any) -> dict[str, Any] | None:
    """The error of a JSON-RPC reply that has no result."""
    fields = as_object(content) or {}
    return as_object(fields.get("error")) if "jsonrpc" in fields else None
