"""Read the contract of an image, a project's folder or a Space: start it, ask it, stop it."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from envgen_runtime.errors import ConnectError, MissingExtra, ProviderError, StartError
from envgen_runtime.providers import (
    Credentials,
    Hub,
    LocalDockerProvider,
    Provider,
    PullProgress,
    UVProvider,
)
from envgen_runtime.providers.remote import RunningSpace
from envgen_runtime.wire.redaction import scrub, text_without_credentials

from ..config import SourceSettings
from ..errors import ContractError, EnvgenError, ServerEnded, Unreachable
from ..findings import Finding
from ..schema.keywords import as_object
from . import python, server
from .address import is_started, kind_of, label, secrets_of
from .parsing import Document

_STARTABLE = "name an image, a project's folder, git+URL or hf://OWNER/NAME"
_OF_ENVIRONMENTS = ("openenv.yaml", "server/app.py")


@dataclass(frozen=True, slots=True)
class StartOptions:
    """How an environment is started. Options that a kind of source can't take are refused.

    Attributes:
        port: the port on loopback; None for a free one.
        env_vars: environment variables of the server.
        use_docker: whether a Space's image is run rather than its source.
        container: more options of a container, as ``start_container`` names them.
        timeout_s: how long it may take to be ready, in seconds.
        on_pull: called with the progress of an image's pull.
    """

    port: int | None = None
    env_vars: Mapping[str, str] = field(default_factory=dict[str, str])
    use_docker: bool = False
    container: Mapping[str, Any] = field(default_factory=dict[str, Any])
    timeout_s: float = 120.0
    on_pull: Callable[[PullProgress], None] | None = None


@dataclass(frozen=True, slots=True)
class StartedServer:
    """An environment that is ready.

    Attributes:
        url: its base URL.
        provider: the provider that started it.
    """

    url: str
    provider: Provider


def fetch(
    source: str,
    settings: SourceSettings,
    on_pull: Callable[[PullProgress], None] | None = None,
    *,
    needs_name: bool = True,
) -> Document:
    """Read the contract of an environment. A Space is asked where it runs; others are started.

    Raises:
        EnvgenError: it can't be started; the message ends with the last lines of its log.
        ContractError: it publishes no contract.
    """
    if kind_of(source) == "space":
        with _translated_errors(source):
            hub = Hub.from_environment()
            space = RunningSpace(hub.url(source.removeprefix("hf://")), headers=hub.headers())
            space.wait_for_ready(timeout_s=StartOptions().timeout_s)
        headers = {**hub.headers(), **settings.headers}
        settings = settings.model_copy(update={"headers": headers})
        document = server.fetch(space.base_url, settings, needs_name=needs_name)
    else:
        with started(source, StartOptions(on_pull=on_pull)) as environment:
            document = server.fetch(environment.url, settings, needs_name=needs_name)
            if isinstance(environment.provider, UVProvider):
                document = _with_reset_parameters(document, environment.provider)
    return replace(document, source=label(source), spare_name=_spare_name(source))


def _with_reset_parameters(document: Document, project: UVProvider) -> Document:
    """Add what the reset of the environment's class takes: no server publishes it.

    They are optional: where they can't be read, the user is told why.
    """
    content = as_object(document.content)
    if content is None or "action" not in content or "reset_parameters" in content:
        return document
    module, _, app = project.app.partition(":")
    try:
        answer = python.describe(project.run, [module, f"app={app}"], source=document.source)
        found = python.document_of(answer, module, source=document.source)
    except ContractError as error:
        message = f"the parameters of reset are not known: {error.message}"
        unknown = Finding("info", "/reset_parameters", message, "import the class: --from-python")
        return replace(document, findings=(*document.findings, unknown))
    return replace(document, content={**content, **found})


def _spare_name(source: str) -> str:
    """``hf://me/maze`` and ``docker://host/maze:1`` are called ``maze``."""
    path = source.partition("://")[2] or str(Path(_project(source)).resolve())
    return re.split(r"[@:#]", path.rstrip("/").rpartition("/")[2])[0]


def startable(source: str) -> str:
    """A source to start, given as one or as the bare name of an image.

    Raises:
        EnvgenError: it is nothing that can be started.
    """
    if is_started(source):
        return source
    shown = label(source)
    if kind_of(source) == "url":
        raise EnvgenError("runs already", source=shown, hint="envgen build URL reads it")
    if not source.strip() or kind_of(source) != "file":
        raise EnvgenError("nothing that can be started", source=shown, hint=_STARTABLE)
    if Path(source).is_file():
        hint = f"envgen build {shown} reads a contract; {_STARTABLE}"
        raise EnvgenError("a file, not an environment", source=shown, hint=hint)
    if source.startswith((".", "/", "~")) or source.endswith("/"):
        raise EnvgenError("no such folder", source=shown, hint=_STARTABLE)
    return f"docker://{source}"


@contextmanager
def started(source: str, options: StartOptions) -> Generator[StartedServer]:
    """Start an environment, wait until it is ready, and stop it in the end.

    Raises:
        EnvgenError: it can't be started; the message ends with the last lines of its log.
    """
    with _translated_errors(source):
        provider, start = _provider(source, options)
    try:
        with _translated_errors(source):
            url = start()
            provider.wait_for_ready(url, options.timeout_s)
        yield StartedServer(url, provider)
    finally:
        with _translated_errors(source):
            provider.stop()


def _provider(source: str, options: StartOptions) -> tuple[Provider, Callable[[], str]]:
    kind = kind_of(source)
    if kind == "image":
        return _container(source.removeprefix("docker://"), options)
    hub = Hub.from_environment()
    space = source.removeprefix("hf://")
    if kind == "space" and options.use_docker:
        port = {"container_port": hub.app_port(space)}
        with_port = replace(options, container={**port, **options.container})
        return _container(hub.image(space), with_port, hub.credentials(space))
    if options.container or options.use_docker:
        names = ", ".join(options.container) or "docker"
        raise ValueError(f"{names}: an option of containers, and this is served from its source")
    provider = UVProvider(
        project_path=hub.source(space) if kind == "space" else _project(source),
        env_vars=options.env_vars,
        credentials=hub.credentials(space) if kind == "space" else None,
    )
    return provider, partial(provider.start, options.port)


def _project(source: str) -> str:
    """The project of a folder: the folder itself, or an environment's project that it is in.

    Raises:
        EnvgenError: there is none.
    """
    if not Path(source).is_dir():
        return source  # git+URL
    folder = Path(source).resolve()
    for candidate in (folder, *folder.parents):
        if (candidate / "pyproject.toml").is_file():
            is_environment = any((candidate / name).is_file() for name in _OF_ENVIRONMENTS)
            if candidate == folder or is_environment:
                return source if candidate == folder else str(candidate)
            break
        if (candidate / ".git").exists():
            break
    contracts = sorted(folder.glob("*.json"))
    hint = f"envgen build {Path(source) / contracts[0].name}" if contracts else _STARTABLE
    raise EnvgenError(
        "not a project: no pyproject.toml in it or above it", source=label(source), hint=hint
    )


def _container(
    image: str, options: StartOptions, credentials: Credentials | None = None
) -> tuple[Provider, Callable[[], str]]:
    provider = LocalDockerProvider(credentials=credentials, on_pull=options.on_pull)
    start = partial(provider.start_container, image, options.port, options.env_vars)
    return provider, partial(start, **options.container)


@contextmanager
def _translated_errors(source: str) -> Generator[None]:
    """Raise the runtime's errors as those that commands show."""
    shown = label(source)
    try:
        yield
    except StartError as error:
        raise ServerEnded(_text(error, source), source=shown, keeps_lines=True) from error
    except (ProviderError, ConnectError) as error:
        raise Unreachable(_text(error, source), source=shown, keeps_lines=True) from error
    except (MissingExtra, ValueError) as error:
        raise EnvgenError(_text(error, source), source=shown) from error


def _text(error: Exception, source: str) -> str:
    return str(scrub(text_without_credentials(str(error)), secrets_of(source, {})))
