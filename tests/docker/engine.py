"""A real engine for the tests, and the images that they run.

Uses the engine that answers already. In CI, where none does, it installs Docker (Debian's package)
and starts an engine of its own, in a folder of its own, and stops it afterwards.
"""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from docker import DockerClient
from docker.errors import DockerException, ImageNotFound

from tests.interop.venvs import make_target, venv_cache
from tests.support import PATIENCE_S

HERE = Path(__file__).parent
CACHE = venv_cache().parent / "docker"
BASE = "envgen-test/base:bookworm"
PLAIN = "envgen-test/plain:latest"
OPENENV = "envgen-test/openenv:0.10.0"
_PUBLIC_BASE = "python:3.11-slim-bookworm"
_SERVERS = HERE.parent / "interop" / "servers"
_SHELL_LIMIT_S = 540


class NoEngine(Exception):
    """There is no engine here, and nobody said that one should be installed."""


def in_ci() -> bool:
    """Whether this machine is there for the tests: what is missing is installed, not skipped."""
    return bool(os.environ.get("CI") or os.environ.get("ENVGEN_CI"))


def may_make_networks() -> bool:
    """Whether this process may make network namespaces and start engines in them."""
    return os.getuid() == 0 and all(map(shutil.which, ("dockerd", "ip", "iptables", "nsenter")))


@contextmanager
def running_engine() -> Generator[DockerClient]:
    """A client of an engine; DOCKER_HOST says where it is, for those who are started from here.

    Raises:
        NoEngine: none answers, and this isn't CI.
    """
    try:
        client = docker.from_env(timeout=60)
    except DockerException as error:
        refusal = str(error)  # the error itself would keep what the SDK left
    else:
        yield client
        client.close()
        return
    collect_what_the_sdk_left()
    if not in_ci():
        raise NoEngine(f"no Docker engine answers: {refusal}")
    install("dockerd", "docker.io")
    with engine_of_our_own() as address:
        before = os.environ.get("DOCKER_HOST")
        os.environ["DOCKER_HOST"] = address
        client = docker.from_env(timeout=60)
        try:
            yield client
        finally:
            client.close()
            if before is None:
                del os.environ["DOCKER_HOST"]
            else:
                os.environ["DOCKER_HOST"] = before


def collect_what_the_sdk_left() -> None:
    """Drop the sockets that the SDK could not connect: it leaves them open, to the collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def install(program: str, package: str) -> None:
    """Install a Debian package, unless its program is there."""
    if shutil.which(program):
        return
    if not shutil.which("apt-get") or os.getuid() != 0:
        raise RuntimeError(f"the docker tests need {program}: install {package}")
    shell("apt-get", "update", "-qq")
    shell("apt-get", "install", "-y", "-qq", "--no-install-recommends", package)


def shell(*command: str, **options: Any) -> str:
    """Run a command and return what it wrote; its output is the error's message."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=_SHELL_LIMIT_S,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        **options,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def engine_of_our_own(*arguments: str, prefix: tuple[str, ...] = ()) -> Generator[str]:
    """Start ``dockerd`` with folders of its own; gives its address, and leaves nothing behind."""
    folder = Path(tempfile.mkdtemp(prefix="envgen-engine-"))
    engine = OwnEngine(folder, arguments, prefix)
    bridge = Path("/sys/class/net/docker0").exists()
    try:
        engine.start()
        yield engine.address
    finally:
        engine.stop()
        if not bridge and not prefix:
            subprocess.run(["ip", "link", "delete", "docker0"], check=False, capture_output=True)
        engine.remove()


class OwnEngine:
    """A ``dockerd`` that can be stopped and started again."""

    def __init__(
        self, folder: Path, arguments: tuple[str, ...] = (), prefix: tuple[str, ...] = ()
    ) -> None:
        self.folder = folder
        self.address = f"unix://{folder}/docker.sock"
        self._command = (
            *prefix,
            "dockerd",
            f"--host={self.address}",
            f"--data-root={folder}/data",
            f"--exec-root={folder}/run",
            f"--pidfile={folder}/docker.pid",
            *arguments,
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline and self._process.poll() is None:
            # Not with the SDK: it leaves sockets that it could not connect to the collector.
            with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
                probe.connect(self.address.removeprefix("unix://"))
                docker.DockerClient(self.address, timeout=60).close()
                return
            time.sleep(0.1)
        log_text = (self.folder / "log").read_text()
        self.stop()
        raise RuntimeError(f"dockerd did not start:\n{log_text[-4000:]}")

    def kill(self) -> None:
        """End it and its containers at once, without a word."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait(30)
        self._process = None
        for pid in self._descendants():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _descendants(self) -> list[int]:
        """What it left: containerd, whose arguments name the folder, and what that started."""
        processes = {int(path.name): path for path in Path("/proc").glob("[0-9]*")}
        parents: dict[int, int] = {}
        found: set[int] = set()
        for pid, path in processes.items():
            with contextlib.suppress(OSError):
                parents[pid] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                if str(self.folder).encode() in (path / "cmdline").read_bytes():
                    found.add(pid)
        for _ in range(5):  # a shim, a container's first process, and its children
            found |= {pid for pid, parent in parents.items() if parent in found}
        return sorted(found - {os.getpid()})

    def stop(self) -> None:
        """Stop it; its containers end with it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(30)
        self._process = None

    def remove(self) -> None:
        """Remove what it wrote."""
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        for mount in sorted((line.split()[1] for line in mounts), reverse=True):
            if mount.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)
        shutil.rmtree(self.folder, ignore_errors=True)


def base_image(client: DockerClient) -> str:
    """A small Debian with Python 3.11, made once and cached."""
    try:
        client.images.get(BASE)
    except ImageNotFound:
        pass
    else:
        return BASE
    archive = CACHE / "base-bookworm.tar"
    if not archive.exists():
        if os.getuid() != 0:
            client.images.pull(_PUBLIC_BASE).tag(BASE)
            return BASE
        _bootstrap(archive)
    repository, _, tag = BASE.partition(":")
    client.api.import_image_from_file(str(archive), repository=repository, tag=tag)
    return BASE


def _bootstrap(archive: Path) -> None:
    install("debootstrap", "debootstrap")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="envgen-base-") as folder:
        shell(
            "debootstrap",
            "--variant=minbase",
            "--include=python3,ca-certificates",
            "bookworm",
            f"{folder}/root",
        )
        part = archive.with_suffix(".part")
        with tarfile.open(part, "w") as tar:
            tar.add(f"{folder}/root", arcname=".", filter=_needed)
        part.rename(archive)


def _needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    unneeded = ("./var/cache/apt", "./var/lib/apt/lists", "./usr/share/doc", "./usr/share/locale")
    return None if entry.name.startswith(unneeded) or entry.isdev() else entry


def plain_image(client: DockerClient) -> str:
    """An image whose server starts at once, and fails as it is told."""
    build(client, HERE / "images" / "plain", PLAIN)
    return PLAIN


def openenv_image(client: DockerClient) -> str:
    """An image of a real environment: the test environments on OpenEnv 0.10.0, on port 7860."""
    site = make_target(CACHE / "site-openenv-0.10.0", "openenv==0.10.0", python="3.11")
    with tempfile.TemporaryDirectory(prefix="context-", dir=CACHE) as folder:
        context = Path(folder)
        shutil.copy(HERE / "images" / "openenv" / "Dockerfile", context)
        shutil.copytree(_SERVERS, context / "servers")
        shutil.copytree(site, context / "site", copy_function=os.link)
        build(client, context, OPENENV)
    return OPENENV


def build(client: DockerClient, context: Path, tag: str) -> None:
    """Build an image on the base image."""
    base_image(client)
    client.images.build(path=str(context), tag=tag, buildargs={"BASE": BASE}, rm=True)
