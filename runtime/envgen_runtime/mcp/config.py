"""The servers in the settings of Claude, Cursor and VS Code. No I/O but the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..json_value import as_array, as_object
from ..wire.variables import ALLOW_VARS, allowed_variables
from .servers import HttpServer, Server, StdioServer

_SECTIONS = ("mcpServers", "servers")
_HTTP_TYPES = frozenset({"http", "streamable-http", "streamableHttp", "streamable_http"})
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_SHORTEST_SECRET = 4
_OF_EDITORS = frozenset(
    {
        "file", "fileDirname", "pathSeparator", "userHome", "workspaceFolder",
        "workspaceFolderBasename", "workspaceRoot",
    }
)  # fmt: skip
_NAMED = re.compile(r"(?:env:)?(\w+)(?::-(.*))?", re.DOTALL)


class NotAllowed(ValueError):
    """A variable that isn't allowed.

    Attributes:
        variable: its name.
    """

    def __init__(self, variable: str) -> None:
        super().__init__(
            f"${{{variable}}} isn't a variable that settings may use; if you trust them, and where "
            f"they send it: {ALLOW_VARS}={variable}"
        )
        self.variable = variable


def servers_in(settings: Any) -> dict[str, dict[str, Any]]:
    """The entries of the servers in settings, by their names.

    Raises:
        ValueError: there are none.
    """
    fields = as_object(settings) or {}
    for place in (fields, as_object(fields.get("mcp")) or {}):  # the latter in VS Code's own
        for section in _SECTIONS:
            if (servers := as_object(place.get(section))) is not None:
                return {name: as_object(entry) or {} for name, entry in servers.items()}
    raise ValueError("no mcpServers and no servers: these are not the settings of MCP servers")


def is_disabled(entry: Mapping[str, Any]) -> bool:
    """Whether the user has switched a server off."""
    return entry.get("disabled") is True


def server_of(entry: Mapping[str, Any]) -> Server:
    """The server of an entry, with the user's variables in place of ``${NAME}``.

    Of ``${NAME:-default}``, the default counts where there is no such variable.

    Raises:
        ValueError: it describes no server that can be used, or has a variable that isn't allowed
            or isn't set.
    """
    kind = entry.get("type")
    if entry.get("envFile"):
        raise ValueError("envFile isn't read: write its variables under env, as ${NAME}")
    expand = _Expansion()
    server: Server
    if isinstance(entry.get("command"), str) and kind in (None, "stdio"):
        arguments = as_array(entry.get("args")) or []
        cwd = entry.get("cwd")
        server = StdioServer.run(
            [expand.text(str(word)) for word in (entry["command"], *arguments)],
            expand.fields(entry, "env"),
            expand.text(cwd) if isinstance(cwd, str) else None,
        )
        return replace(server, secrets=(*server.secrets, *expand.values))
    url = entry.get("url") or entry.get("serverUrl")
    if isinstance(url, str) and (kind is None or kind in _HTTP_TYPES):
        server = HttpServer.at(expand.text(url), expand.fields(entry, "headers"))
        return replace(server, secrets=(*server.secrets, *expand.values))
    if kind == "sse":
        raise ValueError("MCP's older transport over SSE is not supported: use streamable HTTP")
    raise ValueError("a server has a command, or a url")


class _Expansion:
    """Puts values in place of variables, and remembers them: they are not shown.

    Attributes:
        values: the values so far.
    """

    def __init__(self) -> None:
        self.values: list[str] = []

    def text(self, text: str) -> str:
        """``text`` with the values of its variables."""
        return _PLACEHOLDER.sub(self._value, text)

    def fields(self, entry: Mapping[str, Any], key: str) -> dict[str, str]:
        """The texts of an object in an entry."""
        fields = as_object(entry.get(key)) or {}
        return {name: self.text(str(value)) for name, value in fields.items()}

    def _value(self, placeholder: re.Match[str]) -> str:
        variable, default = _named(placeholder)
        if variable not in os.environ and default is not None:
            return default
        value = _value_of(variable)
        if len(value) >= _SHORTEST_SECRET:
            self.values.append(value)
        return value


def _named(placeholder: re.Match[str]) -> tuple[str, str | None]:
    """The variable that a placeholder names, and what stands for it where it isn't set."""
    named = _NAMED.fullmatch(placeholder[1])
    if named is None or (named[1] in _OF_EDITORS and named[1] not in allowed_variables()):
        raise ValueError(
            f"{placeholder[0][:60]} is not a variable as ${{NAME}}: the placeholders of editors "
            "aren't known here, so write its value"
        )
    return named[1], named[2]


def _value_of(variable: str) -> str:
    if variable not in allowed_variables():
        raise NotAllowed(variable)
    if variable not in os.environ:
        raise ValueError(f"the environment variable {variable} is not set")
    return os.environ[variable]
