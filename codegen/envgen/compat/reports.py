"""A changelog as text: for machines, for a pull request, for GitHub's annotations."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ..text import as_code, for_annotation, for_annotation_property, for_markdown, json_text
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
    return json_text(to_document(name, changelog))


def to_markdown(name: str, changelog: Changelog) -> str:
    """Return a section for a pull request."""
    lines = [f"### {as_code(name)}: {changelog.bump} change", ""]
    if not changelog.changes:
        lines[0] = f"### {as_code(name)}: no change"
    for level in reversed(LEVELS):
        found = [item for item in changelog.changes if item.level == level]
        if found:
            lines += [f"**{_HEADINGS[level]}**", "", *(f"- {_line(item)}" for item in found), ""]
    return "\n".join(lines).rstrip() + "\n"


def to_github(name: str, changelog: Changelog, *, file: str) -> str:
    """Return workflow commands that annotate ``file``, one per line."""
    return "\n".join(
        f"::{_COMMANDS[item.level]} file={for_annotation_property(file)},"
        f"title={for_annotation_property(f'{name}: {item.rule}')}"
        f"::{for_annotation(f'{item.pointer}: {_message(item)}')}"
        for item in changelog.changes
    )


def _message(item: Change) -> str:
    return f"{item.message} ({item.hint})" if item.hint else item.message


def _line(item: Change) -> str:
    return f"{as_code(item.pointer or '/')} {for_markdown(_message(item))} [{item.rule}]"
