"""Records of processes and folders, which have no labels, for ``envgen prune`` to find.

Each record is a JSON file in ``$XDG_STATE_HOME/envgen/started`` (``~/.local/state`` by default). It
is written before anything is created and removed after everything is gone.

What a record names is killed and deleted, so a record is no authority: only this user can write the
folder, and a record that names anything but what ``UVProvider`` creates is ignored.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from ...errors import StartError
from ...json_value import as_object
from ...printable import printable
from ..owner import Owner, is_name

_MARK = ".envgen"
_MAX_BYTES = 64 * 1024
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True)
class Record:
    """A server process that envgen starts.

    Attributes:
        name: identifies it; its processes carry the name in their environment.
        what: the project that it serves, without secrets.
        folder: the temporary folder with its log and its clone.
        owner: the process that started it.
    """

    name: str
    what: str
    folder: str
    owner: str

    def save(self) -> None:
        """Write the record. StartError: others could write it, too."""
        folder = _folder()
        for place in (folder.parent, folder):
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (why := _not_ours(place, stat.S_ISDIR)) is not None:
                raise StartError(f"{place}, where servers are recorded, {why}")
        folder.chmod(0o700)
        _write(self._path, json.dumps(asdict(self)))

    def create_folder(self) -> None:
        """Create the temporary folder, with the mark by which ``remove`` knows it."""
        Path(self.folder).mkdir(mode=0o700)
        _write(Path(self.folder, _MARK), self.name)

    def remove(self) -> None:
        """Remove the temporary folder, then the record."""
        if _problem_of_folder(self) is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return _folder() / f"{self.name}.json"


def records(on_ignored: Callable[[str], None] = lambda _: None) -> list[Record]:
    """All records that can be relied on.

    ``on_ignored`` is called for each other file, with the file and the reason.
    """
    folder = _folder()
    for place in (folder.parent, folder):
        if not place.is_symlink() and not place.exists():
            return []
        if (why := _not_ours(place, stat.S_ISDIR)) is not None:
            on_ignored(f"{printable(str(place))} {why}")
            return []
    found: list[Record] = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(_read(path))
        except FileNotFoundError:
            pass  # its server has ended meanwhile
        except (OSError, ValueError, RecursionError) as error:
            on_ignored(f"{printable(str(path))}: {printable(str(error))}")
    return found


def _write(path: Path, content: str) -> None:
    """Create a file that this user alone can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(content)


def _read(path: Path) -> Record:
    """Read a record. ValueError: it is none, or names what isn't ours."""
    if (why := _not_ours(path, stat.S_ISREG)) is not None:
        raise ValueError(why)
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    fields = as_object(json.loads(content)) if len(content) <= _MAX_BYTES else None
    if fields is None or not all(isinstance(value, str) for value in fields.values()):
        raise ValueError("not a record")
    try:
        record = Record(**cast("dict[str, str]", fields))
    except TypeError as error:
        raise ValueError("not a record") from error
    if record.name != path.stem or not is_name(record.name):
        raise ValueError("its name is not the file's")
    if Owner.parse(record.owner) is None:
        raise ValueError("its owner is not a process")
    if (problem := _problem_of_folder(record)) is not None:
        raise ValueError(problem)
    return record


def _problem_of_folder(record: Record) -> str | None:
    """Why a record's folder must not be removed; None if it may be, or is gone."""
    folder = Path(record.folder)
    if folder != temporary_folder(record.name):
        return f"its folder {record.folder} is not one of envgen's below {tempfile.gettempdir()}"
    if not os.path.lexists(folder):
        return None
    if (why := _not_ours(folder, stat.S_ISDIR)) is not None:
        return f"its folder {folder} {why}"
    mark = folder / _MARK
    with contextlib.suppress(OSError, ValueError):
        is_marked = _not_ours(mark, stat.S_ISREG) is None and mark.stat().st_size < _MAX_BYTES
        if is_marked and mark.read_text(encoding="utf-8") == record.name:
            return None
        if not any(folder.iterdir()):
            return None  # a start was killed before it wrote the mark
    return f"its folder {folder} has no mark of envgen's"


def temporary_folder(name: str) -> Path:
    """The temporary folder of a server."""
    return Path(tempfile.gettempdir()) / name


def _not_ours(path: Path, is_kind: Callable[[int], bool]) -> str | None:
    """Why a file or folder may be another's work; None if this user alone can have written it."""
    try:
        status = path.lstat()
    except OSError as error:
        return f"can't be read: {error.strerror}"
    if not is_kind(status.st_mode):
        return "is a link, or of another kind"
    if os.name == "posix" and status.st_uid != os.geteuid():
        return "belongs to another user"
    if os.name == "posix" and status.st_mode & _OTHERS_WRITE:
        return "can be written by other users"
    return None


def _folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "envgen" / "started"
