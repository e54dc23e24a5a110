"""``envgen.lock``: what was generated from what. Commit it with the packages beside it.

    {
      "version": 2,
      "packages": {
        "coding_env": {
          "source": "schemas/coding_env.json",
          "client": "CodingEnv",
          "contract": "8951...",       the contract's fingerprint, of its structure
          "document": "02af...",       SHA-256 of the whole contract, with its prose
          "generator": "0.2.0",        the envgen that wrote it; another one builds it again
          "templates": "9b1c...",      SHA-256 of the templates, a user's own included
          "transport": "http",         as configured; left out where it isn't
          "naming": {"CodeAction": "Code"},
          "files": {"client.py": ["77c2...", "5d0e..."], ...}  SHA-256 of text and of meaning
        }
      }
    }

It distinguishes edited files from old ones, lists the files that envgen may remove, and shows what
is up to date without a build.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..contract.contract import EnvContract
from ..errors import OutputError
from ..options import PackageOptions, Transport
from .digests import FileDigest, says
from .publish import write_file

FILE = "envgen.lock"
_VERSION = 2


def digest(content: bytes) -> str:
    """SHA-256, as hex digits."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class Origin:
    """What a package was generated from, and with.

    Attributes:
        source: where its contract came from, without secrets.
        client: the client's name, which settings may choose.
        contract: the contract's fingerprint: of its structure.
        document: SHA-256 of the whole contract, prose included.
        generator: envgen's version.
        templates: SHA-256 of the templates.
        transport: the default transport, where settings choose one.
        naming: names that settings choose.
    """

    source: str
    client: str
    contract: str
    document: str
    generator: str
    templates: str
    transport: Transport | None = None
    naming: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(
        cls,
        contract: EnvContract,
        *,
        source: str,
        client: str,
        options: PackageOptions,
        templates: str,
    ) -> Origin:
        """The origin of a package generated now."""
        return cls(
            source=_portable(source),
            client=client,
            contract=contract.fingerprint,
            document=digest(contract.to_json().encode()),
            generator=__version__,
            templates=templates,
            transport=options.transport,
            naming=dict(sorted(options.naming.items())),
        )

    def to_json(self) -> dict[str, Any]:
        """The origin as the lock stores it: settings only where they are given."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One package, as it was generated.

    Attributes:
        origin: what it was generated from.
        files: the digest of each file, by name.
    """

    origin: Origin
    files: Mapping[str, FileDigest]

    @classmethod
    def of(cls, origin: Origin, files: Mapping[str, str]) -> LockedPackage:
        """The entry for a package with these files."""
        return cls(origin, {name: FileDigest.of(name, files[name]) for name in sorted(files)})

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> LockedPackage:
        """Read an entry. Raises TypeError or KeyError where it is not one."""
        origin = {name: value for name, value in fields.items() if name != "files"}
        files = {
            # A lock of version 1 knows the text alone.
            name: FileDigest(known, known) if isinstance(known, str) else FileDigest(*known)
            for name, known in fields["files"].items()
        }
        return cls(Origin(**origin), files)

    def edited(self, folder: Path, *, but_not: Mapping[str, str] | None = None) -> list[str]:
        """The files in ``folder`` that no longer say what was generated; not those missing.

        A file as in ``but_not``, which would be written, is not edited either: a build was
        interrupted before it wrote the lock.
        """
        new = but_not or {}
        return [
            name
            for name, known in self.files.items()
            if (folder / name).exists()
            and not known.matches(folder / name)
            and not (name in new and says(folder / name, new[name]))
        ]

    def is_whole(self, folder: Path) -> bool:
        """Whether every file in ``folder`` says what was generated."""
        return all(known.matches(folder / name) for name, known in self.files.items())


@dataclass(slots=True)
class Lock:
    """The packages in one folder.

    Attributes:
        packages: the generated packages, by name.
    """

    packages: dict[str, LockedPackage] = field(default_factory=dict[str, LockedPackage])

    def is_current(self, name: str, origin: Origin, folder: Path) -> bool:
        """Whether ``folder`` is what building package ``name`` from ``origin`` would write."""
        locked = self.packages.get(name)
        return locked is not None and locked.origin == origin and locked.is_whole(folder)

    def to_json(self) -> str:
        """The text of the lock file."""
        packages = {
            name: {
                **locked.origin.to_json(),
                "files": {file: [it.text, it.meaning] for file, it in locked.files.items()},
            }
            for name, locked in sorted(self.packages.items())
        }
        return json.dumps({"version": _VERSION, "packages": packages}, indent=2) + "\n"


def read_lock(out: Path) -> Lock:
    """Read the lock of the packages in ``out``; an empty one where there is no file.

    Raises:
        OutputError: the file can't be read.
    """
    path = out / FILE
    try:
        document: dict[str, Any] = json.loads(path.read_bytes())
        version = document["version"]
        packages = {
            name: LockedPackage.read(fields) for name, fields in document["packages"].items()
        }
    except (FileNotFoundError, NotADirectoryError):
        return Lock()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise OutputError(
            f"can't be read: {error}",
            source=str(path),
            hint="restore it, or delete it and build again",
        ) from error
    if version not in (1, _VERSION):
        raise OutputError(
            f"is of version {version}; this envgen knows version {_VERSION}",
            source=str(path),
            hint="use the envgen that wrote it, or delete it and build again",
        )
    if not all(_is_portable(name) for locked in packages.values() for name in locked.files):
        raise OutputError("names files outside of their package", source=str(path))
    return Lock(packages)


def write_lock(lock: Lock, out: Path) -> bool:
    """Write ``lock`` where it differs from the file. Returns whether it did.

    Raises:
        OutputError: it can't be written.
    """
    content = lock.to_json()
    if says(out / FILE, content) or not (lock.packages or (out / FILE).exists()):
        return False
    write_file(out / FILE, content)
    return True


def _is_portable(name: str) -> bool:
    return Path(name).name == name


def _portable(source: str) -> str:
    """A source, spelled the same on every machine."""
    if "://" in source:
        return source
    path = Path(source)
    return path.name if path.is_absolute() else path.as_posix()
