"""Start a server for a client, wait for it, and stop it again if any of that fails."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

from ..errors import FetchError, StartError
from . import (
    AnyProvider,
    ContainerProvider,
    Fleet,
    Hub,
    LocalDockerProvider,
    Provider,
    RemoteServer,
    UVProvider,
)
from .cleanup import install_handlers
from .docker.engine import LOOPBACK

C = TypeVar("C")


class Launch(Generic[C]):
    """Starts a server, waits until it is ready, and makes a client. On failure it stops the server.

    Args:
        provider: owns the server.
        start: starts the server through the provider, and returns its address.
        connect: makes the client from the address.
        timeout_s: how long the server may take to be ready, in seconds.
    """

    def __init__(
        self,
        provider: AnyProvider,
        start: Callable[[], str],
        connect: Callable[[str], C],
        timeout_s: float,
    ) -> None:
        self._provider = provider
        self._start = start
        self._connect = connect
        self._timeout_s = timeout_s
        self._cancelled = threading.Event()

    def without_health(self) -> Self:
        """Don't expect the server to have ``/health``."""
        if isinstance(self._provider, Provider):
            self._provider.has_health = False
        return self

    def run(self) -> C:
        """Start the server and return the client, which owns the provider."""
        try:
            address = self._start()
            self._raise_if_cancelled()
            self._provider.wait_for_ready(address, timeout_s=self._timeout_s)
            self._raise_if_cancelled()
            return self._connect(address)
        except BaseException as error:
            try:
                self._provider.stop_container()
            except Exception as failure:  # noqa: BLE001 - the first error matters more
                error.add_note(f"It could not be stopped either: {failure}")
            raise

    def _raise_if_cancelled(self) -> None:
        if self._cancelled.is_set():
            raise StartError("the start was cancelled")

    async def run_off_loop(self) -> C:
        """Call ``run`` in a thread of its own. A cancellation stops what it has started."""
        install_handlers()  # not in the thread: only the main thread may set signal handlers
        running = _in_thread(self.run)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            self._cancelled.set()
            await asyncio.shield(_in_thread(self._provider.stop_container))
            await asyncio.shield(asyncio.wait([running]))
            if not running.cancelled():
                running.exception()  # mark it as retrieved, so that asyncio doesn't log it
            raise


def _in_thread(work: Callable[[], C]) -> asyncio.Future[C]:
    """Run ``work`` in a new thread: many starts must not queue for the few threads of a pool."""
    done: Future[C] = Future()
    context = contextvars.copy_context()

    def run() -> None:
        try:
            done.set_result(context.run(work))
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            done.set_exception(error)

    threading.Thread(target=run, name="envgen-start", daemon=True).start()
    return asyncio.wrap_future(done)


Connect = Callable[[str, AnyProvider | None], C]
"""Makes a client from the server's address and the provider that the client will own."""


def from_docker_image(
    connect: Connect[C],
    image: str,
    provider: ContainerProvider | None,
    timeout_s: float,
    options: Mapping[str, Any],
) -> Launch[C]:
    """A container of ``image``. The options go to the provider's ``start_container``."""
    chosen = provider or LocalDockerProvider()
    start = partial(chosen.start_container, image, **options)
    return _owned(connect, chosen, start, timeout_s)


def from_project(
    connect: Connect[C], path: str | Path, timeout_s: float, options: Mapping[str, Any]
) -> Launch[C]:
    """The server of a project. The options but ``port`` go to ``UVProvider``."""
    given = dict(options)
    port: int | None = given.pop("port", None)
    provider = UVProvider(project_path=path, **given)
    return _owned(connect, provider, partial(provider.start, port), timeout_s)


def from_fleet(connect: Connect[C], fleet: Fleet, timeout_s: float) -> Launch[C]:
    """A session on one of a fleet's replicas."""
    lease = fleet.lease()
    return _owned(connect, lease, partial(lease.start, timeout_s), timeout_s)


def from_url(
    connect: Connect[C], base_url: str, timeout_s: float, headers: Mapping[str, str]
) -> Launch[C]:
    """A server that is running already."""
    server = RemoteServer(base_url, headers=headers)
    return Launch(server, lambda: base_url, lambda address: connect(address, None), timeout_s)


def from_hub(
    connect: Connect[C], space_id: str, hub: Hub, timeout_s: float, options: Mapping[str, Any]
) -> Launch[C]:
    """A Space: the running one, its image, or its source. The options are ``SpaceServer``'s.

    Raises:
        TypeError: an option that has no meaning for the chosen way.
    """
    given = {name: value for name, value in options.items() if value is not None}
    provider, runner = given.pop("provider", None), given.pop("runner", None)
    use_docker, project_url = given.pop("use_docker", False), given.pop("project_url", None)
    if "extra_env" in given:
        given["env_vars"] = given.pop("extra_env")
    if given.get("host") == LOOPBACK:  # the default, which a provider of the user's may not know
        del given["host"]
    if given.pop("remote", False):
        given.pop("host", None)
        local_only = {"provider": provider, "runner": runner, "project_url": project_url}
        _refuse({**given, **local_only, "use_docker": use_docker}, "a running Space")
        return from_url(connect, hub.url(space_id), timeout_s, hub.headers())
    if use_docker:
        source_only = {"runner": runner, "project_url": project_url}
        _refuse({**source_only, "reload": given.pop("reload", False)}, "an image")
        return _space_image(connect, space_id, hub, provider, timeout_s=timeout_s, options=given)
    port, server = given.pop("port", None), runner or provider
    if server is not None:
        own = {name: value for name, value in given.items() if name not in _FOR_ANY_RUNNER}
        _refuse({**own, "project_url": project_url}, "a runner of your own")
    else:
        source = hub.source(space_id, given.pop("revision", None))
        server = UVProvider(
            project_path=project_url or source,
            credentials=None if project_url else hub.credentials(space_id),
            clone_timeout_s=timeout_s,
            **given,
        )

    def start() -> str:
        with _explained(space_id, hub):
            return str(server.start() if port is None else server.start(port=port))

    return _owned(connect, server, start, timeout_s)


_FOR_ANY_RUNNER = frozenset({"connect_host", "env_vars", "host", "reload"})


def _refuse(options: Mapping[str, Any], what: str) -> None:
    """Refuse options that have no meaning here, rather than ignore them."""
    if given := sorted(name for name, value in options.items() if value):
        raise TypeError(f"{', '.join(given)}: not an option of from_hub with {what}")


def _space_image(
    connect: Connect[C],
    space_id: str,
    hub: Hub,
    provider: ContainerProvider | None,
    *,
    timeout_s: float,
    options: dict[str, Any],
) -> Launch[C]:
    """A container of a Space's image. The options go to ``start_container``.

    ``image``, ``tag`` and ``container_port`` are the Space's unless the options have them.
    """
    tag = options.pop("tag", "latest")
    image = options.pop("image", None) or hub.image(space_id, tag)
    chosen = provider or LocalDockerProvider(credentials=hub.credentials(space_id))

    def start() -> str:
        if provider is None and "container_port" not in options:
            options["container_port"] = hub.app_port(space_id)
        with _explained(space_id, hub):
            return chosen.start_container(image, **options)

    return _owned(connect, chosen, start, timeout_s)


def _owned(
    connect: Connect[C], provider: AnyProvider, start: Callable[[], str], timeout_s: float
) -> Launch[C]:
    """A launch whose client owns the provider."""
    return Launch(provider, start, lambda address: connect(address, provider), timeout_s)


@contextmanager
def _explained(space_id: str, hub: Hub) -> Generator[None]:
    try:
        yield
    except FetchError as error:
        hint = "" if hub.token else ". If it is private, pass token= or set HF_TOKEN"
        raise FetchError(f"the Space {space_id} can't be fetched: {error}{hint}") from error
