"""What is in a package's folder, against what generating it would put there."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .digests import FileDigest, says
from .lock import LockedPackage

Status = Literal["missing", "stale", "edited", "extra"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A file that isn't as it would be generated.

    Attributes:
        path: the file.
        kind: ``missing``; ``stale``, generated from another contract or by another envgen;
            ``edited`` by hand; ``extra``, a file that isn't generated.
        diff: a unified diff to what would be written; empty for extra files.
    """

    path: Path
    kind: Status
    diff: str = ""


def compare_folder(
    folder: Path, files: Mapping[str, str] | None, locked: LockedPackage | None
) -> tuple[Difference, ...]:
    """Compare a package's folder with its new files, and with what was generated before.

    ``files`` is None where the locked files are known to be whole.
    """
    recorded: Mapping[str, FileDigest] = locked.files if locked is not None else {}
    expected = recorded.keys() if files is None else files.keys()
    changed = (
        compare_file(folder / name, content, recorded.get(name))
        for name, content in (files or {}).items()
        if not says(folder / name, content)
    )
    extra = (path for path in sorted(folder.glob("*")) if path.name not in expected)
    return (
        *changed,
        *(Difference(path, "extra") for path in extra if path.name != "__pycache__"),
    )


def compare_file(path: Path, content: str, recorded: FileDigest | None = None) -> Difference:
    """How a file differs from its new content. It is known to differ.

    What was recorded when it was generated tells an edit from a stale file.
    """
    if not path.exists():
        return Difference(path, "missing", _unified_diff("", content, path))
    is_edited = recorded is not None and not recorded.matches(path)
    old = path.read_text(encoding="utf-8", errors="replace")
    return Difference(path, "edited" if is_edited else "stale", _unified_diff(old, content, path))


def _unified_diff(old: str, new: str, path: Path) -> str:
    name = path.as_posix()
    lines = difflib.unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), name, f"{name} (generated)"
    )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
