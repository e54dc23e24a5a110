"""``envgen init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigError
from .folder import in_project
from .output import escape, escape_lines, out, reporting

if TYPE_CHECKING:
    from ..config import Config

_FILE = Path("pyproject.toml")


def init(
    source: Annotated[
        str | None,
        typer.Argument(
            metavar="SOURCE",
            help="With --trainer: a package that was built, or what envgen build takes. Default: "
            "the only package there is.",
            show_default=False,
        ),
    ] = None,
    *,
    trainer: Annotated[
        str | None,
        typer.Option(
            metavar="TRAINER",
            help="Write a script that trains a model in an environment instead: trl writes "
            "train_trl.py.",
            show_default=False,
        ),
    ] = None,
) -> None:
    r"""Write [bold]\[tool.envgen][/] to pyproject.toml, for the clients that exist.

    Contracts in schemas/ need no settings. An environment whose client was generated from a server
    gets a table of its own, so that envgen sync follows the server. Existing settings are not
    changed.

    With --trainer, write a script for an environment instead, and the trainer's module into its
    package if it has none. A script that exists is not overwritten.
    """
    if trainer is not None:
        _write_script(trainer, source)
        return
    if source is not None:
        raise typer.BadParameter("goes with --trainer", param_hint="SOURCE")
    with reporting():
        from ..config import load_config
        from ..output.lock import read_lock
        from ..output.publish import write_file

        text = _FILE.read_text(encoding="utf-8") if _FILE.exists() else ""
        config = load_config()
        if "[tool.envgen" in text:
            raise ConfigError("there are settings already", source=str(_FILE))
        locked = read_lock(config.out).packages
        sources = {name: package.origin.source for name, package in locked.items()}
        settings = _settings(config, sources)
        write_file(_FILE, f"{text.rstrip()}\n\n{settings}" if text.strip() else settings)
    out.print(f"    [green]wrote[/] {_FILE}")
    out.print(f"[dim]{escape_lines(settings.rstrip())}[/]")


def _write_script(trainer: str, source: str | None) -> None:
    from ..config import adapters_named
    from ..project.scripts import SCRIPTED, write_script

    try:
        (adapter,) = adapters_named([trainer], among=SCRIPTED)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--trainer") from None
    with reporting(), in_project([source] if source is not None else []):
        script = write_script(adapter, source)
        text = script.read_text(encoding="utf-8")
    out.print(f"    [green]wrote[/] {escape(str(script))}")
    out.print(f"[dim]{escape_lines(text.rstrip())}[/]")


def _settings(config: Config, sources: dict[str, str]) -> str:
    from ..sources import kind_of

    lines = [
        "[tool.envgen]",
        f"out = {_toml(config.out.as_posix())}",
        f"schemas = {_toml(config.schemas.as_posix())}",
    ]
    for name, source in sorted(sources.items()):
        if kind_of(source) not in ("file", "stdin"):
            lines += ["", f"[tool.envgen.envs.{name}]", f"source = {_toml(source)}"]
    return "\n".join(lines) + "\n"


def _toml(text: str) -> str:
    """A TOML string. A source comes from the lock, and so from whoever wrote the repository."""
    escaped = (
        sign if sign.isprintable() and sign not in '"\\' else f"\\U{ord(sign):08x}" for sign in text
    )
    return f'"{"".join(escaped)}"'
