"""Staged, then moved into place whole."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

from .errors import OutputError

_MARK = "contract.json"
_IGNORED = shutil.ignore_patterns("__pycache__")


def publish(
    files: Mapping[str, str], folder: Path, *, stale: AbstractSet[str] = frozenset()
) -> bool:
    """Make ``folder`` a package of ``files``. Returns whether anything changed.

    The package is written beside its place and moved there by renaming, so that a build that fails
    or is interrupted leaves the old one. Files that others put into the folder stay; those named in
    ``stale`` don't.

    Raises:
        OutputError: the folder holds something that envgen did not make, or can't be written.
    """
    if _is_current(files, folder) and not any((folder / name).exists() for name in stale):
        return False
    if folder.exists() and not (folder / _MARK).is_file() and any(folder.iterdir()):
        raise OutputError(
            "this folder is not a package that envgen made",
            source=str(folder),
            hint="choose another place with --out, or another name with --name",
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as stage:
            _swap(files, folder, Path(stage), stale)
    except OSError as error:
        raise OutputError(f"can't be written: {error.strerror}", source=str(folder)) from error
    return True


def remove(names: Iterable[str], folder: Path) -> None:
    """Remove a package's files, and its folder if nothing else is in it.

    Raises:
        OutputError: they can't be removed.
    """
    try:
        for name in names:
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / "__pycache__", ignore_errors=True)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
    except OSError as error:
        raise OutputError(f"can't be removed: {error.strerror}", source=str(folder)) from error


def write_file(path: Path, content: str) -> None:
    """Write a file whole or not at all.

    Raises:
        OutputError: it can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as stage:
            staged = Path(stage) / path.name
            staged.write_bytes(content.encode())
            staged.replace(path)
    except OSError as error:
        raise OutputError(f"can't be written: {error.strerror}", source=str(path)) from error


def _is_current(files: Mapping[str, str], folder: Path) -> bool:
    with suppress(OSError, UnicodeDecodeError):
        return all(
            (folder / name).read_bytes() == content.encode() for name, content in files.items()
        )
    return False


def _swap(files: Mapping[str, str], folder: Path, stage: Path, stale: AbstractSet[str]) -> None:
    new, old = stage / "new", stage / "old"
    if folder.exists():
        shutil.copytree(folder, new, ignore=_IGNORED)
    new.mkdir(exist_ok=True)
    for name, content in files.items():
        (new / name).write_bytes(content.encode())
    for name in stale:
        (new / name).unlink(missing_ok=True)
    if folder.exists():
        folder.rename(old)
    try:
        new.rename(folder)
    except BaseException:
        if old.exists():
            old.rename(folder)
        raise
