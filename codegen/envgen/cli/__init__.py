"""The command line: a module per command. Only this package prints and exits."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Annotated

import typer

from .. import __version__
from .build import build
from .demo import demo
from .diff import EPILOG as DIFF_EPILOG
from .diff import diff
from .init import init
from .managed import prune, ps
from .output import EPILOG, out
from .run import run
from .sync import EPILOG as SYNC_EPILOG
from .sync import sync
from .watch import watch

app = typer.Typer(
    name="envgen",
    help="Typed Python clients for reinforcement-learning environments, from their schemas.",
    epilog=EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _help(command: Callable[..., None]) -> str:
    """A command's docstring with each paragraph on one line, which typer wraps to the terminal."""
    return re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(command) or "")


for _command in (build, watch, init, demo, run, ps, prune):
    app.command(help=_help(_command), epilog=EPILOG)(_command)
app.command(help=_help(diff), epilog=DIFF_EPILOG)(diff)
app.command(help=_help(sync), epilog=SYNC_EPILOG)(sync)


def _print_version(is_requested: bool) -> None:
    if is_requested:
        out.print(f"envgen {__version__}")
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
    """Only holds the options of envgen itself."""
