"""The content blocks of a tool's result, as MCP types them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ..json_value import JsonValue, as_array, as_object


@dataclass(frozen=True, slots=True)
class TextContent:
    """A text.

    Attributes:
        text: the text.
        fields: the block as the server sent it.
    """

    text: str
    fields: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ImageContent:
    """An image.

    Attributes:
        data: its bytes.
        mime_type: its type, such as ``image/png``; empty if the server sent none.
        fields: the block as the server sent it.
    """

    data: bytes
    mime_type: str
    fields: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class AudioContent:
    """A sound.

    Attributes:
        data: its bytes.
        mime_type: its type, such as ``audio/wav``; empty if the server sent none.
        fields: the block as the server sent it.
    """

    data: bytes
    mime_type: str
    fields: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ResourceLink:
    """A link to a resource that the server can be asked for.

    Attributes:
        uri: the resource's URI.
        name: its name; empty if the server sent none.
        mime_type: its type; None if the server sent none.
        fields: the block as the server sent it.
    """

    uri: str
    name: str
    mime_type: str | None
    fields: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class EmbeddedResource:
    """A resource with its contents.

    Attributes:
        uri: the resource's URI.
        mime_type: its type; None if the server sent none.
        text: its text; None for a binary resource.
        data: its bytes; None for a text.
        fields: the block as the server sent it.
    """

    uri: str
    mime_type: str | None
    text: str | None
    data: bytes | None
    fields: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class UnknownContent:
    """A block of a type that this version doesn't know, or without what its type needs.

    Attributes:
        type: the type that the server named; empty if it named none.
        fields: the block as the server sent it.
    """

    type: str
    fields: Mapping[str, JsonValue]


ContentBlock: TypeAlias = (
    TextContent | ImageContent | AudioContent | ResourceLink | EmbeddedResource | UnknownContent
)
"""A part of a tool's result."""


MAX_BLOCKS = 10_000
"""The most blocks of a result: reading them takes ten milliseconds, and tools return a few."""


def read_content(blocks: Any) -> tuple[ContentBlock, ...]:
    """Read the ``content`` of a result. What is not a list of objects has no blocks."""
    return tuple(
        _block(fields) for item in as_array(blocks) or [] if (fields := as_object(item)) is not None
    )


def joined_text(content: tuple[ContentBlock, ...]) -> str:
    """The texts of a result's blocks, a line break between two."""
    return "\n".join(block.text for block in content if isinstance(block, TextContent))


def _block(fields: dict[str, Any]) -> ContentBlock:
    kind = fields.get("type")
    match kind:
        case "text" if isinstance(text := fields.get("text"), str):
            return TextContent(text, fields)
        case "image" | "audio" if (data := _bytes(fields.get("data"))) is not None:
            block = ImageContent if kind == "image" else AudioContent
            return block(data, _mime_type(fields) or "", fields)
        case "resource_link" if isinstance(uri := fields.get("uri"), str):
            name = fields.get("name")
            return ResourceLink(
                uri, name if isinstance(name, str) else "", _mime_type(fields), fields
            )
        case "resource" if (resource := as_object(fields.get("resource"))) is not None:
            uri, text = resource.get("uri"), resource.get("text")
            return EmbeddedResource(
                uri if isinstance(uri, str) else "",
                _mime_type(resource),
                text if isinstance(text, str) else None,
                _bytes(resource.get("blob")),
                fields,
            )
        case _:
            return UnknownContent(kind if isinstance(kind, str) else "", fields)


def _bytes(value: Any) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        return None


def _mime_type(fields: Mapping[str, Any]) -> str | None:
    # MCP's own name, and the one that version 2 of its SDK gives the field in Python.
    value = fields.get("mimeType", fields.get("mime_type"))
    return value if isinstance(value, str) else None
