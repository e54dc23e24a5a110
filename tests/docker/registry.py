"""A real registry on loopback: Debian's docker-registry, private where a password is given."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient

from tests.docker.engine import install, shell
from tests.support import PATIENCE_S


@dataclass(frozen=True)
class Registry:
    """A registry that runs.

    Attributes:
        port: where it listens on loopback, which engines trust without TLS.
        password: of any user; empty where everybody may pull.
    """

    port: int
    password: str = ""

    @property
    def address(self) -> str:
        """``HOST:PORT``, as image names have it."""
        return f"127.0.0.1:{self.port}"

    def push(self, client: DockerClient, image: str, name: str) -> str:
        """Put an image into the registry, and forget it here; gives its full name."""
        full = f"{self.address}/{name}"
        client.images.get(image).tag(full)
        login = {"username": "somebody", "password": self.password} if self.password else None
        for line in client.api.push(full, stream=True, decode=True, auth_config=login):
            assert "error" not in line, line
        client.images.remove(full)
        return full


@contextmanager
def running_registry(
    folder: Path, *, host: str = "127.0.0.1", password: str = ""
) -> Generator[Registry]:
    """Start a registry that keeps its images in ``folder``."""
    install("docker-registry", "docker-registry")
    with socket.create_server((host, 0)) as probe:
        port = probe.getsockname()[1]
    config: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": {"addr": f"{host}:{port}"},
    }
    if password:
        install("htpasswd", "apache2-utils")
        users = shell("htpasswd", "-Bbn", "somebody", password)
        (folder / "users").write_text(users)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "users")}}
    (folder / "config.yml").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        _wait(port, process, folder / "log")
        yield Registry(port, password)
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/v2/")
            connection.getresponse().read()
        except OSError:
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    raise RuntimeError(f"the registry did not start:\n{log.read_text()}")
