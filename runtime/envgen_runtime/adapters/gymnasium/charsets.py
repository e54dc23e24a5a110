r"""Sets of characters, written as a class of a regular expression: ``[a-z0-9 \n]``."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import NamedTuple

MAX_CHARACTERS = 70_000
"""A space keeps its characters one by one. All of the Basic Multilingual Plane are 65,536."""

_CLASS = r"\[(?P<members>[^\[\]\\^](?:[^\[\]\\]|\\.)*|\\.(?:[^\[\]\\]|\\.)*)\]"
_PATTERN = re.compile(
    rf"\^(?:{_CLASS}|(?P<escape>\\[dw]))(?P<count>[*+?]|\{{\d+(?:,\d*)?\}})?\$", re.DOTALL
)
_WHOLE_CLASS = re.compile(_CLASS, re.DOTALL)
_MEMBER = re.compile(r"\\x[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|\\.|.", re.DOTALL)
_SETS = {r"\d": string.digits, r"\w": string.ascii_letters + string.digits + "_"}
_CONTROLS = {r"\n": "\n", r"\t": "\t", r"\r": "\r", r"\f": "\f", r"\v": "\v"}


class SimplePattern(NamedTuple):
    """A pattern that says no more than which characters a string has, and how many."""

    charset: str
    min_length: int
    max_length: int | None


def simple_pattern(pattern: str) -> SimplePattern | None:
    r"""What a pattern such as ``^[a-h1-8]{2,4}$`` says; None if it says more, or isn't read here.

    ``\d`` and ``\w`` are those of ECMA 262, which JSON Schema refers to: ASCII.
    """
    match = _PATTERN.fullmatch(pattern)
    if match is None:
        return None
    try:
        charset = _characters(match["escape"] or match["members"])
    except ValueError:
        return None
    count = match["count"]
    if count is None:
        return SimplePattern(charset, 1, 1)
    if count in "*+?":
        return SimplePattern(charset, int(count == "+"), 1 if count == "?" else None)
    least, comma, most = count[1:-1].partition(",")
    return SimplePattern(charset, int(least), int(most) if most else None if comma else int(least))


def read_charset(written: str) -> str:
    r"""The characters of a class such as ``[a-z0-9 \n]``, each once, in their order by code point.

    Raises:
        ValueError: it isn't written so, or has too many characters; the message says which.
    """
    match = _WHOLE_CLASS.fullmatch(written)
    if match is None:
        raise ValueError(
            "write the characters as a class of a regular expression, such as '[a-z0-9 ]'; "
            "what is left out (^) can't be written"
        )
    return _characters(match["members"])


def _characters(written: str) -> str:
    members = list(_members(written))
    found: set[str] = set()
    index = 0
    while index < len(members):
        first = members[index]
        is_range = members[index + 1 : index + 2] == [None] and index + 2 < len(members)
        last = members[index + 2] if is_range else first
        if is_range and first and last and len(first) == len(last) == 1:
            if ord(last) < ord(first):
                raise ValueError(f"the range {first}-{last} is empty")
            found.update(map(chr, range(ord(first), ord(last) + 1)))
            index += 3
        else:
            found.update(first or "-")
            index += 1
        if len(found) > MAX_CHARACTERS:
            raise ValueError(f"there are more than {MAX_CHARACTERS} characters")
    return "".join(sorted(found))


def _members(written: str) -> Iterator[str | None]:
    """Yield the characters of each member; None for a dash that isn't escaped."""
    for member in _MEMBER.findall(written):
        yield None if member == "-" else _escaped(member) if member[0] == "\\" else member


def _escaped(escape: str) -> str:
    """The characters of an escape."""
    if (known := _SETS.get(escape) or _CONTROLS.get(escape)) is not None:
        return known
    name, digits = escape[1], escape[2:]
    if digits:
        return chr(int(digits, 16))
    if name.isalnum():
        raise ValueError(f"{escape} isn't known here")
    return name
