"""Saved contracts, which builds read instead of asking servers.

``envgen sync`` saves the contract of a server twice: with its package, as ``contract.json``, and
in the folder of schemas.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from envgen_runtime.contract.parts import CONTRACT_FILE

from ..config import SourceSettings
from ..errors import ContractError, OutputError
from ..output.lock import LockedPackage, read_lock
from ..output.publish import refuse_links
from ..sources import ReadSource, kind_of, label, read_source, recorded


@dataclass(frozen=True, slots=True)
class SavedContract:
    """The place of a source's saved contract.

    Attributes:
        source: the source that it was read from.
        env: the environment's name in the settings; None to find its package by the source.
        out: the folder of its package.
        schemas: the folder of saved contracts.
    """

    source: str
    env: str | None
    out: Path
    schemas: Path

    def read(self, *, name: str | None, state: Path | None) -> ReadSource:
        """Read the contract. Nothing is imported, started or asked.

        Args:
            name: the environment's name; None for the contract's own.
            state: a file with the schema of the state, which may be newer than the contract.

        Raises:
            ContractError: none is saved yet, or it can't be used.
            OutputError: it was edited by hand, its folder holds a link, or the lock can't be read.
        """
        path, locked = self._find()
        settings = SourceSettings() if state is None else SourceSettings(state=state)
        read = read_source(str(path), name=name, settings=settings)
        if locked is None:
            return replace(read, is_derived=True, origin=self._recorded)
        origin = locked.origin.source
        if origin != self._recorded:
            read = read.with_note(
                f"built from the contract of {origin}",
                f"envgen sync reads {self._recorded} instead",
            )
        return replace(read, is_derived=kind_of(origin) != "file", origin=origin)

    @property
    def _recorded(self) -> str:
        return recorded(self.source)

    def _find(self) -> tuple[Path, LockedPackage | None]:
        """The file, and its package's entry in the lock."""
        packages = read_lock(self.out).packages
        names = [self.env] if self.env is not None else [
            name for name, locked in packages.items() if locked.origin.source == self._recorded
        ]  # fmt: skip
        for name in names:
            refuse_links(self.out / name)
            path, copy = self.out / name / CONTRACT_FILE, self.schemas / f"{name}.json"
            locked = packages.get(name)
            known = None if locked is None else locked.files.get(CONTRACT_FILE)
            is_edited = path.is_file() and known is not None and not known.matches(path)
            if path.is_file() and not is_edited:
                return path, locked
            if copy.is_file():
                return copy, locked
            if is_edited:
                raise OutputError(
                    f"edited by hand: {CONTRACT_FILE}",
                    source=str(path.parent),
                    hint="restore it, or remove it and run envgen sync",
                )
        raise ContractError(
            "its contract isn't saved yet, and a build asks no server",
            source=label(self.source),
            hint="run envgen sync",
        )
