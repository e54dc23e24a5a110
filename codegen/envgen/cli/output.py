"""How commands print, and how errors that a user can mend end them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape as escape_markup

from ..errors import EnvgenError

if TYPE_CHECKING:
    from envgen_runtime.providers import PullProgress

EPILOG = "Exit codes: 0 done; 1 the input is at fault; 2 wrong usage; 3 a server can't be reached."

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def escape(text: str) -> str:
    """Text from anywhere, for a console: what would be markup or move the cursor is shown."""
    return escape_markup(
        "".join(
            character
            if character.isprintable() or character in "\n\t"
            else character.encode("unicode_escape", "surrogatepass").decode()
            for character in text
        )
    )


def status_line(reached: str | PullProgress, otherwise: str) -> str:
    """``pulling IMAGE: 42.0 MB of 128.0 MB`` during a pull, else the given line."""
    if isinstance(reached, str) or reached.is_done:
        return otherwise
    amount = f"{decimal(reached.done_bytes)} of {decimal(reached.total_bytes)}"
    return f"pulling {escape(reached.image)}: {amount if reached.total_bytes else 'connecting'}"


@contextmanager
def reporting() -> Generator[None]:
    """Turn what a user can mend into a message and an exit code."""
    try:
        yield
    except EnvgenError as error:
        print_error(error)
        raise typer.Exit(error.exit_code) from None


def print_error(error: EnvgenError) -> None:
    """Print what is wrong, where, and the way out."""
    err.print(f"    [bold red]error[/] {escape(str(error))}")
    if error.hint:
        err.print(f"     [bold]hint[/] {escape(error.hint)}")
