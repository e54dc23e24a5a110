"""``envgen.lock``: what each package was generated from. Commit it with the packages.

    {
      "version": 1,
      "packages": {
        "coding_env": {
          "source": "schemas/coding_env.json",
          "client": "CodingEnv",
          "contract": "8951...",       the contract's fingerprint, of its structure
          "document": "02af...",       SHA-256 of the whole contract, with its prose
          "generator": "0.1.0",        the envgen that wrote it; another version builds it again
          "templates": "9b1c...",      SHA-256 of the templates, the project's own included
          "transport": "http",         as configured; left out where it is not
          "naming": {"CodeAction": "Code"},
          "files": {"client.py": "77c2...", ...}
        }
      }
    }

From the lock envgen knows without building which packages are up to date, which files were edited
by hand, and which files it may remove.
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

FILE = "envgen.lock"
_VERSION = 1


def digest(content: bytes) -> str:
    """SHA-256, as hex digits."""
    return hashlib.sha256(content).hexdigest()


@dataclass(frozen=True, slots=True)
class Origin:
    """What a package was generated from, and by which envgen.

    Attributes:
        source: where its contract came from, without secrets.
        client: the name of the client's class.
        contract: the contract's fingerprint, of its structure.
        document: SHA-256 of the whole contract, prose included.
        generator: envgen's version.
        templates: SHA-256 of the templates.
        transport: the client's default transport, where the settings set it.
        naming: the names that the settings set.
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
        """The origin of a package that is generated now."""
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
        """The origin as the lock holds it, without settings that are not set."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A package as it was generated.

    Attributes:
        origin: what it was generated from.
        files: SHA-256 of each file, by name.
    """

    origin: Origin
    files: Mapping[str, str]

    @classmethod
    def of(cls, origin: Origin, files: Mapping[str, str]) -> LockedPackage:
        """Record a package with these files."""
        return cls(origin, {name: digest(files[name].encode()) for name in sorted(files)})

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> LockedPackage:
        """Read a package's entry. Raises TypeError or KeyError if it isn't one."""
        origin = {name: value for name, value in fields.items() if name != "files"}
        return cls(Origin(**origin), dict(fields["files"]))

    def edited(self, folder: Path, *, ignoring: Mapping[str, str] | None = None) -> list[str]:
        """The files in ``folder`` that differ from what was generated. Missing files don't count.

        A file that already equals its new content in ``ignoring`` isn't edited either: a build was
        interrupted before its lock was written.
        """
        new = {name: digest(content.encode()) for name, content in (ignoring or {}).items()}
        found = {name: digest_of(folder / name) for name in self.files}
        return [
            name
            for name, now in found.items()
            if now not in (None, self.files[name], new.get(name))
        ]

    def is_whole(self, folder: Path) -> bool:
        """Whether ``folder`` has every file as it was generated."""
        return all(digest_of(folder / name) == known for name, known in self.files.items())


@dataclass(slots=True)
class Lock:
    """The packages in one folder.

    Attributes:
        packages: what was generated, by the package's name.
    """

    packages: dict[str, LockedPackage] = field(default_factory=dict[str, LockedPackage])

    def to_json(self) -> str:
        """The lock as a file's text."""
        packages = {
            name: {**locked.origin.to_json(), "files": dict(locked.files)}
            for name, locked in sorted(self.packages.items())
        }
        return json.dumps({"version": _VERSION, "packages": packages}, indent=2) + "\n"


def read_lock(out: Path) -> Lock:
    """The lock of the packages in ``out``; an empty one if there is no lock.

    Raises:
        OutputError: the lock can't be read.
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
    if version != _VERSION:
        raise OutputError(
            f"has version {version}; this envgen reads version {_VERSION}",
            source=str(path),
            hint="use the envgen that wrote it, or delete it and build again",
        )
    if not all(_is_portable(name) for locked in packages.values() for name in locked.files):
        raise OutputError("lists files outside of their packages", source=str(path))
    return Lock(packages)


def digest_of(path: Path) -> str | None:
    """SHA-256 of a file; None if it can't be read."""
    try:
        return digest(path.read_bytes())
    except OSError:
        return None


def _is_portable(name: str) -> bool:
    return Path(name).name == name


def _portable(source: str) -> str:
    """A source as it reads on every machine: no absolute path."""
    if "://" in source:
        return source
    path = Path(source)
    return path.name if path.is_absolute() else path.as_posix()
