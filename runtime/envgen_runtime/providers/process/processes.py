"""Trees of processes that end together."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

COOKIE = "ENVGEN_SERVER"
"""The variable by which a server's processes are known, also those that left its group."""

_KILL_LIMIT_S = 5.0
_POLL_S = 0.02

_INHERITED = frozenset(
    {
        *(
            "HOME",
            "LANG",
            "LANGUAGE",
            "LOGNAME",
            "PATH",
            "SHELL",
            "SYSTEMROOT",
            "TERM",
            "TZ",
            "USER",
        ),
        *("TEMP", "TMP", "TMPDIR"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
        *("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES"),
    }
)
_INHERITED_PREFIXES = ("LC_", "UV_", "XDG_")


def chosen_environment(more: Mapping[str, str]) -> dict[str, str]:
    """What a server inherits: how to find programs and to reach the network, and ``more``.

    Not the rest: a trainer's secrets are none of an environment's business.
    """
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.startswith(_INHERITED_PREFIXES)
    }
    return {**inherited, **more}


def spawn(
    command: Sequence[str],
    *,
    cookie: str,
    env: Mapping[str, str],
    folder: Path,
    log: Path,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, with its output in ``log``.

    Raises:
        OSError: it can't be started.
    """
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - a list, no shell
            command,
            cwd=folder,
            env={**env, COOKIE: cookie},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
            start_new_session=True,
        )


def end_group(process: subprocess.Popen[bytes], cookie: str, grace_s: float) -> None:
    """End a process and all that it started: asked first, killed after ``grace_s`` seconds."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace_s)
    _signal_group(process.pid, signal.SIGKILL)
    kill_marked(cookie)
    process.wait(_KILL_LIMIT_S)


def kill_marked(cookie: str) -> None:
    """Kill the processes that carry a cookie, until none is left. Needs /proc; else does nothing.

    A child that made a session of its own is no longer in its parent's group, but it has its
    parent's variables.
    """
    deadline = time.monotonic() + _KILL_LIMIT_S
    while (found := _marked(cookie)) and time.monotonic() < deadline:
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)


def _marked(cookie: str) -> list[int]:
    sign = f"{COOKIE}={cookie}".encode()
    found: list[int] = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            # A zombie has no variables any more: it is not found, and needs no killing.
            if sign in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def _signal_group(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
