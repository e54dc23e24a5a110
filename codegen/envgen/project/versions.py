"""Read versions of a contract to compare: from a file, a commit, a server or a package."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

from envgen_runtime.contract.parts import CONTRACT_FILE

from ..contract.contract import EnvContract, parse_contract
from ..errors import ContractError
from ..sources import kind_of, read_contract
from ..sources.parsing import parse_json

GIT = "git:"


def read_version(source: str, *, default_name: str | None = None) -> EnvContract:
    """Read the contract that ``source`` names.

    That is ``git:REVISION:PATH``, a folder with a ``contract.json``, the dotted name of a generated
    package that can be imported, or a source as ``envgen build`` takes it. An environment without a
    name gets ``default_name``.

    Raises:
        ContractError, Unreachable: there is no contract, or its server can't be reached.
    """
    if source.startswith(GIT):
        return _of_commit(source)
    folder = Path(source) if kind_of(source) == "folder" else _package(source)
    if folder is not None and (folder / CONTRACT_FILE).is_file():
        return read_contract(str(folder / CONTRACT_FILE))
    return read_contract(source, default_name=default_name)


def _of_commit(source: str) -> EnvContract:
    revision, colon, path = source.removeprefix(GIT).partition(":")
    if not colon or not path or revision.startswith("-"):
        raise ContractError("not a file in git", source=source, hint="write git:REVISION:PATH")
    try:
        content = subprocess.run(  # noqa: S603 - no shell, and no option: the revision begins with no -
            ["git", "show", f"{revision}:{path}"],  # noqa: S607 - the user's git
            capture_output=True,
            check=True,
        ).stdout
    except FileNotFoundError as error:
        raise ContractError("git is not installed", source=source) from error
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip()
        raise ContractError(
            f"git has no such file: {reason}", source=source, hint="write git:REVISION:PATH"
        ) from error
    document = parse_json(content, source=source)
    if isinstance(document, dict) and "name" in document:
        return parse_contract(document, source=source)
    return parse_contract(document, source=source, name=Path(path).stem, unpublished={"name"})


def _package(name: str) -> Path | None:
    """The folder of an installed package, which is not imported."""
    if not all(part.isidentifier() for part in name.split(".")):
        return None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    folders = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(folders))) if folders else None
