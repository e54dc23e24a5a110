"""``envgen.lock``: what each package was generated from. Commit it with the packages.

    {
      "version": 2,
      "packages": {
        "coding_env": {
          "source": "schemas/coding_env.json",
          "client": "CodingEnv",
          "contract": "8951...",       the contract's fingerprint, of its structure
          "document": "02af...",       SHA-256 of the whole contract, with its prose
          "generator": "0.2.0",        the envgen that wrote it; another version builds it again
          "templates": "9b1c...",      SHA-256 of the templates, the project's own included
          "transport": "http",         as configured; left out where it is not
          "naming": {"CodeAction": "Code"},
          "files": {"client.py": ["77c2...", "5d0e..."], ...}  SHA-256 of text and of meaning
        }
      }
    }

From the lock envgen knows without building which packages are up to date, which files were edited
by hand, and which files it may remove.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .. import __version__
from ..contract.contract import EnvContract
from ..errors import OutputError
from ..options import PackageOptions, Transport
from .digests import FileDigest, says, sha256

FILE = "envgen.lock"
_VERSION = 2


@dataclass(frozen=True, slots=True)
class Origin:
    """What a package was generated from, and by which envgen. The fields are the lock's."""

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
        """The origin of a package that is generated now."""
        return cls(
            source=source,
            client=client,
            contract=contract.fingerprint,
            document=_document(contract),
            generator=__version__,
            templates=templates,
            transport=options.transport,
            naming=dict(sorted(options.naming.items())),
        )

    def is_of(self, contract: EnvContract) -> bool:
        """Whether this is the whole contract, prose included."""
        return self.document == _document(contract)

    def to_json(self) -> dict[str, Any]:
        """The origin as the lock holds it, without settings that are not set."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A package as it was generated: its origin, and the digest of each file by name."""

    origin: Origin
    files: Mapping[str, FileDigest]

    @classmethod
    def of(cls, origin: Origin, files: Mapping[str, str]) -> LockedPackage:
        """Record a package with these files."""
        return cls(origin, {name: FileDigest.of(name, files[name]) for name in sorted(files)})

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> LockedPackage:
        """Read a package's entry. Raises TypeError or KeyError if it isn't one."""
        origin = {name: value for name, value in fields.items() if name != "files"}
        files = {
            # A lock of version 1 knows the text alone.
            name: FileDigest(known, known) if isinstance(known, str) else FileDigest(*known)
            for name, known in fields["files"].items()
        }
        return cls(Origin(**origin), files)

    def edited(self, folder: Path, *, ignoring: Mapping[str, str] | None = None) -> list[str]:
        """The files in ``folder`` that differ from what was generated. Missing files don't count.

        A file that already equals its new content in ``ignoring`` isn't edited either: a build was
        interrupted before its lock was written.
        """
        new = ignoring or {}
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
    """The packages in one folder, as they were generated, by name."""

    packages: dict[str, LockedPackage] = field(default_factory=dict[str, LockedPackage])

    def to_json(self) -> str:
        """The lock as a file's text."""
        packages = {
            name: {
                **locked.origin.to_json(),
                "files": {file: [it.text, it.meaning] for file, it in locked.files.items()},
            }
            for name, locked in sorted(self.packages.items())
        }
        return json.dumps({"version": _VERSION, "packages": packages}, indent=2) + "\n"


def read_lock(out: Path) -> Lock:
    """The lock of the packages in ``out``; empty if none. OutputError if it can't be read."""
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
            f"has version {version}; this envgen reads version {_VERSION}",
            source=str(path),
            hint="use the envgen that wrote it, or delete it and build again",
        )
    if not all(_is_portable(name) for locked in packages.values() for name in locked.files):
        raise OutputError("lists files outside of their packages", source=str(path))
    return Lock(packages)


def _document(contract: EnvContract) -> str:
    return sha256(contract.to_json().encode())


def _is_portable(name: str) -> bool:
    return Path(name).name == name
