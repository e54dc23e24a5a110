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
          "gymnasium": {"action.code": {"max_length": 99}},
          "adapters": ["trl"],         trainers that it has a module for; left out if none
          "files": {"client.py": ["77c2...", "5d0e..."], ...}  SHA-256 of text and of meaning
        }
      }
    }

From the lock envgen knows without building which packages are up to date, which files were edited
by hand, and which files it may remove. A lock comes with a repository, so it is input: its names
become paths, and one that isn't a plain name refuses the whole lock.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, with_config

from envgen_runtime.json_value import as_object

from .. import __version__
from ..config import read_carried
from ..contract.contract import EnvContract
from ..errors import OutputError
from ..naming import is_device_name, is_environment_name
from ..options import Adapter, PackageOptions, Transport
from .digests import FileDigest, says, sha256

FILE = "envgen.lock"
_VERSION = 2
_MAX_NAME = 245  # bytes: what file systems take, less the name of a folder for staging
_MAX_SHOWN = 60
_FILE_NAME = re.compile(r"\w(?:[\w.-]*\w)?", re.ASCII)


@with_config(ConfigDict(extra="forbid", defer_build=True))
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
    adapters: tuple[Adapter, ...] = ()
    gymnasium: Mapping[str, Any] = field(default_factory=dict[str, Any])

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
            adapters=tuple(sorted(set(options.adapters or ()))),
            gymnasium=options.gymnasium,
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
        """Read a package's entry. ValidationError: it isn't one."""
        origin = {name: value for name, value in fields.items() if name != "files"}
        files = {
            # A lock of version 1 knows the text alone.
            name: FileDigest(known, known) if isinstance(known, str) else FileDigest(*known)
            for name, known in _FILES.validate_python(fields.get("files")).items()
        }
        return cls(_ORIGIN.validate_python(origin), files)

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


_ORIGIN = TypeAdapter(Origin)
_FILES = TypeAdapter[dict[str, str | list[str]]](
    dict[str, str | Annotated[list[str], Field(min_length=2, max_length=2)]]
)
_PACKAGES = TypeAdapter(dict[str, dict[str, Any]])


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
        document = _read_json(path)
        if (version := document.get("version")) is None:
            raise ValueError("it has no version")  # noqa: TRY301
        if version in (1, _VERSION):
            entries = _PACKAGES.validate_python(document.get("packages"))
            return Lock(_checked({name: LockedPackage.read(entries[name]) for name in entries}))
    except (FileNotFoundError, NotADirectoryError):
        return Lock()
    except (OSError, ValueError, RecursionError) as error:
        reason = _first(error) if isinstance(error, ValidationError) else str(error)
        raise OutputError(
            f"can't be read: {reason}",
            source=str(path),
            hint="restore it, or delete it and build again",
        ) from error
    raise OutputError(
        f"has version {str(version)[:20]}; this envgen reads version {_VERSION}",
        source=str(path),
        hint="use the envgen that wrote it, or delete it and build again",
    )


def _read_json(path: Path) -> dict[str, Any]:
    document = as_object(json.loads(read_carried(path)))
    if document is None:
        raise ValueError("not a JSON object")
    return document


def _checked(packages: dict[str, LockedPackage]) -> dict[str, LockedPackage]:
    """The packages, whose names become paths. ValueError: one isn't a plain name."""
    for name, locked in packages.items():
        if not is_environment_name(name) or len(name.encode()) > _MAX_NAME:
            raise ValueError(f"{_shown(name)} is not the name of a package")
        for file in locked.files:
            if not _FILE_NAME.fullmatch(file) or is_device_name(file):
                raise ValueError(f"{name}: {_shown(file)} is not the name of a generated file")
        _refuse_clash(locked.files)
    _refuse_clash(packages)
    return packages


def _refuse_clash(names: Iterable[str]) -> None:
    """ValueError: two names are one file where file systems ignore case or how it is composed."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(unicodedata.normalize("NFKC", name).casefold(), name)
        if other != name:
            raise ValueError(f"{_shown(other)} and {_shown(name)} name the same file")


def _shown(name: str) -> str:
    return ascii(name if len(name) <= _MAX_SHOWN else f"{name[:_MAX_SHOWN]}...")


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(_shown(str(part)) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else first["msg"]


def _document(contract: EnvContract) -> str:
    return sha256(contract.to_json().encode())
