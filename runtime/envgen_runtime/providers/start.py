"""Start a server for a client, wait for it, and stop it again if any of that fails."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from ..errors import FetchError, StartError
from ..wire.address import check_address
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
from .options import READY_WITHIN_S
from .remote import RunningSpace

C = TypeVar("C")


class Launch(Generic[C]):
    """Starts a server, waits ``timeout_s`` seconds for it, and makes the client that owns it.

    On failure it stops the server.
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


# --- what is started --------------------------------------------------------------------------
# ``cls`` is the class of the client. The options are the caller's own copy; what remains in them
# after the client's are taken out is the provider's.


_NOWHERE = "http://not-started.invalid"


class _Client(Generic[C]):
    """A client that is to be made. Its options are taken out of those of its server.

    Raises what the client's class does for options that it doesn't take.
    """

    def __init__(self, cls: type[C], options: dict[str, Any]) -> None:
        self._create = cast("Callable[..., C]", cls)
        self._has_health = getattr(cls, "wire", None) is None
        self._options = dict(options.pop("client_options", None) or {})
        self._create(_NOWHERE, **self._options)  # refuses a wrong option before anything starts
        self.timeout_s: float = options.pop("timeout_s", READY_WITHIN_S)

    def owning(self, provider: AnyProvider, start: Callable[[], str]) -> Launch[C]:
        """Launch the client with a server of its own."""
        connect = partial(self._create, provider=provider, **self._options)
        if isinstance(provider, Provider):
            provider.has_health = self._has_health
        return Launch(provider, start, connect, self.timeout_s)

    def of(self, kind: type[RemoteServer], base_url: str, headers: Mapping[str, str]) -> Launch[C]:
        """Launch the client of a server that is running, which wants these headers."""
        own: Mapping[str, str] = self._options.get("default_headers") or {}
        options = {**self._options, "default_headers": {**headers, **own}}
        context = self._options.get("ssl_context")
        server = kind(base_url, headers=headers, ssl_context=context)
        server.has_health = self._has_health
        return Launch(server, lambda: base_url, partial(self._create, **options), self.timeout_s)


def from_docker_image(cls: type[C], image: str, options: dict[str, Any]) -> Launch[C]:
    """A container of ``image``."""
    client = _Client(cls, options)
    provider: ContainerProvider | None = options.pop("provider")
    chosen = provider or LocalDockerProvider()
    return client.owning(chosen, partial(chosen.start_container, image, **options))


def from_project(cls: type[C], path: str | Path, options: dict[str, Any]) -> Launch[C]:
    """The server of a project."""
    client = _Client(cls, options)
    port: int | None = options.pop("port", None)
    provider = UVProvider(project_path=path, **options)
    return client.owning(provider, partial(provider.start, port))


def from_fleet(cls: type[C], fleet: Fleet, options: dict[str, Any]) -> Launch[C]:
    """A session on one of a fleet's replicas."""
    client = _Client(cls, options)
    lease = fleet.lease()
    return client.owning(lease, partial(lease.start, client.timeout_s))


def from_url(cls: type[C], base_url: str, options: dict[str, Any]) -> Launch[C]:
    """A server that is running already."""
    timeout_s: float = options.pop("timeout_s", READY_WITHIN_S)
    token: str | None = options.pop("token", None)
    client = _Client(cls, {"client_options": options, "timeout_s": timeout_s})
    check_address(base_url)
    headers = dict(options.get("default_headers") or {})
    if token:
        headers.setdefault("Authorization", f"Bearer {token}")
    return client.of(RemoteServer, base_url, headers)


def from_hub(cls: type[C], space_id: str, options: dict[str, Any]) -> Launch[C]:
    """A Space: the running one, its image, or its source. The options are ``SpaceServer``'s.

    Raises TypeError for an option that has no meaning for the chosen way.
    """
    token: str | None = options.pop("token", None)
    hub: Hub | None = options.pop("hub", None)
    if hub is None:
        hub = Hub.from_environment(token)
    elif token is not None:
        hub = replace(hub, token=token)
    client = _Client(cls, options)
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
        return client.of(RunningSpace, hub.url(space_id), hub.headers())
    if use_docker:
        source_only = {"runner": runner, "project_url": project_url}
        _refuse({**source_only, "reload": given.pop("reload", False)}, "an image")
        return _space_image(client, space_id, hub, provider, given)
    port, server = given.pop("port", None), runner or provider
    if server is not None:
        own = {name: value for name, value in given.items() if name not in _FOR_ANY_RUNNER}
        _refuse({**own, "project_url": project_url}, "a runner of your own")
    else:
        source = hub.source(space_id, given.pop("revision", None))
        server = UVProvider(
            project_path=project_url or source,
            credentials=None if project_url else hub.credentials(space_id),
            clone_timeout_s=client.timeout_s,
            **given,
        )

    def start() -> str:
        with _explained(space_id, hub):
            return str(server.start() if port is None else server.start(port=port))

    return client.owning(server, start)


_FOR_ANY_RUNNER = frozenset({"connect_host", "env_vars", "host", "reload"})


def _refuse(options: Mapping[str, Any], what: str) -> None:
    """Refuse options that have no meaning here, rather than ignore them."""
    if given := sorted(name for name, value in options.items() if value):
        raise TypeError(f"{', '.join(given)}: not an option of from_hub with {what}")


def _space_image(
    client: _Client[C],
    space_id: str,
    hub: Hub,
    provider: ContainerProvider | None,
    options: dict[str, Any],
) -> Launch[C]:
    """A container of a Space's image.

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

    return client.owning(chosen, start)


@contextmanager
def _explained(space_id: str, hub: Hub) -> Generator[None]:
    try:
        yield
    except FetchError as error:
        hint = "" if hub.token else ". If it is private, pass token= or set HF_TOKEN"
        raise FetchError(f"the Space {space_id} can't be fetched: {error}{hint}") from error
