"""Read a server's contract: from ``/schema``, its OpenAPI document, or the URL itself."""

from __future__ import annotations

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
from .parsing import YAML_SUFFIXES, Document
from .url import NotFound, Web, check_url, within_limits

_MAX_PAGES = 20
"""How many pages of tools are read (MCP, 2025-06-18, pagination)."""

_DOCUMENT_SUFFIXES = (".json", *YAML_SUFFIXES)


def fetch(url: str, settings: SourceSettings) -> Document:
    """Read ``url``: the address of a document, or a server's base URL.

    Raises:
        Unreachable: the server doesn't answer, or not in time, or refuses.
        ContractError: it publishes no contract, or one that can't be used.
        ConfigError: a header can't be sent.
    """

    async def read(web: Web) -> Document:
        if _names_a_document(url):
            return await _document(web, url, settings)
        return await _server(web, url, settings)

    check_url(url)
    return within_limits(url, settings, read)


def _is_contract(document: Any) -> bool:
    """Whether a document is meant as a contract, even if it is incomplete."""
    fields = as_object(document) or {}
    return bool(fields.keys() & {"action", "observation"})


def _names_a_document(url: str) -> bool:
    return urlsplit(url).path.lower().endswith((*_DOCUMENT_SUFFIXES, "/schema"))


async def _document(web: Web, url: str, settings: SourceSettings) -> Document:
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
            pass  # the document's own error says what is missing
    if urlsplit(url).path.endswith("/schema"):
        return await _named(web, document, url)
    return Document(document, without_secrets(url), suggested_name(urlsplit(url).path))


async def _server(web: Web, url: str, settings: SourceSettings) -> Document:
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
            return Document(document, without_secrets(address))
    raise first


async def _contract_at(web: Web, url: str) -> Document:
    document = await web.get(url)
    if not _is_contract(document):
        raise ContractError("the server's answer is not a contract", source=url)
    return await _named(web, document, url)


async def _named(web: Web, document: Any, url: str) -> Document:
    """The contract at ``url``, with the server's tools and name."""
    fields = as_object(document) or {}
    if "tools" not in fields and calls_tools(fields.get("action")):
        tools = await _tools(web, _replace_last(url, "mcp"))
        document = {**fields, "tools": tools} if tools is not None else document
    try:
        metadata = as_object(await web.get(_replace_last(url, "metadata"))) or {}
    except (NotFound, EnvgenError):
        metadata = {}  # optional: --name gives a name, too
    name = metadata.get("name")
    return Document(document, without_secrets(url), name if isinstance(name, str) else None)


async def _tools(web: Web, url: str) -> list[Any] | None:
    """The tools of the environment behind a server; None if there is no MCP route (0.2.1).

    A failure is an error: without one, the tools would look removed.
    """
    tools: list[Any] = []
    cursor: dict[str, str] = {}
    for number in range(_MAX_PAGES):
        request = {"jsonrpc": "2.0", "id": number, "method": "tools/list", "params": cursor}
        try:
            answer = as_object(await web.post(url, request)) or {}
        except NotFound:
            return None
        result = as_object(answer.get("result"))
        if result is None:
            reason = (as_object(answer.get("error")) or {}).get("message")
            raise ContractError(
                f"the server doesn't list its tools: {reason or 'no result'}",
                source=without_secrets(url),
            )
        tools += as_array(result.get("tools")) or []
        next_cursor = result.get("nextCursor")
        if not isinstance(next_cursor, str) or not next_cursor:
            return tools
        cursor = {"cursor": next_cursor}
    raise ContractError("the list of tools doesn't end", source=without_secrets(url))


def _below(url: str, name: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}", fragment=""))


def _replace_last(url: str, name: str) -> str:
    parts = urlsplit(url)
    path = str(PurePosixPath(parts.path or "/").with_name(name))
    return urlunsplit(parts._replace(path=path, fragment=""))


def _no_route(source: str) -> ContractError:
    return ContractError(
        "the server has no such route (HTTP 404)",
        source=source,
        hint="servers before OpenEnv 0.2 publish no schema: write the contract as a file",
    )
