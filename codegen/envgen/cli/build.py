"""``envgen build``."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .completion import complete_source
from .output import err, escape, status_line
from .results import Format, print_outcome, reporting_as

if TYPE_CHECKING:
    from envgen_runtime.providers import PullProgress

    from ..config import SourceSettings
    from ..project.reading import Progress, Stage

_READING = "How a source is read"
_WRITING = "How packages are written"


def build(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            autocompletion=complete_source,
            help="A contract or OpenAPI document (a file, a URL, or - for standard input), the URL "
            "of a live server, an environment that pyproject.toml configures, or one to start: "
            "docker://IMAGE, a project's folder, git+URL, hf://OWNER/NAME. Default: what "
            "\\[tool.envgen] there lists, else every contract in schemas/.",
            show_default=False,
        ),
    ] = None,
    *,
    out_folder: Annotated[
        Path | None,
        typer.Option("--out", help="Folder to write packages to.", show_default="generated"),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="The environment's name, for one source.", show_default="the contract's"),
    ] = None,
    from_python: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODULE:ACTION,OBSERVATION,STATE",
            help="Pydantic classes of an environment: package.module:CodeAction,CodeObservation,"
            "CodeState. They are imported by another Python, from the current folder first.",
            show_default=False,
        ),
    ] = None,
    headers: Annotated[
        list[str] | None,
        typer.Option(
            "--header",
            metavar="'NAME: VALUE'",
            help="Sent to the server; ${NAME} in the value is an environment variable. Repeatable.",
            rich_help_panel=_READING,
            show_default=False,
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            help="A file with the JSON Schema of the state, where the server doesn't publish it.",
            rich_help_panel=_READING,
            show_default=False,
        ),
    ] = None,
    reset_path: Annotated[
        str | None,
        typer.Option(help="OpenAPI: the route that resets.", rich_help_panel=_READING),
    ] = None,
    step_path: Annotated[
        str | None,
        typer.Option(help="OpenAPI: the route that steps.", rich_help_panel=_READING),
    ] = None,
    state_path: Annotated[
        str | None,
        typer.Option(help="OpenAPI: the route of the state.", rich_help_panel=_READING),
    ] = None,
    bundle: Annotated[
        bool | None,
        typer.Option(
            "--bundle",
            help="Follow references to files in the contract's own folder.",
            rich_help_panel=_READING,
            show_default=False,
        ),
    ] = None,
    allow_redirects: Annotated[
        bool | None,
        typer.Option(
            "--allow-redirects",
            help="Let a server redirect to another host. Headers are not sent there.",
            rich_help_panel=_READING,
            show_default=False,
        ),
    ] = None,
    templates: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Templates whose blocks replace those of envgen's own (docs/templates.md).",
            rich_help_panel=_WRITING,
            show_default=False,
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Take no warnings: refuse a contract that can't be typed as it says.",
            rich_help_panel=_WRITING,
        ),
    ] = False,
    report: Annotated[
        Format, typer.Option("--format", help="For people, or for machines: a JSON document.")
    ] = Format.TEXT,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing; show what is stale, missing, extra or edited, and exit with 1 if "
            "anything is.",
            rich_help_panel=_WRITING,
        ),
    ] = False,
    diff: Annotated[
        bool,
        typer.Option(
            "--diff", help="Write nothing; show what would change.", rich_help_panel=_WRITING
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Overwrite generated files that were edited by hand.",
            rich_help_panel=_WRITING,
        ),
    ] = False,
    timeout_s: Annotated[
        float | None,
        typer.Option(
            "--timeout",
            metavar="SECONDS",
            help="How long a server may take in all.",
            rich_help_panel=_READING,
            show_default="10",
        ),
    ] = None,
) -> None:
    """Generate typed clients.

    Writes one package per contract: [bold]generated/coding_env/[/] with CodingEnv, AsyncCodingEnv
    and their models. A contract that came from a server, from OpenAPI or from Python is saved in
    schemas/ as well. The output is the same bytes on every run and machine.

    envgen.lock, beside the packages, says what was generated from what. A build that is up to date
    writes nothing; a file that was edited by hand is never overwritten without --force; a package
    that nothing generates any more is removed, where all sources are built.

    [dim]Examples: envgen build schemas/coding_env.json[/]

    [dim]envgen build https://me-maze.hf.space --header 'Authorization: Bearer ${HF_TOKEN}'[/]

    [dim]envgen build --check --strict --format json[/]
    """
    wanted = [*(sources or ()), *(f"python:{spec}" for spec in from_python or ())]
    if name is not None and len(wanted) != 1:
        raise typer.BadParameter("--name goes with exactly one source", param_hint="--name")
    if state is not None and len(wanted) != 1:
        raise typer.BadParameter("--state goes with exactly one source", param_hint="--state")
    settings = _settings(
        headers=None if headers is None else dict(map(_header, headers)),
        state=state,
        reset_path=reset_path,
        step_path=step_path,
        state_path=state_path,
        bundle=bundle,
        allow_redirects=allow_redirects,
        timeout_s=timeout_s,
    )
    # Imported here, so that --help doesn't wait for it.
    from ..output.apply import Mode
    from ..project.build_all import build_all

    compares = check or diff
    with reporting_as(report), _progress(len(wanted)) as progress:
        outcome = build_all(
            wanted,
            out=out_folder,
            name=name,
            settings=settings,
            templates=templates,
            mode=Mode(write=not compares, force=force, strict=strict),
            progress=progress,
        )
    is_stale = check and bool(outcome.all_differences or outcome.removed)
    codes = [error.exit_code for error in outcome.errors] + [1] * is_stale
    code = min(codes, default=0)
    print_outcome(outcome, report, compared=compares, exit_code=code)
    if is_stale:
        err.print("     [bold]hint[/] run envgen build, and commit what it writes")
    raise typer.Exit(code)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        # Not shown: what stands there may be a token.
        raise typer.BadParameter("write it as 'Name: value'", param_hint="--header")
    return name.strip(), value.strip()


def _settings(**given: Any) -> SourceSettings:
    from pydantic import ValidationError

    from ..config import SourceSettings

    try:
        return SourceSettings(**{key: value for key, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        option = str(first["loc"][0]).removesuffix("_s").replace("_", "-")
        raise typer.BadParameter(first["msg"], param_hint=f"--{option}") from None


@contextmanager
def _progress(sources: int) -> Generator[Progress]:
    """Show the progress of a build, if standard error is a terminal."""
    if not err.is_terminal:
        yield lambda _source, _reached: None
        return
    if sources == 1:
        with err.status("building") as status:
            yield lambda _source, reached: status.update(status_line(reached, "building"))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        reading = progress.add_task("reading", total=sources or None)
        building = progress.add_task("building", total=sources or None)
        pulls: dict[str, TaskID] = {}

        def watch(source: str, reached: Stage | PullProgress) -> None:
            if not isinstance(reached, str):
                if source not in pulls:
                    pulls[source] = progress.add_task(f"pulling {escape(reached.image)} (MB)")
                done, total = reached.done_bytes // 10**6, reached.total_bytes // 10**6
                progress.update(pulls[source], completed=done, total=total or None)
            elif reached == "read":
                progress.advance(reading)
                if source in pulls:
                    progress.remove_task(pulls.pop(source))
            else:
                progress.advance(building)

        yield watch
