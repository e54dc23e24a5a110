"""An MCP server's tools: over streamable HTTP, from a command, or out of a program's settings."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePath
from typing import Any
from urllib.parse import urlsplit

from envgen_runtime.errors import (
    ConnectError,
    ConnectionLost,
    EnvError,
    MissingExtra,
    ProviderError,
    RequestTimeout,
    SessionError,
    StartError,
)
from envgen_runtime.mcp.config import NotAllowed, is_disabled, server_of, servers_in
from envgen_runtime.mcp.http import AccessRefused
from envgen_runtime.mcp.servers import HttpServer, Server, StdioServer
from envgen_runtime.mcp.sync import ToolsClient
from envgen_runtime.wire.variables import ALLOW_VARS, VARIABLE

from ..config import MCP_SETTINGS, SourceSettings, mcp_settings_of
from ..errors import ConfigError, ContractError, EnvgenError, ServerEnded, Unreachable
from . import file
from .address import MCP_COMMAND, label, words_of
from .parsing import MAX_BYTES, Document, parse_json
from .url import check_url, resolved_headers

_START_LIMIT_S = 120.0
"""How long a command may take until the server is ready, unless the user says: it may install."""

_SHORTEST_SECRET = 4
_PREFIX = "mcp+"
_TOKEN_HINT = "pass a token: --header 'Authorization: Bearer ${TOKEN}'"  # noqa: S105
# A text or a comment without an end goes to the end of the file, so that no place is tried twice.
_TEXT = r"""("(?:[^"\\]|\\.)*"?)"""
_COMMENTS = re.compile(rf"{_TEXT}|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_LAST_COMMAS = re.compile(rf"{_TEXT}|,(?=\s*[}}\]])", re.DOTALL)
_LAUNCHERS = frozenset({"bunx", "docker", "node", "npx", "pipx", "python", "python3", "uv", "uvx"})


def fetch(source: str, settings: SourceSettings) -> Document:
    """Read the tools of an MCP server, and what it says about their use.

    Args:
        source: ``mcp+http://HOST/PATH``, ``mcp+https://...``, ``mcp+stdio:COMMAND``, or
            ``mcp-config:FILE#NAME``.
        settings: how it is read.

    Raises:
        ServerEnded: the command can't be started, or has ended; the error has its last lines.
        Unreachable: the server doesn't answer, or not in time, or refuses.
        ContractError: its answers are not MCP's.
        ConfigError: a header, a variable or an entry can't be used.
    """
    server, given_name = server_at(source, settings)
    shown = label(source)
    starts_in_s = settings.timeout_s
    if isinstance(server, StdioServer) and "timeout_s" not in settings.model_fields_set:
        starts_in_s = _START_LIMIT_S
    client = ToolsClient(
        server,
        connect_timeout_s=starts_in_s,
        request_timeout_s=settings.timeout_s,
        max_message_bytes=MAX_BYTES,
    )
    with _translated_errors(shown), client:
        tools = client.list_tools()
        about, instructions = client.server_info, client.instructions
    content: dict[str, Any] = {"serverInfo": about, "tools": tools}
    if instructions:
        content["instructions"] = instructions
    name = about.get("name")
    return Document(
        _checked(content, shown),
        shown,
        given_name or (name if isinstance(name, str) and name.strip() else None),
        spare_name=_spare_name(server),
    )


def server_at(source: str, settings: SourceSettings) -> tuple[Server, str | None]:
    """The server that a source names, and what its user calls it.

    Raises:
        ContractError: the source or its file can't be used.
        ConfigError: a header, a variable or an entry can't be used.
    """
    headers = resolved_headers(settings.headers)
    try:
        if source.startswith(MCP_SETTINGS):
            path, name = mcp_settings_of(source)
            name, entry = _entry(path, name)
            server = server_of(entry)
            if headers and isinstance(server, HttpServer):
                server = HttpServer.at(server.url, {**server.headers, **headers})
            return server, name
        if source.startswith(MCP_COMMAND):
            words = words_of(source)
            values = [os.environ.get(name, "") for name in VARIABLE.findall(" ".join(words))]
            command = StdioServer.run([*map(_expanded, words)])
            hidden = (value for value in values if len(value) >= _SHORTEST_SECRET)
            return replace(command, secrets=(*command.secrets, *hidden)), None
        url = source[len(_PREFIX) :]
        check_url(url)
        return HttpServer.at(url, headers), None
    except NotAllowed as error:
        raise ConfigError(
            f"${{{error.variable}}} isn't a variable that settings may use",
            source=label(source),
            hint=f"if you trust them, and where they send it: {ALLOW_VARS}={error.variable}",
        ) from error
    except ValueError as error:
        raise ConfigError(str(error), source=label(source)) from error


def settings_sources(path: str) -> tuple[list[str], list[str]]:
    """The sources in the settings of Claude, Cursor or VS Code, one for each server.

    Returns them, and the names of the servers that are disabled, which are left out.

    Raises:
        ContractError: the file can't be read.
        ConfigError: there are no servers in it, or all are disabled.
    """
    entries = _entries(path)
    disabled = [name for name, entry in entries.items() if is_disabled(entry)]
    if len(disabled) == len(entries):
        hint = f"to use one all the same: {path}#NAME"
        raise ConfigError("every server in it is disabled", source=path, hint=hint)
    return [f"{MCP_SETTINGS}{path}#{name}" for name in entries if name not in disabled], disabled


def _entry(path: str, name: str) -> tuple[str, dict[str, Any]]:
    entries = _entries(path)
    if not name and len(entries) == 1:
        return next(iter(entries.items()))
    if name not in entries:
        known = ", ".join(entries)
        problem = f"no server {name[:60]!r} in it" if name else "several servers are in it"
        raise ConfigError(
            problem, source=path, hint=f"write {MCP_SETTINGS}{path}#NAME, with one of {known}"
        )
    return name, entries[name]


def _entries(path: str) -> dict[str, dict[str, Any]]:
    try:
        entries = servers_in(_settings(path))
    except ValueError as error:
        raise ConfigError(str(error), source=path) from error
    if not entries:
        raise ConfigError("there are no servers in it", source=path)
    return entries


def _settings(path: str) -> Any:
    """The file's content. VS Code allows comments in it, and commas before a closing bracket."""
    content = file.content_of(path)
    try:
        return parse_json(content, source=path)
    except ContractError:
        plain = content.decode(errors="replace")
        for ignored in (_COMMENTS, _LAST_COMMAS):
            plain = ignored.sub(lambda found: found[1] or "", plain)
        return parse_json(plain.encode(), source=path)


def _expanded(word: str) -> str:
    for variable in VARIABLE.findall(word):
        if variable not in os.environ:
            raise ValueError(f"the environment variable {variable} is not set")
    return VARIABLE.sub(lambda match: os.environ[match[1]], word)


def _checked(content: dict[str, Any], shown: str) -> Any:
    """The content as a document of our own: strict JSON, and not too large."""
    try:
        text = json.dumps(content).encode()
    except RecursionError as error:
        raise ContractError("nested too deeply", source=shown) from error
    return parse_json(text, source=shown)


def _spare_name(server: Server) -> str:
    """``https://weather.example/mcp`` and ``uvx weather-mcp --key abc`` have a name in them."""
    if isinstance(server, HttpServer):
        host = urlsplit(server.url).hostname or ""
        is_named = re.search(r"[a-z]", host) and "." in host
        return host.partition(".")[0] if is_named else "unnamed_server"
    for word in server.command:
        name = PurePath(re.sub(r"@[\w.^~-]+$", "", word)).stem
        if not word.startswith("-") and name not in _LAUNCHERS and re.search(r"[a-z]", name):
            return name
    return "unnamed_server"


@contextmanager
def _translated_errors(shown: str) -> Generator[None]:
    """Raise the runtime's errors as those that commands show."""
    try:
        yield
    except StartError as error:
        raise ServerEnded(str(error), source=shown) from error
    except AccessRefused as error:
        raise Unreachable(str(error), source=shown, hint=_TOKEN_HINT) from error
    except (RequestTimeout, ProviderError) as error:
        hint = "give it more time with --timeout SECONDS"
        raise Unreachable(str(error), source=shown, hint=hint) from error
    except ConnectError as error:
        hint = "is the server running at this address?" if error.retryable else ""
        raise Unreachable(str(error), source=shown, hint=hint) from error
    except (ConnectionLost, SessionError) as error:
        raise Unreachable(str(error), source=shown) from error
    except MissingExtra as error:
        raise EnvgenError(str(error), source=shown) from error
    except EnvError as error:
        raise ContractError(str(error), source=shown) from error
