"""What ``envgen build`` does with the sources it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from envgen_runtime.providers.cleanup import arm

from .build import BuiltPackage, build_package
from .config import Config, EnvSettings, SourceSettings, load_config
from .contract import EnvContract
from .errors import ConfigError, ContractError, EnvgenError
from .publish import write_file
from .sources import ReadSource, is_started, label, read_source

Stage = Literal["read", "built", "failed"]

Watch = Callable[[str, Stage], None]
"""Is told, from any thread, what became of which source."""

_READERS = 16


@dataclass(frozen=True, slots=True)
class Job:
    """A source, how it is read, and the names that its environment and its client get."""

    source: str
    settings: SourceSettings
    name: str | None = None
    class_name: str | None = None


def jobs(
    config: Config,
    sources: Sequence[str] | None = None,
    *,
    name: str | None = None,
    settings: SourceSettings | None = None,
) -> list[Job]:
    """What is to be done for sources.

    A source that is the name of a configured environment, or its source, is read as configured;
    what ``settings`` sets overrides that.

    Args:
        config: the project's settings.
        sources: sources and names of environments; None for what the settings list.
        name: the environment's name, for a single source.
        settings: how sources are read.

    Raises:
        ConfigError: there is nothing to build.
    """
    wanted = list(sources) if sources else config.all_sources()
    if not wanted:
        raise ConfigError(
            "nothing to build",
            source=f"{config.schemas}/",
            hint="name a source: envgen build FILE, or envgen build http://HOST:PORT",
        )
    given = settings.model_dump(exclude_unset=True) if settings else {}
    return [_job(config, source, given, name) for source in wanted]


def build_all(
    sources: Sequence[str] | None = None,
    *,
    out: Path | None = None,
    name: str | None = None,
    settings: SourceSettings | None = None,
    watch: Watch = lambda _source, _stage: None,
) -> dict[str, BuiltPackage | EnvgenError]:
    """Build every source; one that fails doesn't keep the others from being built.

    Sources are read side by side, for servers let one wait, and built one after the other.

    Args:
        sources: contract files, ``-``, server URLs, names of configured environments; None for what
            the project's settings list.
        out: where packages are written; None for what the settings say.
        name: the environment's name, for a single source.
        settings: how sources are read; what is not set is as configured.
        watch: is told how it goes.

    Returns:
        What became of each source, in their order.

    Raises:
        ConfigError: the settings can't be used, or there is nothing to build.
    """
    config = load_config()
    outcome: dict[str, BuiltPackage | EnvgenError] = {}
    owners: dict[str, str] = {}

    def read(job: Job) -> ReadSource | EnvgenError:
        try:
            return read_source(job.source, name=job.name, settings=job.settings)
        except EnvgenError as error:
            return error
        finally:
            watch(job.source, "read")

    wanted = jobs(config, sources, name=name, settings=settings)
    if any(is_started(job.source) for job in wanted):
        arm()  # from this thread: the others can't set what a signal does
    with ThreadPoolExecutor(max_workers=min(_READERS, len(wanted))) as readers:
        # In their order, so that it doesn't depend on a race which of two gets a name.
        for job, found in zip(wanted, readers.map(read, wanted), strict=True):
            if isinstance(found, EnvgenError):
                outcome[job.source] = found
                watch(job.source, "failed")
                continue
            try:
                _claim(found.contract, job.source, owners)
                outcome[job.source] = _build(found, job, config, out or config.out)
                watch(job.source, "built")
            except EnvgenError as error:
                outcome[job.source] = error
                watch(job.source, "failed")
    return outcome


def _job(config: Config, wanted: str, given: dict[str, object], name: str | None) -> Job:
    for env_name, env in config.envs.items():
        if wanted in _names(config, env_name):
            configured = env.model_copy(update=given)
            return Job(config.source_of(env_name), configured, name or env_name, env.class_name)
    return Job(wanted, EnvSettings().model_copy(update=given), name)


def _names(config: Config, env_name: str) -> Iterator[str]:
    yield env_name
    yield config.source_of(env_name)


def _build(found: ReadSource, job: Job, config: Config, out: Path) -> BuiltPackage:
    contract = found.contract
    try:
        package = build_package(contract, out, class_name=job.class_name)
    except ContractError as error:
        error.source = error.source or label(job.source)
        raise
    if found.is_derived:
        write_file(config.schemas / f"{contract.name}.json", contract.to_json())
    return package


def _claim(contract: EnvContract, source: str, owners: dict[str, str]) -> None:
    other = owners.setdefault(contract.name, source)
    if other != source:
        raise ContractError(
            f"{label(other)} has the same name, {contract.name}",
            source=label(source),
            hint="give one of them a name: envgen build SOURCE --name NAME",
        )
