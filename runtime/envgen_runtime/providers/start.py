"""Starting a server for a client: how it is started, waited for, and undone when that fails."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..errors import FetchError, StartError
from . import (
    AnyProvider,
    ContainerProvider,
    Fleet,
    Hub,
    LocalDockerProvider,
    RemoteServer,
    UVProvider,
)
from .cleanup import arm
from .docker.engine import LOOPBACK

C = TypeVar("C")


class Launch(Generic[C]):
    """Starts a server, waits until it is ready and makes the client; on every failure it stops it.

    Args:
        provider: what starts it.
        start: starts it through the provider, and returns its address.
        connect: makes the client from the address.
    """

    def __init__(
        self,
        provider: AnyProvider,
        start: Callable[[], str],
        connect: Callable[[str], C],
    ) -> None:
        self._provider = provider
        self._start = start
        self._connect = connect
        self._cancelled = threading.Event()

    def run(self, timeout_s: float) -> C:
        """Do it, and return the client, which owns the provider.

        Args:
            timeout_s: how long the server may take to be ready, in seconds.
        """
        try:
            address = self._start()
            self._unless_cancelled()
            self._provider.wait_for_ready(address, timeout_s=timeout_s)
            self._unless_cancelled()
            return self._connect(address)
        except BaseException as error:
            try:
                self._provider.stop_container()
            except Exception as failure:  # noqa: BLE001 - the first error is the one to see
                error.add_note(f"It could not be stopped either: {failure}")
            raise

    def _unless_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise StartError("the start was cancelled")

    async def run_off_loop(self, timeout_s: float) -> C:
        """``run`` in a thread of its own; a cancellation stops what it has started."""
        arm()  # here, for a signal's handler can't be set from another thread
        running = _in_thread(partial(self.run, timeout_s))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._cancelled.set()
            await asyncio.shield(_in_thread(self._provider.stop_container))
            await asyncio.shield(asyncio.wait([running]))
            if not running.cancelled():
                running.exception()  # asked for, so that nobody reports it as forgotten
            raise


def _in_thread(work: Callable[[], C]) -> asyncio.Future[C]:
    """Run ``work`` in a thread of its own: many starts must not wait for a pool's few threads."""
    done: Future[C] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            done.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            done.set_exception(error)

    threading.Thread(target=run, name="envgen-start", daemon=True).start()
    return asyncio.wrap_future(done)


Connect = Callable[[str, AnyProvider | None], C]
"""Makes the client from the server's address and what the client then owns."""


def from_docker_image(
    connect: Connect[C], image: str, provider: ContainerProvider | None, options: Mapping[str, Any]
) -> Launch[C]:
    """A container of ``image``; the options are for the provider's ``start_container``."""
    chosen = provider or LocalDockerProvider()
    return Launch(
        chosen,
        partial(chosen.start_container, image, **options),
        lambda address: connect(address, chosen),
    )


def from_project(
    connect: Connect[C], path: str | Path, port: int | None, options: Mapping[str, Any]
) -> Launch[C]:
    """A project's server; the options are for ``UVProvider``."""
    provider = UVProvider(project_path=path, **options)
    return Launch(
        provider, partial(provider.start, port), lambda address: connect(address, provider)
    )


def from_fleet(connect: Connect[C], fleet: Fleet, timeout_s: float) -> Launch[C]:
    """Room for a session on a fleet's replicas."""
    lease = fleet.lease()
    return Launch(lease, partial(lease.start, timeout_s), lambda address: connect(address, lease))


def from_url(connect: Connect[C], base_url: str, headers: Mapping[str, str]) -> Launch[C]:
    """A server that runs already."""
    return Launch(
        RemoteServer(base_url, headers=headers),
        lambda: base_url,
        lambda address: connect(address, None),
    )


def from_hub(
    connect: Connect[C],
    space_id: str,
    hub: Hub,
    *,
    use_docker: bool,
    remote: bool,
    provider: Any,
    host: str,
    port: int | None,
    reload: bool,
    timeout_s: float,
    runner: Any,
    project_url: str | None,
    connect_host: str | None,
    extra_env: Mapping[str, str] | None,
    provider_kwargs: Mapping[str, Any],
) -> Launch[C]:
    """A Space, as it runs, from its image or from its source.

    Raises:
        TypeError: an option that means nothing for the way that was chosen.
    """
    own_source = {"reload": reload, "runner": runner, "project_url": project_url}
    if remote:
        here = {"provider": provider, "port": port, "connect_host": connect_host, **own_source}
        here |= {"extra_env": extra_env, "use_docker": use_docker, **provider_kwargs}
        _refuse(here, "a Space that runs")
        return from_url(connect, hub.url(space_id), hub.headers())
    if use_docker:
        _refuse(own_source, "an image")
        given = {
            **provider_kwargs,
            "port": port,
            "env_vars": extra_env or provider_kwargs.get("env_vars"),
            "host": None if host == LOOPBACK else host,
            "connect_host": connect_host,
        }
        options = {name: value for name, value in given.items() if value is not None}
        return _space_image(connect, space_id, hub, provider, options)
    runner = runner or provider
    if runner is not None:
        _refuse({**provider_kwargs, "project_url": project_url}, "a runner of one's own")
    else:
        options = dict(provider_kwargs)
        source = hub.source(space_id, options.pop("revision", None))
        runner = UVProvider(
            project_path=project_url or source,
            host=host,
            connect_host=connect_host,
            reload=reload,
            env_vars=extra_env,
            credentials=None if project_url else hub.credentials(space_id),
            clone_timeout_s=timeout_s,
            **options,
        )
    return _space_source(connect, space_id, hub, runner, port)


def _refuse(options: Mapping[str, Any], what: str) -> None:
    """Say which of the given options mean nothing here, rather than ignore them."""
    if given := sorted(name for name, value in options.items() if value):
        raise TypeError(f"{', '.join(given)}: not an option of from_hub with {what}")


def _space_image(
    connect: Connect[C],
    space_id: str,
    hub: Hub,
    provider: ContainerProvider | None,
    options: Mapping[str, Any],
) -> Launch[C]:
    """A container of a Space's image; the options are for ``start_container``.

    ``image``, ``tag`` and ``container_port`` are the Space's unless they are among the options.
    """
    given = dict(options)
    tag = given.pop("tag", "latest")
    image = given.pop("image", None) or hub.image(space_id, tag)
    chosen = provider or LocalDockerProvider(credentials=hub.credentials(space_id))

    def start() -> str:
        if provider is None and given.get("container_port") is None:
            given["container_port"] = hub.app_port(space_id)
        with _explained(space_id, hub):
            return chosen.start_container(image, **given)

    return Launch(chosen, start, lambda address: connect(address, chosen))


def _space_source(
    connect: Connect[C], space_id: str, hub: Hub, runner: Any, port: int | None
) -> Launch[C]:
    """A Space's source, served by ``runner`` on this machine."""

    def start() -> str:
        with _explained(space_id, hub):
            return str(runner.start() if port is None else runner.start(port=port))

    return Launch(runner, start, lambda address: connect(address, runner))


@contextmanager
def _explained(space_id: str, hub: Hub) -> Generator[None]:
    try:
        yield
    except FetchError as error:
        hint = "" if hub.token else ". If it is private, pass token= or set HF_TOKEN"
        raise FetchError(f"the Space {space_id} can't be had: {error}{hint}") from error
