"""``envgen ps`` and ``envgen prune``."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import Unreachable
from ..text import for_terminal
from .output import err, escape, escape_lines, out, reporting

if TYPE_CHECKING:
    from envgen_runtime.providers.managed import ManagedServer

_OWNERS = {True: "alive", False: "gone", None: "unknown"}


def ps() -> None:
    """List the environments that envgen and generated clients have started on this machine.

    An owner that is gone was killed before it could remove its environment: run envgen prune.
    """
    with reporting(), _environments() as environments:
        if not environments:
            out.print("no environments are running")
            return
        rows = [("NAME", "KIND", "SERVES", "STATUS", "OWNER")] + [
            (one.name, one.kind, one.what, one.status, _OWNERS[one.owner_is_alive])
            for one in environments
        ]
        # Not a table of rich's: it wraps a cell, whose next line may be read as a command.
        shown = [tuple(for_terminal(cell) for cell in row) for row in rows]
        widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
        for row in shown:
            cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            out.print(escape("  ".join(cells).rstrip()))


def prune(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those whose owner is alive or unknown.")
    ] = False,
) -> None:
    """Remove environments whose owner is gone."""
    from envgen_runtime.errors import ProviderError
    from envgen_runtime.providers.managed import orphans

    failed = False
    with reporting(), _environments() as environments:
        selected = environments if everything else orphans(environments)
        for one in selected:
            try:
                one.remove()
            except ProviderError as error:
                failed = True
                err.print(f"    [bold red]error[/] {escape(one.name)}: {escape_lines(str(error))}")
            else:
                out.print(f"  removed {escape(one.name)}  [dim]{escape(one.what)}[/]")
        if not selected:
            out.print("nothing to remove")
    if failed:
        raise typer.Exit(Unreachable.exit_code)


@contextmanager
def _environments() -> Generator[list[ManagedServer]]:
    """What is running. Without a container engine only processes are listed, with a note."""
    from envgen_runtime.errors import MissingExtra, ProviderError
    from envgen_runtime.providers.docker.engine import Engine
    from envgen_runtime.providers.managed import managed_servers

    try:
        engine = Engine()
    except (MissingExtra, ProviderError) as error:
        err.print(f"[dim]containers are not listed: {escape(str(error))}[/]")
        yield managed_servers(None, _print_ignored)
        return
    with engine:
        yield managed_servers(engine, _print_ignored)


def _print_ignored(what: str) -> None:
    err.print(f"[yellow]  ignored[/] {escape(what)}")
