"""``envgen sync``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .diff import ChangelogFormat, print_changelog
from .output import error_document, escape, out, print_error, print_hint, reporting, write_document

if TYPE_CHECKING:
    from ..project.sync import Synced

_FRESH, _COMPATIBLE_DRIFT, _BREAKING_DRIFT = 0, 4, 5

EPILOG = (
    "Exit codes: 0 fresh; 4 drifted, but nothing breaks; 5 drifted, and something breaks; "
    "1 a source is at fault; 2 wrong usage; 3 a server can't be reached."
)


def sync(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; only show what has changed.")
    ] = False,
    report: Annotated[
        ChangelogFormat,
        typer.Option(
            "--format", help="Text, a JSON document, annotations, or text for a pull request."
        ),
    ] = "text",
) -> None:
    r"""Read every source again, show what changed, and build it.

    Sources are those that \[tool.envgen] in pyproject.toml lists. The contracts of servers are
    saved in schemas/ again, and their clients generated. With [bold]--check[/] nothing is written,
    as in a nightly job. Changes have the levels that envgen diff gives them.

    [dim]Example: envgen sync --format markdown > changelog.md[/]
    """
    with reporting(report):
        from ..output.apply import Mode
        from ..project.sync import sync_all
        from .folder import in_project

        with in_project():
            synced = sync_all(Mode(write=not check))
    exit_code = _exit_code(synced)
    errors = synced.outcome.errors
    if report == "json":
        from ..compat.reports import to_document

        write_document(
            exit_code,
            environments=[to_document(*item) for item in synced.changelogs.items()],
            added=list(synced.added),
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
    if check and synced.has_drifted:
        print_hint("run envgen sync, and commit what it writes")
    raise typer.Exit(exit_code)


def _exit_code(synced: Synced) -> int:
    if synced.outcome.errors:
        return min(error.exit_code for error in synced.outcome.errors)
    if synced.is_breaking:
        return _BREAKING_DRIFT
    return _COMPATIBLE_DRIFT if synced.has_drifted else _FRESH
