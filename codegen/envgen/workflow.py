"""What ``envgen build`` does with the sources it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .build import BuiltPackage, build_package
from .config import Config, EnvSettings, SourceSettings, load_config
from .contract import EnvContract
from .differences import Difference, differences, file_difference
from .errors import ConfigError, ContractError, EnvgenError, OutputError
from .lock import FILE as LOCK_FILE
from .lock import Lock, read_lock, write_lock
from .publish import remove, write_file
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
    wanted = list(dict.fromkeys(sources)) if sources else config.all_sources()
    if not wanted:
        raise ConfigError(
            "nothing to build",
            source=f"{config.schemas}/",
            hint="name a source: envgen build FILE, or envgen build http://HOST:PORT",
        )
    given = settings.model_dump(exclude_unset=True) if settings else {}
    return [_job(config, source, given, name) for source in wanted]


@dataclass(slots=True)
class Outcome:
    """What became of a build.

    Attributes:
        results: of each source, in their order.
        removed: packages that nothing generates any more: they were removed, or would be.
        differences: what only comparing found beside the packages: the lock, saved contracts.
    """

    results: dict[str, BuiltPackage | EnvgenError] = field(
        default_factory=dict[str, BuiltPackage | EnvgenError]
    )
    removed: list[Path] = field(default_factory=list[Path])
    differences: list[Difference] = field(default_factory=list[Difference])

    @property
    def errors(self) -> list[EnvgenError]:
        """What went wrong."""
        return [item for item in self.results.values() if isinstance(item, EnvgenError)]

    @property
    def packages(self) -> list[BuiltPackage]:
        """What was built, or compared."""
        return [item for item in self.results.values() if isinstance(item, BuiltPackage)]

    @property
    def all_differences(self) -> list[Difference]:
        """What comparing found, packages first."""
        return [*(item for one in self.packages for item in one.differences), *self.differences]


def build_all(
    sources: Sequence[str] | None = None,
    *,
    out: Path | None = None,
    name: str | None = None,
    settings: SourceSettings | None = None,
    write: bool = True,
    force: bool = False,
    watch: Watch = lambda _source, _stage: None,
) -> Outcome:
    """Build every source; one that fails doesn't keep the others from being built.

    Sources are read side by side, for servers let one wait, and built one after the other. Where
    all of the project's sources are built, packages that none of them generates are removed.

    Args:
        sources: contract files, ``-``, server URLs, names of configured environments; None for what
            the project's settings list.
        out: where packages are written; None for what the settings say.
        name: the environment's name, for a single source.
        settings: how sources are read; what is not set is as configured.
        write: False to compare only.
        force: whether files that were edited by hand are overwritten.
        watch: is told how it goes.

    Raises:
        ConfigError: the settings can't be used, or there is nothing to build.
        OutputError: the lock can't be read or written.
    """
    config = load_config()
    wanted = jobs(config, sources, name=name, settings=settings)
    folder = out or config.out
    if any(is_started(job.source) for job in wanted):
        # The runtime is imported for those who start something.
        from envgen_runtime.providers.cleanup import arm

        arm()  # from this thread: the others can't set what a signal does
    builder = _Builder(config, folder, read_lock(folder), write=write, force=force)
    try:
        _build_jobs(builder, wanted, watch)
        if not sources and out is None:
            builder.remove_others()
    finally:
        builder.save()
    return builder.outcome


def _build_jobs(builder: _Builder, wanted: list[Job], watch: Watch) -> None:
    owners: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=min(_READERS, len(wanted))) as readers:
        # In their order, so that it doesn't depend on a race which of two gets a name.
        for job, found in zip(wanted, readers.map(_reader(watch), wanted), strict=True):
            if isinstance(found, EnvgenError):
                builder.outcome.results[job.source] = found
                watch(job.source, "failed")
                continue
            try:
                _claim(found.contract, job.source, owners)
                builder.build(found, job)
                watch(job.source, "built")
            except EnvgenError as error:
                builder.outcome.results[job.source] = error
                watch(job.source, "failed")


def _reader(watch: Watch) -> Callable[[Job], ReadSource | EnvgenError]:
    def read(job: Job) -> ReadSource | EnvgenError:
        try:
            return read_source(job.source, name=job.name, settings=job.settings)
        except EnvgenError as error:
            return error
        finally:
            watch(job.source, "read")

    return read


class _Builder:
    """Builds into one folder, or compares with what is there."""

    def __init__(self, config: Config, out: Path, lock: Lock, *, write: bool, force: bool) -> None:
        self.outcome = Outcome()
        self._config = config
        self._out = out
        self._lock = lock
        self._write = write
        self._force = force

    def build(self, found: ReadSource, job: Job) -> None:
        """Build one package, and keep its contract if no file says the same."""
        contract = found.contract
        try:
            self.outcome.results[job.source] = build_package(
                contract,
                self._out,
                class_name=job.class_name,
                source=label(job.source),
                lock=self._lock,
                write=self._write,
                force=self._force,
            )
        except ContractError as error:
            error.source = error.source or label(job.source)
            raise
        if found.is_derived:
            self._keep(self._config.schemas / f"{contract.name}.json", contract.to_json())

    def _keep(self, path: Path, content: str) -> None:
        difference = file_difference(path, content)
        if difference is None:
            return
        if self._write:
            write_file(path, content)
        else:
            self.outcome.differences.append(difference)

    def remove_others(self) -> None:
        """Remove what nothing generates any more, unless something failed: it may be that."""
        if not self.outcome.errors:
            built = {package.name for package in self.outcome.packages}
            for name in sorted(self._lock.packages.keys() - built):
                self._remove(name)

    def save(self) -> None:
        """Write the lock, also of a build that was interrupted."""
        if self._write:
            write_lock(self._lock, self._out)
        else:
            self._keep(self._out / LOCK_FILE, self._lock.to_json())

    def _remove(self, name: str) -> None:
        locked, folder = self._lock.packages[name], self._out / name
        if not self._write:
            self.outcome.differences += differences({}, folder, None)
        elif (edited := locked.edited(folder)) and not self._force:
            self.outcome.results[str(folder)] = OutputError(
                f"nothing generates this package any more, but it was edited by hand: "
                f"{', '.join(edited)}",
                source=str(folder),
                hint="remove it yourself, or with --force",
            )
            return
        else:
            remove(locked.files, folder)
        self.outcome.removed.append(folder)
        del self._lock.packages[name]


def _job(config: Config, wanted: str, given: dict[str, object], name: str | None) -> Job:
    for env_name, env in config.envs.items():
        if wanted in _names(config, env_name):
            configured = env.model_copy(update=given)
            return Job(config.source_of(env_name), configured, name or env_name, env.class_name)
    return Job(wanted, EnvSettings().model_copy(update=given), name)


def _names(config: Config, env_name: str) -> Iterator[str]:
    yield env_name
    yield config.source_of(env_name)


def _claim(contract: EnvContract, source: str, owners: dict[str, str]) -> None:
    other = owners.setdefault(contract.name, source)
    if other != source:
        raise ContractError(
            f"{label(other)} has the same name, {contract.name}",
            source=label(source),
            hint="give one of them a name: envgen build SOURCE --name NAME",
        )
