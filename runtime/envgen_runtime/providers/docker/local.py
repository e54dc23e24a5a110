"""Environments in containers of one Docker engine."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Unpack

from ...documented import complete, documented
from ...errors import EngineError, FetchError, StartError
from ..base import ServerExit
from ..cleanup import Cleanup
from ..options import ContainerOptions
from ..owner import new_name
from . import labels as own_labels
from .engine import (
    LOOPBACK,
    REMOVAL_LIMIT_S,
    Credentials,
    Engine,
    Image,
    PullProgress,
    memory_bytes,
)
from .provider import EngineProvider

_log = logging.getLogger("envgen_runtime")

_LATE_CREATION_S = 2.0
_POLL_S = 0.05

_PORT_TAKEN = re.compile(
    r"port is already allocated|address already in use|bind.*failed", re.IGNORECASE
)


class LocalDockerProvider(EngineProvider):
    """Runs an image in a container, and removes the container with everything that belongs to it.

    Args:
        engine: the engine's address, as in DOCKER_HOST; by default that of DOCKER_HOST or of the
            current docker context.
        pull: ``missing`` pulls an image that the engine does not have; ``always`` and ``never`` do
            what they say.
        credentials: the registry's user and token; by default those that ``docker login`` stored.
        grace_s: how long a container may take to end by itself before it is killed, in seconds.
            By default it is killed at once.
        on_pull: called with the progress of a pull, from the thread that starts the container.
    """

    def __init__(
        self,
        *,
        engine: str | None = None,
        pull: Literal["missing", "always", "never"] = "missing",
        credentials: Credentials | None = None,
        grace_s: float = 0.0,
        on_pull: Callable[[PullProgress], None] | None = None,
    ) -> None:
        super().__init__(engine=engine, credentials=credentials, grace_s=grace_s)
        if pull not in ("missing", "always", "never"):
            raise ValueError(f"pull is missing, always or never, not {pull!r}")
        self._pull = pull
        self._on_pull = on_pull
        self._digest = ""

    @property
    def container_name(self) -> str:
        """The running container's name, as ``docker ps`` shows it; empty before a start."""
        return self._name

    @property
    def image_digest(self) -> str:
        """What was started: ``repository@sha256:...`` or the image's id; empty before a start."""
        return self._digest

    @documented(ContainerOptions)
    def start_container(
        self,
        image: str,
        port: int | None = None,
        env_vars: Mapping[str, str] | None = None,
        *,
        host: str = LOOPBACK,
        connect_host: str | None = None,
        **options: Unpack[ContainerOptions],
    ) -> str:
        """Start a container and return its base URL.

        Args:
            image: the image's name; pulled if the engine does not have it.
            port: the port on the engine's machine; by default the engine chooses a free one.
            env_vars: environment variables of the container.
            host: the address on the engine's machine where the port is published.
            connect_host: the host to connect to; by default the engine's machine.
            options: by keyword:

        Raises:
            TypeError: an unknown option.
            ValueError: an option has a value that can't be used.
            FetchError: the image can't be pulled.
            EngineError: the engine refused or can't be reached.
            StartError: the container can't be started.
        """
        given = complete(ContainerOptions, options, of="start_container")
        network, memory = given["network"], memory_bytes(given["memory"])
        if network == "none":
            raise ValueError("a container without a network can't be reached")
        with self._starting():
            host_config: dict[str, Any] = {
                "Memory": memory,
                "MemorySwap": memory,
                "NanoCpus": round((given["cpus"] or 0) * 1e9),
                "DeviceRequests": _device_requests(given["gpus"]),
                "ShmSize": memory_bytes(given["shm_size"]),
                "ReadonlyRootfs": given["read_only"],
                "Tmpfs": {"/tmp": ""} if given["read_only"] else {},  # noqa: S108 - in the container
                "NetworkMode": network or "default",
                "Binds": list(given["volumes"]),
            }
            self._image = image
            engine = self._engine = Engine(self._address)
            if connect_host is None and host == LOOPBACK != engine.host:
                raise ValueError(
                    f"the engine runs on {engine.host}, whose {LOOPBACK} can't be reached from "
                    "here: pass host= with one of its addresses to publish on"
                )
            found = self._find(engine, image, given["platform"])
            inner = given["container_port"] or found.server_port
            if network != "host":
                binding = {"HostIp": host, "HostPort": str(port or "")}
                host_config["PortBindings"] = {f"{inner}/tcp": [binding]}
            config: dict[str, Any] = {
                "Env": [f"{name}={value}" for name, value in (env_vars or {}).items()],
                "ExposedPorts": {f"{inner}/tcp": {}},
                "HostConfig": host_config,
            }
            if given["user"] is not None:
                config["User"] = given["user"]
            if given["command"] is not None:
                config["Cmd"] = list(given["command"])
            marks = {own_labels.IMAGE: image, own_labels.DIGEST: found.digest}
            marks[own_labels.PORT] = str(inner)
            config["Labels"] = {**(given["labels"] or {}), **own_labels.managed(**marks)}
            self._digest = found.digest
            self._name = new_name()
            # Registered before creation: a container may exist although its creation's reply was
            # never read.
            is_settled = threading.Event()
            remove = partial(_remove, self._address, self._name, is_settled)
            self._cleanup = Cleanup(f"the container {self._name}", remove)
            engine.create(self._name, found.id, platform=given["platform"], config=config)
            is_settled.set()
            self._start(engine, port, host)
            reached = inner if network == "host" else self._published_port(engine)
            self._base_url = f"http://{connect_host or engine.host}:{reached}"
        return self._base_url

    def logs(self, tail: int | None = None) -> str:
        """Return the server's output. As ``Provider.logs``."""
        return self._engine.logs(self._name, tail) if self._engine else ""

    def follow_logs(self) -> Iterator[str]:
        """Yield the server's output, past and future. As ``Provider.follow_logs``."""
        return self._engine.follow_logs(self._name) if self._engine else iter(())

    def stop(self) -> None:
        """Kill and remove the container. As ``Provider.stop``."""
        self._stopping.set()
        if self._grace_s and self._engine and self._cleanup:
            self._engine.stop(self._name, self._grace_s)
        super().stop()

    def _find(self, engine: Engine, reference: str, platform: str | None) -> Image:
        found = None if self._pull == "always" else engine.image(reference)
        if found is not None:
            return found
        if self._pull == "never":
            raise FetchError(f"the engine has no image {reference}, and pull is never")
        _log.info("pulling %s", reference)
        for progress in engine.pull(reference, credentials=self._credentials, platform=platform):
            if self._stopping.is_set():
                raise FetchError(f"the pull of {reference} was stopped")
            if self._on_pull is not None:
                self._on_pull(progress)
        found = engine.image(reference)
        if found is None:
            raise FetchError(f"the image {reference} was pulled but is not in the engine's store")
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

    def _published_port(self, engine: Engine) -> str:
        """The port on the engine's machine, which the engine chose when the container started."""
        state = engine.inspect(self._name) or {}
        ports: Mapping[str, Any] = state.get("NetworkSettings", {}).get("Ports") or {}
        for bindings in ports.values():
            for binding in bindings or ():
                return str(binding["HostPort"])
        self._raise_if_ended()  # a container that has ended has no ports any more
        raise StartError(f"{self._describe()} has no published port", log=self._last_lines())

    def _exit(self) -> ServerExit | None:
        engine, found = self._engine, None
        try:
            if engine is not None:
                found = engine.inspect(self._name)
        except EngineError:
            if not self._stopping.is_set():
                raise
        if self._stopping.is_set():
            return ServerExit("was stopped")
        if found is None:
            return ServerExit("was removed by another program")
        state = found["State"]
        if state["Running"]:
            return None
        if state.get("OOMKilled"):
            limit = found["HostConfig"]["Memory"] / 2**20
            return ServerExit(f"was killed at its memory limit of {limit:g} MiB", state["ExitCode"])
        detail = f" ({state['Error']})" if state.get("Error") else ""
        return ServerExit(f"exited with code {state['ExitCode']}{detail}", state["ExitCode"])

    def _describe(self) -> str:
        return f"the container {self._name} of {self._image}"


def _remove(address: str | None, name: str, is_settled: threading.Event) -> None:
    # On a connection of its own: another thread's request may be in progress. If that request is
    # the one that creates the container, the container may appear after its removal.
    deadline = time.monotonic() + _LATE_CREATION_S
    with Engine(address, timeout_s=REMOVAL_LIMIT_S) as engine:
        while not engine.remove(name) and not is_settled.is_set() and time.monotonic() < deadline:
            time.sleep(_POLL_S)


def _device_requests(gpus: int | str | Sequence[str] | None) -> list[dict[str, Any]]:
    """The engine's requests for a number of GPUs, ``all``, or ids. Raises ValueError for others."""
    request: dict[str, Any] = {"Driver": "", "Capabilities": [["gpu"]]}
    match gpus:
        case None:
            return []
        case "all":
            return [{**request, "Count": -1}]
        case str():
            raise ValueError(f"gpus is a number, 'all' or a list of ids, not {gpus!r}")
        case int() if gpus <= 0:
            raise ValueError("gpus must be greater than zero")
        case int():
            return [{**request, "Count": gpus}]
        case _:
            return [{**request, "DeviceIDs": list(gpus)}]
