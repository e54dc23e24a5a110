"""What ``envgen build`` does with the sources it is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Literal

from ..build import BuiltPackage, build_package
from ..config import Config, EnvSettings, SourceSettings, load_config
from ..contract.contract import EnvContract
from ..errors import ConfigError, ContractError, EnvgenError, OutputError
from ..interrupts import uninterrupted
from ..options import PackageOptions
from ..output.differences import Difference, differences, file_difference
from ..output.lock import FILE as LOCK_FILE
from ..output.lock import Lock, read_lock, write_lock
from ..output.publish import remove, write_file
from ..render.templating import Templates, default_templates
from ..sources import ReadSource, is_started, label, read_source

Stage = Literal["read", "built", "failed"]

Watch = Callable[[str, Stage], None]
"""Is told, from any thread, what became of which source."""

_READERS = 16


@dataclass(frozen=True, slots=True)
class Job:
    """A source, how it is read, and what becomes of it.

    Attributes:
        source: the source.
        settings: how it is read.
        out: the folder that its package goes to.
        name: the environment's name; None for the contract's.
        options: how its package is generated.
    """

    source: str
    settings: SourceSettings
    out: Path
    name: str | None = None
    options: PackageOptions = field(default_factory=PackageOptions)


def jobs(
    config: Config,
    sources: Sequence[str] | None = None,
    *,
    out: Path | None = None,
    name: str | None = None,
    settings: SourceSettings | None = None,
) -> list[Job]:
    """What is to be done for sources.

    A source that is the name of a configured environment, or its source, is read as configured;
    what ``settings`` sets overrides that.

    Args:
        config: the project's settings.
        sources: sources and names of environments; None for what the settings list.
        out: where packages are written; None for what the settings say.
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
    return [_job(config, source, given, name, out) for source in wanted]


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
    templates: Path | None = None,
    write: bool = True,
    force: bool = False,
    strict: bool = False,
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
        templates: a folder of templates over envgen's own; None for what the settings say.
        write: False to compare only.
        force: whether files that were edited by hand are overwritten.
        strict: whether a warning refuses a source, also where the settings don't say so.
        watch: is told how it goes.

    Raises:
        ConfigError: the settings can't be used, or there is nothing to build.
        TemplateError: the folder of templates can't be used.
        OutputError: a lock can't be read or written.
    """
    config = load_config()
    wanted = jobs(config, sources, out=out, name=name, settings=settings)
    own_templates = templates or config.templates
    if any(is_started(job.source) for job in wanted):
        # The runtime is imported for those who start something.
        from envgen_runtime.providers.cleanup import arm

        arm()  # from this thread: the others can't set what a signal does
    builder = _Builder(
        config.schemas,
        Templates(own_templates) if own_templates is not None else default_templates(),
        write=write,
        force=force,
        strict=strict or config.strict,
    )
    try:
        _build_jobs(builder, wanted, watch)
        if not sources and out is None:
            builder.remove_others(config.folders())
    finally:
        builder.save()
    return builder.outcome


def _build_jobs(builder: _Builder, wanted: list[Job], watch: Watch) -> None:
    owners: dict[str, str] = {}
    # In their order, so that it doesn't depend on a race which of two gets a name.
    for job, reading in zip(wanted, _read_side_by_side(wanted, watch), strict=True):
        try:
            found = reading.result()
            _claim(found.contract, job.source, owners)
            builder.build(found, job)
            watch(job.source, "built")
        except EnvgenError as error:
            builder.outcome.results[job.source] = error
            watch(job.source, "failed")


def _read_side_by_side(wanted: Iterable[Job], watch: Watch) -> list[Future[ReadSource]]:
    """What each source will turn out to hold.

    The threads are daemons, which those of an executor are not: a build that is interrupted
    doesn't wait for a server.
    """
    pending: SimpleQueue[tuple[Job, Future[ReadSource]]] = SimpleQueue()
    futures: list[Future[ReadSource]] = []
    for job in wanted:
        futures.append(Future())
        pending.put((job, futures[-1]))
    for _ in futures[:_READERS]:
        Thread(target=_read_pending, args=(pending, watch), daemon=True).start()
    return futures


def _read_pending(pending: SimpleQueue[tuple[Job, Future[ReadSource]]], watch: Watch) -> None:
    with suppress(Empty):
        while True:
            job, future = pending.get_nowait()
            try:
                found = read_source(job.source, name=job.name, settings=job.settings)
            except BaseException as error:  # noqa: BLE001 - who waits for it raises it
                future.set_exception(error)
            else:
                future.set_result(found)
            watch(job.source, "read")


class _Builder:
    """Builds packages, or compares with what is there."""

    def __init__(
        self, schemas: Path, templates: Templates, *, write: bool, force: bool, strict: bool
    ) -> None:
        self.outcome = Outcome()
        self._schemas = schemas
        self._templates = templates
        self._write = write
        self._force = force
        self._strict = strict
        self._locks: dict[Path, Lock] = {}

    def _lock(self, out: Path) -> Lock:
        if out not in self._locks:
            self._locks[out] = read_lock(out)
        return self._locks[out]

    def build(self, found: ReadSource, job: Job) -> None:
        """Build one package, and keep its contract if no file says the same."""
        contract = found.contract
        try:
            self.outcome.results[job.source] = build_package(
                contract,
                job.out,
                options=job.options,
                templates=self._templates,
                source=label(job.source),
                lock=self._lock(job.out),
                write=self._write,
                force=self._force,
                strict=self._strict,
            )
        except ContractError as error:
            error.source = error.source or label(job.source)
            raise
        if found.is_derived:
            self._keep(self._schemas / f"{contract.name}.json", contract.to_json())

    def _keep(self, path: Path, content: str) -> None:
        difference = file_difference(path, content)
        if difference is None:
            return
        if self._write:
            write_file(path, content)
        else:
            self.outcome.differences.append(difference)

    def remove_others(self, folders: Iterable[Path]) -> None:
        """Remove what nothing generates any more, unless something failed: it may be that."""
        if self.outcome.errors:
            return
        built = {package.folder for package in self.outcome.packages}
        for out in folders:
            for name in sorted(self._lock(out).packages):
                if out / name not in built:
                    self._remove(out, name)

    def save(self) -> None:
        """Write the locks, also of a build that was interrupted."""
        with uninterrupted():
            for out, lock in self._locks.items():
                if self._write:
                    write_lock(lock, out)
                else:
                    self._keep(out / LOCK_FILE, lock.to_json())

    def _remove(self, out: Path, name: str) -> None:
        locked, folder = self._lock(out).packages[name], out / name
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
        del self._lock(out).packages[name]


def _job(
    config: Config, wanted: str, given: dict[str, object], name: str | None, out: Path | None
) -> Job:
    env_name, source = None, wanted
    for key in config.envs:
        if wanted in (key, config.source_of(key)):
            env_name, source = key, config.source_of(key)
    settings = config.envs[env_name] if env_name is not None else EnvSettings()
    plugins = (*config.plugins, *settings.plugins)
    read_as = settings.model_copy(update={"plugins": plugins, **given})
    folder = out or settings.out or config.out
    return Job(source, read_as, folder, name or env_name, settings.options)


def _claim(contract: EnvContract, source: str, owners: dict[str, str]) -> None:
    other = owners.setdefault(contract.name, source)
    if other != source:
        raise ContractError(
            f"{label(other)} has the same name, {contract.name}",
            source=label(source),
            hint="give one of them a name: envgen build SOURCE --name NAME",
        )
