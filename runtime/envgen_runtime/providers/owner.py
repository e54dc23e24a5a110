"""Identify the process that started a server, and tell whether it is still alive.

The id is read back from records and from labels, which others can write: an image may come with
labels of its own. So it has one form, and anything else names no owner.
"""

from __future__ import annotations

import os
import platform
import re
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_START_TIME_FIELD = 19  # starttime in /proc/PID/stat, counted after the command's name (proc(5))
_FORM = re.compile(r"([\w.-]{1,255})/([1-9][0-9]{0,9})/([0-9]{0,20})", re.ASCII)
_NAME = re.compile(r"envgen-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LARGEST_PID = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: its host, its id, and its start time in clock ticks since the boot, if known."""

    host: str
    pid: int
    start_time: int | None

    @classmethod
    def parse(cls, text: object) -> Owner | None:
        """Read what ``this_process`` has written; None if it is anything else."""
        match = _FORM.fullmatch(text) if isinstance(text, str) else None
        if match is None or int(match[2]) > _LARGEST_PID:
            return None
        return cls(match[1], int(match[2]), int(match[3]) if match[3] else None)

    @property
    def is_alive(self) -> bool | None:
        """Whether the process is alive; None if unknown.

        It is unknown for another host's process, and on Windows, where ``os.kill`` has no signal 0.
        """
        if self.host != _host() or os.name != "posix":
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it is alive, and belongs to another user
        return start_time(self.pid) == self.start_time


def this_process() -> str:
    """An id for this process: host, process id, and start time if the system gives it."""
    started = start_time(os.getpid())
    return f"{_host()}/{os.getpid()}/{'' if started is None else started}"


def new_name() -> str:
    """A name for a server that this process starts."""
    return f"envgen-{uuid.uuid4()}"


def is_name(text: object) -> bool:
    """Whether ``new_name`` gives such names."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def start_time(pid: int) -> int | None:
    """When a process started, in clock ticks since the boot; None if the system doesn't say."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        return int(stat.rpartition(")")[2].split()[_START_TIME_FIELD])
    except (OSError, ValueError, IndexError):
        return None


@cache
def _host() -> str:
    return re.sub(r"[^\w.-]", "-", platform.node(), flags=re.ASCII)[:255] or "localhost"
