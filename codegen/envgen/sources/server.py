"""Read a server's contract: from ``/schema``, its OpenAPI document, or the URL itself.

``/metadata`` and MCP's ``tools/list`` complete a contract from ``/schema``. Servers make an
environment to answer either, which takes long or fails. So each has a short limit of its own, is
asked only if it is needed, and is done without if it fails.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from envgen_runtime.contract.parts import UNPUBLISHED
from envgen_runtime.contract.tools import calls_tools
from envgen_runtime.errors import ProtocolError
from envgen_runtime.wire.redaction import without_secrets
from envgen_runtime.wire.tools import ToolPages, list_request

from ..config import SourceSettings
from ..contract.tools import parse_tools
from ..errors import ContractError, EnvgenError
from ..findings import Finding
from ..schema.keywords import as_object
from . import nemo_gym, open_reward, openapi
from .file import suggested_name
from .parsing import YAML_SUFFIXES, Document, is_openapi
from .slips import hint_for_url
from .url import NotFound, Web, check_url, limited

_OPTIONAL_SHARE = 0.5
"""The time limit of an optional question, as a share of the limit for everything else."""

_DOCUMENT_SUFFIXES = (".json", *YAML_SUFFIXES)


class _Found(NamedTuple):
    """A document, and the route ``/schema`` if a server published it there."""

    document: Document
    schema: str | None = None


def fetch(url: str, settings: SourceSettings, *, needs_name: bool = True) -> Document:
    """Read ``url``: the address of a document, or a server's base URL.

    Args:
        url: the address.
        settings: how it is read.
        needs_name: whether the server is asked for its name.

    Raises:
        Unreachable: the server doesn't answer, or not in time, or refuses.
        ContractError: it publishes no contract, or one that can't be used.
        ConfigError: a header can't be sent.
    """

    async def read() -> Document:
        async with Web(url, settings) as web:
            async with limited(settings.timeout_s, url):
                find = _document if _names_a_document(url) else _server
                found = await find(web, url, settings)
            if found.schema is None:
                return found.document
            return await _completed(web, found.document, found.schema, settings, needs_name)

    check_url(url)
    return asyncio.run(read())


def _is_contract(document: Any) -> bool:
    """Whether a document is meant as a contract, even if it is incomplete."""
    fields = as_object(document) or {}
    return bool(fields.keys() & {"action", "observation"})


def _names_a_document(url: str) -> bool:
    return urlsplit(url).path.lower().endswith((*_DOCUMENT_SUFFIXES, "/schema"))


async def _document(web: Web, url: str, settings: SourceSettings) -> _Found:
    try:
        document = await web.get(url)
    except NotFound as missing:
        raise _no_route(missing.url, url) from None
    if is_openapi(document) and not openapi.has_action(document, settings):
        beside = _replace_last(url, "schema")
        try:
            if _is_contract(schema := await web.get(beside)):
                return _Found(Document(schema, without_secrets(beside)), beside)
        except (NotFound, ContractError):
            pass  # the document's own error says what is missing
    if urlsplit(url).path.endswith("/schema"):
        return _Found(Document(document, without_secrets(url)), url)
    return _Found(Document(document, without_secrets(url), suggested_name(urlsplit(url).path)))


async def _server(web: Web, url: str, settings: SourceSettings) -> _Found:
    described = _below(url, "openapi.json")
    found: _Found | ContractError = _no_route(without_secrets(described), url)
    if not settings.paths:
        found = await _published(web, url)
    if isinstance(found, _Found):
        return found
    # FastAPI publishes the document at its root, also where a router has a prefix.
    at_root = urlunsplit(urlsplit(url)._replace(path="/openapi.json", fragment=""))
    for address in dict.fromkeys((described, url, at_root)):
        try:
            document = await web.get(address)
        except (NotFound, EnvgenError):
            continue
        if is_openapi(document) and not nemo_gym.is_resources_server(document):
            _check_has_action(document, settings, found)
        elif not is_openapi(document) and not _is_contract(document):
            continue
        return _Found(Document(document, without_secrets(address)))
    raise await _not_found(web, url, found)


async def _published(web: Web, url: str) -> _Found | ContractError:
    """What a server publishes by OpenEnv's route or the Open Reward Standard's, or the error."""
    schema = _below(url, "schema")
    try:
        document = await web.get(schema)
        if _is_contract(document):
            return _Found(Document(document, without_secrets(schema)), schema)
        error = ContractError(
            "the server's answer is not a contract", source=without_secrets(schema)
        )
    except NotFound as missing:
        error = _no_route(missing.url, url)
    except ContractError as refused:
        error = refused.with_context(hint=hint_for_url(url) or refused.hint)
    found = await open_reward.find(web, url)
    return error if found is None else _Found(found)


async def _not_found(web: Web, url: str, first: ContractError) -> ContractError:
    """The error where a server publishes no contract: it may be an MCP server."""
    for address in (url, _below(url, "mcp")):
        if await web.answers_mcp(address):
            shown = without_secrets(address)
            hint = f"write mcp+{shown}"
            return ContractError("an MCP server, not an environment's", source=shown, hint=hint)
    return first


def _check_has_action(document: Any, settings: SourceSettings, first: ContractError) -> None:
    """Check that an OpenAPI document helps where ``/schema`` doesn't."""
    if settings.paths or openapi.has_action(document, settings):
        return
    try:
        openapi.convert(document, settings, source="openapi.json")
    except ContractError as error:
        raise ContractError(
            f"{first.message}, and in openapi.json {error.message}",
            source=first.source,
            hint="servers before OpenEnv 0.2 publish no schema: write the contract as a file; "
            "for a route of another name, pass --step-path",
        ) from error


# --- what completes a contract --------------------------------------------------------------------


async def _completed(
    web: Web, document: Document, schema: str, settings: SourceSettings, needs_name: bool
) -> Document:
    """A contract from ``/schema`` with the server's tools and name, as far as it tells them."""
    content = as_object(document.content) or {}
    timeout_s = settings.timeout_s * _OPTIONAL_SHARE
    findings: list[Finding] = []
    if "tools" not in content and calls_tools(content.get("action")):
        address = _replace_last(schema, "mcp")
        try:
            async with limited(timeout_s, address):
                tools = await _tools(web, address)
            parse_tools(tools, source=address)
            content = {**content, "tools": tools}
        except NotFound:
            pass  # 0.2.1 has no such route
        except EnvgenError as error:
            content = {**content, UNPUBLISHED: ["tools"]}
            message = f"its tools are not known: POST /mcp: {error.message}"
            findings.append(Finding("info", "/tools", message))
    name: Any = content.get("name")
    if needs_name and name is None:
        address = _replace_last(schema, "metadata")
        try:
            async with limited(timeout_s, address):
                name = (as_object(await web.get(address)) or {}).get("name")
        except (NotFound, EnvgenError):
            pass
    name = name if isinstance(name, str) else None
    spare_name = _spare_name(schema, content.get("action"))
    return Document(content, document.source, name, spare_name=spare_name, findings=tuple(findings))


async def _tools(web: Web, url: str) -> list[Any]:
    """The tools of the environment behind a server."""
    pages = ToolPages()
    is_more = True
    while is_more:
        answer = as_object(await web.post(url, list_request(pages))) or {}
        result = as_object(answer.get("result"))
        if result is None:
            reason = (as_object(answer.get("error")) or {}).get("message")
            raise ContractError(f"the server doesn't list them: {reason or 'no result'}")
        try:
            is_more = pages.add(result)
        except ProtocolError as error:
            raise ContractError(str(error)) from error
    return pages.tools


def _spare_name(url: str, action: Any) -> str:
    """A name for an environment that doesn't tell its own: of its host, or of its action."""
    host = urlsplit(url).hostname or ""
    if re.search(r"[a-z]", host) and "." in host:
        return host.partition(".")[0]
    title = (as_object(action) or {}).get("title")
    stem = title.removesuffix("Action") if isinstance(title, str) else ""
    return f"{stem}Env" if stem and not calls_tools(action) else "unnamed_env"


def _below(url: str, name: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}", fragment=""))


def _replace_last(url: str, name: str) -> str:
    parts = urlsplit(url)
    path = str(PurePosixPath(parts.path or "/").with_name(name))
    return urlunsplit(parts._replace(path=path, fragment=""))


def _no_route(source: str, url: str) -> ContractError:
    return ContractError(
        "the server has no such route (HTTP 404)",
        source=source,
        hint=hint_for_url(url)
        or "servers before OpenEnv 0.2 publish no schema: write the contract as a file",
    )
