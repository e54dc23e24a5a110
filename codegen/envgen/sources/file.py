"""A contract file, and the reading of JSON that every source shares."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

from ..errors import ContractError

MAX_BYTES = 16 * 1024 * 1024
"""The largest document that is read. Real contracts stay under 20 kB."""


def read(path: str) -> tuple[Any, str]:
    """The document in a file, and the name that the file suggests.

    Raises:
        ContractError: it can't be read, or isn't JSON.
    """
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ContractError(
            f"can't be read: {error.strerror}",
            source=path,
            hint="give the path of a contract file, a server's URL, or - for standard input",
        ) from error
    return parse_json(content, source=path), Path(path).stem


def read_stdin() -> Any:
    """The document on standard input. Raises as ``read``."""
    return parse_json(sys.stdin.buffer.read(MAX_BYTES + 1), source="-")


def parse_json(content: bytes, *, source: str) -> Any:
    """A JSON document, as strict as the standard: no NaN, no infinities.

    Raises:
        ContractError: it is too large, or not JSON.
    """
    if len(content) > MAX_BYTES:
        raise ContractError(f"larger than {MAX_BYTES // 2**20} MB", source=source)
    try:
        return json.loads(content, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ContractError("nested too deeply", source=source) from error
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError among them
        raise ContractError(
            f"not JSON: {error}", source=source, hint="save it with: curl URL/schema > FILE"
        ) from error


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is too large for a number")
    return value
