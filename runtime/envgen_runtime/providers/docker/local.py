"""Environments in containers of a Docker engine."""

from __future__ import annotations

import logging
import re
import threading
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from ...errors import EngineError, FetchError, ProviderError, StartError
from ..base import Ended, Provider
from ..cleanup import Held
from . import labels as marks
from .engine import LOOPBACK, REMOVAL_LIMIT_S, Credentials, Engine, Image
from .options import device_requests, memory_bytes
from .pulling import PullBar

DEFAULT_PORT = 8000

_log = logging.getLogger("envgen_runtime")

_LATE_CREATION_S = 2.0
_POLL_S = 0.05

_PORT_TAKEN = re.compile(
    r"port is already allocated|address already in use|bind.*failed", re.IGNORECASE
)


class LocalDockerProvider(Provider):
    """Runs an image's container, and removes it with all that belongs to it.

    Args:
        engine: the engine's address, as DOCKER_HOST gives it; by default what DOCKER_HOST or the
            current docker context says.
        pull: ``missing`` pulls an image that the engine hasn't got, ``always`` and ``never`` do as
            they say.
        credentials: the registry's user and token; by default what ``docker login`` stored.
        grace_s: how long a container may take to end by itself before it is killed, in seconds.
            By default it is killed at once.
    """

    def __init__(
        self,
        *,
        engine: str | None = None,
        pull: Literal["missing", "always", "never"] = "missing",
        credentials: Credentials | None = None,
        grace_s: float = 0.0,
    ) -> None:
        super().__init__()
        if pull not in ("missing", "always", "never"):
            raise ValueError(f"pull is missing, always or never, not {pull!r}")
        self._address = engine
        self._pull = pull
        self._credentials = credentials
        self._grace_s = grace_s
        self._engine: Engine | None = None
        self._held: Held | None = None
        self._name = ""
        self._image = ""
        self._digest = ""

    @property
    def container_name(self) -> str:
        """The running container's name, as ``docker ps`` shows it; empty before a start."""
        return self._name

    @property
    def image_digest(self) -> str:
        """What was started: ``repository@sha256:...``, or the image's id; empty before a start."""
        return self._digest

    def start_container(
        self,
        image: str,
        port: int | None = None,
        env_vars: Mapping[str, str] | None = None,
        *,
        container_port: int | None = None,
        host: str = LOOPBACK,
        connect_host: str | None = None,
        memory: str | int | None = None,
        cpus: float | None = None,
        gpus: int | Literal["all"] | Sequence[str] | None = None,
        shm_size: str | int | None = None,
        user: str | None = None,
        read_only: bool = False,
        network: str | None = None,
        volumes: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
        platform: str | None = None,
    ) -> str:
        """Start a container and return its base URL.

        Args:
            image: the image's name; pulled if the engine hasn't got it.
            port: the port on the engine's machine; by default the engine chooses a free one.
            env_vars: variables of the container's environment.
            container_port: the port that the server listens on; by default the one that the
                image exposes, else 8000.
            host: the address on the engine's machine at which the port is published.
            connect_host: the host to connect to; by default the engine's machine.
            memory: the limit, in bytes or as ``512m``; swap doesn't add to it.
            cpus: how many processors' time it may use.
            gpus: how many GPUs it sees, ``all``, or their ids.
            shm_size: the size of /dev/shm, in bytes or as ``1g``.
            user: who the server runs as, as ``name`` or ``uid:gid``.
            read_only: the container's files can't be written; /tmp is in memory.
            network: the network it joins, or ``host``.
            volumes: as ``HOST:CONTAINER`` or ``HOST:CONTAINER:ro``.
            labels: besides those of envgen.
            command: instead of the image's.
            platform: as ``linux/arm64``; by default the engine's own.

        Raises:
            TypeError: an option that doesn't exist.
            ValueError: an option's value can't be used.
            FetchError: the image can't be pulled.
            EngineError: the engine can't be reached, or refused.
            StartError: the container can't be started.
        """
        if self._held is not None:
            raise ProviderError(f"{self._describe()} runs already; stop it first")
        if network == "none":
            raise ValueError("a container without a network can't be reached")
        host_config: dict[str, Any] = {
            "Memory": memory_bytes(memory),
            "MemorySwap": memory_bytes(memory),
            "NanoCpus": round((cpus or 0) * 1e9),
            "DeviceRequests": device_requests(gpus),
            "ShmSize": memory_bytes(shm_size),
            "ReadonlyRootfs": read_only,
            "Tmpfs": {"/tmp": ""} if read_only else {},  # noqa: S108 - in the container
            "NetworkMode": network or "default",
            "Binds": list(volumes),
        }
        config: dict[str, Any] = {
            "Env": [f"{name}={value}" for name, value in (env_vars or {}).items()],
            "Labels": dict(labels or {}),
            "HostConfig": host_config,
        }
        if user is not None:
            config["User"] = user
        if command is not None:
            config["Cmd"] = list(command)
        self._stopping.clear()
        self._image = image
        try:
            engine = self._engine = Engine(self._address)
            if connect_host is None:
                _check_reachable(engine, host)
            found = self._find(engine, image, platform)
            inner = container_port or exposed_port(found)
            if network != "host":
                binding = {"HostIp": host, "HostPort": str(port or "")}
                host_config["PortBindings"] = {f"{inner}/tcp": [binding]}
            config["ExposedPorts"] = {f"{inner}/tcp": {}}
            config["Labels"] |= marks.managed(
                **{marks.IMAGE: image, marks.DIGEST: found.digest, marks.PORT: str(inner)}
            )
            self._digest = found.digest
            self._name = f"envgen-{uuid.uuid4()}"
            # Held before it is made: a reply that is never read leaves a container behind, too.
            settled = threading.Event()
            remove = partial(_remove, self._address, self._name, settled)
            self._held = Held(f"the container {self._name}", remove)
            engine.create(self._name, found.id, platform=platform, config=config)
            settled.set()
            self._start(engine, port, host)
            reached = inner if network == "host" else self._published()
            self._base_url = f"http://{connect_host or engine.host}:{reached}"
        except BaseException:
            self.stop()
            raise
        if self._stopping.is_set():
            self.stop()
            raise StartError(f"{self._describe()} was stopped while it started")
        return self._base_url

    def logs(self, tail: int | None = None) -> str:
        """What the server has written. As ``Provider.logs``."""
        return self._engine.logs(self._name, tail) if self._engine else ""

    def follow_logs(self) -> Iterator[str]:
        """What the server has written and writes. As ``Provider.follow_logs``."""
        return self._engine.follow_logs(self._name) if self._engine else iter(())

    def stop(self) -> None:
        """Kill and remove the container. Does nothing the second time.

        Raises:
            EngineError: the engine can't be reached, or doesn't answer in time. Another call,
                or the end of the process, tries again.
        """
        self._stopping.set()
        held = self._held
        if held is not None:
            if self._grace_s and self._engine:
                self._engine.stop(self._name, self._grace_s)
            held.release()
        self._held = None
        self._base_url = None
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def _find(self, engine: Engine, reference: str, platform: str | None) -> Image:
        found = None if self._pull == "always" else engine.image(reference)
        if found is not None:
            return found
        if self._pull == "never":
            raise FetchError(f"the engine has no image {reference}, and pull is never")
        bar = PullBar(reference)

        def on_event(event: Mapping[str, Any]) -> None:
            if self._stopping.is_set():
                raise FetchError(f"the pull of {reference} was stopped")
            bar.update(event)

        try:
            engine.pull(
                reference, credentials=self._credentials, platform=platform, on_event=on_event
            )
        finally:
            bar.close()
        found = engine.image(reference)
        if found is None:
            raise FetchError(f"the image {reference} was pulled, and isn't there")
        _log.info("pulled %s (%s)", reference, found.digest)
        return found

    def _start(self, engine: Engine, port: int | None, host: str) -> None:
        try:
            engine.start(self._name)
        except EngineError as error:
            if port is not None and _PORT_TAKEN.search(str(error)):
                raise StartError(
                    f"port {port} of {host} is taken on the engine's machine"
                ) from error
            raise StartError(str(error), log=self._last_lines()) from error

    def _published(self) -> str:
        """The port on the engine's machine, which the engine chose when the container started."""
        state = self._engine.inspect(self._name) if self._engine else None
        ports: Mapping[str, Any] = (state or {}).get("NetworkSettings", {}).get("Ports") or {}
        for bindings in ports.values():
            for binding in bindings or ():
                return str(binding["HostPort"])
        ended = self._ended()  # a container that has ended has no ports any more
        reason = ended.reason if ended else "has no published port"
        raise StartError(
            f"{self._describe()} {reason}",
            log=self._last_lines(),
            exit_code=ended.exit_code if ended else None,
        )

    def _ended(self) -> Ended | None:
        engine, found = self._engine, None
        try:
            if engine is not None:
                found = engine.inspect(self._name)
        except EngineError:
            if not self._stopping.is_set():
                raise
        if self._stopping.is_set():
            return Ended("was stopped")
        if found is None:
            return Ended("was removed by somebody else")
        state = found["State"]
        if state["Running"]:
            return None
        if state.get("OOMKilled"):
            limit = found["HostConfig"]["Memory"] / 2**20
            return Ended(f"was killed at its memory limit of {limit:g} MiB", state["ExitCode"])
        trouble = f" ({state['Error']})" if state.get("Error") else ""
        return Ended(f"exited with code {state['ExitCode']}{trouble}", state["ExitCode"])

    def _describe(self) -> str:
        return f"the container {self._name} of {self._image}"


def _remove(address: str | None, name: str, settled: threading.Event) -> None:
    # On a connection of its own: this may run amid a request of another thread. While that is the
    # request to make the container, the container may come to be after its removal.
    deadline = time.monotonic() + _LATE_CREATION_S
    with Engine(address, timeout_s=REMOVAL_LIMIT_S) as engine:
        while not engine.remove(name) and not settled.is_set() and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def _check_reachable(engine: Engine, host: str) -> None:
    if engine.host != LOOPBACK and host == LOOPBACK:
        raise ValueError(
            f"the engine runs on {engine.host}, where {LOOPBACK} can't be reached from here: "
            "say with host= which of its addresses to publish on"
        )


def exposed_port(image: Image) -> int:
    """The port that an image's server listens on: the usual one, or the first that it exposes."""
    if DEFAULT_PORT in image.ports or not image.ports:
        return DEFAULT_PORT
    return image.ports[0]
