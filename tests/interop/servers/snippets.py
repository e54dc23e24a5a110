"""Runs the few lines of trusted code that tests send to the coding environments."""

from __future__ import annotations

import io
import threading
import traceback
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

# Redirecting is for the whole process, and every session has a thread of its own.
_redirecting = threading.Lock()


class Outcome(NamedTuple):
    """What a snippet printed, and 0 if it ended well, else 1."""

    stdout: str
    stderr: str
    exit_code: int


def run(code: str, names: dict[str, Any]) -> Outcome:
    """Run code, keeping what it defines in ``names`` for the next step of the episode."""
    out, err = io.StringIO(), io.StringIO()
    exit_code = 0
    with _redirecting, redirect_stdout(out), redirect_stderr(err):
        try:
            exec(code, names)
        except Exception:  # noqa: BLE001 - whatever it raised is the outcome
            traceback.print_exc(limit=0)
            exit_code = 1
    return Outcome(out.getvalue(), err.getvalue(), exit_code)
