"""The class methods of clients that start a server first; sync and async differ in awaiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast, overload

from ..documented import documented
from ..providers import AnyProvider, ContainerProvider
from ..providers.options import ContainerServer, ProjectServer, SpaceServer
from .options import ClientOptions

if TYPE_CHECKING:
    from ..providers import Fleet, Hub
    from ..providers.start import Connect, Launch

C = TypeVar("C")

READY_WITHIN_S = 60.0


def _connect(cls: type[C], options: Mapping[str, Any] | None) -> Connect[C]:
    create = cast("Callable[..., C]", cls)
    return lambda address, provider: create(address, provider=provider, **(options or {}))


def _from_url(
    cls: type[C], base_url: str, token: str | None, options: Mapping[str, Any]
) -> Launch[C]:
    from ..providers import start

    headers = dict(options.get("default_headers") or {})
    if token:
        headers.setdefault("Authorization", f"Bearer {token}")
    connect = _connect(cls, {**options, "default_headers": headers})
    return start.from_url(connect, base_url, headers)


def _from_hub(
    cls: type[C],
    space_id: str,
    timeout_s: float,
    client_options: Mapping[str, Any] | None,
    options: dict[str, Any],
) -> Launch[C]:
    from ..providers import Hub, start

    token: str | None = options.pop("token", None)
    hub: Hub | None = options.pop("hub", None)
    if hub is None:
        hub = Hub.from_environment(token)
    elif token is not None:
        hub = replace(hub, token=token)
    given = dict(client_options or {})
    if options.get("remote"):
        given["default_headers"] = {**hub.headers(), **(given.get("default_headers") or {})}
    return start.from_hub(_connect(cls, given), space_id, hub, timeout_s, options)


class Constructors:
    """The class methods of the sync client."""

    @overload
    @classmethod
    def from_docker_image(
        cls,
        image: str,
        provider: None = None,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Unpack[ContainerServer],
    ) -> Self: ...

    @overload
    @classmethod
    def from_docker_image(
        cls,
        image: str,
        provider: ContainerProvider,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Any,
    ) -> Self: ...

    @classmethod
    @documented(ContainerServer)
    def from_docker_image(
        cls,
        image: str,
        provider: ContainerProvider | None = None,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Any,
    ) -> Self:
        """Start a container and return a client of it; ``close()`` removes the container.

        Args:
            image: the image's name.
            provider: what starts the container; by default a ``LocalDockerProvider``. A provider
                of your own takes any options.
            timeout_s: how long the server may take to be ready, in seconds.
            client_options: the client's own options, such as ``request_timeout_s``.
            options: by keyword:

        Raises:
            TypeError: an option that the provider, or the client, doesn't know.
            ProviderError: the server could not be started, or was not ready in time. Nothing is
                left running.
        """
        from ..providers import start

        connect = _connect(cls, client_options)
        return start.from_docker_image(connect, image, provider, options).run(timeout_s)

    @classmethod
    @documented(ProjectServer)
    def from_project(
        cls,
        path: str | Path,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Unpack[ProjectServer],
    ) -> Self:
        """Serve a project on this machine, and return a client of it; ``close()`` ends the server.

        Args:
            path: the project's folder, or ``git+URL[@REVISION][#subdirectory=FOLDER]``.
            timeout_s: how long the server may take to be ready, in seconds, including the
                installation of the project's dependencies.
            client_options: as for ``from_docker_image``.
            options: by keyword:

        Raises:
            TypeError, ProviderError: as ``from_docker_image``.
        """
        from ..providers import start

        connect = _connect(cls, client_options)
        return start.from_project(connect, path, options).run(timeout_s)

    @classmethod
    def from_fleet(
        cls,
        fleet: Fleet,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
    ) -> Self:
        """Take room on a fleet's least busy replica; ``close()`` gives it back.

        Args:
            fleet: such as a ``DockerSwarmProvider`` whose service runs.
            timeout_s: how long to wait for room, in seconds.
            client_options: as for ``from_docker_image``.

        Raises:
            ReadyTimeout: there was no room in time.
        """
        from ..providers import start

        connect = _connect(cls, client_options)
        return start.from_fleet(connect, fleet, timeout_s).run(timeout_s)

    @classmethod
    @documented(ClientOptions)
    def from_url(
        cls,
        base_url: str,
        *,
        timeout_s: float = READY_WITHIN_S,
        token: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> Self:
        """Wait until a running server is healthy, and return a client of it.

        Args:
            base_url: the server's address.
            timeout_s: how long it may take, in seconds.
            token: sent as ``Authorization: Bearer`` with every request and the handshake.
            options: by keyword:

        Raises:
            ReadyTimeout: it is not healthy in time.
            ConnectError: it can't be reached, or wants authorization.
        """
        return _from_url(cls, base_url, token, options).run(timeout_s)

    @overload
    @classmethod
    def from_hub(
        cls,
        space_id: str,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Unpack[SpaceServer],
    ) -> Self: ...

    @overload
    @classmethod
    def from_hub(
        cls,
        space_id: str,
        *,
        provider: AnyProvider,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Any,
    ) -> Self: ...

    @classmethod
    @documented(SpaceServer)
    def from_hub(
        cls,
        space_id: str,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Any,
    ) -> Self:
        """Start a Hugging Face Space's environment on this machine, or connect to the running one.

        Args:
            space_id: ``OWNER/NAME``.
            timeout_s: how long the server may take to be ready, in seconds, and each git command.
            client_options: as for ``from_docker_image``.
            options: by keyword:

        Raises:
            TypeError: an option that is unknown, or has no meaning for this way to start.
            ValueError: ``space_id`` is not a Space's.
            ProviderError: as ``from_docker_image``.
        """
        return _from_hub(cls, space_id, timeout_s, client_options, options).run(timeout_s)


class AsyncConstructors:
    """The same, awaited: nothing here blocks the loop."""

    @overload
    @classmethod
    async def from_docker_image(
        cls,
        image: str,
        provider: None = None,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Unpack[ContainerServer],
    ) -> Self: ...

    @overload
    @classmethod
    async def from_docker_image(
        cls,
        image: str,
        provider: ContainerProvider,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Any,
    ) -> Self: ...

    @classmethod
    @documented(ContainerServer)
    async def from_docker_image(
        cls,
        image: str,
        provider: ContainerProvider | None = None,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Any,
    ) -> Self:
        """``EnvClient.from_docker_image``, awaited.

        Args:
            image: the image's name.
            provider: what starts the container; by default a ``LocalDockerProvider``. A provider
                of your own takes any options.
            timeout_s: how long the server may take to be ready, in seconds.
            client_options: the client's own options, such as ``request_timeout_s``.
            options: by keyword:
        """
        from ..providers import start

        connect = _connect(cls, client_options)
        launch = start.from_docker_image(connect, image, provider, options)
        return await launch.run_off_loop(timeout_s)

    @classmethod
    @documented(ProjectServer)
    async def from_project(
        cls,
        path: str | Path,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Unpack[ProjectServer],
    ) -> Self:
        """``EnvClient.from_project``, awaited.

        Args:
            path: the project's folder, or ``git+URL[@REVISION][#subdirectory=FOLDER]``.
            timeout_s: how long the server may take to be ready, in seconds, including the
                installation of the project's dependencies.
            client_options: as for ``from_docker_image``.
            options: by keyword:
        """
        from ..providers import start

        connect = _connect(cls, client_options)
        launch = start.from_project(connect, path, options)
        return await launch.run_off_loop(timeout_s)

    @classmethod
    async def from_fleet(
        cls,
        fleet: Fleet,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
    ) -> Self:
        """``EnvClient.from_fleet``, awaited."""
        from ..providers import start

        connect = _connect(cls, client_options)
        launch = start.from_fleet(connect, fleet, timeout_s)
        return await launch.run_off_loop(timeout_s)

    @classmethod
    @documented(ClientOptions)
    async def from_url(
        cls,
        base_url: str,
        *,
        timeout_s: float = READY_WITHIN_S,
        token: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> Self:
        """``EnvClient.from_url``, awaited.

        Args:
            base_url: the server's address.
            timeout_s: how long it may take, in seconds.
            token: sent as ``Authorization: Bearer`` with every request and the handshake.
            options: by keyword:
        """
        launch = _from_url(cls, base_url, token, options)
        return await launch.run_off_loop(timeout_s)

    @overload
    @classmethod
    async def from_hub(
        cls,
        space_id: str,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Unpack[SpaceServer],
    ) -> Self: ...

    @overload
    @classmethod
    async def from_hub(
        cls,
        space_id: str,
        *,
        provider: AnyProvider,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Any,
    ) -> Self: ...

    @classmethod
    @documented(SpaceServer)
    async def from_hub(
        cls,
        space_id: str,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: ClientOptions | None = None,
        **options: Any,
    ) -> Self:
        """``EnvClient.from_hub``, awaited.

        Args:
            space_id: ``OWNER/NAME``.
            timeout_s: how long the server may take to be ready, in seconds, and each git command.
            client_options: as for ``from_docker_image``.
            options: by keyword:
        """
        launch = _from_hub(cls, space_id, timeout_s, client_options, options)
        return await launch.run_off_loop(timeout_s)
