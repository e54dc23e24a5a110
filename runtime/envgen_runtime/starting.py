"""How a client starts the server that it talks to. The two faces differ in the awaiting alone."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import Any, Generic, Self, TypeVar, cast

from .errors import StartError
from .providers import ContainerProvider
from .providers.cleanup import arm

C = TypeVar("C")

READY_WITHIN_S = 60.0


class Launch(Generic[C]):
    """Starts a server, waits until it is ready and makes the client; on every failure it stops it.

    Args:
        provider: what starts it.
        start: starts it through the provider, and returns its address.
        connect: makes the client from the address.
    """

    def __init__(
        self,
        provider: ContainerProvider,
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


def _from_docker_image(
    cls: type[C],
    image: str,
    provider: ContainerProvider | None,
    options: Mapping[str, Any],
    client_options: Mapping[str, Any] | None,
) -> Launch[C]:
    if provider is None:
        from .providers import LocalDockerProvider

        provider = LocalDockerProvider()
    start = partial(provider.start_container, image, **options)
    return Launch(provider, start, _connects(cls, provider, client_options))


def _connects(
    cls: type[C], provider: ContainerProvider | None, options: Mapping[str, Any] | None
) -> Callable[[str], C]:
    make = cast("Callable[..., C]", cls)
    return lambda address: make(address, provider=provider, **(options or {}))


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
        return _from_docker_image(cls, image, provider, kwargs, client_options).run(timeout_s)


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
        """Start a container and return a client of it. As ``EnvClient.from_docker_image``."""
        launch = _from_docker_image(cls, image, provider, kwargs, client_options)
        return await launch.run_off_loop(timeout_s)
