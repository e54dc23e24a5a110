"""Which process started something, and whether it still lives."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

_START_TIME_FIELD = 19  # of /proc/PID/stat, counted after the command's name (proc(5), starttime)


def this_process() -> str:
    """Identifies this process: host, process id, and when it began where the system says."""
    return f"{_host()}/{os.getpid()}/{_began(os.getpid())}"


def lives(owner: str) -> bool | None:
    """Whether the process that ``this_process`` identified lives; None where nobody can say."""
    host, pid, began = owner.rsplit("/", 2) if owner.count("/") > 1 else ("", "", "")
    if host != _host() or not pid.isdigit():
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it lives, as somebody else's
    return _began(int(pid)) == began


@cache
def _host() -> str:
    return platform.node() or "localhost"


def _began(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[_START_TIME_FIELD]
