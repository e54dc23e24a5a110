"""Bring a folder of packages up to date with what was generated, or only compare the two."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import ContractError, OutputError
from ..findings import Finding
from ..interrupts import uninterrupted
from .differences import Difference, compare_file, compare_folder
from .digests import says
from .lock import FILE, Lock, LockedPackage, Origin
from .publish import publish, refuse_links, unpublish, write_file


@dataclass(frozen=True, slots=True)
class Mode:
    """What a build is allowed to do.

    Attributes:
        write: False to compare only.
        force: whether files that were edited by hand may be overwritten or removed.
        strict: whether a warning refuses the package.
    """

    write: bool = True
    force: bool = False
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Package:
    """A package as the pipeline hands it over.

    Attributes:
        findings: what its user should know about it.
        render: renders its files, by name. Called only where the folder isn't up to date.
    """

    name: str
    origin: Origin
    findings: tuple[Finding, ...]
    render: Callable[[], Mapping[str, str]]


def apply(
    package: Package, folder: Path, lock: Lock, mode: Mode
) -> tuple[bool, tuple[Difference, ...]]:
    """Write a package where its folder isn't up to date, and record it in the lock.

    Return whether files were written and, with ``write=False``, what writing them would change.

    Raises:
        ContractError: there are warnings, and the mode is strict.
        TemplateError, AuditError: it can't be rendered.
        OutputError: the folder can't be written or holds a link, or a file in it was edited by
            hand.
    """
    if mode.strict:
        _refuse_warnings(package.findings)
    refuse_links(folder)
    locked = lock.packages.get(package.name)
    if locked is not None and locked.origin == package.origin and locked.is_whole(folder):
        return False, () if mode.write else compare_folder(folder, None, locked)
    files = package.render()
    rendered = LockedPackage.of(package.origin, files)
    if not mode.write:
        lock.packages[package.name] = rendered
        return False, compare_folder(folder, files, locked)
    if locked is not None and not mode.force:
        _refuse_edited(locked, files, folder)
    # The files and their lock entry change together: files that the lock doesn't know look edited.
    with uninterrupted():
        has_changed = publish(
            files,
            folder,
            is_known=locked is not None,
            obsolete=() if locked is None else locked.files.keys() - files.keys(),
        )
        lock.packages[package.name] = rendered
    return has_changed, ()


def discard(name: str, folder: Path, lock: Lock, mode: Mode) -> tuple[Difference, ...]:
    """Remove a package that is no longer generated, and its entry in the lock.

    Return, with ``write=False``, the files that are left over.

    Raises:
        OutputError: a file was edited by hand, or can't be removed.
    """
    locked = lock.packages[name]
    refuse_links(folder)
    left_over: tuple[Difference, ...] = ()
    if not mode.write:
        left_over = compare_folder(folder, {}, None)
    elif (edited := locked.edited(folder)) and not mode.force:
        raise OutputError(
            f"no source generates this package any more, but it was edited by hand: "
            f"{', '.join(edited)}",
            source=str(folder),
            hint="remove it yourself, or with --force",
        )
    else:
        unpublish(locked.files, folder)
    del lock.packages[name]
    return left_over


def keep(path: Path, content: str, mode: Mode) -> tuple[bool, tuple[Difference, ...]]:
    """Make a file hold ``content``. Return whether it was written.

    With ``write=False``, return how it differs, too.
    """
    if says(path, content):
        return False, ()
    if not mode.write:
        return False, (compare_file(path, content),)
    write_file(path, content)
    return True, ()


def keep_lock(lock: Lock, out: Path, mode: Mode) -> tuple[bool, tuple[Difference, ...]]:
    """Bring the lock in ``out`` up to date, as ``keep`` does. An empty lock creates no file."""
    if not lock.packages and not (out / FILE).exists():
        return False, ()
    return keep(out / FILE, lock.to_json(), mode)


def _refuse_warnings(findings: Iterable[Finding]) -> None:
    warnings = [finding for finding in findings if finding.severity == "warning"]
    if warnings:
        more = f" (and {len(warnings) - 1} more)" if len(warnings) > 1 else ""
        raise ContractError(
            f"{warnings[0].message}{more}",
            pointer=warnings[0].pointer,
            hint="refused because of --strict; without it this is a warning",
        )


def _refuse_edited(locked: LockedPackage, files: Mapping[str, str], folder: Path) -> None:
    edited = locked.edited(folder, ignoring=files)
    if edited:
        raise OutputError(
            f"edited by hand: {', '.join(edited)}",
            source=str(folder),
            hint="--diff shows what would be written, and --force writes it; code of your own "
            "belongs in a subclass of the client",
        )
