"""The class methods of clients that start a server first; sync and async differ in awaiting."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack, overload

from .. import providers
from ..documented import check_names, documented
from ..providers import AnyProvider, ContainerProvider
from ..providers.options import READY_WITHIN_S
from ..wire.limits import refused_limit
from .options import ClientOptions
from .server_options import ContainerServer, ProjectServer, ServerOptions, SpaceServer, UrlServer
from .stock import OPTIONS

if TYPE_CHECKING:
    from ..providers import Fleet


_CLIENTS_OWN = {
    **{name: f"use client_options={{{name!r}: ...}}" for name in ClientOptions.__annotations__},
    "headers": "use client_options={'default_headers': ...}",
}


def _checked(of: str, known: type, options: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of the options of a class method. A provider of the user's own takes any.

    Raises:
        TypeError: it has no option of a name.
        ValueError: ``timeout_s`` is not a limit.
    """
    if options.get("provider") is None:
        names = options.keys() - {"provider"}
        instead = OPTIONS if known is UrlServer else _CLIENTS_OWN
        check_names(known, names, of=of, instead=instead)
    limit_s = options.get("timeout_s", READY_WITHIN_S)
    if (refusal := refused_limit("timeout_s", limit_s)) is not None:
        raise ValueError(refusal)
    return {**options}


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
        given = _checked("from_docker_image", ContainerServer, {**options, "provider": provider})
        return providers.start.from_docker_image(cls, image, given).run()

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
        return providers.start.from_project(
            cls, path, _checked("from_project", ProjectServer, options)
        ).run()

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
        given = _checked("from_fleet", ServerOptions, options)
        return providers.start.from_fleet(cls, fleet, given).run()

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
        return providers.start.from_url(
            cls, base_url, _checked("from_url", UrlServer, options)
        ).run()

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
        return providers.start.from_hub(
            cls, space_id, _checked("from_hub", SpaceServer, options)
        ).run()


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
        given = _checked("from_docker_image", ContainerServer, {**options, "provider": provider})
        return await providers.start.from_docker_image(cls, image, given).run_off_loop()

    @classmethod
    @documented(ProjectServer)
    async def from_project(cls, path: str | Path, **options: Unpack[ProjectServer]) -> Self:
        """``EnvClient.from_project``, awaited."""
        return await providers.start.from_project(
            cls, path, _checked("from_project", ProjectServer, options)
        ).run_off_loop()

    @classmethod
    @documented(ServerOptions)
    async def from_fleet(cls, fleet: Fleet, **options: Unpack[ServerOptions]) -> Self:
        """``EnvClient.from_fleet``, awaited."""
        given = _checked("from_fleet", ServerOptions, options)
        return await providers.start.from_fleet(cls, fleet, given).run_off_loop()

    @classmethod
    @documented(UrlServer)
    async def from_url(cls, base_url: str, **options: Unpack[UrlServer]) -> Self:
        """``EnvClient.from_url``, awaited."""
        return await providers.start.from_url(
            cls, base_url, _checked("from_url", UrlServer, options)
        ).run_off_loop()

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
        return await providers.start.from_hub(
            cls, space_id, _checked("from_hub", SpaceServer, options)
        ).run_off_loop()
