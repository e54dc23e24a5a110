"""A Docker engine: the only module that knows the docker SDK, and imports it when it is used."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from ...errors import EngineError, FetchError, MissingExtra

if TYPE_CHECKING:
    from docker import DockerClient

REMOVAL_LIMIT_S = 15
"""How long the engine may take to remove a container, in seconds."""

LOOPBACK = "127.0.0.1"

PullEvent = Mapping[str, Any]
"""A line of the engine's report on a pull: ``status``, ``id`` (the layer), ``progressDetail``."""


@dataclass(frozen=True)
class Credentials:
    """A registry's user and its password or token."""

    username: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r}, password=...)"


@dataclass(frozen=True)
class Image:
    """An image that the engine has.

    Attributes:
        id: the engine's id of it.
        digest: ``repository@sha256:...`` where it came from a registry, else the id.
        ports: the TCP ports that it exposes, lowest first.
    """

    id: str
    digest: str
    ports: tuple[int, ...]


class Engine:
    """The part of an engine's API that the providers need, with the runtime's errors.

    Args:
        address: as DOCKER_HOST gives it; by default what DOCKER_HOST, or the current docker
            context, says.
        timeout_s: how long the engine may take to answer, in seconds.

    Raises:
        MissingExtra: the docker SDK is not installed.
        EngineError: no engine answers there.
    """

    def __init__(self, address: str | None = None, *, timeout_s: int = 60) -> None:
        try:
            import docker
        except ImportError as error:
            raise MissingExtra("a provider that uses Docker", extra="docker") from error
        where = address or "the address that DOCKER_HOST or the docker context gives"
        with translated(f"the Docker engine can't be reached at {where}"):
            if address is None:
                self._client: DockerClient = docker.from_env(timeout=timeout_s)
            else:
                self._client = docker.DockerClient(base_url=address, timeout=timeout_s)
        self._closed = False
        self.address: str = self._client.api.base_url

    @property
    def api(self) -> Any:
        """The SDK's own client, for ``swarm_api``.

        Raises:
            EngineError: the connection was closed.
        """
        if self._closed:  # the SDK would open connections anew, and nobody would close them
            raise EngineError(f"the connection to the engine at {self.address} was closed")
        return self._client.api

    @property
    def host(self) -> str:
        """The host on which the engine's published ports are found."""
        parts = urlsplit(self.address)
        if parts.scheme in ("http", "https") and parts.hostname not in (None, "localhost"):
            # The SDK shows a socket's address as http+docker://localhost or http://localhost.
            return str(parts.hostname)
        return LOOPBACK

    def image(self, reference: str) -> Image | None:
        """The image of that name; None where the engine has none."""
        with translated(f"the engine can't say whether it has {reference}"):
            try:
                found = self.api.inspect_image(reference)
            except not_found():
                return None
        exposed: Mapping[str, Any] = found["Config"].get("ExposedPorts") or {}
        ports = [port.partition("/") for port in exposed]
        return Image(
            id=found["Id"],
            digest=next(iter(found.get("RepoDigests") or []), found["Id"]),
            ports=tuple(sorted(int(port) for port, _, kind in ports if kind in ("", "tcp"))),
        )

    def pull(
        self,
        reference: str,
        *,
        credentials: Credentials | None,
        platform: str | None,
        on_event: Callable[[PullEvent], None],
    ) -> None:
        """Pull an image, reporting as it goes.

        Raises:
            FetchError: the registry refused, or can't be reached.
        """
        from docker.utils import parse_repository_tag

        repository, tag = parse_repository_tag(reference)
        login = None
        if credentials is not None:
            login = {"username": credentials.username, "password": credentials.password}
        with translated(f"the image {reference} can't be pulled", error=FetchError):
            for event in self.api.pull(
                repository,
                tag=tag or "latest",
                stream=True,
                decode=True,
                auth_config=login,
                platform=platform,
            ):
                if "error" in event:
                    raise FetchError(f"the image {reference} can't be pulled: {event['error']}")
                on_event(event)

    def create(self, name: str, image: str, *, platform: str | None, config: dict[str, Any]) -> str:
        """Create a container and return its id.

        Args:
            name: what to call it.
            image: what it runs.
            platform: as ``linux/arm64``; None for the engine's own.
            config: what POST /containers/create takes (Engine API).
        """
        with translated(f"the container {name} can't be created"):
            made = self.api.create_container_from_config({**config, "Image": image}, name, platform)
        return str(made["Id"])

    def start(self, container: str) -> None:
        """Start a container."""
        with translated(f"the container {container} can't be started"):
            self.api.start(container)

    def inspect(self, container: str) -> dict[str, Any] | None:
        """What the engine knows of a container; None where there is none."""
        with translated(f"the container {container} can't be inspected"):
            try:
                found: dict[str, Any] = self.api.inspect_container(container)
            except not_found():
                return None
        return found

    def logs(self, container: str, tail: int | None) -> str:
        """What a container wrote; empty where there is none."""
        with translated(f"the log of {container} can't be read"):
            try:
                content: bytes = self.api.logs(container, tail="all" if tail is None else tail)
            except not_found():
                return ""
        return content.decode("utf-8", errors="replace")

    def follow_logs(self, container: str) -> Iterator[str]:
        """What a container wrote and writes, line by line, until it ends."""
        pending = b""
        with translated(f"the log of {container} can't be read"):
            chunks = self.api.logs(container, stream=True, follow=True)
            try:
                for chunk in chunks:
                    *lines, pending = (pending + chunk).split(b"\n")
                    yield from (line.decode("utf-8", errors="replace") for line in lines)
            finally:
                chunks.close()  # which leaves the response, and so the socket, half open
                chunks._response.close()  # noqa: SLF001
        if pending:
            yield pending.decode("utf-8", errors="replace")

    def stop(self, container: str, grace_s: float) -> None:
        """Ask a container to end, and kill it after ``grace_s`` seconds."""
        with translated(f"the container {container} can't be stopped"):
            try:
                self.api.stop(container, timeout=round(grace_s))
            except not_found():
                return

    def remove(self, container: str) -> bool:
        """Kill and remove a container and its anonymous volumes; false where there is none."""
        with translated(f"the container {container} can't be removed"):
            try:
                self.api.remove_container(container, force=True, v=True)
            except not_found():
                return False
            except _api_error() as error:
                if error.status_code != HTTPStatus.CONFLICT:  # it is being removed already
                    raise
        return True

    def containers(self, label: str) -> list[dict[str, Any]]:
        """All containers with a label, also those that have ended."""
        with translated("the engine can't list its containers"):
            found: list[dict[str, Any]] = self.api.containers(all=True, filters={"label": label})
        return found

    def close(self) -> None:
        """Close the connections."""
        self._closed = True
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def not_found() -> type[Exception]:
    """The SDK's error for what isn't there."""
    from docker.errors import NotFound

    return NotFound


def _api_error() -> Any:
    from docker.errors import APIError

    return APIError


@contextmanager
def translated(
    what: str, *, error: type[EngineError | FetchError] = EngineError
) -> Generator[None]:
    """Turn the SDK's errors into ours, with what was being done."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as cause:
        raise error(f"{what}: {cause.explanation or cause}") from cause
    except RequestException as cause:
        raise EngineError(f"{what}: the engine doesn't answer ({cause})", retryable=True) from cause
    except DockerException as cause:
        raise EngineError(f"{what}: {cause}") from cause
