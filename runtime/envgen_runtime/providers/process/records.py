"""Records of processes and folders, which have no labels, for ``envgen prune`` to find.

Each record is a JSON file in ``$XDG_STATE_HOME/envgen/started`` (``~/.local/state`` by default). It
is written before anything is created and removed after everything is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Record:
    """A server process that envgen starts.

    Attributes:
        name: identifies it; its processes carry the name in their environment.
        what: the project that it serves.
        folder: the temporary folder with its log and its clone.
        owner: the process that started it.
    """

    name: str
    what: str
    folder: str
    owner: str

    def save(self) -> None:
        """Write the record."""
        _folder().mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def remove(self) -> None:
        """Remove the temporary folder, then the record."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._path.unlink(missing_ok=True)

    @property
    def _path(self) -> Path:
        return _folder() / f"{self.name}.json"


def records() -> list[Record]:
    """All records. One that can't be read is skipped: another process is writing it."""
    found: list[Record] = []
    for path in sorted(_folder().glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            found.append(Record(**json.loads(path.read_text(encoding="utf-8"))))
    return found


def _folder() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "envgen" / "started"
