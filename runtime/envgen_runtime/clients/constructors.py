"""The class methods of clients that start a server first; sync and async differ in awaiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast, overload

from ..documented import complete, documented
from ..providers import AnyProvider, ContainerProvider
from .server_options import (
    READY_WITHIN_S,
    ContainerServer,
    ProjectServer,
    ServerOptions,
    SpaceServer,
    UrlServer,
)

if TYPE_CHECKING:
    from ..providers import Fleet, Hub
    from ..providers.start import Connect, Launch

C = TypeVar("C")


class Constructors:
    """The class methods of the sync client."""

    @overload
    @classmethod
    def from_docker_image(
        cls, image: str, provider: None = None, **options: Unpack[ContainerServer]
    ) -> Self: ...

    @overload
    @classmethod
    def from_docker_image(cls, image: str, provider: ContainerProvider, **options: Any) -> Self: ...

    @classmethod
    @documented(ContainerServer)
    def from_docker_image(
        cls, image: str, provider: ContainerProvider | None = None, **options: Any
    ) -> Self:
        """Start a container and return a client of it; ``close()`` removes the container.

        Args:
            image: the image's name.
            provider: what starts the container; by default a ``LocalDockerProvider``. A provider
                of your own takes any options.
            options: by keyword:

        Raises:
            TypeError: an option that the provider, or the client, doesn't know.
            ProviderError: the server could not be started, or was not ready in time. Nothing is
                left running.
        """
        return _docker(cls, image, provider, options).run()

    @classmethod
    @documented(ProjectServer)
    def from_project(cls, path: str | Path, **options: Unpack[ProjectServer]) -> Self:
        """Serve a project on this machine, and return a client of it; ``close()`` ends the server.

        Args:
            path: the project's folder, or ``git+URL[@REVISION][#subdirectory=FOLDER]``. The
                installation of its dependencies counts for ``timeout_s``.
            options: by keyword:

        Raises:
            TypeError, ProviderError: as ``from_docker_image``.
        """
        return _project(cls, path, {**options}).run()

    @classmethod
    @documented(ServerOptions)
    def from_fleet(cls, fleet: Fleet, **options: Unpack[ServerOptions]) -> Self:
        """Take room on a fleet's least busy replica; ``close()`` gives it back.

        Args:
            fleet: such as a ``DockerSwarmProvider`` whose service runs.
            options: by keyword:

        Raises:
            ReadyTimeout: there was no room in time.
        """
        return _fleet(cls, fleet, {**options}).run()

    @classmethod
    @documented(UrlServer)
    def from_url(cls, base_url: str, **options: Unpack[UrlServer]) -> Self:
        """Wait until a running server is healthy, and return a client of it.

        Args:
            base_url: the server's address.
            options: by keyword:

        Raises:
            ReadyTimeout: it is not healthy in time.
            ConnectError: it can't be reached, or wants authorization.
        """
        return _url(cls, base_url, {**options}).run()

    @overload
    @classmethod
    def from_hub(cls, space_id: str, **options: Unpack[SpaceServer]) -> Self: ...

    @overload
    @classmethod
    def from_hub(cls, space_id: str, *, provider: AnyProvider, **options: Any) -> Self: ...

    @classmethod
    @documented(SpaceServer)
    def from_hub(cls, space_id: str, **options: Any) -> Self:
        """Start a Hugging Face Space's environment on this machine, or connect to the running one.

        Args:
            space_id: ``OWNER/NAME``.
            options: by keyword:

        Raises:
            TypeError: an option that is unknown, or has no meaning for this way to start.
            ValueError: ``space_id`` is not a Space's.
            ProviderError: as ``from_docker_image``.
        """
        return _hub(cls, space_id, options).run()


class AsyncConstructors:
    """The class methods of the async client: nothing here blocks the loop."""

    @overload
    @classmethod
    async def from_docker_image(
        cls, image: str, provider: None = None, **options: Unpack[ContainerServer]
    ) -> Self: ...

    @overload
    @classmethod
    async def from_docker_image(
        cls, image: str, provider: ContainerProvider, **options: Any
    ) -> Self: ...

    @classmethod
    @documented(ContainerServer)
    async def from_docker_image(
        cls, image: str, provider: ContainerProvider | None = None, **options: Any
    ) -> Self:
        """``EnvClient.from_docker_image``, awaited."""
        return await _docker(cls, image, provider, options).run_off_loop()

    @classmethod
    @documented(ProjectServer)
    async def from_project(cls, path: str | Path, **options: Unpack[ProjectServer]) -> Self:
        """``EnvClient.from_project``, awaited."""
        return await _project(cls, path, {**options}).run_off_loop()

    @classmethod
    @documented(ServerOptions)
    async def from_fleet(cls, fleet: Fleet, **options: Unpack[ServerOptions]) -> Self:
        """``EnvClient.from_fleet``, awaited."""
        return await _fleet(cls, fleet, {**options}).run_off_loop()

    @classmethod
    @documented(UrlServer)
    async def from_url(cls, base_url: str, **options: Unpack[UrlServer]) -> Self:
        """``EnvClient.from_url``, awaited."""
        return await _url(cls, base_url, {**options}).run_off_loop()

    @overload
    @classmethod
    async def from_hub(cls, space_id: str, **options: Unpack[SpaceServer]) -> Self: ...

    @overload
    @classmethod
    async def from_hub(cls, space_id: str, *, provider: AnyProvider, **options: Any) -> Self: ...

    @classmethod
    @documented(SpaceServer)
    async def from_hub(cls, space_id: str, **options: Any) -> Self:
        """``EnvClient.from_hub``, awaited."""
        return await _hub(cls, space_id, options).run_off_loop()


# --- what is started --------------------------------------------------------------------------
# The options are the caller's own copy, and what remains in them is the provider's. What starts
# servers is imported when it is first used.


def _docker(
    cls: type[C], image: str, provider: ContainerProvider | None, options: dict[str, Any]
) -> Launch[C]:
    from ..providers import start

    connect, timeout_s = _connection(cls, options)
    return _launch(cls, start.from_docker_image(connect, image, provider, timeout_s, options))


def _project(cls: type[C], path: str | Path, options: dict[str, Any]) -> Launch[C]:
    from ..providers import start

    connect, timeout_s = _connection(cls, options)
    return _launch(cls, start.from_project(connect, path, timeout_s, options))


def _fleet(cls: type[C], fleet: Fleet, options: dict[str, Any]) -> Launch[C]:
    from ..providers import start

    connect, timeout_s = _connection(cls, options)
    complete(ServerOptions, options, of="from_fleet")
    return _launch(cls, start.from_fleet(connect, fleet, timeout_s))


def _url(cls: type[C], base_url: str, options: dict[str, Any]) -> Launch[C]:
    from ..providers import start

    timeout_s: float = options.pop("timeout_s", READY_WITHIN_S)
    token: str | None = options.pop("token", None)
    headers = dict(options.get("default_headers") or {})
    if token:
        headers.setdefault("Authorization", f"Bearer {token}")
    connect = _connect(cls, {**options, "default_headers": headers})
    return _launch(cls, start.from_url(connect, base_url, timeout_s, headers))


def _hub(cls: type[C], space_id: str, options: dict[str, Any]) -> Launch[C]:
    from ..providers import Hub, start

    token: str | None = options.pop("token", None)
    hub: Hub | None = options.pop("hub", None)
    if hub is None:
        hub = Hub.from_environment(token)
    elif token is not None:
        hub = replace(hub, token=token)
    connect, timeout_s = _connection(cls, options, hub if options.get("remote") else None)
    return _launch(cls, start.from_hub(connect, space_id, hub, timeout_s, options))


def _launch(cls: type[C], launch: Launch[C]) -> Launch[C]:
    """Adapt how a server is waited for to the routes that it has."""
    return launch if getattr(cls, "wire", None) is None else launch.without_health()


def _connection(
    cls: type[C], options: dict[str, Any], hub: Hub | None = None
) -> tuple[Connect[C], float]:
    """Take ``client_options`` and ``timeout_s`` out of the options of a server."""
    given = dict(options.pop("client_options", None) or {})
    if hub is not None:
        given["default_headers"] = {**hub.headers(), **(given.get("default_headers") or {})}
    return _connect(cls, given), options.pop("timeout_s", READY_WITHIN_S)


def _connect(cls: type[C], options: Mapping[str, Any]) -> Connect[C]:
    create = cast("Callable[..., C]", cls)
    return lambda address, provider: create(address, provider=provider, **options)
