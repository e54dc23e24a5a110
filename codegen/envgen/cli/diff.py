"""``envgen diff``."""

from __future__ import annotations

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_source
from .output import escape, out, reporting

if TYPE_CHECKING:
    from ..compat import Changelog


class FailOn(StrEnum):
    """From which level on a difference is a failure."""

    BREAKING = "breaking"
    WARNING = "warning"
    INFO = "info"
    NEVER = "never"


class Format(StrEnum):
    """How a changelog is printed."""

    TEXT = "text"
    JSON = "json"
    GITHUB = "github"
    MARKDOWN = "markdown"


_STYLES = {"breaking": "bold red", "warning": "yellow", "info": "dim"}


def diff(
    old: Annotated[
        str,
        typer.Argument(metavar="OLD", help="The contract before.", autocompletion=complete_source),
    ],
    new: Annotated[
        str,
        typer.Argument(metavar="NEW", help="The contract after.", autocompletion=complete_source),
    ],
    *,
    fail_on: Annotated[
        FailOn, typer.Option(help="Exit with 1 where a change is this serious, or more.")
    ] = FailOn.BREAKING,
    report: Annotated[
        Format,
        typer.Option("--format", help="For people, machines, annotations or a pull request."),
    ] = Format.TEXT,
) -> None:
    """Say what changed between two contracts, and for whom it breaks.

    OLD and NEW are sources as envgen build takes them (a file, a URL), [bold]git:REVISION:PATH[/],
    a generated package's folder, or its dotted name. What clients send breaks where less is taken
    than before; what servers send, where readers find less, or something else.

    [dim]Examples: envgen diff git:HEAD:schemas/coding_env.json schemas/coding_env.json[/]

    [dim]envgen diff generated.coding_env http://127.0.0.1:8000 --fail-on warning[/]
    """
    with reporting():
        from ..compat import LEVELS, compare
        from ..interrupts import Interrupts
        from ..project.versions import read_version

        # A package of the current folder counts, as it does for python -m.
        sys.path.insert(0, str(Path.cwd()))
        with Interrupts() as interrupts:
            before = interrupts.run(read_version, old)
            after = interrupts.run(partial(read_version, default_name=before.name), new)
            changelog = compare(before, after)
    show(after.name, changelog, report, file=new)
    if any(changelog.reaches(level) for level in LEVELS if level == fail_on.value):
        raise typer.Exit(1)


def show(name: str, changelog: Changelog, report: Format, *, file: str) -> None:
    """Print a changelog."""
    from ..compat import reports

    match report:
        case Format.JSON:
            sys.stdout.write(reports.to_json(name, changelog) + "\n")
        case Format.MARKDOWN:
            sys.stdout.write(reports.to_markdown(name, changelog))
        case Format.GITHUB:
            sys.stdout.write(reports.to_github(name, changelog, file=file) + "\n")
        case Format.TEXT:
            _show_text(name, changelog)


def _show_text(name: str, changelog: Changelog) -> None:
    if not changelog.changes:
        out.print(f"{escape(name)}: no change")
        return
    out.print(f"{escape(name)}: [bold]{changelog.bump}[/] change")
    for item in changelog.changes:
        hint = f" [dim]({escape(item.hint)})[/]" if item.hint else ""
        out.print(
            f"[{_STYLES[item.level]}]{item.level:>9}[/] {escape(item.pointer or '/')}: "
            f"{escape(item.message)}{hint} [dim]{item.rule}[/]"
        )
