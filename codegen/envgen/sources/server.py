"""A server: its contract from ``/schema``, from its OpenAPI document, or at the URL itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from envgen_runtime.wire.redaction import without_secrets

from ..config import SourceSettings
from ..contract.tools import calls_tools
from ..errors import ContractError, EnvgenError
from ..schema.keywords import as_array, as_object
from . import openapi
from .file import suggested_name
from .parsing import YAML_SUFFIXES
from .web import NotFound, Web, check_url, within_limits

_MAX_PAGES = 20
"""Of a list of tools (MCP, 2025-06-18, pagination)."""

_DOCUMENT_SUFFIXES = (".json", *YAML_SUFFIXES)


@dataclass(frozen=True, slots=True)
class Published:
    """What a server publishes.

    Attributes:
        document: a contract or an OpenAPI document.
        source: its address, without secrets.
        name: what the server calls itself, if it does.
    """

    document: Any
    source: str
    name: str | None = None


def fetch(url: str, settings: SourceSettings) -> Published:
    """What is published at ``url``: a document, or a server's base URL.

    Raises:
        Unreachable: the server doesn't answer, not in time, or that it can't.
        ContractError: it publishes nothing that can be built from.
        ConfigError: a header can't be sent.
    """

    async def read(web: Web) -> Published:
        if _names_a_document(url):
            return await _document(web, url, settings)
        return await _server(web, url, settings)

    check_url(url)
    return within_limits(url, settings, read)


def _is_contract(document: Any) -> bool:
    """Whether a document means to be a contract, be it whole or not."""
    fields = as_object(document) or {}
    return bool(fields.keys() & {"action", "observation"})


def _names_a_document(url: str) -> bool:
    return urlsplit(url).path.lower().endswith((*_DOCUMENT_SUFFIXES, "/schema"))


async def _document(web: Web, url: str, settings: SourceSettings) -> Published:
    try:
        document = await web.get(url)
    except NotFound as missing:
        raise _no_route(missing.url) from None
    if openapi.is_openapi(document) and not openapi.has_action(document, settings):
        beside = _replace_last(url, "schema")
        try:
            if _is_contract(schema := await web.get(beside)):
                return await _named(web, schema, beside)
        except (NotFound, EnvgenError):
            pass  # then the document's own error says what it lacks
    if urlsplit(url).path.endswith("/schema"):
        return await _named(web, document, url)
    return Published(document, without_secrets(url), suggested_name(urlsplit(url).path))


async def _server(web: Web, url: str, settings: SourceSettings) -> Published:
    if not settings.paths:
        schema = _below(url, "schema")
        try:
            return await _contract_at(web, schema)
        except (NotFound, ContractError) as missing:
            first: EnvgenError = (
                _no_route(missing.url) if isinstance(missing, NotFound) else missing
            )
    else:
        first = _no_route(without_secrets(_below(url, "openapi.json")))
    for address in (_below(url, "openapi.json"), url):
        try:
            document = await web.get(address)
        except (NotFound, EnvgenError):
            continue
        if openapi.is_openapi(document) or _is_contract(document):
            return Published(document, without_secrets(address))
    raise first


async def _contract_at(web: Web, url: str) -> Published:
    document = await web.get(url)
    if not _is_contract(document):
        raise ContractError("what the server answers is not a contract", source=url)
    return await _named(web, document, url)


async def _named(web: Web, document: Any, url: str) -> Published:
    """The contract at ``url``, with the tools and the name that the server tells beside it."""
    fields = as_object(document) or {}
    if "tools" not in fields and calls_tools(fields.get("action")):
        tools = await _tools(web, _replace_last(url, "mcp"))
        document = {**fields, "tools": tools} if tools is not None else document
    try:
        metadata = as_object(await web.get(_replace_last(url, "metadata"))) or {}
    except (NotFound, EnvgenError):
        metadata = {}  # a nicety: --name says it as well
    name = metadata.get("name")
    return Published(document, without_secrets(url), name if isinstance(name, str) else None)


async def _tools(web: Web, url: str) -> list[Any] | None:
    """The tools of the environment behind a server; None of one that has no way to ask (0.2.1).

    A server that can be asked and fails is an error: that its tools are gone would be wrong.
    """
    found: list[Any] = []
    cursor: dict[str, str] = {}
    for number in range(_MAX_PAGES):
        request = {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": cursor}
        try:
            answer = as_object(await web.post(url, request)) or {}
        except NotFound:
            return None
        result = as_object(answer.get("result"))
        if result is None:
            told = (as_object(answer.get("error")) or {}).get("message")
            raise ContractError(
                f"the server doesn't tell its tools: {told or 'no result'}",
                source=without_secrets(url),
            )
        found += as_array(result.get("tools")) or []
        following = result.get("nextCursor")
        if not isinstance(following, str) or not following:
            return found
        cursor = {"cursor": following}
    raise ContractError("its list of tools doesn't end", source=without_secrets(url))


def _below(url: str, name: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}", fragment=""))


def _replace_last(url: str, name: str) -> str:
    parts = urlsplit(url)
    path = str(PurePosixPath(parts.path or "/").with_name(name))
    return urlunsplit(parts._replace(path=path, fragment=""))


def _no_route(shown: str) -> ContractError:
    return ContractError(
        "the server has no such route (HTTP 404)",
        source=shown,
        hint="servers before OpenEnv 0.2 publish no schema: write the contract as a file",
    )
