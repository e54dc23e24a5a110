"""``envgen sync``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .completion import complete_source
from .diff import ChangelogFormat, print_changelog
from .output import (
    BREAKING,
    COMPATIBLE,
    err,
    error_document,
    escape,
    out,
    print_error,
    print_hint,
    reporting,
    write_document,
)
from .results import print_unused

if TYPE_CHECKING:
    from ..project.sync import Synced

EPILOG = (
    "Exit codes: 0 fresh; 4 drifted, but nothing breaks; 5 drifted, and something breaks; "
    "1 a source is at fault; 2 wrong usage; 3 a server can't be reached."
)


def sync(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            autocompletion=complete_source,
            help="Environments or sources that \\[tool.envgen] in pyproject.toml lists. Default: "
            "all of them.",
            show_default=False,
        ),
    ] = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; only show what has changed.")
    ] = False,
    remove_stale: Annotated[
        bool,
        typer.Option("--remove-stale", help="Remove packages that no source generates."),
    ] = False,
    report: Annotated[
        ChangelogFormat,
        typer.Option(
            "--format", help="Text, a JSON document, annotations, or text for a pull request."
        ),
    ] = "text",
) -> None:
    r"""Read every source again, show what changed, and build it.

    Sources are those that \[tool.envgen] in pyproject.toml lists. Servers are asked, images and
    folders started, Python classes imported. Contracts are saved with their clients and in
    schemas/, where envgen build finds them without a network. With [bold]--check[/] nothing is
    written, as in a nightly job. Changes have the levels that envgen diff gives them.

    [dim]Example: envgen sync --format markdown > changelog.md[/]
    """
    with reporting(report):
        from ..output.apply import Mode
        from ..project.sync import sync_all
        from .folder import in_project

        with in_project(sources or ()):
            synced = sync_all(sources, mode=Mode(write=not check), remove_stale=remove_stale)
    exit_code = _exit_code(synced)
    errors = synced.outcome.errors
    if report == "json":
        from ..compat.reports import to_document

        write_document(
            exit_code,
            environments=[to_document(*item) for item in synced.changelogs.items()],
            added=list(synced.added),
            wrote=[path.as_posix() for path in synced.wrote],
            removed=[] if check else [path.as_posix() for path in synced.outcome.removed],
            errors=[error_document(error) for error in errors],
        )
        raise typer.Exit(exit_code)
    for error in errors:
        print_error(error)
    for name, changelog in synced.changelogs.items():
        print_changelog(name, changelog, report, file=f"schemas/{name}.json")
    if report == "text":
        for name in synced.added:
            out.print(f"{escape(name)}: [bold]new[/]")
    _print_files(synced, check=check, is_text=report == "text")
    if check and synced.has_drifted:
        print_hint("run envgen sync, and commit what it writes")
    raise typer.Exit(exit_code)


def _print_files(synced: Synced, *, check: bool, is_text: bool) -> None:
    """Print what was written and removed: beside a report for others, on standard error."""
    console = out if is_text else err
    for path in synced.wrote:
        console.print(f"    [green]wrote[/] {escape(str(path))}")
    for folder in synced.outcome.removed:
        print_unused(folder, "extra" if check else "removed", console)
    for folder in synced.outcome.kept:
        print_unused(folder, "kept", console)


def _exit_code(synced: Synced) -> int:
    if synced.outcome.errors:
        return min(error.exit_code for error in synced.outcome.errors)
    if synced.is_breaking:
        return BREAKING
    return COMPATIBLE if synced.has_drifted else 0
