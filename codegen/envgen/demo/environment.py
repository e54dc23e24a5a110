"""A coding environment: it runs the Python it is given.

It is no sandbox. The program runs as the user who started the environment, in a process group and a
temporary folder of its own, with a time limit; that keeps accidents small, not attacks. The server
binds to loopback for that reason.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import Any
from uuid import uuid4

TIMED_OUT = 124
"""The exit code of a program that was stopped by the time limit; that of ``timeout(1)``."""

_MAX_OUTPUT_BYTES = 64 * 1024


class CodingEnvironment:
    """One episode at a time.

    A program that succeeds (exit code 0) earns reward 1.0, any other 0.0. The episode is done after
    ``max_steps`` programs.

    Args:
        time_limit_s: seconds that a program may take.
        max_steps: programs in an episode.
    """

    def __init__(self, *, time_limit_s: float = 10.0, max_steps: int = 100) -> None:
        self._time_limit_s = time_limit_s
        self._max_steps = max_steps
        self._state: dict[str, Any] = {}
        self.reset()

    def reset(self, seed: int | None = None, episode_id: str | None = None) -> dict[str, Any]:
        """Start an episode. Programs bring their own randomness; the seed is kept as metadata."""
        self._seed = seed
        self._state = {
            "episode_id": episode_id or str(uuid4()),
            "step_count": 0,
            "last_exit_code": 0,
        }
        return self._observation("", "", 0, reward=None)

    def step(self, code: str) -> dict[str, Any]:
        """Run a program and observe what it did."""
        stdout, stderr, exit_code = self._run(code)
        self._state["step_count"] += 1
        self._state["last_exit_code"] = exit_code
        return self._observation(stdout, stderr, exit_code, reward=float(exit_code == 0))

    @property
    def state(self) -> dict[str, Any]:
        """The episode's id, how many programs ran, and how the last one ended."""
        return dict(self._state)

    def _observation(
        self, stdout: str, stderr: str, exit_code: int, *, reward: float | None
    ) -> dict[str, Any]:
        return {
            "stdout": stdout,
            "stderr": stderr,
            "exit_code": exit_code,
            "reward": reward,
            "done": self._state["step_count"] >= self._max_steps,
            "metadata": {} if self._seed is None else {"seed": self._seed},
        }

    def _run(self, code: str) -> tuple[str, str, int]:
        # Output goes to files: a child that keeps a pipe open can't hold up the reader.
        with (
            tempfile.TemporaryDirectory(prefix="coding-env-") as folder,
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
        ):
            program = subprocess.Popen(
                [sys.executable, "-I", "-X", "utf8", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": folder},
                start_new_session=True,
            )
            try:
                exit_code = program.wait(self._time_limit_s)
            except subprocess.TimeoutExpired:
                exit_code = TIMED_OUT
                stderr.seek(0, os.SEEK_END)
                stderr.write(f"stopped after {self._time_limit_s:g} s\n".encode())
            finally:
                # What the program started and left running goes with it.
                with suppress(ProcessLookupError):
                    os.killpg(program.pid, signal.SIGKILL)
                program.wait()
            stdout.seek(0)
            stderr.seek(0)
            return (
                stdout.read(_MAX_OUTPUT_BYTES).decode(errors="replace"),
                stderr.read(_MAX_OUTPUT_BYTES).decode(errors="replace"),
                exit_code,
            )
