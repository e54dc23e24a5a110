"""``envgen sync``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import EnvgenError
from .diff import Format, show
from .output import err, escape, out, print_error
from .results import error_document, reporting_as, write_document

if TYPE_CHECKING:
    from ..project.sync import Synced

FRESH, COMPATIBLE_DRIFT, BREAKING_DRIFT = 0, 4, 5

EPILOG = (
    "Exit codes: 0 fresh; 4 drifted, but nothing breaks; 5 drifted, and something breaks; "
    "1 a source is at fault; 2 wrong usage; 3 a server can't be reached."
)


def sync(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; only say what has changed.")
    ] = False,
    report: Annotated[
        Format,
        typer.Option("--format", help="For people, machines, annotations or a pull request."),
    ] = Format.TEXT,
) -> None:
    r"""Read every source again, say what changed, and build it.

    Sources are what \[tool.envgen] in pyproject.toml lists. Contracts of servers are saved in
    schemas/ again, and their clients generated. With [bold]--check[/] nothing is written: that is a
    job that runs every night. What changed is judged as envgen diff does.

    [dim]Example: envgen sync --format markdown > changelog.md[/]
    """
    with reporting_as(report):
        from ..output.apply import Mode
        from ..project.sync import sync_all

        synced = sync_all(Mode(write=not check))
    code = _code(synced)
    if report is Format.JSON:
        write_document(_document(synced, code))
        raise typer.Exit(code)
    for error in synced.outcome.errors:
        print_error(error)
    for name, changelog in synced.changelogs.items():
        show(name, changelog, report, file=f"schemas/{name}.json")
    if report is Format.TEXT:
        for name in synced.added:
            out.print(f"{escape(name)}: [bold]new[/]")
    if check and synced.has_drifted:
        err.print("     [bold]hint[/] run envgen sync, and commit what it writes")
    raise typer.Exit(code)


def _document(synced: Synced, code: int) -> dict[str, Any]:
    from ..compat.reports import to_document

    return {
        "version": 1,
        "exit_code": code,
        "environments": [to_document(*item) for item in synced.changelogs.items()],
        "added": list(synced.added),
        "errors": [error_document(error) for error in synced.outcome.errors],
    }


def _code(synced: Synced) -> int:
    errors: list[EnvgenError] = synced.outcome.errors
    if errors:
        return min(error.exit_code for error in errors)
    if synced.is_breaking:
        return BREAKING_DRIFT
    return COMPATIBLE_DRIFT if synced.has_drifted else FRESH
