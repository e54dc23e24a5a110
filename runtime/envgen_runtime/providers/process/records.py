"""Notes of what has no labels: processes and folders, so that ``envgen prune`` can find them.

One JSON file each in ``$XDG_STATE_HOME/envgen/started`` (``~/.local/state`` by default), written
before the thing is made and removed after it is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from ..owner import this_process


@dataclass(frozen=True)
class Record:
    """A server process that envgen starts.

    Attributes:
        name: identifies it; the processes carry it in their environment.
        what: the project that it serves.
        folder: the temporary folder with its log and its clone.
        owner: the process that started it.
    """

    name: str
    what: str
    folder: str
    owner: str

    @classmethod
    def new(cls, name: str, what: str, folder: Path) -> Record:
        """A record of something that this process starts, written down."""
        record = cls(name, what, str(folder), this_process())
        path = _place() / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(record)), encoding="utf-8")
        return record

    def forget(self) -> None:
        """Remove the note: what it tells of is gone."""
        (_place() / f"{self.name}.json").unlink(missing_ok=True)


def records() -> list[Record]:
    """All that is noted. A note that can't be read is passed over: it is being written."""
    found: list[Record] = []
    for path in sorted(_place().glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            found.append(Record(**json.loads(path.read_text(encoding="utf-8"))))
    return found


def _place() -> Path:
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "envgen" / "started"
