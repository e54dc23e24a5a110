"""An environment's tools, as MCP's ``tools/list`` answers them: part of what its contract promises.

An environment of tools publishes one action, a call with a name and arguments of any form; what the
calls take and give stands in the list of its tools alone. Clients are not generated from it; it is
kept with the contract, so that what changes in it is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..errors import ContractError
from ..findings import Finding
from ..schema.keywords import JsonSchema, as_array, as_object, pointer_to, without_prose
from ..schema.normalize import rebuild
from ..schema.references import localized

ToolSchema = Literal["inputSchema", "outputSchema"]
TOOL_SCHEMAS: tuple[ToolSchema, ...] = ("inputSchema", "outputSchema")

_MAX_TOOLS = 1000
_CALL = "call_tool"


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        name: its name, which calls use.
        description: what it does; may be empty.
        schemas: what it takes and gives, where it says so.
        documents: the same, with plain pointers for references.
    """

    name: str
    description: str
    schemas: dict[ToolSchema, JsonSchema]
    documents: dict[ToolSchema, JsonSchema]

    @property
    def structure(self) -> dict[str, JsonSchema]:
        """Its schemas without prose."""
        return {key: without_prose(schema) for key, schema in self.schemas.items()}

    def to_json(self) -> dict[str, Any]:
        """The tool as a contract keeps it."""
        told = {"description": self.description} if self.description else {}
        schemas = {str(key): schema for key, schema in self.schemas.items()}
        return {"name": self.name, **told, **schemas}


def parse_tools(given: Any, *, source: str, findings: list[Finding]) -> tuple[Tool, ...]:
    """Read the tools of a contract: a list, in any order.

    Raises:
        ContractError: it is no list of tools, or two have one name.
    """
    items = as_array(given)
    if items is None or len(items) > _MAX_TOOLS:
        fault = "tools are a list" if items is None else f"more than {_MAX_TOOLS} tools"
        raise ContractError(fault, pointer="/tools", source=source)
    tools: dict[str, Tool] = {}
    for index, item in enumerate(items):
        place = pointer_to("/tools", index)
        tool = _parse_tool(as_object(item) or {}, place, source, findings)
        if tool.name in tools:
            raise ContractError("another tool has this name", pointer=place, source=source)
        tools[tool.name] = tool
    if tools:
        findings.append(
            Finding(
                "info",
                "/tools",
                f"its tools are known ({len(tools)}); the arguments of their calls are not typed",
            )
        )
    return tuple(tools[name] for name in sorted(tools))


def _parse_tool(fields: dict[str, Any], place: str, source: str, findings: list[Finding]) -> Tool:
    name = fields.get("name")
    if not isinstance(name, str) or not name:
        raise ContractError("a tool has no name", pointer=place, source=source)
    schemas: dict[ToolSchema, JsonSchema] = {}
    documents: dict[ToolSchema, JsonSchema] = {}
    for key in TOOL_SCHEMAS:
        if fields.get(key) is not None:
            pointer = pointer_to(place, key)
            schemas[key] = rebuild(fields[key], pointer=pointer, source=source, findings=findings)
            documents[key] = localized(
                schemas[key], pointer=pointer, source=source, findings=findings
            )
    description = fields.get("description")
    return Tool(name, description if isinstance(description, str) else "", schemas, documents)


def calls_tools(action: Any) -> bool:
    """Whether an action's schema is, or has as a member, the call of a tool by its name."""
    waiting: list[Any] = [action]
    while waiting:
        value = waiting.pop()
        if (fields := as_object(value)) is not None:
            properties = as_object(fields.get("properties")) or {}
            if (as_object(properties.get("type")) or {}).get("const") == _CALL:
                return True
            waiting += fields.values()
        else:
            waiting += as_array(value) or []
    return False
