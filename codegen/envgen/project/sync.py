"""Every source read again: what has changed since its client was generated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..compat import Changelog, compare
from ..config import load_config
from ..contract.contract import EnvContract
from ..errors import EnvgenError
from ..output.lock import read_lock
from ..sources import read_contract
from .build_all import Outcome, Watch, build_all


@dataclass(frozen=True, slots=True)
class Synced:
    """What a sync found.

    Attributes:
        outcome: what was built, or compared.
        changelogs: what changed, by the environment's name; an environment that is new has none.
        added: environments that had no client yet.
    """

    outcome: Outcome
    changelogs: dict[str, Changelog]
    added: tuple[str, ...]

    @property
    def has_drifted(self) -> bool:
        """Whether any contract is another than before."""
        return bool(self.added) or any(item.changes for item in self.changelogs.values())

    @property
    def is_breaking(self) -> bool:
        """Whether a change breaks someone."""
        return any(item.level == "breaking" for item in self.changelogs.values())


def sync_all(*, write: bool = True, watch: Watch = lambda _source, _stage: None) -> Synced:
    """Read every source of the project again, and build what has changed.

    Args:
        write: False to compare only.
        watch: is told how it goes.

    Raises:
        ConfigError: the settings can't be used, or there is nothing to build.
        OutputError: the lock can't be read or written.
    """
    before = _generated(load_config().folders())
    outcome = build_all(write=write, watch=watch)
    after = {package.name: package.contract for package in outcome.packages}
    changelogs = {
        name: compare(before[name], contract) for name, contract in after.items() if name in before
    }
    return Synced(outcome, changelogs, tuple(sorted(after.keys() - before.keys())))


def _generated(folders: Iterable[Path]) -> dict[str, EnvContract]:
    """The contracts that the packages in these folders were generated from."""
    found: dict[str, EnvContract] = {}
    for out in folders:
        for name in read_lock(out).packages:
            try:
                found[name] = read_contract(str(out / name / "contract.json"), name=name)
            except EnvgenError:
                continue  # no package: it will be built as a new one
    return found
