"""``envgen diff``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .completion import complete_source
from .output import BREAKING, COMPATIBLE, escape, out, reporting

if TYPE_CHECKING:
    from ..compat import Changelog

EPILOG = (
    "Exit codes: 0 no change as serious as --fail-on; 4 such a change, but nothing breaks; "
    "5 such a change, and something breaks; 1 a contract is at fault; 2 wrong usage; "
    "3 a server can't be reached."
)

ChangelogFormat = Literal["text", "json", "github", "markdown"]

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
        Literal["breaking", "warning", "info", "never"],
        typer.Option(
            help="Exit with 4, or 5 if something breaks, if a change has this level or a more "
            "serious one."
        ),
    ] = "breaking",
    report: Annotated[
        ChangelogFormat,
        typer.Option(
            "--format", help="Text, a JSON document, annotations, or text for a pull request."
        ),
    ] = "text",
) -> None:
    """Show what changed between two contracts, and what breaks.

    OLD and NEW are sources as envgen build takes them (a file, a URL), [bold]git:REVISION:PATH[/],
    the folder of a generated package, or its dotted name. A change of what clients send breaks if
    the server accepts less than before; a change of what servers send breaks if clients read less,
    or something else.

    [dim]Examples: envgen diff git:HEAD:schemas/coding_env.json schemas/coding_env.json[/]

    [dim]envgen diff generated.coding_env http://127.0.0.1:8000 --fail-on warning[/]
    """
    with reporting(report):
        from ..compat import compare
        from ..interrupts import Interrupts, in_thread
        from ..project.versions import read_version

        # Find packages in the current folder, as python -m does.
        sys.path.insert(0, str(Path.cwd()))
        with Interrupts() as interrupts:
            before = interrupts.result(in_thread(partial(read_version, old)))
            read_new = partial(read_version, new, default_name=before.name)
            after = interrupts.result(in_thread(read_new))
            changelog = compare(before, after)
    print_changelog(after.name, changelog, report, file=new)
    if fail_on != "never" and changelog.reaches(fail_on):
        raise typer.Exit(BREAKING if changelog.reaches("breaking") else COMPATIBLE)


def print_changelog(name: str, changelog: Changelog, report: ChangelogFormat, *, file: str) -> None:
    """Print a changelog."""
    from ..compat import reports

    match report:
        case "json":
            sys.stdout.write(reports.to_json(name, changelog) + "\n")
        case "markdown":
            sys.stdout.write(reports.to_markdown(name, changelog))
        case "github":
            sys.stdout.write(reports.to_github(name, changelog, file=file) + "\n")
        case "text":
            _print_text(name, changelog)


def _print_text(name: str, changelog: Changelog) -> None:
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
