"""``envgen watch``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import EnvgenError
from ..interrupts import Interrupts
from .output import err, out, print_error
from .results import print_result

if TYPE_CHECKING:
    from ..config import Config

_FILES_EVERY_S = 0.3
_INTERRUPTED = 130


def watch(
    *,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="How often servers are asked.")
    ] = 60.0,
) -> None:
    """Build again whenever a contract changes, until Ctrl-C.

    Files (contracts, overlays of states, templates, pyproject.toml) are looked at all the time,
    servers at an interval. What is up to date is not mentioned.
    """
    try:
        _watch(interval)
    except KeyboardInterrupt:
        err.print("[dim]stopped[/]")
        raise typer.Exit(_INTERRUPTED) from None


def _watch(interval: float) -> None:
    seen: dict[Path, tuple[int, ...]] | None = None
    told: set[str] = set()
    asked = 0.0
    while True:
        files, has_servers = _watched()
        now = {path: _version(path) for path in files}
        is_due = has_servers and time.monotonic() - asked >= interval
        if now != seen or is_due:
            seen, asked = now, time.monotonic()
            told = _build(told)
            err.print(f"[dim]watching {len(files)} files[/]" if seen else "[dim]watching[/]")
        with Interrupts() as interrupts:
            interrupts.sleep(_FILES_EVERY_S)


def _watched() -> tuple[list[Path], bool]:
    """The files that a build reads, and whether it asks servers."""
    from ..config import load_config

    try:
        config = load_config()
    except EnvgenError:
        return [Path("pyproject.toml")], False
    sources = [_source(config, name) for name in config.all_sources()]
    files = [Path(source) for source in sources if "://" not in source]
    overlays = [env.state for env in config.envs.values() if env.state is not None]
    templates = config.templates.glob("*") if config.templates is not None else ()
    has_servers = any("://" in source for source in sources)
    watched = {Path("pyproject.toml"), config.schemas, *files, *overlays, *templates}
    return sorted(watched), has_servers


def _source(config: Config, name: str) -> str:
    return config.source_of(name) if name in config.envs else name


def _version(path: Path) -> tuple[int, ...]:
    """Differs where the file does: also of one that was moved here and is as old."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _build(told: set[str]) -> set[str]:
    """Build, print what is new, and return the errors: they are not printed twice."""
    from ..project.build_all import build_all

    try:
        outcome = build_all()
    except EnvgenError as error:
        if str(error) not in told:
            print_error(error)
        return {str(error)}
    for source, result in outcome.results.items():
        if isinstance(result, EnvgenError):
            if str(result) not in told:
                print_error(result)
        elif result.changed:
            print_result(source, result)
    for folder in outcome.removed:
        out.print(f"[yellow]  removed[/] {folder}")
    return {str(error) for error in outcome.errors}
