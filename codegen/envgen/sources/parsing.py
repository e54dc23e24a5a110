"""Parse bytes as a JSON document, within limits. Every source is parsed here."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from ..errors import ContractError
from ..findings import Finding

MAX_BYTES = 16 * 1024 * 1024
"""The largest document that is read, in bytes. Real contracts stay under 20 kB."""

YAML_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Document:
    """A document that a source holds.

    Attributes:
        content: a contract or an OpenAPI document, as parsed JSON.
        source: the document's address, without secrets.
        name: the name that the source suggests for the environment, if it suggests one.
        is_derived: whether no contract file holds the same.
        findings: what is missing in it, and why.
    """

    content: Any
    source: str
    name: str | None = None
    is_derived: bool = True
    findings: tuple[Finding, ...] = ()


def parse(content: bytes, *, source: str, is_yaml: bool = False) -> Any:
    """Parse JSON or YAML.

    Raises:
        ContractError: it is too large, or not valid.
    """
    if not is_yaml:
        return parse_json(content, source=source)
    check_size(content, source=source)
    # Imported here, because few contracts are YAML.
    from .yaml_text import parse_yaml

    return parse_yaml(content, source=source)


def parse_json(content: bytes, *, source: str) -> Any:
    """Parse JSON as strictly as the standard: no NaN, no infinities.

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
    """Check a document's size.

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
