"""Scripts that train a model in an environment of the project, for their users to change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import Path
from shlex import quote

from envgen_runtime.contract.parts import CONTRACT_FILE

from ..config import Config, load_config
from ..errors import ConfigError, EnvgenError, OutputError
from ..naming import is_client_name
from ..options import Adapter
from ..output.lock import LockedPackage, read_lock
from ..output.publish import write_file
from ..sources import read_contract
from ..text import UntrustedText, literal
from .build_all import build_all

_URL = "http://127.0.0.1:8000"
_DOCUMENTS = (".json", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class _Package:
    """A package, as a script needs to know it."""

    name: str
    out: Path
    locked: LockedPackage

    @property
    def module(self) -> str:
        """What it is imported as, from the project's folder."""
        parts = [*self.out.parts, self.name]
        if self.out.is_absolute() or not all(map(_is_importable, parts)):
            raise ConfigError(
                f"{self.out}: packages there can't be imported from the project's folder",
                hint="build them into a folder below it, such as generated",
            )
        return ".".join(parts)

    @property
    def client(self) -> str:
        """Its client's class."""
        if not is_client_name(self.locked.origin.client):
            raise OutputError("names no class", source=str(self.out / "envgen.lock"))
        return self.locked.origin.client

    @property
    def url(self) -> str:
        """Where its server is, or may be, as a literal."""
        source = self.locked.origin.source
        url = source.removeprefix("mcp+")
        is_server = url.startswith(("http://", "https://")) and not url.endswith(_DOCUMENTS)
        return literal(UntrustedText(url if is_server else _URL))


def _is_importable(part: str) -> bool:
    return part.isidentifier() and not iskeyword(part)


def write_script(trainer: Adapter, source: str | None) -> Path:
    """Write a script for an environment, and the trainer's module into its package.

    Args:
        trainer: what trains, one of ``SCRIPTED``.
        source: a package's name or folder, or a source to build first; None for the only package.

    Returns:
        The script's path, in the current folder.

    Raises:
        OutputError: there is such a file already, or it can't be written.
        ConfigError: there is no package, or there are several.
        EnvgenError: the package can't be built.
    """
    script = Path(f"train_{trainer}.py")
    if script.exists():
        raise OutputError("there is a file already", source=str(script), hint="remove or rename it")
    config = load_config()
    package = _found(config, source) or _built(str(source), trainer)
    if trainer not in package.locked.origin.adapters:
        package = _built(_source_of(package, config, source), trainer)
    write_file(script, _SCRIPTS[trainer](package))
    return script


def _found(config: Config, wanted: str | None) -> _Package | None:
    """The package that was built and has this name, folder or source; without one, the only one."""
    packages = [
        _Package(name, out, locked)
        for out in config.folders()
        for name, locked in read_lock(out).packages.items()
    ]
    if wanted is None:
        if len(packages) == 1:
            return packages[0]
        names = ", ".join(sorted(package.name for package in packages)) or "none"
        raise ConfigError(f"name an environment: the packages are {names}")
    for package in packages:
        known = (package.name, package.locked.origin.source)
        if wanted in known or Path(wanted) == package.out / package.name:
            return package
    return None


def _source_of(package: _Package, config: Config, named: str | None) -> str:
    """What a package is built from, without asking a server that the user hasn't named.

    Raises:
        ConfigError: only the lock says it, and the lock is part of the repository.
    """
    if package.name in config.envs:
        return package.name
    saved = config.schemas / f"{package.name}.json"
    if saved.exists():
        return str(saved)
    source = package.locked.origin.source
    if source != named:
        raise ConfigError(
            f"{package.name}: only the lock says what it is built from",
            hint=f"if you trust it, name it: envgen init --trainer trl {quote(source)}",
        )
    return source


def _built(source: str, trainer: Adapter) -> _Package:
    (result,) = build_all([source], adapters=[trainer]).results.values()
    if isinstance(result, EnvgenError):
        raise result
    out = result.folder.parent
    return _Package(result.name, out, read_lock(out).packages[result.name])


def _trl(package: _Package) -> str:
    has_reward = read_contract(str(package.out / package.name / CONTRACT_FILE)).has_environment
    head = f'''"""Train a model in {package.name} with TRL. It is yours to change.

pip install 'envgen-runtime[trl]', serve the environment at URL, and run this script.
"""

from {package.module}.trl import {package.client}TRL
from trl import GRPOConfig, GRPOTrainer

URL = {package.url}
MODEL = "Qwen/Qwen3-0.6B"
'''
    rewards = "" if has_reward else _REWARD
    given = "" if has_reward else ", reward_funcs=[calls]"
    return f"""{head}{rewards}

def main() -> None:
    rows = [{{"seed": seed}} for seed in range(64)]  # what each episode's reset is given
    spec = {package.client}TRL.spec(URL, rows=rows{given})
    trainer = GRPOTrainer(
        MODEL,
        args=GRPOConfig("trl-{package.name}", num_generations=4, per_device_train_batch_size=4),
        train_dataset=spec.train_dataset,
        environment_factory=spec.environment_factory,
        reward_funcs=spec.reward_funcs,
    )
    trainer.train()
    print(spec.losses.count, "episodes were lost")


if __name__ == "__main__":
    main()
"""


_REWARD = '''

def calls(completions: list[list[dict]], **_: object) -> list[float]:
    """A reward to replace by yours: how many calls the model has made."""
    return [
        float(sum(message["role"] == "tool" for message in completion))
        for completion in completions
    ]
'''

_SCRIPTS: Mapping[Adapter, Callable[[_Package], str]] = {"trl": _trl}

SCRIPTED: Collection[Adapter] = _SCRIPTS.keys()
"""The trainers that there are scripts for."""
