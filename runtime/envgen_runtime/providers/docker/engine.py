"""A Docker engine. Only this module imports the docker SDK, and not before it is used."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from ... import forks
from ...errors import EngineError, FetchError, MissingExtra

if TYPE_CHECKING:
    from docker import DockerClient

REMOVAL_LIMIT_S = 15
"""How long the engine may take to remove a container, in seconds."""

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 8000


@dataclass(frozen=True)
class Credentials:
    """A user name for a registry, and its password or token."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Image:
    """An image in the engine's store.

    Attributes:
        id: the engine's id for it.
        digest: ``repository@sha256:...`` if it came from a registry, else the id.
        ports: the TCP ports that it exposes, lowest first.
    """

    id: str
    digest: str
    ports: tuple[int, ...]

    @property
    def server_port(self) -> int:
        """The port that its server listens on: the usual one, or the first that it exposes."""
        return DEFAULT_PORT if DEFAULT_PORT in self.ports or not self.ports else self.ports[0]


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far the pull of an image is.

    Attributes:
        image: the image's name.
        done_bytes: how much was downloaded, over all layers.
        total_bytes: how much there is to download; 0 while only the registry was asked. It grows
            as layers begin.
        is_done: whether the pull has ended; true of the last event only.
    """

    image: str
    done_bytes: int
    total_bytes: int
    is_done: bool = False


class Engine:
    """The part of an engine's API that the providers use, with the runtime's errors.

    Args:
        address: an address as in DOCKER_HOST; by default that of DOCKER_HOST or of the current
            docker context.
        timeout_s: how long the engine may take to answer, in seconds.

    Raises:
        MissingExtra: the docker SDK is not installed.
        EngineError: no engine answers there.
    """

    def __init__(self, address: str | None = None, *, timeout_s: int = 60) -> None:
        self._given = address
        self._timeout_s = timeout_s
        self._client: DockerClient | None = self._connect()
        self._closed = False
        self.address: str = self._client.api.base_url
        forks.track(self)

    def _connect(self) -> DockerClient:
        docker = _sdk()
        where = self._given or "the address in DOCKER_HOST or the docker context"
        with translated(f"the Docker engine can't be reached at {where}"):
            client: DockerClient
            if self._given is None:
                client = docker.from_env(timeout=self._timeout_s)
            else:
                client = docker.DockerClient(base_url=self._given, timeout=self._timeout_s)
        return client

    def after_fork(self) -> None:
        """Leave the connections to the parent, in a forked child, which opens its own."""
        # Not set free: that takes locks of the pool which another thread may have held.
        self._parents, self._client = self._client, None

    @property
    def api(self) -> Any:
        """The SDK's own client, for ``swarm.api``. Raises EngineError once it was closed."""
        if self._closed:  # the SDK would open new connections, which nothing would close
            raise EngineError(f"the connection to the engine at {self.address} was closed")
        if self._client is None:
            self._client = self._connect()
        return self._client.api

    @property
    def host(self) -> str:
        """The host that serves the engine's published ports."""
        parts = urlsplit(self.address)
        if parts.scheme in ("http", "https") and parts.hostname not in (None, "localhost"):
            # The SDK shows a socket's address as http+docker://localhost or http://localhost.
            return str(parts.hostname)
        return LOOPBACK

    def image(self, reference: str) -> Image | None:
        """The image with this name; None if the engine has none."""
        found: dict[str, Any] | None = None
        with translated(f"the image {reference} can't be inspected", missing_ok=True):
            found = self.api.inspect_image(reference)
        if found is None:
            return None
        exposed: Mapping[str, Any] = found["Config"].get("ExposedPorts") or {}
        ports = [port.partition("/") for port in exposed]
        return Image(
            id=found["Id"],
            digest=next(iter(found.get("RepoDigests") or []), found["Id"]),
            ports=tuple(sorted(int(port) for port, _, kind in ports if kind in ("", "tcp"))),
        )

    def pull(
        self, reference: str, *, credentials: Credentials | None, platform: str | None
    ) -> Iterator[PullProgress]:
        """Pull an image, and yield how far it is. FetchError: the registry doesn't give it."""
        repository, tag = _sdk().utils.parse_repository_tag(reference)
        options = {
            "tag": tag or "latest",
            "auth_config": asdict(credentials) if credentials is not None else None,
            "platform": platform,
        }
        layers: dict[str, tuple[int, int]] = {}
        with translated(f"the image {reference} can't be pulled", error=FetchError):
            for event in self.api.pull(repository, stream=True, decode=True, **options):
                if "error" in event:
                    raise FetchError(f"the image {reference} can't be pulled: {event['error']}")
                _update(layers, event)
                done = sum(done for done, _ in layers.values())
                yield PullProgress(reference, done, sum(total for _, total in layers.values()))
        total = sum(total for _, total in layers.values())
        yield PullProgress(reference, total, total, is_done=True)

    def create(self, name: str, image: str, *, platform: str | None, config: dict[str, Any]) -> str:
        """Create a container and return its id.

        ``config`` is the body of POST /containers/create (Engine API); ``platform`` is such as
        ``linux/arm64``, None for the engine's own.
        """
        with translated(f"the container {name} can't be created"):
            made = self.api.create_container_from_config({**config, "Image": image}, name, platform)
        return str(made["Id"])

    def start(self, container: str) -> None:
        """Start a container."""
        with translated(f"the container {container} can't be started"):
            self.api.start(container)

    def inspect(self, container: str) -> dict[str, Any] | None:
        """The engine's description of a container; None if there is none."""
        with translated(f"the container {container} can't be inspected", missing_ok=True):
            found: dict[str, Any] = self.api.inspect_container(container)
            return found
        return None

    def logs(self, container: str, tail: int | None) -> str:
        """A container's output; empty if there is no such container."""
        with translated(f"the log of {container} can't be read", missing_ok=True):
            content: bytes = self.api.logs(container, tail="all" if tail is None else tail)
            return content.decode("utf-8", errors="replace")
        return ""

    def follow_logs(self, container: str) -> Iterator[str]:
        """Yield a container's output, past and future, line by line until the container ends."""
        pending = b""
        with translated(f"the log of {container} can't be read"):
            chunks = self.api.logs(container, stream=True, follow=True)
            try:
                for chunk in chunks:
                    *lines, pending = (pending + chunk).split(b"\n")
                    yield from (line.decode("utf-8", errors="replace") for line in lines)
            finally:
                chunks.close()  # this alone leaves the response and its socket half open
                chunks._response.close()  # noqa: SLF001
        if pending:
            yield pending.decode("utf-8", errors="replace")

    def stop(self, container: str, grace_s: float) -> None:
        """Ask a container to end, and kill it after ``grace_s`` seconds."""
        with translated(f"the container {container} can't be stopped", missing_ok=True):
            self.api.stop(container, timeout=round(grace_s))

    def remove(self, container: str) -> bool:
        """Kill and remove a container and its anonymous volumes; False if there is none."""
        with translated(f"the container {container} can't be removed", missing_ok=True):
            try:
                self.api.remove_container(container, force=True, v=True)
            except _sdk().errors.APIError as error:
                if error.status_code != HTTPStatus.CONFLICT:  # another caller is removing it
                    raise
            return True
        return False

    def containers(self, label: str) -> list[dict[str, Any]]:
        """All containers with a label, running or not."""
        with translated("the engine can't list its containers"):
            found: list[dict[str, Any]] = self.api.containers(all=True, filters={"label": label})
        return found

    def close(self) -> None:
        """Close the connections."""
        self._closed = True
        if self._client is not None:
            self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def memory_bytes(size: str | int | None) -> int:
    """A size in bytes, from what ``docker run --memory`` takes: ``512m`` is 512 MiB. 0 for None.

    Raises ValueError if it is not a size.
    """
    if size is None:
        return 0
    text = str(size).strip().lower().removesuffix("ib").removesuffix("b")
    factor = 1
    if text.endswith("t"):  # parse_bytes has no unit above g
        text, factor = f"{text[:-1]}g", 1024
    try:
        found = int(_sdk().utils.parse_bytes(text) * factor)
    except (_sdk().errors.DockerException, ValueError, OverflowError):  # 1.5x, nang, infg
        found = 0
    if found <= 0:
        raise ValueError(f"not a size: {size!r}; give a number of bytes, or 512m, 2g")
    return found


@contextmanager
def translated(
    what: str, *, error: type[EngineError | FetchError] = EngineError, missing_ok: bool = False
) -> Generator[None]:
    """Turn the SDK's errors into ours, prefixed with what failed.

    With ``missing_ok`` the block just ends when the object that it asks for doesn't exist.
    """
    from requests.exceptions import RequestException

    errors = _sdk().errors
    try:
        yield
    except errors.APIError as cause:
        if missing_ok and isinstance(cause, errors.NotFound):
            return
        raise error(f"{what}: {cause.explanation or cause}") from cause
    except RequestException as cause:
        raise EngineError(f"{what}: the engine doesn't answer ({cause})", retryable=True) from cause
    except errors.DockerException as cause:
        raise EngineError(f"{what}: {cause}") from cause


def _sdk() -> Any:
    try:
        import docker
    except ImportError as error:
        raise MissingExtra("a provider that uses Docker", extra="docker") from error
    return docker


def _update(layers: dict[str, tuple[int, int]], event: Mapping[str, Any]) -> None:
    """Record a line of the engine's report in ``layers``: bytes done and in all, by layer."""
    layer: str = event.get("id", "")
    detail: Mapping[str, int] = event.get("progressDetail") or {}
    if event.get("status") == "Downloading" and detail.get("total"):
        layers[layer] = detail["current"], detail["total"]
    elif event.get("status") == "Download complete" and layer in layers:
        layers[layer] = layers[layer][1], layers[layer][1]
