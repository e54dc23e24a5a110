"""Process trees that end together, on POSIX systems: Windows has no process groups."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from .. import owner

COOKIE = "ENVGEN_SERVER"
"""The variable that marks a server's processes, also those that left its process group."""

IS_SUPPORTED = os.name == "posix"
"""Whether this system has process groups and passes descriptors to children."""

_KILL_LIMIT_S = 5.0
_POLL_S = 0.02

_INHERITED = frozenset(
    {
        *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "SYSTEMROOT"),
        *("TERM", "TZ", "USER", "TEMP", "TMP", "TMPDIR"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES"),
    }
)
_INHERITED_PREFIXES = ("LC_", "UV_", "XDG_")


def server_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server: the variables that find programs and the network, and ``extra``.

    A trainer's secrets are not passed on.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    return {**inherited, **extra}


def end_group(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """End a process and its group: SIGTERM first, SIGKILL after ``grace_s`` seconds."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait(_KILL_LIMIT_S)


def kill_marked(cookie: str, *, since: int | None = None) -> None:
    """Kill the processes that carry a cookie, until none is left. Does nothing without /proc.

    A child with a session of its own has left its parent's group, but not its parent's
    environment.

    Args:
        cookie: the name of the server.
        since: when the server's owner started, as ``owner.start_time``: what is older isn't its.
    """
    deadline = time.monotonic() + _KILL_LIMIT_S
    while (found := _marked(cookie, since)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)


def _marked(cookie: str, since: int | None) -> list[int]:
    mark = f"{COOKIE}={cookie}".encode()
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or belongs to another user
            # A zombie has no environment, so it is not found; it needs no killing.
            if mark not in (entry / "environ").read_bytes().split(b"\0"):
                continue
            pid, is_own = int(entry.name), entry.stat().st_uid == os.geteuid()
            is_old = since is not None and (owner.start_time(pid) or 0) < since
            if is_own and not is_old and pid != os.getpid():
                found.append(pid)
    return found


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
