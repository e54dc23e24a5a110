"""Identify the process that started a server, and tell whether it is still alive."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

_START_TIME_FIELD = 19  # starttime in /proc/PID/stat, counted after the command's name (proc(5))


def this_process() -> str:
    """An id for this process: host, process id, and start time if the system gives it."""
    return f"{_host()}/{os.getpid()}/{_start_time(os.getpid())}"


def is_alive(owner: str) -> bool | None:
    """Whether the process with this id is alive; None if unknown.

    It is unknown for another host's process, and on Windows, where ``os.kill`` has no signal 0.
    """
    host, pid, start_time = owner.rsplit("/", 2) if owner.count("/") > 1 else ("", "", "")
    if host != _host() or not pid.isdigit() or os.name != "posix":
        return None
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it is alive, and belongs to another user
    return _start_time(int(pid)) == start_time


@cache
def _host() -> str:
    return platform.node() or "localhost"


def _start_time(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[_START_TIME_FIELD]
