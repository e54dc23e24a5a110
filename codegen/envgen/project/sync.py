"""Read every source again, and compare with the contracts that clients were generated from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from envgen_runtime.contract.parts import CONTRACT_FILE

from ..compat import Changelog, compare
from ..config import load_config
from ..contract.contract import EnvContract
from ..errors import EnvgenError
from ..output.apply import Mode
from ..output.lock import read_lock
from ..sources import read_contract
from .build_all import Outcome, build_all


@dataclass(frozen=True, slots=True)
class Synced:
    """The result of a sync.

    Attributes:
        outcome: the result of the build.
        changelogs: what changed, by the environment's name; new environments have no changelog.
        added: environments that had no client yet.
    """

    outcome: Outcome
    changelogs: dict[str, Changelog]
    added: tuple[str, ...]

    @property
    def has_drifted(self) -> bool:
        """Whether any contract has changed."""
        return bool(self.added) or any(item.changes for item in self.changelogs.values())

    @property
    def wrote(self) -> list[Path]:
        """The packages and saved contracts that were written."""
        changed = [package.folder for package in self.outcome.packages if package.changed]
        return [*changed, *self.outcome.saved]

    @property
    def is_breaking(self) -> bool:
        """Whether any change is breaking."""
        return any(item.level == "breaking" for item in self.changelogs.values())


def sync_all(
    sources: Sequence[str] | None = None, *, mode: Mode | None = None, remove_stale: bool = False
) -> Synced:
    """Read sources of the project again, and build what has changed. As ``build_all``."""
    before = _generated(load_config().folders())
    outcome = build_all(sources, mode=mode, online=True, remove_stale=remove_stale)
    after = {package.name: package.contract for package in outcome.packages}
    changelogs = {
        name: compare(before[name], contract) for name, contract in after.items() if name in before
    }
    return Synced(outcome, changelogs, tuple(sorted(after.keys() - before.keys())))


def _generated(folders: Iterable[Path]) -> dict[str, EnvContract]:
    """The contracts that the packages in these folders were generated from."""
    contracts: dict[str, EnvContract] = {}
    for out in folders:
        for name in read_lock(out).packages:
            try:
                contracts[name] = read_contract(str(out / name / CONTRACT_FILE), name=name)
            except EnvgenError:
                continue  # the package is gone, so it is built as a new one
    return contracts
