"""Parse bytes as a JSON document, within limits. Every source is parsed here."""

from __future__ import annotations

import html
import json
import math
import re
import textwrap
from dataclasses import dataclass
from typing import Any

from ..errors import ContractError
from ..findings import Finding
from ..schema.keywords import as_object
from ..schema.limits import parse_integer

MAX_BYTES = 16 * 1024 * 1024
"""The largest document that is read, in bytes. Real contracts stay under 20 kB."""

YAML_SUFFIXES = (".yaml", ".yml")

_SAVE = "save a contract with: curl URL/schema > FILE"
_TITLE = re.compile(rb"<title[^>]*>([^<]*)<", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Document:
    """A document that a source holds.

    Attributes:
        content: a contract or an OpenAPI document, as parsed JSON.
        source: the document's address, without secrets.
        name: the name that the source suggests for the environment, if it suggests one.
        is_derived: whether no contract file holds the same.
        spare_name: a name made of the source's address, for want of any other.
        findings: what is missing in it, and why.
    """

    content: Any
    source: str
    name: str | None = None
    is_derived: bool = True
    spare_name: str | None = None
    findings: tuple[Finding, ...] = ()


def is_openapi(document: Any) -> bool:
    """Whether a document is OpenAPI, of any version. In YAML, 3.1 without quotes is a number."""
    fields = as_object(document) or {}
    version = fields.get("openapi") or fields.get("swagger")
    return isinstance(version, str | int | float) and not isinstance(version, bool)


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
        return json.loads(
            content, parse_constant=_refuse, parse_float=_finite, parse_int=parse_integer
        )
    except RecursionError as error:
        raise ContractError("nested too deeply", source=source) from error
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError among them
        if content.lstrip()[:1] == b"<":
            raise ContractError(
                f"a web page{_title(content)}, not a contract", source=source, hint=_SAVE
            ) from error
        raise ContractError(f"not JSON: {error}", source=source, hint=_SAVE) from error


def check_size(content: bytes | bytearray, *, source: str) -> None:
    """Check a document's size.

    Raises:
        ContractError: it is too large.
    """
    if len(content) > MAX_BYTES:
        raise ContractError(f"larger than {MAX_BYTES // 2**20} MB", source=source)


def _title(page: bytes) -> str:
    found = _TITLE.search(page[:10_000])
    title = html.unescape(found[1].decode(errors="replace")) if found else ""
    return f" ({textwrap.shorten(title, 60, placeholder='...')})" if title.strip() else ""


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:20]} is too large for a number")
    return value
