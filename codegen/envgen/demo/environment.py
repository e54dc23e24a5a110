"""A coding environment, which runs Python programs.

It is not a sandbox. A program runs as the user who started the environment, in its own process
group and temporary folder, with limits on time and output. That contains accidents, not attacks, so
the server binds to loopback.
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
"""The exit code of a program that reached the time limit, as with ``timeout(1)``."""

TOO_MUCH_OUTPUT = 153
"""The exit code of a program that reached the output limit, as a shell reports SIGXFSZ."""

_WATCH_S = 0.05
_GRACE_S = 5

# The environment may be killed, and its program would run for ever: so the program has an alarm of
# its own, which survives execv().
_START = """\
import os, signal, sys
signal.alarm(int(sys.argv[1]))
os.execv(sys.argv[2], sys.argv[2:])
"""


class EpisodeOver(RuntimeError):
    """A step after the last one."""


class CodingEnvironment:
    """One episode at a time.

    A program with exit code 0 earns a reward of 1.0, any other 0.0. The episode is done after
    ``max_steps`` programs; further steps are errors until a reset. A program ends when its first
    process does; processes that it left running are killed.

    Args:
        time_limit_s: time limit of a program, in seconds.
        max_steps: programs in an episode.
        max_output_bytes: limit of a program's stdout, and of its stderr, in bytes.
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
        """Start an episode. The seed is only returned as metadata: programs seed themselves."""
        self._seed = seed
        self._state = {
            "episode_id": episode_id or str(uuid4()),
            "step_count": 0,
            "last_exit_code": 0,
        }
        return self._observation("", "", 0, reward=None)

    def step(self, code: str) -> dict[str, Any]:
        """Run a program and return the observation.

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
        """The episode's id, the number of programs that ran, and the last exit code."""
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
        if not hasattr(os, "killpg"):
            raise RuntimeError("the demo's environment needs a POSIX system: Linux, macOS or WSL")
        with (
            tempfile.TemporaryDirectory(prefix="coding-env-") as folder,
            tempfile.TemporaryFile() as source,
            # Files, because a process that is left running would keep a pipe open.
            tempfile.TemporaryFile() as stdout,
            tempfile.TemporaryFile() as stderr,
        ):
            # On standard input a program can be longer than an argument, and hold any characters.
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
                # Kill processes that the program left running.
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
        """Wait until the program ends or reaches a limit. Return its exit code, and the limit."""
        deadline = time.monotonic() + self._time_limit_s
        exit_code = None
        while exit_code is None:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                return TIMED_OUT, f"after {self._time_limit_s:g} s"
            with suppress(subprocess.TimeoutExpired):
                exit_code = program.wait(min(remaining, _WATCH_S))
            # Checked after the end, too: the result must not depend on when the size is checked.
            if max(os.fstat(output).st_size for output in outputs) > self._max_output_bytes:
                return TOO_MUCH_OUTPUT, f"after {self._max_output_bytes} bytes of output"
        return exit_code, None

    def _read(self, output: int) -> str:
        return os.pread(output, self._max_output_bytes, 0).decode(errors="replace")
