"""What the text of a source says, before anything is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from envgen_runtime.wire.redaction import without_secrets

Kind = Literal["file", "stdin", "url", "python", "image", "folder", "space"]

STDIN = "-"

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
    return "folder" if source.strip() and Path(source).is_dir() else "file"


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
    """A source as it may be shown and committed: without secrets."""
    if kind_of(source) == "url":
        return without_secrets(source)
    return re.sub(r"^(git\+\w+://)[^/@]*@", r"\1", source)
