"""Parts of a contract, made of the bodies and parameters of an OpenAPI document."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from ..schema.keywords import as_object, pointer_to
from .openapi_operations import Parameter
from .openapi_shapes import Shape


@dataclass(slots=True)
class PartSource:
    """A part of a contract, as the document has it.

    Attributes:
        schema: its schema.
        pointer: its place in the document.
        origins: places within it that stand elsewhere in the document.
    """

    schema: Any
    pointer: str
    origins: dict[str, str] = field(default_factory=dict[str, str])


def without(body: Shape, names: Collection[str], *, keep_whole: bool = True) -> PartSource:
    """A body without some of its fields.

    Args:
        body: the body.
        names: the fields to leave out.
        keep_whole: whether its schema stays as it is where no field is left out.
    """
    if not names and keep_whole:
        return PartSource(body.schema, body.pointer)
    kept = {name: child for name, child in body.fields.items() if name not in names}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: child for name, (child, _) in kept.items()},
        "required": [name for name in kept if name in body.required],
    }
    if body.title is not None:
        schema = {"title": body.title, **schema}
    places = {pointer_to("/properties", name): place for name, (_, place) in kept.items()}
    return PartSource(schema, body.pointer, places)


def object_of(parameters: Iterable[Parameter], pointer: str) -> PartSource:
    """An object at ``pointer`` whose fields are parameters."""
    properties: dict[str, Any] = {}
    for item in parameters:
        text = {"description": item.description} if item.description else {}
        properties[item.name] = {**text, **(as_object(item.schema) or {})}
    schema = {
        "type": "object",
        "properties": properties,
        "required": [item.name for item in parameters if item.is_required],
    }
    places = {pointer_to("/properties", item.name): item.pointer for item in parameters}
    return PartSource(schema, pointer, places)


def add_fields(source: PartSource, more: PartSource) -> None:
    """Add the fields of a body to those of parameters."""
    schema: dict[str, Any] = {"title": "ResetParameters", **source.schema}
    schema["properties"] = {**schema["properties"], **more.schema["properties"]}
    schema["required"] = [*schema["required"], *more.schema["required"]]
    source.schema = schema
    source.origins |= more.origins
    source.pointer = more.pointer
