"""What ``envgen build`` does with the sources it is given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from .build import BuiltPackage, build_package
from .config import load_config
from .contract import EnvContract
from .errors import ConfigError, ContractError, EnvgenError
from .publish import write_file
from .sources import is_url, read_contract


def build_all(
    sources: Sequence[str] | None = None, *, out: Path | None = None, name: str | None = None
) -> dict[str, BuiltPackage | EnvgenError]:
    """Build every source; one that fails doesn't keep the others from being built.

    Args:
        sources: contract files, ``-``, server URLs; None for what the project's settings list.
        out: where packages are written; None for what the settings say.
        name: the environment's name, for a single source.

    Returns:
        What became of each source.

    Raises:
        ConfigError: the settings can't be used, or there is nothing to build.
    """
    config = load_config()
    wanted = list(sources) if sources else config.all_sources()
    if not wanted:
        raise ConfigError(
            "nothing to build",
            source=f"{config.schemas}/",
            hint="name a source: envgen build FILE, or envgen build http://HOST:PORT",
        )
    outcome: dict[str, BuiltPackage | EnvgenError] = {}
    owners: dict[str, str] = {}
    for source in wanted:
        try:
            contract = read_contract(source, name=name)
            _claim(contract, source, owners)
            outcome[source] = _build(contract, source, out or config.out)
            if is_url(source):
                write_file(config.schemas / f"{contract.name}.json", contract.to_json())
        except EnvgenError as error:
            outcome[source] = error
    return outcome


def _build(contract: EnvContract, source: str, out: Path) -> BuiltPackage:
    try:
        return build_package(contract, out)
    except ContractError as error:
        error.source = error.source or source
        raise


def _claim(contract: EnvContract, source: str, owners: dict[str, str]) -> None:
    other = owners.setdefault(contract.name, source)
    if other != source:
        raise ContractError(
            f"{other} has the same name, {contract.name}",
            source=source,
            hint="give one of them a name: envgen build SOURCE --name NAME",
        )
