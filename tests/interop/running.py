"""Real OpenEnv servers: a venv for each version, kept in a cache, and the processes in them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support import ROOT

SERVERS = Path(__file__).parent / "servers"
_CACHE = Path(os.environ.get("ENVGEN_VENV_CACHE", ROOT / ".cache" / "interop-venvs"))
_START_TIMEOUT_S = 60.0
_POLL_S = 0.05


@dataclass(frozen=True)
class Release:
    """A release of the server's package.

    Attributes:
        package: its name on PyPI.
        version: the release.
    """

    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package}-{self.version}"

    @property
    def is_seed(self) -> bool:
        """Whether it is of the first servers, which speak HTTP only."""
        return self.version.startswith("0.1.")

    @property
    def keeps_metadata(self) -> bool:
        """Whether observations keep their metadata on the wire."""
        return self.package == "openenv"

    def python(self) -> Path:
        """The interpreter of this release's venv, which is made if it is not there yet."""
        venv = _CACHE / f"{self}-py{sys.version_info.major}.{sys.version_info.minor}"
        if not venv.exists():
            uv = shutil.which("uv")
            command = [uv] if uv else [sys.executable, "-m", "uv"]
            _CACHE.mkdir(parents=True, exist_ok=True)
            # Made under another name: an interrupted venv is never taken for a whole one.
            making = venv.with_name(f".{venv.name}.{os.getpid()}")
            shutil.rmtree(making, ignore_errors=True)
            _run([*command, "venv", "--relocatable", "--python", sys.executable, str(making)])
            _run(
                [
                    *command,
                    "pip",
                    "install",
                    "--python",
                    str(making / "bin" / "python"),
                    f"{self.package}=={self.version}",
                    "uvicorn[standard]",
                ]
            )
            try:
                making.rename(venv)
            except OSError:  # another process was faster
                shutil.rmtree(making)
        return venv / "bin" / "python"


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def serving(release: Release, log: Path, **variables: str) -> Generator[str]:
    """Serve an environment on loopback with a release; give its base URL."""
    module = "seed" if release.is_seed else "modern"
    # The socket is ours and inherited: nobody can take the port in between.
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = subprocess.Popen(
            [str(release.python()), "-m", "uvicorn", f"{module}:app", f"--fd={listener.fileno()}"],
            cwd=SERVERS,
            env={**os.environ, **variables, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        listener.close()
        try:
            _wait_until_healthy(url, process, log)
            yield url
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/health", timeout=_START_TIMEOUT_S).is_success:
                return
        except httpx.TransportError:
            time.sleep(_POLL_S)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")
