"""Tools as trainers list them, and results as their tool servers return them: MCP's shapes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..calling.catalogue import catalogue
from ..calling.specs import tool_specs
from ..contract.exact import ExactValidator
from ..json_value import JsonValue, as_object
from ..tools.content import AudioContent, ContentBlock, ImageContent, TextContent
from ..tools.result import ToolResult
from .episode import Turn

_UNLIMITED = 1_000_000_000
"""The longest description, in characters: trainers' models have no limit of their own."""


def listed_tools(client: type) -> list[dict[str, Any]]:
    """What a model can call, as the tools of an MCP ``tools/list``.

    The input schemas have no references, other than recursive ones: trainers hand them to servers
    of models as they stand, and some of those take any argument behind a reference for text.

    Args:
        client: the generated client's class.

    Raises:
        ContractMissing: the client was written by hand.
    """
    specs = tool_specs(client, "openai", max_description=_UNLIMITED)
    inputs = {spec["function"]["name"]: spec["function"]["parameters"] for spec in specs}
    listed: list[dict[str, Any]] = tool_specs(client, "mcp")
    return [{**tool, "inputSchema": inputs[tool["name"]]} for tool in listed]


def shown_schemas(client: type) -> dict[str, dict[str, Any]]:
    """The JSON Schema of each tool's arguments that a model is shown, by the tool's name."""
    return {tool["name"]: tool["inputSchema"] for tool in listed_tools(client)}


def called_result(client: type, name: str, turn: Turn) -> dict[str, Any]:
    """What a call came to, as the result of an MCP ``tools/call``.

    Clients of MCP raise for a result that doesn't fit the tool's output schema, and trainers then
    make the call again. So a result whose data doesn't fit, or that has none, is marked as an
    error, which isn't checked; its text is the same.

    Args:
        client: the generated client's class.
        name: the tool's name, as the model knows it.
        turn: what the call came to.
    """
    result = turn.result
    if not isinstance(result, ToolResult):
        return _result([_text(turn.text)], is_error=turn.error is not None)
    content = [_block(block) for block in result.content]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType]
    if not any(block["type"] == "text" for block in content):
        content.insert(0, _text(turn.text))
    tool = catalogue(client).by_name.get(name)
    schema = None if tool is None else as_object(tool.told.get("outputSchema"))
    structured = as_object(result.structured)
    if schema is None:
        return _result(content, structured)
    fits = structured is not None and ExactValidator(schema).is_valid(structured)
    return _result(content, structured if fits else None, is_error=not fits)


def _result(
    content: list[dict[str, Any]],
    structured: Mapping[str, JsonValue] | None = None,
    *,
    is_error: bool = False,
) -> dict[str, Any]:
    found: dict[str, Any] = {"content": content, "isError": is_error}
    return found if structured is None else {**found, "structuredContent": structured}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _block(block: ContentBlock) -> dict[str, Any]:
    """A block as MCP writes it. Of resources, and of what isn't known, a model reads the text."""
    match block:
        case TextContent():
            return _text(block.text)
        case ImageContent() | AudioContent():
            kind = "image" if isinstance(block, ImageContent) else "audio"
            data = block.fields["data"]
            return {"type": kind, "data": data, "mimeType": block.mime_type}
        case _:
            text = getattr(block, "text", None)
            return _text(text if isinstance(text, str) else f"({block.fields.get('type')})")
