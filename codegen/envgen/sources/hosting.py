"""Environments that a command starts: an image, a project's folder, a Space."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from envgen_runtime.errors import ConnectError, MissingExtra, ProviderError, StartError
from envgen_runtime.providers import (
    Credentials,
    Hub,
    LocalDockerProvider,
    Provider,
    PullProgress,
    RemoteServer,
    UVProvider,
)

from ..errors import EnvgenError, ServerEnded, Unreachable

START_LIMIT_S = 120.0
"""How long an environment may take to be ready, in seconds."""

Kind = Literal["image", "project", "space"]

_SCHEMES: Mapping[str, Kind] = {"docker://": "image", "hf://": "space"}


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be started, or waited for.

    Attributes:
        kind: what it is.
        value: an image's name, a folder or ``git+URL``, or a Space's ``OWNER/NAME``.
    """

    kind: Kind
    value: str


@dataclass(frozen=True, slots=True)
class Options:
    """How it is started. What a kind of target can't heed is refused.

    Attributes:
        port: the port on loopback; None for a free one.
        env_vars: variables of the server's environment.
        use_docker: run a Space's image rather than its source.
        container: further options of a container, as ``start_container`` names them.
        timeout_s: how long it may take to be ready, in seconds.
        on_pull: called with the progress of an image's pull.
    """

    port: int | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict[str, str])
    use_docker: bool = False
    container: Mapping[str, Any] = field(default_factory=dict[str, Any])
    timeout_s: float = START_LIMIT_S
    on_pull: Callable[[PullProgress], None] | None = None


@dataclass(frozen=True, slots=True)
class Hosted:
    """An environment that answers.

    Attributes:
        url: its address.
        provider: what started it.
        headers: what it wants with every request.
    """

    url: str
    provider: Provider
    headers: Mapping[str, str]


def target_of(source: str) -> Target | None:
    """What a source asks to start; None where it is something to read.

    ``docker://IMAGE``, ``hf://OWNER/NAME``, ``git+URL``, or a folder.
    """
    for scheme, kind in _SCHEMES.items():
        if source.startswith(scheme):
            return Target(kind, source.removeprefix(scheme))
    if source.startswith("git+") or Path(source).is_dir():
        return Target("project", source)
    return None


@contextmanager
def remote_or_started(source: str, target: Target, options: Options) -> Generator[Hosted]:
    """As ``started``, but a Space is asked where it runs: nothing of it is run here."""
    if target.kind != "space":
        with started(source, target, options) as hosted:
            yield hosted
        return
    with _reported(source):
        hub = Hub.from_environment()
        server = RemoteServer(hub.url(target.value), headers=hub.headers())
        server.wait_for_ready(timeout_s=options.timeout_s)
    yield Hosted(server.base_url, server, hub.headers())


@contextmanager
def started(source: str, target: Target, options: Options) -> Generator[Hosted]:
    """Start an environment, wait until it is ready, and stop it in the end.

    Raises:
        EnvgenError: it can't be started, with its last lines.
    """
    with _reported(source):
        provider, start = _provider(target, options)
    try:
        with _reported(source):
            url = start()
            provider.wait_for_ready(url, options.timeout_s)
        yield Hosted(url, provider, {})
    finally:
        with _reported(source):
            provider.stop()


def _provider(target: Target, options: Options) -> tuple[Provider, Callable[[], str]]:
    if target.kind == "image":
        return _container(options, target.value, None)
    if target.kind == "space" and options.use_docker:
        hub = Hub.from_environment()
        port = partial(hub.app_port, target.value)
        image = hub.image(target.value)
        return _container(options, image, hub.credentials(target.value), port)
    if options.container or options.use_docker:
        given = ", ".join(options.container) or "docker"
        raise ValueError(f"{given}: for containers, and this is served from its source")
    return _served(target, options)


def _container(
    options: Options,
    image: str,
    credentials: Credentials | None,
    port: Callable[[], int | None] = lambda: None,
) -> tuple[Provider, Callable[[], str]]:
    provider = LocalDockerProvider(credentials=credentials, on_pull=options.on_pull)

    def start() -> str:
        given: dict[str, Any] = {"container_port": port(), **options.container}
        return provider.start_container(image, options.port, options.env_vars, **given)

    return provider, start


def _served(target: Target, options: Options) -> tuple[Provider, Callable[[], str]]:
    hub = Hub.from_environment()
    is_space = target.kind == "space"
    provider = UVProvider(
        project_path=hub.source(target.value) if is_space else target.value,
        env_vars=options.env_vars,
        credentials=hub.credentials(target.value) if is_space else None,
    )
    return provider, partial(provider.start, options.port)


@contextmanager
def _reported(source: str) -> Generator[None]:
    """Turn the runtime's errors into those that a command shows."""
    try:
        yield
    except StartError as error:
        raise ServerEnded(str(error), source=source) from error
    except (ProviderError, ConnectError) as error:
        raise Unreachable(str(error), source=source) from error
    except (MissingExtra, ValueError) as error:
        raise EnvgenError(str(error), source=source) from error
