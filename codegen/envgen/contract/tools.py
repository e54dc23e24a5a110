"""An environment's tools, as MCP's ``tools/list`` replies: part of its contract.

An environment of tools publishes one action, a call with a name and arguments of any form; only the
list of its tools has the types of arguments and results. Clients are not generated from it. It is
kept with the contract so that changes are noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..errors import ContractError
from ..findings import Finding
from ..schema.keywords import JsonSchema, as_array, as_object, pointer_to, without_prose
from ..schema.limits import Budget
from ..schema.normalize import normalize
from ..schema.references import with_local_refs

ToolSchema = Literal["inputSchema", "outputSchema"]
TOOL_SCHEMAS: tuple[ToolSchema, ...] = ("inputSchema", "outputSchema")

_MAX_TOOLS = 1000


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: its name, and the schemas of its arguments and its result, where it has them.

    Attributes:
        documents: the schemas, with plain pointers as references.
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
        """Return the tool as ``contract.json`` has it."""
        described = {"description": self.description} if self.description else {}
        schemas = {str(key): schema for key, schema in self.schemas.items()}
        return {"name": self.name, **described, **schemas}


def parse_tools(
    given: Any, *, source: str, budget: Budget | None = None
) -> tuple[tuple[Tool, ...], list[Finding]]:
    """Read the tools of a contract, a list in any order, and return the findings about them.

    ``budget`` has the limits of the whole contract.

    Raises ContractError if it is no list of tools, or two have one name.
    """
    items = as_array(given)
    if items is None or len(items) > _MAX_TOOLS:
        fault = "tools are a list" if items is None else f"more than {_MAX_TOOLS} tools"
        raise ContractError(fault, pointer="/tools", source=source)
    budget = budget or Budget(source)
    tools: dict[str, Tool] = {}
    findings: list[Finding] = []
    for index, item in enumerate(items):
        place = pointer_to("/tools", index)
        tool, found = _parse_tool(as_object(item) or {}, place, source, budget)
        if tool.name in tools:
            raise ContractError("another tool has this name", pointer=place, source=source)
        tools[tool.name] = tool
        findings += found
    if tools:
        message = f"its tools are known ({len(tools)}); the arguments of their calls are not typed"
        findings.append(Finding("info", "/tools", message))
    return tuple(tools[name] for name in sorted(tools)), findings


def _parse_tool(
    fields: dict[str, Any], place: str, source: str, budget: Budget
) -> tuple[Tool, list[Finding]]:
    name = fields.get("name")
    if not isinstance(name, str) or not name:
        raise ContractError("a tool has no name", pointer=place, source=source)
    budget.name(name, place)
    schemas: dict[ToolSchema, JsonSchema] = {}
    documents: dict[ToolSchema, JsonSchema] = {}
    findings: list[Finding] = []
    for key in TOOL_SCHEMAS:
        if fields.get(key) is not None:
            pointer = pointer_to(place, key)
            schemas[key], dropped = normalize(
                fields[key], pointer=pointer, source=source, budget=budget
            )
            documents[key], unresolved = with_local_refs(
                schemas[key], pointer=pointer, source=source
            )
            findings += (*dropped, *unresolved)
    text = fields.get("description")
    description = text if isinstance(text, str) else ""
    budget.text(description, place)
    return Tool(name, description, schemas, documents), findings
