"""Bytes -> a JSON document, within limits. Every source is read through here."""

from __future__ import annotations

import json
import math
from typing import Any

from ..errors import ContractError

MAX_BYTES = 16 * 1024 * 1024
"""The largest document that is read. Real contracts stay under 20 kB."""

YAML_SUFFIXES = (".yaml", ".yml")


def parse(content: bytes, *, source: str, is_yaml: bool = False) -> Any:
    """The document in ``content``.

    Raises:
        ContractError: it is too large, or not what it should be.
    """
    if not is_yaml:
        return parse_json(content, source=source)
    check_size(content, source=source)
    # Imported here, because few contracts are YAML.
    from .yaml_text import parse_yaml

    return parse_yaml(content, source=source)


def parse_json(content: bytes, *, source: str) -> Any:
    """A JSON document, as strict as the standard: no NaN, no infinities.

    Raises:
        ContractError: it is too large, or not JSON.
    """
    check_size(content, source=source)
    try:
        return json.loads(content, parse_constant=_refuse, parse_float=_finite)
    except RecursionError as error:
        raise ContractError("nested too deeply", source=source) from error
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError among them
        raise ContractError(
            f"not JSON: {error}", source=source, hint="save it with: curl URL/schema > FILE"
        ) from error


def check_size(content: bytes | bytearray, *, source: str) -> None:
    """Hold a document against the limit.

    Raises:
        ContractError: it is too large.
    """
    if len(content) > MAX_BYTES:
        raise ContractError(f"larger than {MAX_BYTES // 2**20} MB", source=source)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is too large for a number")
    return value
