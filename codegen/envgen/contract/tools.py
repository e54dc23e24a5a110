"""The tools of an environment or of an MCP server, as MCP's ``tools/list`` replies.

An environment of tools publishes one action, a call with a name and arguments of any form; only the
list of its tools has the types of arguments and results.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from envgen_runtime.wire.tools import with_mcp_names

from ..errors import ContractError
from ..findings import Finding
from ..naming import class_name
from ..schema.keywords import (
    DEFINITIONS,
    JsonSchema,
    as_array,
    as_object,
    pointer_to,
    schemas_in,
    without_prose,
)
from ..schema.limits import Budget, ContractTooLarge
from ..schema.normalize import normalize
from ..schema.references import with_local_refs
from ..text import UntrustedText

ToolSchema = Literal["inputSchema", "outputSchema"]
TOOL_SCHEMAS: tuple[ToolSchema, ...] = ("inputSchema", "outputSchema")

HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
"""The annotations of a tool that say what a call does, each true or false."""

ANYTHING: JsonSchema = {"type": "object", "additionalProperties": True}
"""What a schema is read as that can't be used."""

_MAX_TOOLS = 1000
_PREFIX = "tools"

# Titles of output schemas that say no more than that they are of a tool.
_GENERIC_TITLES = frozenset({"Data", "DictOutput", "Output", "Response", "Result", "WrappedResult"})


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: its name, and the schemas of its arguments and its result, where it has them.

    Attributes:
        title: a name for people; may be empty.
        annotations: what calls of it do, by the names in ``HINTS``.
        documents: the schemas, with plain pointers as references.
    """

    name: str
    description: str
    schemas: dict[ToolSchema, JsonSchema]
    documents: dict[ToolSchema, JsonSchema]
    title: str = ""
    annotations: dict[str, bool] | None = None

    @property
    def structure(self) -> dict[str, JsonSchema]:
        """Its schemas without prose."""
        return {key: without_prose(schema) for key, schema in self.schemas.items()}

    @property
    def wraps_result(self) -> bool:
        """Whether it sends its data as ``{"result": ...}``, as servers do with what is no object.

        FastMCP marks such a schema, and the official SDK doesn't. An object whose only field is a
        required ``result`` says no more than that field, so it is unwrapped in any case.
        """
        schema = self.documents.get("outputSchema", {})
        fields = as_object(schema.get("properties")) or {}
        is_alone = fields.keys() == {"result"} and schema.get("required") == ["result"]
        return is_alone and not any(
            str(found.get("$ref", "")).startswith(("#/properties", "#/allOf"))
            or found.get("$ref") == "#"
            for found, _ in schemas_in(schema)
        )

    def arguments_schema(self) -> JsonSchema:
        """The schema of its arguments, to plan a class from: its title is the class's name."""
        schema = self.documents.get("inputSchema", ANYTHING)
        return {**schema, "title": self._class("arguments")}

    def result_schema(self) -> JsonSchema | None:
        """The schema of its data, to plan a type from; None where it publishes none."""
        schema = self.documents.get("outputSchema")
        if schema is None:
            return None
        if self.wraps_result:
            kept = {key: schema[key] for key in ("$schema", *DEFINITIONS) if key in schema}
            schema = {**kept, **(as_object(schema["properties"]["result"]) or {})}
        title = class_name(UntrustedText(str(schema.get("title") or "Result")))
        own = class_name(UntrustedText(self.name))
        if title in _GENERIC_TITLES or title.removeprefix(own) in _GENERIC_TITLES:
            title = self._class("result")
        return {**schema, "title": title}

    def part(self, key: ToolSchema) -> str:
        """What one of its schemas is called in pointers, beside the parts of an environment."""
        return pointer_to(_PREFIX, self.name, key)

    def to_json(self) -> dict[str, Any]:
        """Return the tool as ``contract.json`` has it."""
        described = {"title": self.title, "description": self.description}
        schemas = {str(key): schema for key, schema in self.schemas.items()}
        hints = {"annotations": self.annotations} if self.annotations else {}
        texts = {key: text for key, text in described.items() if text}
        return {"name": self.name, **texts, **schemas, **hints}

    def _class(self, what: str) -> str:
        return class_name(UntrustedText(f"{self.name} {what}"))


def is_of_tool(part: str) -> bool:
    """Whether a part, as findings and errors name it, is a schema of a tool."""
    return part.startswith(f"{_PREFIX}/")


def is_arguments(part: str) -> bool:
    """Whether a part is what a tool is sent."""
    return is_of_tool(part) and part.endswith("/inputSchema")


def parse_tools(
    given: Any, *, source: str, budget: Budget | None = None
) -> tuple[tuple[Tool, ...], list[Finding]]:
    """Read the tools of a contract, a list in any order, and return the findings about them.

    A schema that is none is read as that of any object, with a finding: one tool doesn't make the
    others unusable. ``budget`` has the limits of the whole contract.

    Raises ContractError if it is no list of tools, two have one name, or it is too large.
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
        fields = with_mcp_names(as_object(item) or {})
        tool, found = _parse_tool(fields, place, source, budget)
        if tool.name in tools:
            raise ContractError("another tool has this name", pointer=place, source=source)
        tools[tool.name] = tool
        findings += found
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
            schemas[key], documents[key], found = _schema(fields[key], pointer, source, budget)
            findings += found
    given = as_object(fields.get("annotations")) or {}
    hints = {key: value for key in HINTS if isinstance(value := given.get(key), bool)}
    title = _text(fields.get("title")) or _text(given.get("title"))
    description = _text(fields.get("description"))
    budget.text(title + description, place)
    return Tool(name, description, schemas, documents, title, hints or None), findings


def _schema(
    given: Any, pointer: str, source: str, budget: Budget
) -> tuple[JsonSchema, JsonSchema, list[Finding]]:
    try:
        schema, dropped = normalize(given, pointer=pointer, source=source, budget=budget)
        document, unresolved = with_local_refs(schema, pointer=pointer, source=source)
    except ContractTooLarge:
        raise
    except ContractError as error:
        return ANYTHING, ANYTHING, [untyped(error, pointer)]
    return schema, document, [*dropped, *unresolved]


def untyped(error: ContractError, pointer: str) -> Finding:
    """The finding about a tool's schema that is read as any object."""
    message = f"its schema can't be used, so it is not typed: {error.message}"
    return Finding("warning", error.pointer or pointer, message, error.hint)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
