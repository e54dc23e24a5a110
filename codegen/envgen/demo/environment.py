"""A coding environment: it runs the Python it is given.

It is no sandbox. The program runs as the user who started the environment, in a process group and a
temporary folder of its own, with limits on its time and its output; that keeps accidents small, not
attacks. The server binds to loopback for that reason.
"""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from typing import Any
from uuid import uuid4

TIMED_OUT = 124
"""The exit code of a program that was stopped by the time limit; that of ``timeout(1)``."""

TOO_MUCH_OUTPUT = 153
"""That of one stopped by the output limit; a shell's, for SIGXFSZ (file size limit exceeded)."""

_WATCH_S = 0.05
_GRACE_S = 5

# A program outlives its watcher when that is killed, and would run for ever: so it has an alarm of
# its own, which stays set when the process becomes the program.
_START = """\
import os, signal, sys
signal.alarm(int(sys.argv[1]))
os.execv(sys.argv[2], sys.argv[2:])
"""


class EpisodeOver(RuntimeError):
    """A step after the last one."""


class CodingEnvironment:
    """One episode at a time.

    A program that succeeds (exit code 0) earns reward 1.0, any other 0.0. The episode is done after
    ``max_steps`` programs, and takes no more until it is reset. A program ends when its first
    process does; what it left running is killed.

    Args:
        time_limit_s: seconds that a program may take.
        max_steps: programs in an episode.
        max_output_bytes: what a program may write to stdout, and to stderr.
    """

    def __init__(
        self,
        *,
        time_limit_s: float = 10.0,
        max_steps: int = 100,
        max_output_bytes: int = 1024 * 1024,
    ) -> None:
        self._time_limit_s = time_limit_s
        self._max_steps = max_steps
        self._max_output_bytes = max_output_bytes
        self._seed: int | None = None
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
        """Run a program and observe what it did.

        Raises:
            EpisodeOver: the episode is done.
            OSError: no program can be started.
        """
        if self._done:
            raise EpisodeOver(f"the episode ended after {self._max_steps} steps: reset first")
        stdout, stderr, exit_code = self._run(code)
        self._state["step_count"] += 1
        self._state["last_exit_code"] = exit_code
        return self._observation(stdout, stderr, exit_code, reward=float(exit_code == 0))

    @property
    def state(self) -> dict[str, Any]:
        """The episode's id, how many programs ran, and how the last one ended."""
        return dict(self._state)

    @property
    def _done(self) -> bool:
        return bool(self._state["step_count"] >= self._max_steps)

    def _observation(
        self, stdout: str, stderr: str, exit_code: int, *, reward: float | None
    ) -> dict[str, Any]:
        return {
            "stdout": stdout,
            "stderr": stderr,
            "exit_code": exit_code,
            "reward": reward,
            "done": self._done,
            "metadata": {} if self._seed is None else {"seed": self._seed},
        }

    def _run(self, code: str) -> tuple[str, str, int]:
        with (
            tempfile.TemporaryDirectory(prefix="coding-env-") as folder,
            tempfile.TemporaryFile() as source,
            # Output goes to files: a child that keeps a pipe open can't hold up the reader.
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
        ):
            # As standard input, a program may be longer than an argument, and hold anything: what
            # isn't Python is Python's to refuse.
            source.write(code.encode(errors="surrogatepass"))
            source.seek(0)
            outputs = (stdout.fileno(), stderr.fileno())
            alarm_s = str(math.ceil(self._time_limit_s) + _GRACE_S)
            command = [sys.executable, "-I", "-X", "utf8", "-"]
            program = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _START, alarm_s, *command],
                stdin=source,
                stdout=stdout,
                stderr=stderr,
                cwd=folder,
                env={"PATH": os.environ.get("PATH", ""), "HOME": folder, "TMPDIR": folder},
                start_new_session=True,
            )
            try:
                exit_code, why = self._watch(program, outputs)
            finally:
                # What the program started and left running goes with it.
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(program.pid, signal.SIGKILL)
                program.wait()
            out, err = (self._read(output) for output in outputs)
        if why:
            separator = "\n" if err and not err.endswith("\n") else ""
            err += f"{separator}stopped {why}\n"
        return out, err, exit_code

    def _watch(
        self, program: subprocess.Popen[bytes], outputs: tuple[int, int]
    ) -> tuple[int, str | None]:
        """Wait for the program's end, or the reason to end it: its exit code, and the reason."""
        deadline = time.monotonic() + self._time_limit_s
        exit_code = None
        while exit_code is None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return TIMED_OUT, f"after {self._time_limit_s:g} s"
            with suppress(subprocess.TimeoutExpired):
                exit_code = program.wait(min(remaining, _WATCH_S))
            # Asked of a finished program too: whether one is stopped mustn't depend on the moment.
            if max(os.fstat(output).st_size for output in outputs) > self._max_output_bytes:
                return TOO_MUCH_OUTPUT, f"after {self._max_output_bytes} bytes of output"
        return exit_code, None

    def _read(self, output: int) -> str:
        return os.pread(output, self._max_output_bytes, 0).decode(errors="replace")
