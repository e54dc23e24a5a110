"""Specifications of tools, as consumers of function calling want them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from copy import deepcopy
from typing import Any, Literal, get_args

from ..contract.keywords import JsonSchema
from ..errors import InvalidRequest
from ..json_value import pointer_to
from .advice import no_such_tool
from .catalogue import Finding, ModelTool, catalogue
from .strict import strict as strict_form

Format = Literal["openai", "anthropic", "mcp", "json-schema"]
FORMATS: tuple[Format, ...] = get_args(Format)

_MAX_DESCRIPTION: dict[Format, int] = {"openai": 1024}
"""The longest description, in characters, that a consumer takes."""

UNLIMITED = 10**9
"""For ``max_description``: who reads the specifications takes descriptions of any length."""

_CUT = " [...]"
_REFUSED_AT_THE_ROOT = ("anyOf", "oneOf", "allOf", "not", "enum", "const")
_BY_PROPERTY_NAME = frozenset(
    {"dependentRequired", "dependentSchemas", "patternProperties", "propertyNames", "if", "then"}
)
_IGNORING_REFERENCES = ("vllm", "nemo-gym")


class ToolSpecs(list[Any]):
    """Specifications of tools, as JSON: a list for the parameter ``tools`` of a consumer.

    Attributes:
        findings: what a consumer loses of the contract, or has to know; empty if nothing.
        names: the tools' names in the contract, by the names in the specifications.
    """

    def __init__(
        self,
        specs: Iterable[Any] = (),
        *,
        findings: Iterable[Finding] = (),
        names: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(specs)
        self.findings: tuple[Finding, ...] = tuple(findings)
        self.names: dict[str, str] = dict(names)


def tool_specs(
    client: type,
    format: Format,  # noqa: A002 - what people call it
    *,
    only: Collection[str] | None = None,
    strict: bool = False,
    max_description: int | None = None,
) -> ToolSpecs:
    """Return what a model can call in an environment, as a consumer wants it described.

    Args:
        client: a generated client's class.
        format: the consumer's format.
        only: the names of the tools or actions that are wanted, as in the contract or as shown to
            models; by default all.
        strict: for OpenAI's strict mode, where that can say what the contract does.
        max_description: the longest description of a tool, in characters; by default what the
            consumer takes.

    Raises:
        ContractMissing: the client was written by hand.
        InvalidRequest: there is no such format, or no tool of a name in ``only``; or ``strict`` is
            given with another format than ``openai``.
    """
    if format not in FORMATS:
        raise InvalidRequest(f"there is no format {format!r}: use one of {', '.join(FORMATS)}")
    if strict and format != "openai":
        raise InvalidRequest(f"strict is for the format openai, not {format}")
    known = catalogue(client)
    wanted = known.tools if only is None else chosen(client, only)
    findings = list(known.findings) if only is None else []
    limit = _MAX_DESCRIPTION.get(format) if max_description is None else max_description
    specs = ToolSpecs(names=((item.name, item.wire_name) for item in wanted))
    for item in wanted:
        text, cut = _description(item, limit)
        spec, lost = _WRITERS[format](item, text)
        if strict:
            lost += _make_strict(spec["function"], item)
        specs.append(deepcopy(spec))
        findings += [*cut, *lost]
    specs.findings = tuple(findings)
    return specs


def chosen(client: type, names: Collection[str]) -> tuple[ModelTool, ...]:
    """Return the tools and actions of these names, in the contract's order.

    Raises InvalidRequest if there is none of a name.
    """
    known = catalogue(client)
    if isinstance(names, str):
        raise InvalidRequest("only takes a collection of names, not one text")
    wanted: set[str] = set()
    for name in names:
        if name not in known.by_name:
            raise InvalidRequest(f"only: {no_such_tool(name, known)}")
        wanted.add(known.by_name[name].wire_name)
    return tuple(item for item in known.tools if item.wire_name in wanted)


def _description(item: ModelTool, limit: int | None) -> tuple[str, list[Finding]]:
    """A tool's description, no longer than the limit, and a finding if that cut it."""
    text = item.description
    if limit is None or len(text) <= limit:
        return text, []
    cut = f"{text[: max(limit - len(_CUT), 0)].rstrip()}{_CUT}"[:limit]
    place = item.place.removesuffix("/inputSchema") + item.pointer
    message = f"the description has {len(text):,} characters, and {limit:,} of them are shown"
    return cut, [Finding(item.wire_name, pointer_to(place, "description"), message)]


# --- formats --------------------------------------------------------------------------------------

_Written = tuple[dict[str, Any], list[Finding]]


def _openai(item: ModelTool, text: str) -> _Written:
    parameters, findings = _parameters(item)
    described = {"description": text} if text else {}
    function = {"name": item.name, **described, "parameters": parameters}
    return {"type": "function", "function": function}, findings


def _anthropic(item: ModelTool, text: str) -> _Written:
    schema, findings = _parameters(item)
    schema, renamed = _with_parameter_names(item, schema)
    described = {"description": text} if text else {}
    return {"name": item.name, **described, "input_schema": schema}, [*findings, *renamed]


def _mcp(item: ModelTool, text: str) -> _Written:
    described = {"description": text} if text else {}
    schema = {**_without_description(item, item.standalone), "type": "object"}
    return {"name": item.name, **described, "inputSchema": schema, **item.told}, []


def _json_schema(item: ModelTool, text: str) -> _Written:
    described = {"description": text} if text else {}
    schema = _without_description(item, item.standalone)
    return {"title": item.name, **described, **schema, "type": "object"}, []


_WRITERS: dict[Format, Callable[[ModelTool, str], _Written]] = {
    "openai": _openai,
    "anthropic": _anthropic,
    "mcp": _mcp,
    "json-schema": _json_schema,
}


def _without_description(item: ModelTool, schema: JsonSchema) -> JsonSchema:
    """A schema without what the specification says beside it."""
    said = {"title", "description"} if item.kind == "action" else {"title"}
    return {key: value for key, value in schema.items() if key not in said}


# --- parameters without references ----------------------------------------------------------------


def _parameters(item: ModelTool) -> _Written:
    """The schema of what a tool takes, as a plain object without references."""
    found = item.inlined
    schema = _without_description(item, found.schema)
    findings = [*_of_references(item)]
    refused = [key for key in _REFUSED_AT_THE_ROOT if key in schema]
    if refused:
        schema = _below_a_condition(schema, refused)
        named = " and ".join(refused)
        message = (
            f"{named} may not stand at the root, and is under then (with an if that always "
            "holds): who doesn't read if takes any object"
        )
        findings.append(Finding(item.wire_name, item.place + item.pointer, message))
    plain: JsonSchema = {"type": "object", "properties": {}, **schema}
    return plain | {"type": "object"}, findings


def _below_a_condition(schema: JsonSchema, refused: Sequence[str]) -> JsonSchema:
    """Say the same without these keywords at the root: a condition that always holds has them."""
    moved: JsonSchema = {key: schema[key] for key in refused}
    condition = {key: schema[key] for key in ("if", "then", "else") if key in schema}
    if condition:
        moved["allOf"] = [*moved.get("allOf", []), condition]
    kept = {key: value for key, value in schema.items() if key not in (*moved, *condition)}
    return {**kept, "if": {}, "then": moved}


def _of_references(item: ModelTool) -> Iterator[Finding]:
    """What is lost where references stay, or lead to what isn't known."""
    found = item.inlined
    for name, place in found.kept.items():
        why = "there would be too many schemas" if found.is_too_large else "it refers to itself"
        message = f"stays a reference, to $defs/{name}: {why}"
        yield Finding(item.wire_name, item.place + place, message, _IGNORING_REFERENCES)
    for place in found.unknown:
        message = "what it refers to isn't known; any value is taken"
        yield Finding(item.wire_name, item.place + place, message)


def _with_parameter_names(item: ModelTool, schema: JsonSchema) -> _Written:
    """Give parameters names that Anthropic takes."""
    names = item.parameter_names
    others = [name for name, shown in names.items() if name != shown]
    if not others:
        return schema, []
    place = item.place + item.pointer
    if _BY_PROPERTY_NAME & schema.keys():
        message = f"a name that Anthropic refuses, and other keywords speak of: {others[0]!r}"
        return schema, [Finding(item.wire_name, place, message, ("anthropic",))]
    properties = {names.get(name, name): value for name, value in item.properties.items()}
    required = [names.get(name, name) for name in schema.get("required", [])]
    renamed = {"properties": properties} | ({"required": required} if required else {})
    return {**schema, **renamed}, []


# --- strict mode ----------------------------------------------------------------------------------


def _make_strict(function: dict[str, Any], item: ModelTool) -> list[Finding]:
    """Have a function's parameters for strict mode, and return what that can't say."""
    result = strict_form(function["parameters"])
    function["strict"] = result.schema is not None
    if result.schema is not None:
        function["parameters"] = result.schema
    ending = "" if result.schema is not None else "; the tool isn't strict"
    return [
        Finding(item.wire_name, item.place + item.pointer + where, reason + ending, ("openai",))
        for where, reason in result.left_out.items()
    ]
