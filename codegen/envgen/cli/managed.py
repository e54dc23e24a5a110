"""``envgen ps`` and ``envgen prune``."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from ..errors import Unreachable
from .output import err, escape, out, reporting

if TYPE_CHECKING:
    from envgen_runtime.providers.managed import ManagedServer

_OWNERS = {True: "lives", False: "gone", None: "unknown"}


def ps() -> None:
    """List the environments that envgen and generated clients have started on this machine.

    An owner that is gone was killed before it could remove what it had started: envgen prune does.
    """
    with reporting(), _found() as found:
        if not found:
            out.print("nothing is running")
            return
        table = Table("NAME", "KIND", "SERVES", "STATUS", "OWNER", box=None, pad_edge=False)
        for one in found:
            owner = _OWNERS[one.owner_is_alive]
            table.add_row(*map(escape, (one.name, one.kind, one.what, one.status, owner)))
        out.print(table)


def prune(
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those whose owner lives, or is unknown.")
    ] = False,
) -> None:
    """Remove environments whose owner is gone."""
    from envgen_runtime.errors import ProviderError
    from envgen_runtime.providers.managed import orphans

    failed = 0
    with reporting(), _found() as found:
        removed = found if everything else orphans(found)
        for one in removed:
            try:
                one.remove()
            except ProviderError as error:
                failed += 1
                err.print(f"    [bold red]error[/] {escape(one.name)}: {escape(str(error))}")
            else:
                out.print(f"  removed {escape(one.name)}  [dim]{escape(one.what)}[/]")
        if not removed:
            out.print("nothing to remove")
    if failed:
        raise typer.Exit(Unreachable.exit_code)


@contextmanager
def _found() -> Generator[list[ManagedServer]]:
    """What was started. Without an engine that is processes alone, and that is said."""
    from envgen_runtime.errors import MissingExtra, ProviderError
    from envgen_runtime.providers.docker.engine import Engine
    from envgen_runtime.providers.managed import managed_servers

    try:
        engine = Engine()
    except (MissingExtra, ProviderError) as error:
        err.print(f"[dim]containers are not looked at: {escape(str(error))}[/]")
        yield managed_servers(None)
        return
    with engine:
        yield managed_servers(engine)
