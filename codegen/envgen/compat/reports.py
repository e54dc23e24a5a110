"""A changelog as text: for machines, for a pull request, for GitHub's annotations."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from .changes import LEVELS, Change, Changelog

_HEADINGS = {"breaking": "Breaking", "warning": "Worth a look", "info": "Compatible"}
_COMMANDS = {"breaking": "error", "warning": "warning", "info": "notice"}


def to_document(name: str, changelog: Changelog) -> dict[str, Any]:
    """Return ``name``, ``level``, ``bump`` and ``changes``, for machines."""
    return {
        "name": name,
        "level": changelog.level,
        "bump": changelog.bump,
        "changes": [asdict(item) for item in changelog.changes],
    }


def to_json(name: str, changelog: Changelog) -> str:
    """Return ``to_document`` as JSON."""
    return json.dumps(to_document(name, changelog), indent=2)


def to_markdown(name: str, changelog: Changelog) -> str:
    """Return a section for a pull request."""
    lines = [f"### {_code(name)}: {changelog.bump} change", ""]
    if not changelog.changes:
        lines[0] = f"### {_code(name)}: no change"
    for level in reversed(LEVELS):
        found = [item for item in changelog.changes if item.level == level]
        if found:
            lines += [f"**{_HEADINGS[level]}**", "", *(f"- {_line(item)}" for item in found), ""]
    return "\n".join(lines).rstrip() + "\n"


def to_github(name: str, changelog: Changelog, *, file: str) -> str:
    """Return workflow commands that annotate ``file``, one per line."""
    return "\n".join(
        f"::{_COMMANDS[item.level]} file={_property(file)},"
        f"title={_property(f'{name}: {item.rule}')}::{_data(f'{item.pointer}: {_message(item)}')}"
        for item in changelog.changes
    )


def _message(item: Change) -> str:
    return f"{item.message} ({item.hint})" if item.hint else item.message


def _line(item: Change) -> str:
    return f"{_code(item.pointer or '/')} {_plain(_message(item))} [{item.rule}]"


def _code(text: str) -> str:
    """Return a code span of any text."""
    return "`` " + " ".join(text.split()) + " ``" if "`" in text else f"`{' '.join(text.split())}`"


def _plain(text: str) -> str:
    """Escape everything that Markdown interprets."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>#|@!" else sign for sign in text)


def _data(text: str) -> str:
    """Escape the message of a workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
