"""Read a contract from a file, a server, OpenAPI, Python classes, an image, a folder or a Space."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..config import SourceSettings
from ..contract.contract import EnvContract, parse_contract
from ..errors import ContractError
from ..schema.keywords import as_object
from . import file, openapi
from .address import is_started, kind_of, label
from .parsing import Document

__all__ = ["ReadSource", "is_started", "kind_of", "label", "read_contract", "read_source"]

_Origins = dict[str, tuple[str, str]]
"""For places in a contract: the source that each came from, and its place there."""


@dataclass(frozen=True, slots=True)
class ReadSource:
    """A contract that was read.

    Attributes:
        contract: the contract.
        is_derived: whether no contract file holds the same: it came from a server, or was put
            together here. Such a contract is worth saving.
    """

    contract: EnvContract
    is_derived: bool


def read_contract(
    source: str, *, name: str | None = None, settings: SourceSettings | None = None
) -> EnvContract:
    """Read a contract, as ``read_source`` does."""
    return read_source(source, name=name, settings=settings).contract


def read_source(
    source: str, *, name: str | None = None, settings: SourceSettings | None = None
) -> ReadSource:
    """Read the contract that ``source`` publishes.

    Args:
        source: the path of a contract or an OpenAPI document, ``-`` for standard input, the URL of
            either or of a server, ``python:package.module:Action,Observation,State``, or an
            environment to start: ``docker://IMAGE``, a project's folder, ``git+URL``,
            ``hf://OWNER/NAME``.
        name: the environment's name; by default the contract's ``name``, then the name in the
            server's ``/metadata``, the title of the OpenAPI document, or the file's name.
        settings: how it is read; None for the defaults.

    Raises:
        ContractError: there is no contract, or it can't be used.
        ConfigError: a setting can't be used.
        EnvgenError: the environment can't be started.
        Unreachable: the server can't be reached.
    """
    settings = settings or SourceSettings()
    document = _load(source, settings)
    content, suggested_name = document.content, document.name
    is_derived = document.is_derived
    findings: list[Any] = []
    origins: _Origins = {}
    if openapi.is_openapi(content):
        converted = openapi.convert(content, settings, source=document.source)
        content, suggested_name = converted.document, converted.name or suggested_name
        findings += converted.findings
        origins = {place: (document.source, at) for place, at in converted.origins.items()}
        is_derived = True
    if settings.state is not None:
        content, origin = _with_state(content, str(settings.state))
        origins = {place: at for place, at in origins.items() if not _is_within(place, "/state")}
        origins["/state"] = (str(settings.state), origin)
        is_derived = True
    if name is None and not (as_object(content) or {}).get("name"):
        name = suggested_name
    try:
        contract = parse_contract(content, source=document.source, name=name)
    except ContractError as error:
        at, pointer = _located(error.pointer, origins) or (error.source, error.pointer)
        raise error.with_context(source=at, pointer=pointer) from error
    for finding in contract.findings:
        at, pointer = _located(finding.pointer, origins) or (document.source, finding.pointer)
        findings.append(replace(finding, pointer=pointer) if at == document.source else finding)
    return ReadSource(replace(contract, findings=tuple(findings)), is_derived)


def _load(source: str, settings: SourceSettings) -> Document:
    # Imported here, because most builds read files alone.
    match kind_of(source):
        case "url":
            from . import server

            return server.fetch(source, settings)
        case "python":
            from . import python

            return python.read(source)
        case "image" | "folder" | "space":
            from . import started

            return started.fetch(source, settings)
        case "stdin" if settings.bundle:
            raise ContractError("standard input has no folder to take files from", source=source)
        case "stdin":
            return file.read_stdin()
        case "file":
            document = file.read(source)
    if settings.bundle:
        from .bundle import bundle

        bundled = bundle(document.content, source)
        is_derived = bundled != document.content
        return replace(document, content=bundled, is_derived=is_derived)
    return document


def _with_state(content: Any, path: str) -> tuple[Any, str]:
    """``content`` with the state from a file, and the state's place in that file.

    The file holds a schema, or a contract that has one.
    """
    overlay = as_object(file.read(path).content)
    if overlay is None:
        raise ContractError("the schema of a state is a JSON object", source=path)
    is_contract = {"action", "state"} <= overlay.keys()
    state = overlay["state"] if is_contract else overlay
    fields = as_object(content)
    return (
        content if fields is None else {**fields, "state": state},
        "/state" if is_contract else "",
    )


def _is_within(pointer: str, place: str) -> bool:
    return pointer == place or pointer.startswith(f"{place}/")


def _located(pointer: str, origins: _Origins) -> tuple[str, str] | None:
    """Where a place in a contract came from: a source, and the place there."""
    known = [place for place in origins if _is_within(pointer, place)]
    if not known:
        return None
    place = max(known, key=len)
    source, origin = origins[place]
    return source, origin + pointer.removeprefix(place)
