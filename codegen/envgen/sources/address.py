"""What the text of a source says, before anything is read."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import Literal

from envgen_runtime.wire.redaction import (
    command_without_secrets,
    secrets_in,
    secrets_in_command,
    source_without_secrets,
    without_secrets,
)

from ..config import MCP_SETTINGS, mcp_settings_of

Kind = Literal["file", "stdin", "url", "python", "image", "folder", "space", "mcp"]

STDIN = "-"
MCP_COMMAND = "mcp+stdio:"
_FILE_SUFFIXES = (".json", ".yaml", ".yml")

PREFIXES: dict[str, Kind] = {
    "http://": "url",
    "https://": "url",
    "python:": "python",
    "docker://": "image",
    "hf://": "space",
    "git+": "folder",
    "mcp+http://": "mcp",
    "mcp+https://": "mcp",
    MCP_COMMAND: "mcp",
    MCP_SETTINGS: "mcp",
}
_IN_ANY_CASE = ("http://", "https://", "mcp+http://", "mcp+https://")


def kind_of(source: str) -> Kind:
    """What a source names: where its contract is read from."""
    if source == STDIN:
        return "stdin"
    for prefix, kind in PREFIXES.items():
        # The scheme of a URL is case-insensitive; the other prefixes are envgen's own.
        if (source.lower() if prefix in _IN_ANY_CASE else source).startswith(prefix):
            return kind
    return "folder" if source.strip() and exists(source) and Path(source).is_dir() else "file"


def is_started(source: str) -> bool:
    """Whether a source is an environment that has to be started, or woken, to be read."""
    return kind_of(source) in ("image", "folder", "space")


def starts_server(source: str) -> bool:
    """Whether reading a source may start something that has to be stopped."""
    return is_started(source) or source.startswith((MCP_COMMAND, MCP_SETTINGS))


def words_of(source: str) -> list[str]:
    """The command in ``mcp+stdio:COMMAND``, split as a shell would. ValueError for open quotes."""
    return shlex.split(source.removeprefix(MCP_COMMAND))


def recorded(source: str) -> str:
    """A source as the lock records it: its label, with no path of this machine."""
    if source.startswith(MCP_SETTINGS):
        path, name = mcp_settings_of(source)
        return f"{MCP_SETTINGS}{_portable(path)}{'#' if name else ''}{name}"
    if source.startswith(MCP_COMMAND):
        return label(source, of_command=lambda words: [*map(_without_folder, words)])
    shown = label(source)
    if kind_of(source) not in ("file", "folder") or source.startswith("git+"):
        return shown
    return _portable(shown)


def _portable(name: str) -> str:
    path = Path(name)
    return path.name if path.is_absolute() else path.as_posix()


def _without_folder(word: str) -> str:
    return PurePath(word).name if PurePath(word).is_absolute() else word


def label(source: str, *, of_command: Callable[[list[str]], list[str]] = list) -> str:
    """A source as it may be shown and committed: without secrets.

    A mistyped address is taken for a file that doesn't exist.

    Args:
        source: the source.
        of_command: makes what is shown of a command's words.
    """
    kind = kind_of(source)
    if source.startswith(MCP_COMMAND):
        return _command_label(source, of_command)
    if kind in ("stdin", "python") or source.startswith(MCP_SETTINGS) or exists(source):
        return source
    if kind in ("url", "mcp"):
        return without_secrets(source)
    if ":" not in source and source.lower().endswith(_FILE_SUFFIXES):
        return source
    return source_without_secrets(source) if re.search(r"://|[@?]", source) else source


def _command_label(source: str, of_command: Callable[[list[str]], list[str]]) -> str:
    try:
        words = words_of(source)
    except ValueError:
        return f"{MCP_COMMAND}..."
    return MCP_COMMAND + command_without_secrets(of_command(words))


def secrets_of(source: str, headers: Mapping[str, str]) -> tuple[str, ...]:
    """What must not be shown of a source, and of the headers that are sent to it."""
    if source.startswith(MCP_COMMAND):
        try:
            return (*secrets_in(headers), *secrets_in_command(words_of(source)))
        except ValueError:
            return secrets_in(headers)
    if source.startswith(MCP_SETTINGS):
        return secrets_in(headers)  # those in the file are known once it is read
    is_local = kind_of(source) in ("stdin", "python") or exists(source)
    return secrets_in(headers) if is_local else secrets_in(headers, source)


def exists(source: str) -> bool:
    """Whether a source is the path of a file or folder. It may be no path at all."""
    try:
        return Path(source).exists()
    except (OSError, ValueError):
        return False
