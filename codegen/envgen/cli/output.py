"""Print for people and for machines, and turn errors into messages and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.markup import escape as escape_markup

from envgen_runtime.printable import LINES, MAX_TEXT

from ..errors import ContractError, EnvgenError
from ..text import MAX_SHOWN, for_terminal, json_text

if TYPE_CHECKING:
    from envgen_runtime.providers import PullProgress

EPILOG = "Exit codes: 0 done; 1 the input is at fault; 2 wrong usage; 3 a server can't be reached."
COMPATIBLE, BREAKING = 4, 5
"""The exit codes of ``sync`` and ``diff`` for contracts that differ, by whether someone breaks."""

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells report it."""

out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def escape(text: str, limit: int = MAX_SHOWN) -> str:
    """Escape untrusted text for one line of a console: nothing in it takes effect."""
    return escape_markup(for_terminal(text, limit))


def escape_lines(text: str) -> str:
    """As ``escape``, for text that may have several lines, such as the end of a log."""
    return escape_markup(for_terminal(text, MAX_TEXT, keep=LINES))


def status_line(reached: str | PullProgress, otherwise: str) -> str:
    """``pulling IMAGE: 42.0 MB of 128.0 MB`` during a pull, else the given line."""
    if isinstance(reached, str) or reached.is_done:
        return otherwise
    amount = f"{decimal(reached.done_bytes)} of {decimal(reached.total_bytes)}"
    return f"pulling {escape(reached.image)}: {amount if reached.total_bytes else 'connecting'}"


@contextmanager
def reporting(report: str = "text") -> Generator[None]:
    """Turn an EnvgenError into a message and an exit code, with "json" into a document as well."""
    try:
        yield
    except EnvgenError as error:
        if report == "json":
            write_document(error.exit_code, error=error_document(error))
        print_error(error)
        raise typer.Exit(error.exit_code) from None


def print_error(error: EnvgenError) -> None:
    """Print an error, its place and its hint."""
    shown = escape_lines(error.message) if error.keeps_lines else escape(error.message, MAX_TEXT)
    place = f"{escape(error.place)}: " if error.place and shown else escape(error.place)
    err.print(f"    [bold red]error[/] {place}{shown}")
    if error.hint:
        print_hint(error.hint)


def print_hint(hint: str) -> None:
    """Print what the user can do."""
    err.print(f"     [bold]hint[/] {escape(hint)}")


def print_note(note: str) -> None:
    """Print what the user should know, and need not act upon."""
    err.print(f"     [bold]note[/] {escape(note)}")


def write_document(exit_code: int, **fields: Any) -> None:
    """Print a JSON document for machines."""
    document = {"version": 1, "exit_code": exit_code, **fields}
    sys.stdout.write(json_text(document) + "\n")


def error_document(error: EnvgenError) -> dict[str, Any]:
    """An error for machines."""
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "place": error.place,
        "pointer": error.pointer if isinstance(error, ContractError) else "",
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def split_option(text: str, separator: str, *, option: str, form: str) -> tuple[str, str]:
    """Split the value of an option into a name and a value."""
    name, found, value = text.partition(separator)
    if not found or not name.strip():
        # The message doesn't repeat the text, which may hold a token.
        raise typer.BadParameter(f"write it as {form}", param_hint=option)
    return name.strip(), value
