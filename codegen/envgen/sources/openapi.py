"""Convert an OpenAPI document to a contract, by its operations reset, step and state."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..config import SourceSettings
from ..errors import ContractError
from ..findings import Finding
from ..schema.keywords import as_object
from .openapi_operations import Operations
from .openapi_parts import PartSource
from .openapi_schemas import OpenApiDocument, PartSchema
from .openapi_wire import WirePlanner

_VERSION = re.compile(r"3\.[012](\.|$)")
_ORDER = ("action", "observation", "reset_observation", "state", "reset_parameters")
_GENERIC_TITLES = frozenset({"fastapi", "openenv environment http api", "api", "openapi"})
_GENERIC_WORDS = re.compile(r"\b(?:http|rest|api|server|service)\b", re.IGNORECASE)
_MADE_TITLE = re.compile(r"Body_\w+_(?:post|put|patch)|Response .+")
"""Titles that FastAPI makes of the names of functions and routes."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A contract made of an OpenAPI document.

    Attributes:
        document: the contract.
        findings: what is less exact than the document; pointers are into the document.
        origins: for places in the contract, their places in the document.
        name: the document's title, if it is specific enough for a name.
        openapi: the document.
    """

    document: dict[str, Any]
    findings: tuple[Finding, ...]
    origins: dict[str, str]
    name: str | None
    openapi: OpenApiDocument


def has_action(document: Any, settings: SourceSettings) -> bool:
    """Whether the document has a type for the action of a step."""
    openapi = OpenApiDocument(as_object(document) or {}, "")
    try:
        operations = Operations(openapi, settings.paths)
        return WirePlanner(operations, has_state=settings.state is not None).has_action()
    except ContractError:
        return False


def convert(document: Any, settings: SourceSettings, *, source: str) -> Converted:
    """Convert an OpenAPI document.

    Raises:
        ContractError: its version is none of 3.0, 3.1 and 3.2, it has no operation that steps, or
            several, or something that a client can't express.
    """
    openapi = OpenApiDocument(as_object(document) or {}, source)
    if not _VERSION.match(str(openapi.document.get("openapi", ""))):
        raise openapi.error(
            "/openapi" if "openapi" in openapi.document else "/swagger",
            "envgen reads OpenAPI 3.0, 3.1 and 3.2",
            hint="convert it to OpenAPI 3.1",
        )
    operations = Operations(openapi, settings.paths)
    planner = WirePlanner(operations, has_state=settings.state is not None)
    try:
        wire = planner.plan()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise openapi.error(
            "/paths",
            f"a route that no client can use: {first['loc'][-1]} {str(first['input'])[:100]!r}: "
            f"{first['msg']}",
        ) from error
    contract: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for part in _ORDER:
        if part not in planner.parts:
            continue
        made, places = _part(openapi, planner.parts[part])
        contract[part] = made
        origins |= {f"/{part}{inner}": origin for inner, origin in places.items()}
    if contract["reset_observation"] == contract["observation"]:
        del contract["reset_observation"]
    contract["wire"] = wire.to_json()
    origins["/wire"] = "/paths"
    return Converted(contract, planner.findings, origins, _name(openapi), openapi)


def _part(openapi: OpenApiDocument, source: PartSource) -> tuple[dict[str, Any], dict[str, str]]:
    """A part of the contract, and the origins of its places."""
    try:
        made = PartSchema(openapi, source.schema, source.pointer)
    except ContractError as error:
        inner = error.pointer.removeprefix(source.pointer)
        place = next((at for at in source.origins if inner.startswith(at)), None)
        if place is None:
            raise
        pointer = source.origins[place] + inner.removeprefix(place)
        raise error.with_context(pointer=openapi.existing(pointer)) from error
    schema = made.schema
    if isinstance(schema.get("title"), str) and _MADE_TITLE.fullmatch(schema["title"]):
        schema = {key: value for key, value in schema.items() if key != "title"}
    return schema, {**made.origins, **source.origins}


def _name(openapi: OpenApiDocument) -> str | None:
    title = (as_object(openapi.document.get("info")) or {}).get("title")
    if not isinstance(title, str) or title.strip().lower() in _GENERIC_TITLES:
        return None
    return _GENERIC_WORDS.sub(" ", title).strip() or None
