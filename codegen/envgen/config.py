"""``[tool.envgen]`` in pyproject.toml: what is built, and how.

[tool.envgen]
sources = ["schemas/quiz_env.json", "http://127.0.0.1:8000"]   # default: schemas/*.json
out = "generated"
schemas = "schemas"

templates = "envgen-templates"         # templates that replace blocks of envgen's own
remove_stale = true                    # packages that no source generates are removed
adapters = ["trl"]                     # trainers that packages have a module for

[tool.envgen.envs.coding_env]          # the name of the environment and of its package
source = "https://me-coding.hf.space"  # default: schemas/coding_env.json
out = "clients"
headers = { Authorization = "Bearer ${HF_TOKEN}" }
state = "overlays/coding_state.json"
transport = "websocket"
naming = { CodeAction = "Code", "CodeObservation.exit_code" = "status" }
gymnasium = { "action.code" = { max_length = 99 } }   # hints: docs/gymnasium.md

Settings come with a repository, which may be a stranger's, so they are input. What they make envgen
write stays below their folder, what they make it read stays in their repository, and ``${NAME}``
stands for a variable only if the user's own environment allows that. See SECURITY.md.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from envgen_runtime.wire.variables import ALLOW_VARS, VARIABLE, allowed_variables

from .errors import ConfigError
from .naming import (
    environment_name,
    is_class_name,
    is_client_name,
    is_environment_name,
    is_field_name,
)
from .options import ADAPTERS, Adapter, PackageOptions, Transport
from .schema.keywords import as_object
from .text import UntrustedText

MCP_SETTINGS = "mcp-config:"
"""Before the name of a file with the settings of MCP servers, as a source."""

_FILE = "pyproject.toml"
_MAX_BYTES = 16 * 1024 * 1024

RoutePath = Annotated[str, Field(pattern="^/")]


class SourceSettings(BaseModel):
    """How a source is read. ``envgen build`` has options of the same names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    headers: dict[str, str] = Field(default_factory=dict[str, str], repr=False)
    """Sent with every request. ``${NAME}`` in a value is an environment variable, which the user
    has to allow where the settings have it (``refuse_variables``)."""

    reset_path: RoutePath | None = None
    """OpenAPI: the route that resets; None to find it by its name."""

    step_path: RoutePath | None = None
    """OpenAPI: the route that steps."""

    state_path: RoutePath | None = None
    """OpenAPI: the route of the state."""

    session_path: RoutePath | None = None
    """OpenAPI: the route that makes a session, where it isn't the one that resets."""

    state: Path | None = None
    """A file with the JSON Schema of the state, for servers that don't publish one."""

    bundle: bool = False
    """Whether references to files in the contract's own folder are followed."""

    allow_redirects: bool = False
    """Whether redirects to another host are followed; headers are not sent there."""

    python: str | None = None
    """Python classes: the interpreter, or its virtual environment; None for the active one."""

    timeout_s: float = Field(default=10.0, gt=0)
    """Time limit for everything that a server is asked, in seconds."""

    @property
    def paths(self) -> dict[str, str]:
        """The routes that are set, by ``reset``, ``step``, ``state`` and ``session``."""
        paths = {
            "reset": self.reset_path,
            "step": self.step_path,
            "state": self.state_path,
            "session": self.session_path,
        }
        return {role: path for role, path in paths.items() if path is not None}


class EnvSettings(SourceSettings):
    """One environment, ``[tool.envgen.envs.NAME]``."""

    source: str | None = None
    """A source, as ``envgen build`` takes it; None for the contract in ``schemas``."""

    out: Path | None = None
    """Where its package is written; None for the project's ``out``."""

    class_name: str | None = None
    """The client's class; None to derive it from the environment's name."""

    transport: Transport | None = None
    """The client's default transport; None for ``auto``."""

    naming: dict[str, str] = Field(default_factory=dict[str, str])
    """New names for classes and fields, by ``Class`` or ``Class.field``."""

    adapters: tuple[Adapter, ...] | None = None
    """The trainers that its package has a module for; None for what the project says."""

    gymnasium: dict[str, dict[str, Any]] = Field(default_factory=dict[str, dict[str, Any]])
    """Hints for the spaces of Gymnasium, by places of the contract: what that doesn't say."""

    @property
    def options(self) -> PackageOptions:
        """The options for the generation of its package."""
        return PackageOptions(
            self.class_name, self.transport, self.naming, self.adapters, self.gymnasium
        )

    @field_validator("gymnasium")
    @classmethod
    def _check_hints(cls, hints: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        # Only projects that train with Gymnasium need them.
        from envgen_runtime.adapters.gymnasium.hints import read_hints

        read_hints(hints)
        return {place: _without_infinities(hint) for place, hint in sorted(hints.items())}

    @field_validator("class_name")
    @classmethod
    def _check_class_name(cls, name: str | None) -> str | None:
        if name is not None and not is_client_name(name):
            raise ValueError(f"{name!r} is not a valid class name; write one like CodingEnv")
        return name

    @field_validator("naming")
    @classmethod
    def _check_naming(cls, naming: dict[str, str]) -> dict[str, str]:
        for key, name in naming.items():
            if "." in key and not is_field_name(name):
                raise ValueError(f"{name!r} is not a valid field name; write one like exit_code")
            if "." not in key and not is_class_name(name):
                raise ValueError(f"{name!r} is not a valid class name; write one like CodeAction")
        return naming


class Config(BaseModel):
    """The settings, with their defaults. Paths are relative to the folder of pyproject.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    sources: tuple[str, ...] | None = None
    """Sources besides ``envs``; None for every other ``*.json`` in ``schemas``."""

    out: Path = Path("generated")
    """Where packages are written."""

    schemas: Path = Path("schemas")
    """Where contracts of servers are saved, and others that envgen derives."""

    templates: Path | None = None
    """A folder with templates that replace blocks of envgen's own."""

    strict: bool = False
    """Whether a contract with warnings is refused."""

    remove_stale: bool = False
    """Whether a build of all sources removes packages that none of them generates."""

    adapters: tuple[Adapter, ...] | None = None
    """The trainers that packages have a module for; None to keep the modules that they have."""

    envs: dict[str, EnvSettings] = Field(default_factory=dict[str, EnvSettings])
    """Environments with settings of their own, by name."""

    @field_validator("envs")
    @classmethod
    def _check_names(cls, envs: dict[str, EnvSettings]) -> dict[str, EnvSettings]:
        for name in envs:
            if not is_environment_name(name):
                valid = environment_name(UntrustedText(name))
                raise ValueError(f"{name!r} is not a valid package name; write {valid}")
        return envs

    def all_sources(self) -> list[str]:
        """What is built by default: sources, and names of environments."""
        sources: Sequence[str] = self.sources or ()
        if self.sources is None:
            contracts = sorted(self.schemas.glob("*.json"))
            sources = [str(path) for path in contracts if path.stem not in self.envs]
        return [*sources, *self.envs]

    def folders(self) -> list[Path]:
        """Every folder that packages are written to."""
        own = (env.out for env in self.envs.values() if env.out is not None)
        return list(dict.fromkeys([self.out, *own]))

    def source_of(self, env_name: str) -> str:
        """The source of an environment in ``envs``."""
        return self.envs[env_name].source or str(self.schemas / f"{env_name}.json")

    def env_of(self, source: str) -> str | None:
        """The environment in ``envs`` with this name or this source, if there is one."""
        if source in self.envs:
            return source
        return next((env for env in self.envs if source == self.source_of(env)), None)


def settings_folder(start: Path) -> Path:
    """The nearest folder with settings, at or above ``start``; ``start`` if there is none.

    The search ends at the root of a repository.
    """
    for folder in (start, *start.parents):
        try:
            if "[tool.envgen" in read_carried(folder / _FILE).decode():
                return folder
        except (OSError, ValueError):
            pass  # load_config reports it where it matters
        if (folder / ".git").exists():
            break
    return start


def load_config(folder: Path = Path()) -> Config:
    """Read the settings in ``folder``'s pyproject.toml; the defaults if there is none.

    Raises:
        ConfigError: the file is not TOML, or a setting is unknown or of the wrong type.
    """
    path = folder / _FILE
    try:
        document: dict[str, Any] = tomllib.loads(read_carried(path).decode())
    except FileNotFoundError:
        return Config()
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"can't be read: {error}", source=str(path)) from error
    tool = as_object(document.get("tool", {}))
    if tool is None:
        raise ConfigError("tool: not a table", source=str(path))
    try:
        config = Config.model_validate(tool.get("envgen", {}))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(str(part) for part in ("tool", "envgen", *first["loc"]))
        of_env = first["loc"][:1] == ("envs",) and len(first["loc"]) > 1
        known = EnvSettings.model_fields if of_env else Config.model_fields
        is_unknown = first["type"] == "extra_forbidden"
        raise ConfigError(
            f"{key}: {first['msg'].removeprefix('Value error, ')}",
            source=str(path),
            hint=f"the settings are {', '.join(known)}" if is_unknown else "",
        ) from error
    _refuse_places(config, folder)
    return config


def refuse_variables(texts: Mapping[str, str]) -> None:
    """Refuse ``${NAME}`` in texts that a repository's settings have, unless the user allows it.

    The repository also says where they are sent, so without this it could fetch any variable.

    Args:
        texts: headers and commands, by what they are called in errors.

    Raises:
        ConfigError: there is a variable that isn't allowed.
    """
    allowed = allowed_variables()
    for place, text in texts.items():
        for variable in VARIABLE.findall(text):
            if variable not in allowed:
                raise ConfigError(
                    f"${{{variable}}} isn't a variable that settings may use",
                    source=place,
                    hint=f"if you trust them, and where they send it: {ALLOW_VARS}={variable}",
                )


def _without_infinities(hint: dict[str, Any]) -> dict[str, Any]:
    """A hint as JSON has it: null for an infinite bound."""
    bounds: list[Any] | None = hint.get("bounds")
    if bounds is None:
        return hint
    return {**hint, "bounds": [bound if math.isfinite(bound) else None for bound in bounds]}


def adapters_named(names: Iterable[str], among: Iterable[Adapter] = ADAPTERS) -> list[Adapter]:
    """The adapters of these names. ValueError: there is none of a name."""
    known: dict[str, Adapter] = {name: name for name in among}
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r} is not one of {', '.join(known)}")
    return [known[name] for name in names]


def mcp_settings_of(source: str) -> tuple[str, str]:
    """The file and the server's name in ``mcp-config:FILE#NAME``; the name may be empty."""
    path, hash_, name = source.removeprefix(MCP_SETTINGS).rpartition("#")
    return (path, name) if hash_ else (name, "")


def _refuse_places(config: Config, folder: Path) -> None:
    """Refuse settings that write outside of their folder, or read outside of its repository."""
    home = folder.resolve()
    repository = next((at for at in (home, *home.parents) if (at / ".git").exists()), home)
    sources = (*(config.sources or ()), *(env.source for env in config.envs.values()))
    # URLs, too: what looks like one may be the path of a file, below a folder that is called "x:".
    files = [Path(source) for source in sources if source is not None]
    files += [
        Path(mcp_settings_of(source)[0])
        for source in sources
        if source is not None and source.startswith(MCP_SETTINGS)
    ]
    read = (
        config.templates,
        *(env.state for env in config.envs.values()),
        *(file for file in files if not (folder / file).is_dir()),  # a project, for sync to start
    )
    written: Iterable[Path] = (*config.folders(), config.schemas)
    for places, root, verb in ((written, home, "written"), (read, repository, "read")):
        for place in places:
            if place is not None and not _is_below(folder / place, root):
                raise ConfigError(
                    f"{place} is outside of {root}: what settings name is {verb} there only",
                    source=str(folder / _FILE),
                    hint=_INSTEAD[verb],
                )

    for contract in (folder / config.schemas).glob("*.json"):
        if contract.is_symlink() and not _is_below(contract, repository):
            raise ConfigError(f"a link out of {repository}", source=str(contract))


_INSTEAD = {
    "written": "to write elsewhere, name the place on the command line: --out FOLDER",
    "read": "to read it all the same, name it on the command line: envgen build SOURCE",
}


def _is_below(place: Path, root: Path) -> bool:
    try:
        return place.resolve().is_relative_to(root)
    except (OSError, ValueError, RuntimeError):  # a loop of links, a NUL
        return False


def read_carried(path: Path) -> bytes:
    """The content of a file that a repository carries.

    Raises:
        OSError: it can't be read.
        ValueError: it is larger than such a file needs to be.
    """
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f"larger than {_MAX_BYTES // 2**20} MB")
    return content
