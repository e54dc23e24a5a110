"""The command line. The only module that prints and exits."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from . import __version__
from .errors import EnvgenError

_EPILOG = "Exit codes: 0 done; 1 the input is at fault; 2 wrong usage; 3 a server can't be reached."

app = typer.Typer(
    name="envgen",
    help="Typed Python clients for reinforcement-learning environments, from their schemas.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        _out.print(f"envgen {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Nothing to do before a command."""


@app.command(epilog=_EPILOG)
def build(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="A contract file, - for standard input, or the URL of a live server. Default: "
            "what \\[tool.envgen] in pyproject.toml lists, else every contract in schemas/.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write packages to.", show_default="generated"),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="The environment's name, for one source.", show_default="the contract's"),
    ] = None,
) -> None:
    """Generate typed clients.

    Writes one package per contract: [bold]generated/coding_env/[/] with CodingEnv, AsyncCodingEnv
    and their models. The contract of a live server is saved in schemas/ as well. The output is the
    same bytes on every run and machine.
    """
    if name is not None and len(sources or []) != 1:
        raise typer.BadParameter("--name goes with exactly one source", param_hint="--name")
    # Imported here, so that --help doesn't wait for it.
    from .workflow import build_all

    with _reporting():
        outcome = build_all(sources, out=out, name=name)
        for source, result in outcome.items():
            if isinstance(result, EnvgenError):
                _print_error(result)
                continue
            verb = "wrote" if result.changed else "unchanged"
            _out.print(
                f"[green]{verb:>9}[/] {escape(str(result.folder))}  "
                f"[dim]{result.class_name} from {escape(source)}[/]"
            )
            for finding in result.findings:
                style = "yellow" if finding.severity == "warning" else "dim"
                hint = f" ({finding.hint})" if finding.hint else ""
                _err.print(
                    f"[{style}]{finding.severity:>9}[/] {escape(source)}#"
                    f"{escape(finding.pointer)}: {escape(finding.message)}[dim]{escape(hint)}[/]"
                )
    codes = [result.exit_code for result in outcome.values() if isinstance(result, EnvgenError)]
    if codes:
        raise typer.Exit(min(codes))


@app.command(epilog=_EPILOG)
def demo(
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Only serve the environment, until Ctrl-C."),
    ] = False,
    port: Annotated[int, typer.Option(help="Port on loopback, with --serve.")] = 8000,
) -> None:
    """Play an episode with a client generated a moment before.

    Builds the coding environment's client into a temporary folder, starts a real coding environment
    on loopback, plays an episode and prints it. Needs no Docker and no network, and leaves nothing
    behind.
    """
    from .demo import run_demo, serve_demo

    with _reporting():
        if serve:
            serve_demo(_out, port)
        else:
            run_demo(Console())


@contextmanager
def _reporting() -> Generator[None]:
    """Turn what a user can mend into a message and an exit code."""
    try:
        yield
    except EnvgenError as error:
        _print_error(error)
        raise typer.Exit(error.exit_code) from None


def _print_error(error: EnvgenError) -> None:
    _err.print(f"    [bold red]error[/] {escape(str(error))}")
    if error.hint:
        _err.print(f"     [bold]hint[/] {escape(error.hint)}")
