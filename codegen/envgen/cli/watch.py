"""``envgen watch``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ..errors import EnvgenError
from ..interrupts import Interrupts
from .output import INTERRUPTED, err, escape, out, reporting
from .results import print_result

_POLL_INTERVAL_S = 0.3


def watch(
    *,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", min=1, help="How often servers are asked.")
    ] = 60.0,
) -> None:
    """Build again whenever a contract changes, until Ctrl-C.

    Files (contracts, state overlays, templates, pyproject.toml) are checked continuously. Servers
    and other sources that envgen sync reads are asked at an interval. Packages that are up to date
    are not printed.
    """
    from .folder import in_project

    try:
        with reporting(), in_project():
            _watch(interval)
    except KeyboardInterrupt:
        err.print("[dim]stopped[/]")
        raise typer.Exit(INTERRUPTED) from None


def _watch(interval: float) -> None:
    seen: dict[Path, tuple[int, ...]] | None = None
    printed: set[str] = set()
    asked = 0.0
    while True:
        files, has_others = _watched()
        versions = {path: _version(path) for path in files}
        is_due = has_others and time.monotonic() - asked >= interval
        if versions != seen or is_due:
            seen, asked = versions, time.monotonic() if is_due else asked
            printed = _build(printed, online=is_due)
            err.print(f"[dim]watching {len(files)} files[/]")
        with Interrupts() as interrupts:
            interrupts.sleep(_POLL_INTERVAL_S)


def _watched() -> tuple[list[Path], bool]:
    """The files that a build reads, and whether there are other sources."""
    from ..config import load_config
    from ..sources import kind_of

    files = {Path("pyproject.toml")}
    try:
        config = load_config()
    except EnvgenError:
        return list(files), False
    sources = [
        config.source_of(name) if name in config.envs else name for name in config.all_sources()
    ]
    own = [source for source in sources if kind_of(source) == "file"]
    files |= {config.schemas, *map(Path, own)}
    files |= {env.state for env in config.envs.values() if env.state is not None}
    files.update(config.templates.glob("*") if config.templates is not None else ())
    return sorted(files), len(own) < len(sources)


def _version(path: Path) -> tuple[int, ...]:
    """Changes with the file, even if another of the same age and size is moved to its place."""
    try:
        status = path.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino


def _build(printed: set[str], *, online: bool) -> set[str]:
    """Build and print what is new. Return the errors, which are not printed twice."""
    from ..project.build_all import build_all

    try:
        outcome = build_all(online=online)
        results = dict(outcome.results)
        removed = outcome.removed
    except EnvgenError as error:
        results, removed = {"": error}, []
    for source, result in results.items():
        is_new = str(result) not in printed if isinstance(result, EnvgenError) else result.changed
        if is_new:
            print_result(source, result)
    for folder in removed:
        out.print(f"[yellow]  removed[/] {escape(str(folder))}")
    return {str(result) for result in results.values() if isinstance(result, EnvgenError)}
