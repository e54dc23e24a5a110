"""``envgen demo``."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from .output import out, reporting


def demo(
    serve: Annotated[
        bool, typer.Option("--serve", help="Only serve the environment, until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option(help="Port on loopback, with --serve.")] = 8000,
) -> None:
    """Build a client and play an episode with it.

    Builds a client for the coding environment in a temporary folder, starts the environment on
    loopback, plays an episode and prints it. Needs neither Docker nor a network, and leaves nothing
    behind.
    """
    # Imported here, so that --help doesn't wait for it.
    from ..demo import run_demo, serve_demo

    with reporting():
        if serve:
            serve_demo(out, port)
        else:
            run_demo(Console())
