"""Build every source of a project: read, generate, and find what is no longer generated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..build import BuiltPackage, build_package
from ..config import SourceSettings, load_config
from ..contract.contract import EnvContract
from ..errors import ContractError, EnvgenError
from ..interrupts import Interrupts, uninterrupted
from ..options import Adapter
from ..output.apply import Mode, discard, keep, keep_lock
from ..output.differences import Difference
from ..output.lock import Lock, read_lock
from ..render.templating import Templates
from ..sources import ReadSource, label, starts_server
from .jobs import Job, plan_jobs, with_way_out
from .reading import Progress, read_all


@dataclass(slots=True)
class Outcome:
    """The result of a build.

    Attributes:
        results: each source's package or error, in the order of the sources.
        saved: files in the folder of schemas that were written.
        kept: packages that no source generates, such as those of one-off builds. They stay.
        removed: packages that no source generates: they were removed, or would be.
        differences: where the build only compared: differences outside of packages that are
            built, in the lock, saved contracts and packages that are no longer generated.
    """

    results: dict[str, BuiltPackage | EnvgenError] = field(
        default_factory=dict[str, BuiltPackage | EnvgenError]
    )
    saved: list[Path] = field(default_factory=list[Path])
    kept: list[Path] = field(default_factory=list[Path])
    removed: list[Path] = field(default_factory=list[Path])
    differences: list[Difference] = field(default_factory=list[Difference])

    @property
    def errors(self) -> list[EnvgenError]:
        """The errors of sources that failed."""
        return [item for item in self.results.values() if isinstance(item, EnvgenError)]

    @property
    def packages(self) -> list[BuiltPackage]:
        """The packages that were built, or compared."""
        return [item for item in self.results.values() if isinstance(item, BuiltPackage)]

    @property
    def all_differences(self) -> list[Difference]:
        """Every difference, those in packages first."""
        return [*(item for one in self.packages for item in one.differences), *self.differences]


def build_all(
    sources: Sequence[str] | None = None,
    *,
    out: Path | None = None,
    name: str | None = None,
    settings: SourceSettings | None = None,
    templates: Path | None = None,
    adapters: Sequence[Adapter] = (),
    mode: Mode | None = None,
    online: bool = False,
    remove_stale: bool = False,
    progress: Progress = lambda _source, _stage: None,
) -> Outcome:
    """Build every source. A source that fails doesn't stop the others.

    Sources are read at the same time and built one after the other. Servers are asked, classes
    imported and environments started only where ``sources`` names them, or ``online`` is set;
    otherwise the contract that was saved is built.

    Args:
        sources: sources as ``read_source`` takes them, and names of configured environments; None
            for what the project's settings list.
        out: where packages are written; None for what the settings say, as for ``templates``.
        name: the environment's name, for a single source.
        settings: how sources are read. Fields that are not set are as configured.
        templates: a folder of templates over envgen's own.
        adapters: trainers that the packages get a module for, beside those that the settings name.
            Where neither names any, packages keep the modules that they have.
        mode: what the build is allowed to do. It is strict if the settings say so, too.
        online: whether servers that only the settings name are asked.
        remove_stale: whether packages that no source generates are removed, if all of the
            project's sources are built. The settings may say so, too.
        progress: called with each source and the stage it has reached.

    Raises:
        ConfigError: the settings can't be used, or there is nothing to build.
        TemplateError, OutputError: the templates, or a lock, can't be used.
    """
    config = load_config()
    mode = mode or Mode()
    jobs = plan_jobs(
        config,
        sources,
        out=out,
        name=name,
        settings=settings,
        adapters=adapters,
        online=online,
    )
    templates = templates or config.templates
    if any(job.saved is None and starts_server(job.source) for job in jobs):
        # Imported only where an environment is started, because the runtime takes 0.2 s.
        from envgen_runtime.providers.cleanup import install_handlers

        install_handlers()  # here, because only the main thread can install signal handlers
    builder = _Builder(
        config.schemas,
        Templates(templates) if templates is not None else None,
        Mode(mode.write, mode.force, mode.strict or config.strict),
    )
    with Interrupts() as interrupts:
        try:
            # One after the other, so that names don't depend on which server answers first.
            for job, reading in read_all(jobs, progress):
                try:
                    builder.build(job, interrupts.result(reading))
                    progress(job.source, "built")
                except EnvgenError as error:
                    builder.outcome.results[job.source] = with_way_out(error, job.source, config)
                    progress(job.source, "failed")
            interrupts.check()
            if not sources and out is None and not builder.outcome.errors:
                builder.find_stale(config.folders(), remove=remove_stale or config.remove_stale)
        finally:
            builder.save_locks()
    return builder.outcome


class _Builder:
    """Builds packages one by one, and keeps the locks of their folders."""

    def __init__(self, schemas: Path, templates: Templates | None, mode: Mode) -> None:
        self.outcome = Outcome()
        self._schemas = schemas
        self._templates = templates
        self._mode = mode
        self._locks: dict[Path, Lock] = {}
        self._sources: dict[str, str] = {}  # by the name of the environment

    def build(self, job: Job, read: ReadSource) -> None:
        """Build a package, and save its contract if no contract file holds it."""
        contract = read.contract
        self._claim_name(contract, job.source)
        try:
            self.outcome.results[job.source] = build_package(
                contract,
                job.out,
                options=job.options,
                templates=self._templates,
                source=self._origin(read, job),
                lock=self._lock(job.out),
                mode=self._mode,
            )
        except ContractError as error:
            raise error.with_context(source=error.source or label(job.source)) from error
        if read.is_derived:
            path = self._schemas / f"{contract.name}.json"
            has_changed, differences = keep(path, contract.to_json(), self._mode)
            self.outcome.saved += [path] * has_changed
            self.outcome.differences += differences

    def _origin(self, read: ReadSource, job: Job) -> str:
        """The source that the lock records: for a saved contract, where it was read."""
        contract = read.contract
        locked = self._lock(job.out).packages.get(contract.name)
        is_in_schemas = Path(job.source) == self._schemas / f"{contract.name}.json"
        if locked is None or not is_in_schemas or not locked.origin.is_of(contract):
            return read.origin
        return locked.origin.source

    def find_stale(self, folders: Iterable[Path], *, remove: bool) -> None:
        """Find the packages in ``folders`` that were not built, and ``remove`` them."""
        built = {package.folder for package in self.outcome.packages}
        for out in folders:
            for folder in [out / name for name in sorted(self._lock(out).packages)]:
                if folder in built:
                    continue
                if not remove:
                    self.outcome.kept.append(folder)
                    continue
                try:
                    left_over = discard(folder.name, folder, self._lock(out), self._mode)
                except EnvgenError as error:
                    self.outcome.results[str(folder)] = error
                else:
                    self.outcome.differences += left_over
                    self.outcome.removed.append(folder)

    def save_locks(self) -> None:
        """Write the locks, also those of a build that was interrupted."""
        with uninterrupted():
            for out, lock in self._locks.items():
                self.outcome.differences += keep_lock(lock, out, self._mode)[1]

    def _lock(self, out: Path) -> Lock:
        if out not in self._locks:
            self._locks[out] = read_lock(out)
        return self._locks[out]

    def _claim_name(self, contract: EnvContract, source: str) -> None:
        other = self._sources.setdefault(contract.name, source)
        if other != source:
            raise ContractError(
                f"{label(other)} has the same name, {contract.name}",
                source=label(source),
                hint="give one of them a name: envgen build SOURCE --name NAME",
            )
