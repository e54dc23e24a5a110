"""Read a contract from a file, a server, OpenAPI, Python classes, an image, a folder or a Space."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

from envgen_runtime.wire.redaction import scrub
from envgen_runtime.wire.variables import VARIABLE

from ..config import MCP_SETTINGS, SourceSettings
from ..contract.contract import EnvContract, parse_contract
from ..errors import ContractError, EnvgenError
from ..findings import Finding
from ..naming import environment_name
from ..schema.keywords import as_object
from ..text import UntrustedText
from . import file, tools_list
from .address import is_started, kind_of, label, recorded, secrets_of, starts_server
from .parsing import Document, is_openapi

if TYPE_CHECKING:
    from envgen_runtime.mcp.servers import Server
    from envgen_runtime.providers import PullProgress

__all__ = [
    "ReadSource",
    "is_started",
    "kind_of",
    "label",
    "read_contract",
    "read_source",
    "recorded",
    "starts_server",
]

_Origins = dict[str, tuple[str, str]]
"""For places in a contract: the source that each came from, and its place there."""


@dataclass(frozen=True, slots=True)
class ReadSource:
    """A contract that was read.

    Attributes:
        contract: the contract.
        is_derived: whether no contract file holds the same: it came from a server, or was put
            together here. Such a contract is worth saving.
        origin: where it came from, without secrets, as the lock records it.
    """

    contract: EnvContract
    is_derived: bool
    origin: str

    def with_note(self, message: str, hint: str) -> Self:
        """Return a copy that tells the user one thing more."""
        note = Finding("info", "", message, hint)
        contract = replace(self.contract, findings=(*self.contract.findings, note))
        return replace(self, contract=contract)


def read_contract(
    source: str,
    *,
    name: str | None = None,
    default_name: str | None = None,
    settings: SourceSettings | None = None,
) -> EnvContract:
    """Read a contract, as ``read_source`` does."""
    return read_source(source, name=name, default_name=default_name, settings=settings).contract


def read_source(
    source: str,
    *,
    name: str | None = None,
    default_name: str | None = None,
    settings: SourceSettings | None = None,
    on_pull: Callable[[PullProgress], None] | None = None,
) -> ReadSource:
    """Read the contract that ``source`` publishes.

    Args:
        source: the path of a contract, an OpenAPI document or a saved ``tools/list``, ``-`` for
            standard input, the URL of one of them or of a server,
            ``python:package.module:Action,Observation,State``,
            ``python:package.module:Environment``, or an environment to start:
            ``docker://IMAGE``, a project's folder, ``git+URL``, ``hf://OWNER/NAME``; or an MCP
            server: ``mcp+http://HOST/PATH``, ``mcp+https://...``, ``mcp+stdio:COMMAND``,
            ``mcp-config:FILE#NAME``.
        name: the environment's name; by default the contract's ``name``, then the name in the
            server's ``/metadata``, the title of the OpenAPI document, or the file's name, then one
            made of the server's address.
        default_name: the name if nothing else gives one.
        settings: how it is read; None for the defaults.
        on_pull: called with the progress of an image's pull.

    Raises:
        ContractError: there is no contract, or it can't be used.
        ConfigError: a setting can't be used.
        EnvgenError: the environment can't be started.
        Unreachable: the server can't be reached.
    """
    settings = settings or SourceSettings()
    secrets = _secrets(source, settings)
    try:
        read = _read_source(source, name, default_name, settings, on_pull)
    except EnvgenError as error:
        raise _scrubbed(error, secrets) from error
    contract = read.contract
    long = [secret for secret in _credentials(source, settings) if len(secret) >= _LONG_SECRET]
    text = contract.to_json() if long else ""
    if any(secret in text for secret in long):
        raise ContractError(
            "the contract holds a token or password that was sent to its server",
            source=label(source),
            hint="the server shows what it is sent: use a token that you can revoke",
        )
    findings = tuple(_scrubbed(finding, secrets) for finding in contract.findings)
    return replace(read, contract=replace(contract, findings=findings))


_LONG_SECRET = 8  # a shorter one may be an honest word of the contract


def _secrets(source: str, settings: SourceSettings) -> tuple[str, ...]:
    # The header's text, too: a variable that isn't set is reported by another error.
    headers = {
        name: VARIABLE.sub(lambda match: os.environ.get(match[1], ""), value)
        for name, value in settings.headers.items()
    }
    token = os.environ.get("HF_TOKEN", "") if kind_of(source) == "space" else ""
    known = secrets_of(source, {**headers, "hub-token": token})
    return known if (server := _mcp_server(source, settings)) is None else server.secrets + known


def _credentials(source: str, settings: SourceSettings) -> tuple[str, ...]:
    """The secrets that no contract holds by chance."""
    server = _mcp_server(source, settings)
    return _secrets(source, settings) if server is None else server.credentials


def _mcp_server(source: str, settings: SourceSettings) -> Server | None:
    """The server that a source of MCP names; None if it names none that can be used."""
    if kind_of(source) != "mcp":
        return None
    from . import mcp

    try:
        return mcp.server_at(source, settings)[0]
    except EnvgenError:
        return None  # reading it says why


_SaysT = TypeVar("_SaysT", EnvgenError, Finding)


def _scrubbed(says: _SaysT, secrets: Sequence[str]) -> _SaysT:
    """A copy of an error or a finding without secrets."""
    texts = {
        name: scrub(text, secrets)
        for name in ("message", "source", "hint", "pointer")
        if isinstance(text := getattr(says, name, None), str)
    }
    if isinstance(says, Finding):
        return replace(says, **texts)
    return says.with_context(**texts)


def _read_source(
    source: str,
    name: str | None,
    default_name: str | None,
    settings: SourceSettings,
    on_pull: Callable[[PullProgress], None] | None,
) -> ReadSource:
    document = _load(source, settings, on_pull, needs_name=name is None)
    if is_openapi(document.content):
        from . import nemo_gym  # most contracts are none

        if nemo_gym.is_resources_server(document.content):
            document = nemo_gym.convert(document)
    content, suggested_name = document.content, document.name
    is_derived = document.is_derived
    findings = [*document.findings]
    origins: _Origins = {}
    place_of: Callable[[str], str] = str
    is_served = kind_of(source) in ("url", "mcp") or is_started(source)
    names_itself = is_served and not source.startswith(MCP_SETTINGS)  # whose names are the user's
    if is_openapi(content):
        from .openapi import convert  # most contracts are none

        converted = convert(content, settings, source=document.source)
        content, suggested_name = converted.document, converted.name or suggested_name
        names_itself |= converted.name is not None
        findings += converted.findings
        place_of = converted.openapi.existing
        origins = {place: (document.source, at) for place, at in converted.origins.items()}
        is_derived = True
    elif tools_list.is_tools_list(content):
        is_derived |= "name" not in content
        findings += tools_list.findings_of(content)
        content = tools_list.as_contract(content, source=document.source)
    if settings.state is not None:
        content, origin = _with_state(content, str(settings.state))
        origins = {place: at for place, at in origins.items() if not _is_within(place, "/state")}
        origins["/state"] = (str(settings.state), origin)
        is_derived = True
    unpublished = {"state"} if settings.state is not None else set[str]()
    published_name = (as_object(content) or {}).get("name")
    published_name = published_name or (suggested_name if names_itself else None)
    name = name or published_name or suggested_name or default_name
    if name is None and document.spare_name is not None:
        name = environment_name(UntrustedText(document.spare_name))
        message = f"the server doesn't tell its name, so it is called {name}"
        findings.append(Finding("info", "/name", message, "pass --name NAME"))
    if not _is_called(published_name, name):
        unpublished.add("name")
    try:
        contract = parse_contract(
            content,
            source=document.source,
            name=name,
            unpublished=unpublished,
            timeout_s=settings.timeout_s if is_served else None,
        )
    except ContractError as error:
        at, pointer = _located(error.pointer, origins) or (error.source, error.pointer)
        pointer = place_of(pointer) if at == document.source else pointer
        raise error.with_context(source=at, pointer=pointer) from error
    for finding in contract.findings:
        at, pointer = _located(finding.pointer, origins) or (document.source, finding.pointer)
        is_here = at == document.source
        findings.append(replace(finding, pointer=place_of(pointer)) if is_here else finding)
    return ReadSource(replace(contract, findings=tuple(findings)), is_derived, recorded(source))


def _load(
    source: str,
    settings: SourceSettings,
    on_pull: Callable[[PullProgress], None] | None,
    *,
    needs_name: bool,
) -> Document:
    # Imported here, because most builds read files alone.
    match kind_of(source):
        case "url":
            from . import server

            return server.fetch(source, settings, needs_name=needs_name)
        case "python":
            from . import python

            return python.read(source, settings.python)
        case "mcp":
            from . import mcp

            return mcp.fetch(source, settings)
        case "image" | "folder" | "space":
            from . import started

            return started.fetch(source, settings, on_pull, needs_name=needs_name)
        case "stdin" if settings.bundle:
            raise ContractError("standard input has no folder to take files from", source=source)
        case "stdin":
            return file.read_stdin()
        case "file":
            document = file.read(source)
    return _bundled(document, source) if settings.bundle else document


def _bundled(document: Document, source: str) -> Document:
    from .bundle import bundle

    bundled = bundle(document.content, source)
    return replace(document, content=bundled, is_derived=bundled != document.content)


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


def _is_called(published: Any, name: Any) -> bool:
    """Whether a name is the one that the environment publishes."""
    if not isinstance(published, str) or not isinstance(name, str):
        return False
    return environment_name(UntrustedText(published)) == environment_name(UntrustedText(name))


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
