"""A contract file, and standard input."""

from __future__ import annotations

import sys
from pathlib import Path, PurePath

from ..errors import ContractError
from .address import STDIN
from .parsing import MAX_BYTES, YAML_SUFFIXES, Document, parse
from .slips import hint_for_missing

_GENERIC = frozenset({"contract", "openapi", "schema"})


def read(path: str) -> Document:
    """Read a file: YAML if its suffix says so, else JSON.

    Raises:
        ContractError: it can't be read, or is not valid.
    """
    parsed = parse(content_of(path), source=path, is_yaml=path.lower().endswith(YAML_SUFFIXES))
    return Document(parsed, path, suggested_name(path), is_derived=False)


def content_of(path: str) -> bytes:
    """The content of a file, or so much of it that it is too large.

    Raises:
        ContractError: it can't be read.
    """
    if not path.strip():
        raise ContractError("the source is empty", hint="is a variable unset that names it?")
    try:
        with Path(path).open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL in it
        raise ContractError(
            f"can't be read: {getattr(error, 'strerror', error)}",
            source=path,
            hint=hint_for_missing(path),
        ) from error


def read_stdin() -> Document:
    """Read standard input: JSON, or YAML if it doesn't begin as JSON does.

    Raises:
        ContractError: it is neither.
    """
    content = sys.stdin.buffer.read(MAX_BYTES + 1)
    begins_as_json = content.lstrip()[:1] in (b"{", b"[", b'"', b"")
    parsed = parse(content, source=STDIN, is_yaml=not begins_as_json)
    return Document(parsed, STDIN, is_derived=False)


def suggested_name(path: str) -> str | None:
    """The name that a path suggests: the file's, or its folder's where the file's is generic."""
    place = PurePath(path)
    if place.stem.lower() not in _GENERIC:
        return place.stem
    return place.parent.name or None
