"""HTTP requests and answers as values, and the three ways in which there is no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Unreachable(Exception):
    """No connection could be opened: nothing was sent."""


class Expired(Exception):
    """The time limit ran out."""


class Broken(Exception):
    """The connection ended, or what came over it was not HTTP or too large."""


class Answer(NamedTuple):
    """An HTTP response, read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Call(NamedTuple):
    """An HTTP request; ``timeout_s`` is for all of it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None
    timeout_s: float
