"""``[tool.envgen]`` in pyproject.toml: what to build when no source is named, and where to.

[tool.envgen]
sources = ["schemas/coding_env.json", "http://127.0.0.1:8000"]   # default: schemas/*.json
out = "generated"
schemas = "schemas"
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import ConfigError

_FILE = "pyproject.toml"


class Config(BaseModel):
    """The settings, with their defaults. Paths are relative to the folder of pyproject.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: tuple[str, ...] = ()
    """Contract files and server URLs; empty for every ``*.json`` in ``schemas``."""

    out: Path = Path("generated")
    """Where packages are written."""

    schemas: Path = Path("schemas")
    """Where the contracts of live servers are saved."""

    def all_sources(self) -> list[str]:
        """What is built when no source is named."""
        return list(self.sources) or sorted(str(path) for path in self.schemas.glob("*.json"))


def load_config(folder: Path = Path()) -> Config:
    """The settings in ``folder``'s pyproject.toml; the defaults where there is none.

    Raises:
        ConfigError: the file is not TOML, or a setting is unknown or of the wrong type.
    """
    path = folder / _FILE
    try:
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Config()
    except (OSError, ValueError) as error:
        raise ConfigError(f"can't be read: {error}", source=str(path)) from error
    try:
        return Config.model_validate(document.get("tool", {}).get("envgen", {}))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in ("tool", "envgen", *first["loc"]))
        raise ConfigError(
            f"{key}: {first['msg']}",
            source=str(path),
            hint=f"the settings are {', '.join(Config.model_fields)}",
        ) from error
