"""What the text of a source says, before anything is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from envgen_runtime.wire.redaction import secrets_in, source_without_secrets, without_secrets

Kind = Literal["file", "stdin", "url", "python", "image", "folder", "space"]

STDIN = "-"
_FILE_SUFFIXES = (".json", ".yaml", ".yml")

PREFIXES: dict[str, Kind] = {
    "http://": "url",
    "https://": "url",
    "python:": "python",
    "docker://": "image",
    "hf://": "space",
    "git+": "folder",
}


def kind_of(source: str) -> Kind:
    """What a source names: where its contract is read from."""
    if source == STDIN:
        return "stdin"
    for prefix, kind in PREFIXES.items():
        # The scheme of a URL is case-insensitive; the other prefixes are envgen's own.
        if (source.lower() if kind == "url" else source).startswith(prefix):
            return kind
    return "folder" if source.strip() and exists(source) and Path(source).is_dir() else "file"


def is_started(source: str) -> bool:
    """Whether a source is an environment that has to be started, or woken, to be read."""
    return kind_of(source) in ("image", "folder", "space")


def recorded(source: str) -> str:
    """A source as the lock records it: its label, with no path of this machine."""
    shown = label(source)
    if kind_of(source) not in ("file", "folder") or source.startswith("git+"):
        return shown
    path = Path(shown)
    return path.name if path.is_absolute() else path.as_posix()


def label(source: str) -> str:
    """A source as it may be shown and committed: without secrets.

    A mistyped address is taken for a file that doesn't exist.
    """
    kind = kind_of(source)
    if kind == "url":
        return without_secrets(source)
    if kind in ("stdin", "python") or exists(source):
        return source
    if ":" not in source and source.lower().endswith(_FILE_SUFFIXES):
        return source
    return source_without_secrets(source) if re.search(r"://|[@?]", source) else source


def secrets_of(source: str, headers: Mapping[str, str]) -> tuple[str, ...]:
    """What must not be shown of a source, and of the headers that are sent to it."""
    is_local = kind_of(source) in ("stdin", "python") or exists(source)
    return secrets_in(headers) if is_local else secrets_in(headers, source)


def exists(source: str) -> bool:
    """Whether a source is the path of a file or folder. It may be no path at all."""
    try:
        return Path(source).exists()
    except (OSError, ValueError):
        return False
