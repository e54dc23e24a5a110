"""Compare a package's folder with the files that generating it would write."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .digests import FileDigest, says
from .lock import LockedPackage

Kind = Literal["missing", "stale", "edited", "extra"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that differs from what would be generated.

    Attributes:
        path: the file.
        kind: ``missing``; ``stale``, generated from another contract or by another envgen;
            ``edited`` by hand; or ``extra``, which nothing generates.
        diff: a unified diff to what would be written; empty for extra files.
    """

    path: Path
    kind: Kind
    diff: str = ""


def differences(
    files: Mapping[str, str] | None, folder: Path, locked: LockedPackage | None
) -> tuple[Difference, ...]:
    """Compare a folder with the files that belong there.

    Args:
        files: what would be written, by name; None where the folder is known to be current.
        folder: the package's folder.
        locked: the package as it was last generated, if it was.
    """
    known: Mapping[str, FileDigest] = locked.files if locked is not None else {}
    expected = known.keys() if files is None else files.keys()
    found = [
        difference
        for name, content in (files or {}).items()
        if (difference := _compared(folder / name, content, known.get(name))) is not None
    ]
    extra = (path for path in sorted(folder.glob("*")) if path.name not in expected)
    found += [Difference(path, "extra") for path in extra if path.name != "__pycache__"]
    return tuple(found)


def file_difference(path: Path, content: str) -> Difference | None:
    """Compare a file that envgen maintains with what it should contain."""
    return _compared(path, content, None)


def _compared(path: Path, content: str, locked: FileDigest | None) -> Difference | None:
    if says(path, content):
        return None
    if not path.exists():
        return Difference(path, "missing", _unified("", content, path))
    kind: Kind = "edited" if locked is not None and not locked.matches(path) else "stale"
    return Difference(path, kind, _unified(_text(path), content, path))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _unified(old: str, new: str, path: Path) -> str:
    name = path.as_posix()
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), name, f"{name} (generated)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
