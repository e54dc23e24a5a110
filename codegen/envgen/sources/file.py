"""A contract file, and standard input."""

from __future__ import annotations

import sys
from pathlib import Path, PurePath
from typing import Any

from ..errors import ContractError
from .parsing import MAX_BYTES, YAML_SUFFIXES, parse

_GENERIC = frozenset({"contract", "openapi", "schema"})


def read(path: str) -> Any:
    """The document in a file: YAML where its name says so, else JSON.

    Raises:
        ContractError: it can't be read, or isn't what it should be.
    """
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise ContractError(
            f"can't be read: {getattr(error, 'strerror', error)}",
            source=path,
            hint="give the path of a contract file, a server's URL, or - for standard input",
        ) from error
    return parse(content, source=path, is_yaml=path.lower().endswith(YAML_SUFFIXES))


def read_stdin() -> Any:
    """The document on standard input: JSON, or YAML if it doesn't begin as JSON does.

    Raises:
        ContractError: it isn't either.
    """
    content = sys.stdin.buffer.read(MAX_BYTES + 1)
    begins_as_json = content.lstrip()[:1] in (b"{", b"[", b'"', b"")
    return parse(content, source="-", is_yaml=not begins_as_json)


def suggested_name(path: str) -> str | None:
    """What a path says of its environment: the file's name, or else its folder's."""
    place = PurePath(path)
    if place.stem.lower() not in _GENERIC:
        return place.stem
    return place.parent.name or None
