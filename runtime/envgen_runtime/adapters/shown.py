"""Tools as trainers list them, and results as their tool servers return them: MCP's shapes."""

from __future__ import annotations

from typing import Any

from ..calling.specs import UNLIMITED, tool_specs
from ..json_value import as_object
from ..tools.content import AudioContent, ContentBlock, ImageContent, TextContent
from ..tools.result import ToolResult
from .episode import Turn
from .text import observation_to_text


def listed_tools(client: type) -> list[dict[str, Any]]:
    """What a model can call, as the tools of an MCP ``tools/list``.

    The input schemas have no references, other than recursive ones: trainers hand them to servers
    of models as they stand, and some of those take any argument behind a reference for text. Output
    schemas are left out: models are not shown them, and a client of MCP that validates with them
    raises for a result that doesn't fit, after which trainers make the call again.

    Args:
        client: the generated client's class.

    Raises:
        ContractMissing: the client was written by hand.
    """
    functions = [
        spec["function"] for spec in tool_specs(client, "openai", max_description=UNLIMITED)
    ]
    return [
        {
            "name": function["name"],
            "description": function.get("description", ""),
            "inputSchema": function["parameters"],
        }
        for function in functions
    ]


def shown_schemas(client: type) -> dict[str, dict[str, Any]]:
    """The JSON Schema of each tool's arguments that a model is shown, by the tool's name."""
    return {tool["name"]: tool["inputSchema"] for tool in listed_tools(client)}


def called_result(turn: Turn) -> dict[str, Any]:
    """What a call came to, as the result of an MCP ``tools/call``.

    A tool's result keeps its blocks, such as images. What a ``read`` of the user's makes of it is
    all that is shown.
    """
    result = turn.result
    if not isinstance(result, ToolResult) or turn.text != observation_to_text(result):
        return {"content": [_text(turn.text)], "isError": turn.error is not None}
    content = [_block(block) for block in result.content]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType]
    if not any(block["type"] == "text" for block in content):
        content.insert(0, _text(turn.text))
    found = {"content": content, "isError": False}
    structured = as_object(result.structured)
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
