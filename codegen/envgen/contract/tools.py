"""The tools of an environment or of an MCP server, as MCP's ``tools/list`` replies.

An environment of tools publishes one action, a call with a name and arguments of any form; only the
list of its tools has the types of arguments and results.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from envgen_runtime.contract.parts import UNPUBLISHED
from envgen_runtime.json_value import at_pointer, pointer_keys, pointer_of
from envgen_runtime.wire.tools import with_mcp_names

from ..errors import ContractError
from ..findings import Finding
from ..naming import class_name
from ..schema.keywords import (
    DEFINITIONS,
    SCHEMA_MAPS,
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
_MAX_REPAIRS = 10
_PREFIX = "tools"

# Titles of output schemas that say no more than that they are of a tool.
_GENERIC_TITLES = frozenset({"Data", "DictOutput", "Output", "Response", "Result", "WrappedResult"})


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool: its name, and the schemas of its arguments and its result, where it has them.

    Attributes:
        title: a name for people; may be empty.
        annotations: what calls of it do, by the names in ``HINTS``.
        unpublished: which of its schemas the server publishes otherwise: what is wrong with them
            was left out. They are not compared with the server's.
        documents: the schemas, with plain pointers as references.
    """

    name: str
    description: str
    schemas: dict[ToolSchema, JsonSchema]
    documents: dict[ToolSchema, JsonSchema]
    title: str = ""
    annotations: dict[str, bool] | None = None
    unpublished: frozenset[str] = frozenset()

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
        schema = _without_null(self.documents.get("inputSchema", ANYTHING))
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
        changed = {UNPUBLISHED: sorted(self.unpublished)} if self.unpublished else {}
        return {"name": self.name, **texts, **schemas, **hints, **changed}

    def _class(self, what: str) -> str:
        return class_name(UntrustedText(f"{self.name} {what}"))


def _without_null(schema: JsonSchema) -> JsonSchema:
    """The schema of arguments, which are always an object, without the null that it allows."""
    if "object" in (as_array(schema.get("type")) or []):
        return {**schema, "type": "object"}
    for keyword in ("anyOf", "oneOf"):
        members = as_array(schema.get(keyword)) or []
        kept = [member for member in members if member != {"type": "null"}]
        if len(kept) == len(members) or not kept:
            continue
        rest = {key: value for key, value in schema.items() if key != keyword}
        only = as_object(kept[0]) if len(kept) == 1 else None
        return {**rest, keyword: kept} if only is None else {**rest, **only}
    return schema


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

    What is wrong with a schema is left out, with a finding, and a schema that is none is read as
    that of any object: one tool doesn't make the others unusable. ``budget`` has the limits of the
    whole contract.

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
            first = [*tools].index(tool.name)
            message = f"the tools at {first} and {index} are both called {tool.name[:60]}"
            raise ContractError(message, pointer=place, source=source)
        tools[tool.name] = tool
        findings += found
    return tuple(tools[name] for name in sorted(tools)), findings


def _parse_tool(
    fields: dict[str, Any], place: str, source: str, budget: Budget
) -> tuple[Tool, list[Finding]]:
    name = fields.get("name")
    if not isinstance(name, str) or not name:
        message = f"the tool at {place.rpartition('/')[2]} has no name"
        raise ContractError(message, pointer=place, source=source)
    budget.name(name, place)
    schemas: dict[ToolSchema, JsonSchema] = {}
    documents: dict[ToolSchema, JsonSchema] = {}
    findings: list[Finding] = []
    unpublished = set(map(str, as_array(fields.get(UNPUBLISHED)) or [])) & {*TOOL_SCHEMAS}
    for key in TOOL_SCHEMAS:
        if fields.get(key) is not None:
            pointer = pointer_to(place, key)
            read = _schema(fields[key], pointer, source, budget)
            schemas[key], documents[key] = read.schema, read.document
            findings += read.findings
            if read.is_changed:
                unpublished.add(key)
    given = as_object(fields.get("annotations")) or {}
    hints = {key: value for key in HINTS if isinstance(value := given.get(key), bool)}
    title = _text(fields.get("title")) or _text(given.get("title"))
    description = _text(fields.get("description"))
    budget.text(title + description, place)
    tool = Tool(name, description, schemas, documents, title, hints or None, frozenset(unpublished))
    return tool, findings


class _Read(NamedTuple):
    schema: JsonSchema
    document: JsonSchema
    findings: list[Finding]
    is_changed: bool


def _schema(given: Any, pointer: str, source: str, budget: Budget) -> _Read:
    """Read a schema, without what is wrong with it."""
    findings: list[Finding] = []
    for _ in range(_MAX_REPAIRS):
        try:
            schema, dropped = normalize(given, pointer=pointer, source=source, budget=budget)
            document, unresolved = with_local_refs(schema, pointer=pointer, source=source)
            _check_references(document, pointer)
        except ContractTooLarge:
            raise
        except ContractError as error:
            given, is_mended = _without(given, error.pointer.removeprefix(pointer))
            if not is_mended:
                return _Read(ANYTHING, ANYTHING, [*findings, untyped(error, pointer)], True)
            message = f"it is left out, so less is typed: {error.message}"
            findings.append(Finding("warning", error.pointer, message, error.hint))
        else:
            return _Read(schema, document, [*findings, *dropped, *unresolved], bool(findings))
    message = f"more than {_MAX_REPAIRS} faults, so it is not typed"
    return _Read(ANYTHING, ANYTHING, [Finding("warning", pointer, message)], True)


def _check_references(document: JsonSchema, pointer: str) -> None:
    """Raise ContractError for a reference to nothing."""
    for fields, place in schemas_in(document):
        target = pointer_of(str(fields["$ref"])) if "$ref" in fields else None
        try:
            if target is not None:
                at_pointer(document, target)
        except LookupError as error:
            raise ContractError(
                f"a $ref to {fields['$ref']}, which is not there",
                pointer=pointer + pointer_to(place, "$ref"),
            ) from error


def _without(given: Any, place: str) -> tuple[Any, bool]:
    """Return a copy of a schema without what is at a place, and whether there was anything."""
    *path, last = pointer_keys(place) or [""]
    try:
        copy: Any = deepcopy(given)
        holder = copy
        for key in path:
            items = as_array(holder)
            holder = holder[key] if items is None else items[int(key)]
    except (LookupError, TypeError, ValueError, RecursionError):
        return given, False
    fields = as_object(holder)
    if fields is None or last not in fields:
        return given, False
    if path and path[-1] in SCHEMA_MAPS:
        fields[last] = {}  # the field is there, whatever it is
    else:
        del fields[last]
    return copy, True


def untyped(error: ContractError, pointer: str) -> Finding:
    """The finding about a tool's schema that is read as any object."""
    message = f"its schema can't be used, so it is not typed: {error.message}"
    return Finding("warning", error.pointer or pointer, message, error.hint)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
