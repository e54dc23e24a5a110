"""The class methods of clients that start a server first; the faces differ in the awaiting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from ..providers import AnyProvider, ContainerProvider

if TYPE_CHECKING:
    from ..providers import Fleet, Hub
    from ..providers.start import Connect, Launch

C = TypeVar("C")

READY_WITHIN_S = 60.0
LOOPBACK = "127.0.0.1"


def _connect(cls: type[C], options: Mapping[str, Any] | None) -> Connect[C]:
    make = cast("Callable[..., C]", cls)
    return lambda address, provider: make(address, provider=provider, **(options or {}))


def _docker(
    cls: type[C],
    image: str,
    provider: ContainerProvider | None,
    client_options: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Launch[C]:
    from ..providers import start as launch

    return launch.from_docker_image(_connect(cls, client_options), image, provider, options)


def _project(
    cls: type[C],
    path: str | Path,
    port: int | None,
    client_options: Mapping[str, Any] | None,
    options: Mapping[str, Any],
) -> Launch[C]:
    from ..providers import start as launch

    return launch.from_project(_connect(cls, client_options), path, port, options)


def _url(cls: type[C], base_url: str, token: str | None, options: Mapping[str, Any]) -> Launch[C]:
    from ..providers import start as launch

    headers = dict(options.get("default_headers") or {})
    if token:
        headers.setdefault("Authorization", f"Bearer {token}")
    connect = _connect(cls, {**options, "default_headers": headers})
    return launch.from_url(connect, base_url, headers)


def _hub(
    cls: type[C],
    space_id: str,
    *,
    remote: bool,
    hub: Hub | None,
    token: str | None,
    client_options: Mapping[str, Any] | None,
    **options: Any,
) -> Launch[C]:
    from ..providers import Hub
    from ..providers import start as launch

    if hub is None:
        hub = Hub.from_environment(token)
    elif token is not None:
        hub = replace(hub, token=token)
    given = dict(client_options or {})
    if remote:
        given["default_headers"] = {**hub.headers(), **(given.get("default_headers") or {})}
    return launch.from_hub(_connect(cls, given), space_id, hub, remote=remote, **options)


def _fleet(
    cls: type[C], fleet: Fleet, timeout_s: float, client_options: Mapping[str, Any] | None
) -> Launch[C]:
    from ..providers import start as launch

    return launch.from_fleet(_connect(cls, client_options), fleet, timeout_s)


class StartsServers:
    """The class methods of the sync client that start a server first."""

    @classmethod
    def from_docker_image(
        cls,
        image: str,
        provider: ContainerProvider | None = None,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Start a container and return a client of it; ``close()`` removes the container.

        Args:
            image: the image's name.
            provider: what starts it; by default a ``LocalDockerProvider``.
            timeout_s: how long the server may take to be ready, in seconds.
            client_options: what the client's constructor takes besides the address, such as
                ``request_timeout_s``.
            kwargs: for the provider's ``start_container``: ``env_vars``, ``memory``, ``gpus``, ...

        Raises:
            TypeError: an option that the provider, or the client, doesn't know.
            ProviderError: the server could not be started, or was not ready in time. Nothing is
                left running.
        """
        return _docker(cls, image, provider, client_options, kwargs).run(timeout_s)

    @classmethod
    def from_project(
        cls,
        path: str | Path,
        *,
        port: int | None = None,
        timeout_s: float = READY_WITHIN_S,
        client_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Serve a project on this machine, and return a client of it; ``close()`` ends the server.

        Args:
            path: the project's folder, or ``git+URL[@REVISION][#subdirectory=FOLDER]``.
            port: the port to listen on; by default the system chooses a free one.
            timeout_s: how long the server may take to be ready, in seconds, with the installation
                of what the project needs.
            client_options: as for ``from_docker_image``.
            kwargs: for ``UVProvider``: ``app``, ``host``, ``env_vars``, ``reload``, ...

        Raises:
            TypeError, ProviderError: as ``from_docker_image``.
        """
        return _project(cls, path, port, client_options, kwargs).run(timeout_s)

    @classmethod
    def from_fleet(
        cls,
        fleet: Fleet,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: Mapping[str, Any] | None = None,
    ) -> Self:
        """Take room on a fleet's freest replica; ``close()`` gives it back.

        Args:
            fleet: such as a ``DockerSwarmProvider`` whose service runs.
            timeout_s: how long to wait for room, in seconds.
            client_options: as for ``from_docker_image``.

        Raises:
            ReadyTimeout: there was no room in time.
        """
        return _fleet(cls, fleet, timeout_s, client_options).run(timeout_s)

    @classmethod
    def from_url(
        cls,
        base_url: str,
        *,
        timeout_s: float = READY_WITHIN_S,
        token: str | None = None,
        **client_options: Any,
    ) -> Self:
        """Wait until a server that runs already is healthy, and return a client of it.

        Args:
            base_url: the server's address.
            timeout_s: how long it may take, in seconds.
            token: sent as ``Authorization: Bearer`` with every request and the handshake.
            client_options: what the client's constructor takes besides the address.

        Raises:
            ReadyTimeout: it is not healthy in time.
            ConnectError: it wants authorization, or isn't there.
        """
        return _url(cls, base_url, token, client_options).run(timeout_s)

    @classmethod
    def from_hub(
        cls,
        space_id: str,
        *,
        use_docker: bool = False,
        remote: bool = False,
        provider: AnyProvider | None = None,
        host: str = LOOPBACK,
        port: int | None = None,
        reload: bool = False,
        timeout_s: float = READY_WITHIN_S,
        runner: AnyProvider | None = None,
        project_url: str | None = None,
        connect_host: str | None = None,
        extra_env: Mapping[str, str] | None = None,
        token: str | None = None,
        hub: Hub | None = None,
        client_options: Mapping[str, Any] | None = None,
        **provider_kwargs: Any,
    ) -> Self:
        """Start a Hugging Face Space's environment on this machine, or connect to the running one.

        Args:
            space_id: ``OWNER/NAME``.
            use_docker: run the Space's image; otherwise its source is fetched and served by uv.
            remote: connect to the running Space instead.
            provider: what starts it, instead of ``LocalDockerProvider`` or ``UVProvider``.
            host: the address to listen on, or to publish on.
            port: the port on ``host``; by default a free one.
            reload: restart the server when its source changes (uv).
            timeout_s: how long the server may take to be ready, in seconds; for a fetch, too.
            runner: the seed contract's name of ``provider`` for uv.
            project_url: the source, instead of the Space's: ``git+URL`` or a folder (uv).
            connect_host: the host to connect to, where it isn't ``host``.
            extra_env: variables of the server's environment.
            token: for a private Space; by default what HF_TOKEN says.
            hub: where Spaces are found; by default Hugging Face, or what HF_ENDPOINT says.
            client_options: as for ``from_docker_image``.
            provider_kwargs: ``tag`` or ``image``, and what ``start_container`` takes (docker);
                ``revision``, and what ``UVProvider`` takes (uv).

        Raises:
            TypeError: an option that is unknown, or means nothing for this way to start.
            ValueError: ``space_id`` is not a Space's.
            ProviderError: as ``from_docker_image``.
        """
        return _hub(
            cls,
            space_id,
            use_docker=use_docker,
            remote=remote,
            provider=provider,
            host=host,
            port=port,
            reload=reload,
            timeout_s=timeout_s,
            runner=runner,
            project_url=project_url,
            connect_host=connect_host,
            extra_env=extra_env,
            hub=hub,
            token=token,
            client_options=client_options,
            provider_kwargs=provider_kwargs,
        ).run(timeout_s)


class AwaitsServers:
    """As ``StartsServers``, awaited: nothing here blocks the loop."""

    @classmethod
    async def from_docker_image(
        cls,
        image: str,
        provider: ContainerProvider | None = None,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """As ``EnvClient.from_docker_image``, awaited."""
        launch = _docker(cls, image, provider, client_options, kwargs)
        return await launch.run_off_loop(timeout_s)

    @classmethod
    async def from_project(
        cls,
        path: str | Path,
        *,
        port: int | None = None,
        timeout_s: float = READY_WITHIN_S,
        client_options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Self:
        """As ``EnvClient.from_project``, awaited."""
        launch = _project(cls, path, port, client_options, kwargs)
        return await launch.run_off_loop(timeout_s)

    @classmethod
    async def from_fleet(
        cls,
        fleet: Fleet,
        *,
        timeout_s: float = READY_WITHIN_S,
        client_options: Mapping[str, Any] | None = None,
    ) -> Self:
        """As ``EnvClient.from_fleet``, awaited."""
        launch = _fleet(cls, fleet, timeout_s, client_options)
        return await launch.run_off_loop(timeout_s)

    @classmethod
    async def from_url(
        cls,
        base_url: str,
        *,
        timeout_s: float = READY_WITHIN_S,
        token: str | None = None,
        **client_options: Any,
    ) -> Self:
        """As ``EnvClient.from_url``, awaited."""
        launch = _url(cls, base_url, token, client_options)
        return await launch.run_off_loop(timeout_s)

    @classmethod
    async def from_hub(
        cls,
        space_id: str,
        *,
        use_docker: bool = False,
        remote: bool = False,
        provider: AnyProvider | None = None,
        host: str = LOOPBACK,
        port: int | None = None,
        reload: bool = False,
        timeout_s: float = READY_WITHIN_S,
        runner: AnyProvider | None = None,
        project_url: str | None = None,
        connect_host: str | None = None,
        extra_env: Mapping[str, str] | None = None,
        token: str | None = None,
        hub: Hub | None = None,
        client_options: Mapping[str, Any] | None = None,
        **provider_kwargs: Any,
    ) -> Self:
        """As ``EnvClient.from_hub``, awaited."""
        launch = _hub(
            cls,
            space_id,
            use_docker=use_docker,
            remote=remote,
            provider=provider,
            host=host,
            port=port,
            reload=reload,
            timeout_s=timeout_s,
            runner=runner,
            project_url=project_url,
            connect_host=connect_host,
            extra_env=extra_env,
            hub=hub,
            token=token,
            client_options=client_options,
            provider_kwargs=provider_kwargs,
        )
        return await launch.run_off_loop(timeout_s)
