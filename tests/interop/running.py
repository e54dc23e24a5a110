"""Real OpenEnv servers: releases, and the processes that serve environments with them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.interop.venvs import venv_python
from tests.support import PATIENCE_S

SERVERS = Path(__file__).parent / "servers"
# What `uvicorn --fd` does, but for taking the socket for a Unix one, whose replies then wait for
# acknowledgements: 40 ms for each HTTP request.
_SERVE = """
import socket, sys, uvicorn
sys.path.insert(0, "")
app, number = sys.argv[1:]
uvicorn.Server(uvicorn.Config(app)).run(sockets=[socket.socket(fileno=int(number))])
"""
_POLL_S = 0.05
_NOT_FOR_SERVERS = ("ENABLE_WEB_INTERFACE", "OPENENV_MODE", "ENV_NAME", "MAX_SESSIONS")


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

    @property
    def has_reset_observation(self) -> bool:
        """Whether the schema may say that reset observes another class than step."""
        return str(self) == "openenv-0.10.0"

    def python(self) -> Path:
        """The interpreter of this release's venv, which is made if it is not there yet."""
        return venv_python(self.package, self.version)


@dataclass(frozen=True)
class RunningServer:
    """A server that answers.

    Attributes:
        package: the server's package, by its name on PyPI.
        version: its release.
        env_name: the environment that it serves, a key of ENVIRONMENTS in its module.
        base_url: where, without a slash at the end.
    """

    package: str
    version: str
    env_name: str
    base_url: str

    @property
    def release(self) -> Release:
        """The package and version as one."""
        return Release(self.package, self.version)

    @property
    def ws_url(self) -> str:
        """The address of its WebSocket."""
        return f"{self.base_url.replace('http', 'ws', 1)}/ws"


def loopback(base_url: str, *, timeout_s: float) -> httpx.Client:
    """A client for our own servers: no proxies, and no certificates, which take long to load."""
    return httpx.Client(base_url=base_url, trust_env=False, verify=False, timeout=timeout_s)


@contextmanager
def running_server(
    release: Release, env_name: str, log: Path, **variables: str
) -> Generator[RunningServer]:
    """Serve an environment on loopback with a release, until the block is left.

    Args:
        release: the package that serves.
        env_name: a key of ENVIRONMENTS in ``servers/modern.py`` or ``servers/seed.py``.
        log: what the server prints; shown if it does not start.
        **variables: the server's environment variables, which those modules describe.

    Raises:
        RuntimeError: the server did not answer in time, or ended.
    """
    module = "seed" if release.is_seed else "modern"
    with serving(release.python(), module, log, ENV_NAME=env_name, **variables) as url:
        yield RunningServer(release.package, release.version, env_name, url)


@contextmanager
def serving(
    python: Path, module: str, log: Path, *, health: str = "/health", **variables: str
) -> Generator[str]:
    """Serve the ``app`` of a module in ``servers`` on loopback, and give its base URL.

    Args:
        python: what runs it.
        module: the module's name.
        log: what the server prints; shown if it does not start.
        health: the route that answers once the server is up.
        **variables: the server's environment variables.

    Raises:
        RuntimeError: the server did not answer in time, or ended.
    """
    # The socket is ours, listens already and is inherited: nobody can take the port in between.
    with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        process = subprocess.Popen(
            [str(python), "-c", _SERVE, f"{module}:app", str(listener.fileno())],
            cwd=SERVERS,
            env=_environment(python, **variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
        listener.close()  # a server that ends now refuses connections instead of queueing them
        try:
            _wait_until_healthy(url + health, process, log)
            yield url
        finally:
            # Nothing to tidy up in there, and a polite server waits for open sockets.
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _environment(python: Path, **variables: str) -> dict[str, str]:
    """The variables of a server: ours, without what would change how it behaves."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTHON") and name not in _NOT_FOR_SERVERS
    }
    # Compiled modules make the start three times as fast; they belong to the venv, for the
    # server modules are compiled by it as well.
    return {**inherited, "PYTHONPYCACHEPREFIX": str(python.parents[1] / "pycache"), **variables}


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    with loopback(url, timeout_s=PATIENCE_S) as http:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if http.get(url).is_success:
                    return
            except httpx.TransportError:
                time.sleep(_POLL_S)
    raise RuntimeError(f"the server did not start:\n{log.read_text()}")
