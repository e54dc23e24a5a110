"""Find the project's folder from a folder in it, as git and linters do."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import chdir, contextmanager
from pathlib import Path

from .output import err, escape

_Moved = Callable[[Path | None], Path | None]


@contextmanager
def in_project(sources: Sequence[str] = ()) -> Generator[_Moved]:
    """Run in the folder of the nearest settings, which their paths are relative to.

    Other sources than names are relative to the current folder, so with any of them the command
    stays there.

    Args:
        sources: the sources on the command line.

    Yields:
        A function that rewrites the path of an option for the project's folder.
    """
    from ..config import settings_folder

    here = Path.cwd()
    home = settings_folder(here)
    if home == here or not all(map(_is_name, sources)):
        yield lambda path: path
        return
    err.print(f"[dim]in {escape(str(home))}[/]")
    with chdir(home):
        yield lambda path: None if path is None else Path(os.path.relpath(here / path))


def _is_name(source: str) -> bool:
    from ..sources.address import exists

    return source.isidentifier() and not exists(source)
