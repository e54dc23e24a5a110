"""``envgen build``."""

from __future__ import annotations

from collections.abc import Collection, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .completion import complete_source
from .output import err, escape, print_hint, print_note, reporting, split_option, status_line
from .results import ResultFormat, print_outcome

if TYPE_CHECKING:
    from envgen_runtime.providers import PullProgress

    from ..config import SourceSettings
    from ..options import Adapter
    from ..project.reading import Progress, Stage

_reading = partial(typer.Option, rich_help_panel="How a source is read", show_default=False)
_writing = partial(typer.Option, rich_help_panel="How packages are written", show_default=False)


def build(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            autocompletion=complete_source,
            help="A contract, OpenAPI document or saved tools/list (a file, a URL, or - for "
            "standard input), the URL of a live server, an environment configured in "
            "pyproject.toml, or one to start: "
            "docker://IMAGE, a project's folder, git+URL, hf://OWNER/NAME; or an MCP server: "
            "mcp+http://HOST/mcp, mcp+https://..., 'mcp+stdio:COMMAND'. Default: what "
            "\\[tool.envgen] in pyproject.toml lists, else every contract in schemas/.",
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
            metavar="MODULE:CLASSES",
            help="Classes of an environment: package.module:CodingEnvironment, or "
            "package.module:CodeAction,CodeObservation,CodeState. They are imported in a child "
            "process; the current folder is searched first.",
            show_default=False,
        ),
    ] = None,
    from_mcp_config: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[#NAME]",
            help="Settings of MCP servers, as Claude, Cursor and VS Code keep them: each server in "
            "them, or one. Commands are started; ${NAME} needs ENVGEN_ALLOW_VARS=NAME.",
            show_default=False,
        ),
    ] = None,
    headers: Annotated[
        list[str] | None,
        _reading(
            "--header",
            metavar="'NAME: VALUE'",
            help="Sent to the server; ${NAME} in the value is an environment variable. Repeatable.",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        _reading(help="A file with the JSON Schema of the state, if the server publishes none."),
    ] = None,
    reset_path: Annotated[str | None, _reading(help="OpenAPI: the route that resets.")] = None,
    step_path: Annotated[str | None, _reading(help="OpenAPI: the route that steps.")] = None,
    state_path: Annotated[str | None, _reading(help="OpenAPI: the route of the state.")] = None,
    session_path: Annotated[
        str | None,
        _reading(help="OpenAPI: the route that makes a session, if it isn't the one that resets."),
    ] = None,
    bundle: Annotated[
        bool | None,
        _reading("--bundle", help="Follow references to files in the contract's own folder."),
    ] = None,
    allow_redirects: Annotated[
        bool | None,
        _reading(
            "--allow-redirects",
            help="Follow redirects to another host. Headers are not sent there.",
        ),
    ] = None,
    python: Annotated[
        str | None,
        _reading(
            metavar="PATH",
            help="--from-python: the interpreter or virtual environment that has the classes.",
            show_default="the active one",
        ),
    ] = None,
    timeout_s: Annotated[
        float | None,
        _reading(
            "--timeout",
            metavar="SECONDS",
            help="Time limit for everything that a server is asked; for mcp+stdio also for its "
            "start, 120 by default.",
            show_default="10",
        ),
    ] = None,
    adapters: Annotated[
        list[str] | None,
        _writing(
            "--adapter",
            metavar="TRAINER",
            help="Also write a module for a trainer: trl.py, with the class that TRL trains with; "
            "gymnasium.py, with a gymnasium.Env. Later builds keep it. Repeatable.",
        ),
    ] = None,
    templates: Annotated[
        Path | None,
        _writing(
            metavar="DIR", help="Templates that replace blocks of envgen's own (docs/templates.md)."
        ),
    ] = None,
    strict: Annotated[
        bool,
        _writing("--strict", help="Refuse a contract that can't be typed exactly as it says."),
    ] = False,
    check: Annotated[
        bool,
        _writing(
            "--check",
            help="Write nothing; show files that are stale, missing, extra or edited, and exit "
            "with 1 if there are any.",
        ),
    ] = False,
    diff: Annotated[
        bool, _writing("--diff", help="Write nothing; show what would change.")
    ] = False,
    force: Annotated[
        bool, _writing("--force", help="Overwrite generated files that were edited by hand.")
    ] = False,
    remove_stale: Annotated[
        bool,
        _writing("--remove-stale", help="Remove packages that no source of the project generates."),
    ] = False,
    report: Annotated[
        ResultFormat, typer.Option("--format", help="Text for people, or a JSON document.")
    ] = "text",
) -> None:
    """Generate typed clients.

    Writes one package per contract: [bold]generated/coding_env/[/] with CodingEnv, AsyncCodingEnv
    and their models. A contract from a server, OpenAPI or Python is also saved in schemas/. The
    output is the same bytes on every run and machine.

    A build without a SOURCE is offline: files are read, and for any other source the contract that
    [bold]envgen sync[/] saved. A source on the command line is read, asked or started.

    envgen.lock, beside the packages, records what each was generated from. A build that is up to
    date writes nothing. Files edited by hand are only overwritten with --force, and packages that
    no source generates are only removed with --remove-stale.

    [dim]Examples: envgen build schemas/coding_env.json[/]

    [dim]envgen build https://me-maze.hf.space --header 'Authorization: Bearer ${HF_TOKEN}'[/]

    [dim]envgen build --check --strict --format json[/]
    """
    all_sources = [
        *(sources or ()),
        *(f"python:{spec}" for spec in from_python or ()),
        *(source for file in from_mcp_config or () for source in _mcp_sources(file, report)),
    ]
    for option, value in (("--name", name), ("--state", state)):
        if value is not None and len(all_sources) != 1:
            raise typer.BadParameter(f"{option} needs exactly one source", param_hint=option)
    if python is not None and not from_python:
        raise typer.BadParameter("goes with --from-python", param_hint="--python")
    if remove_stale and (all_sources or out_folder is not None):
        raise typer.BadParameter(
            "only a build of all sources knows what is stale", param_hint="--remove-stale"
        )
    split_header = partial(split_option, separator=":", option="--header", form="'Name: value'")
    # Imported here, so that --help doesn't wait for it.
    from ..output.apply import Mode
    from ..project.build_all import build_all
    from .folder import in_project

    compares = check or diff
    with (
        reporting(report),
        in_project(all_sources) as moved,
        _progress(len(all_sources)) as progress,
    ):
        outcome = build_all(
            all_sources,
            out=moved(out_folder),
            name=name,
            settings=_settings(
                headers=None if headers is None else dict(map(split_header, headers)),
                state=moved(state),
                reset_path=reset_path,
                step_path=step_path,
                state_path=state_path,
                session_path=session_path,
                bundle=bundle,
                allow_redirects=allow_redirects,
                python=python,
                timeout_s=timeout_s,
            ),
            templates=moved(templates),
            adapters=_adapters(adapters or ()),
            mode=Mode(write=not compares, force=force, strict=strict),
            remove_stale=remove_stale,
            progress=progress,
        )
    is_stale = check and bool(outcome.all_differences or outcome.removed)
    codes = [error.exit_code for error in outcome.errors] + [1] * is_stale
    exit_code = min(codes, default=0)
    print_outcome(outcome, report, compared=compares, exit_code=exit_code)
    if is_stale:
        print_hint("run envgen build, and commit what it writes")
    raise typer.Exit(exit_code)


def _adapters(names: Collection[str]) -> list[Adapter]:
    """The adapters of these names."""
    from ..config import adapters_named

    try:
        return adapters_named(names)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--adapter") from None


def _mcp_sources(file: str, report: ResultFormat) -> list[str]:
    """The sources in a file of settings, which may name one of its servers."""
    from ..config import MCP_SETTINGS
    from ..sources.address import exists
    from ..sources.mcp import settings_sources

    if not exists(file) and "#" in file:
        return [f"{MCP_SETTINGS}{file}"]
    with reporting(report):
        sources, disabled = settings_sources(file)
    for name in disabled:
        print_note(f"{name} is disabled in {file}, and left out")
    return sources


def _settings(**options: Any) -> SourceSettings:
    """The options that were passed, as settings."""
    from pydantic import ValidationError

    from ..config import SourceSettings

    try:
        return SourceSettings(**{key: value for key, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        option = str(first["loc"][0]).removesuffix("_s").replace("_", "-")
        raise typer.BadParameter(first["msg"], param_hint=f"--{option}") from None


@contextmanager
def _progress(sources: int) -> Generator[Progress]:
    """Show progress on a terminal: bars for several sources, else a spinner."""
    if not err.is_terminal:
        yield lambda _source, _reached: None
        return
    if sources == 1:
        with err.status("building") as status:
            yield lambda _source, reached: status.update(status_line(reached, "building"))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=err, transient=True) as bars:
        reading = bars.add_task("reading", total=sources or None)
        building = bars.add_task("building", total=sources or None)
        pulls: dict[str, TaskID] = {}

        def advance(source: str, reached: Stage | PullProgress) -> None:
            if not isinstance(reached, str):
                if source not in pulls:
                    pulls[source] = bars.add_task(f"pulling {escape(reached.image)} (MB)")
                done, total = reached.done_bytes // 10**6, reached.total_bytes // 10**6
                bars.update(pulls[source], completed=done, total=total or None)
            elif reached == "read":
                bars.advance(reading)
                if source in pulls:
                    bars.remove_task(pulls.pop(source))
            else:
                bars.advance(building)

        yield advance
