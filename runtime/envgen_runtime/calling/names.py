"""Names that every consumer of tool specifications takes."""

from __future__ import annotations

import re
from collections.abc import Collection
from hashlib import sha256

TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""OpenAI's and Anthropic's rule; MCP's is wider."""

PARAMETER_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
"""Anthropic's rule for the properties of an ``input_schema``. Others have none."""

_MAX_LENGTH = 64
_DIGITS = 8


def shown_names(names: Collection[str], rule: re.Pattern[str]) -> dict[str, str]:
    """Return for each of an environment's names, which differ, one that follows ``rule``.

    A name that follows the rule stays. In others, characters that the rule refuses become
    underscores; what is too long, or would then be another's name, ends in a digest of the name. So
    a name depends neither on the order of the names nor, unless two fall together, on the others.
    """
    shown = {name: name for name in names if rule.fullmatch(name)}
    plain = {name: _plain(name, rule) for name in names if name not in shown}
    taken = [*shown, *plain.values()]
    for name, short in plain.items():
        is_clear = bool(short) and len(short) <= _MAX_LENGTH and taken.count(short) == 1
        shown[name] = short if is_clear else _with_digest(name, short)
    return {name: shown[name] for name in names}


def _plain(name: str, rule: re.Pattern[str]) -> str:
    return "".join(sign if rule.fullmatch(sign) else "_" for sign in name)


def _with_digest(name: str, short: str) -> str:
    digest = sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    return f"{short[: _MAX_LENGTH - _DIGITS - 1]}_{digest}"
