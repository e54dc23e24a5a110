"""From the project's settings and the command's arguments to a list of sources to build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path

from ..config import Config, EnvSettings, SourceSettings
from ..errors import ConfigError, EnvgenError
from ..options import Adapter, PackageOptions
from ..output.lock import read_lock
from ..sources import kind_of
from ..sources.address import exists
from .saved import SavedContract


@dataclass(frozen=True, slots=True)
class Job:
    """A source to build: how it is read, and how and where its package is generated.

    Attributes:
        name: the environment's name; None for the contract's own.
        saved: where its contract was saved, for a build that asks no server; None to read the
            source.
        is_named: whether the command names the source itself: one of a repository's settings may
            use few environment variables.
        has_own_headers: the same of its headers.
    """

    source: str
    settings: SourceSettings
    out: Path
    name: str | None = None
    options: PackageOptions = field(default_factory=PackageOptions)
    saved: SavedContract | None = None
    is_named: bool = False
    has_own_headers: bool = False


def plan_jobs(
    config: Config,
    sources: Sequence[str] | None = None,
    *,
    out: Path | None = None,
    name: str | None = None,
    settings: SourceSettings | None = None,
    adapters: Sequence[Adapter] = (),
    online: bool = False,
) -> list[Job]:
    """List the jobs for sources, each source once; by default for those that the settings list.

    A file is read. Any other source is read if it is named in ``sources``, or if ``online``;
    otherwise its saved contract is.

    The name of a configured environment, or its source, is read as configured; fields that are set
    in ``settings`` override the configuration, as do ``out`` and ``name``. ``adapters`` are added
    to those that are configured, or that a package has.

    Raises:
        ConfigError: there is nothing to build.
    """
    requested = list(dict.fromkeys(sources or config.all_sources()))
    if not requested:
        raise ConfigError(
            "nothing to build",
            source=f"{config.schemas}/",
            hint="name a source: envgen build FILE, or envgen build http://HOST:PORT",
        )
    overrides = settings.model_dump(exclude_unset=True) if settings else {}
    jobs: list[Job] = []
    for item in requested:
        env_name = config.env_of(item)
        env = config.envs[env_name] if env_name is not None else EnvSettings()
        source = item if env_name is None else config.source_of(env_name)
        home = env.out or config.out
        is_named = bool(sources) and item == source
        is_read = online or is_named or kind_of(source) == "file"
        jobs.append(
            Job(
                source,
                env.model_copy(update=overrides),
                out or home,
                name or env_name,
                replace(
                    env.options,
                    adapters=config.adapters if env.adapters is None else env.adapters,
                    added_adapters=tuple(adapters),
                ),
                None if is_read else SavedContract(source, env_name, home, config.schemas),
                is_named=is_named,
                has_own_headers="headers" in overrides,
            )
        )
    return jobs


def with_way_out(error: EnvgenError, source: str, config: Config) -> EnvgenError:
    """Return the error of a source that can't be read. If it is a known name, the hint says so."""
    if not source.isidentifier() or exists(source):
        return error
    known = {
        name: package.origin.source
        for out in config.folders()
        for name, package in read_lock(out).packages.items()
    }
    known |= {contract.stem: str(contract) for contract in config.schemas.glob("*.json")}
    known |= {name: name for name in config.envs}
    if source in known:
        hint = f"the settings have no {source}; name its source: envgen build {known[source]}"
    elif near := get_close_matches(source, known, 1):
        hint = f"did you mean envgen build {known[near[0]]}?"
    else:
        return error
    return error.with_context(hint=hint)
