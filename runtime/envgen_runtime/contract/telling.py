"""What of a difference changes something for a client.

As in ``envgen diff``, that depends on who writes the data: a server may take more than before, and
may send less. What a condition says can't be judged, so all of it counts.
"""

from __future__ import annotations

from typing import Any, Literal

from ..json_value import as_array, comparable
from .parts import REQUESTS, Part

Way = Literal["request", "reply", "condition"]
"""Who writes what a schema describes; ``condition`` where a schema doesn't describe it alone."""

_DESCRIBES = frozenset(
    {"properties", "items", "prefixItems", "additionalProperties", "anyOf", "oneOf", "allOf"}
)
_LEAST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_MOST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})


def way_of(part: Part) -> Way:
    """Who writes a part of a contract."""
    return "request" if part in REQUESTS else "reply"


def below(way: Way, keyword: str) -> Way:
    """Who writes what the schemas under ``keyword`` describe."""
    return way if keyword in _DESCRIBES else "condition"


def matters(way: Way, *, allows_more: bool | None) -> bool:
    """Whether a client notices that more is allowed now, or less; None if that can't be told."""
    return allows_more is None or way == "condition" or allows_more is (way == "reply")


def allows_more(keyword: str, ours: Any, theirs: Any) -> bool | None:
    """Whether another value of a keyword allows more, or less (False); None if it does neither.

    A value of None stands for a keyword that isn't there, which allows anything.
    """
    if keyword not in {"enum", "type", *_LEAST, *_MOST}:
        return None
    if ours is None or theirs is None:
        return theirs is None
    if keyword in ("enum", "type"):
        before, after = _members(keyword, ours), _members(keyword, theirs)
        return after > before if after > before or after < before else None
    if not all(isinstance(value, int | float) for value in (ours, theirs)):
        return None
    return bool((theirs < ours) is (keyword in _LEAST))


def _members(keyword: str, value: Any) -> set[Any]:
    items = as_array(value)
    members = {comparable(item) for item in ([value] if items is None else items)}
    if keyword == "type" and comparable("number") in members:
        members.add(comparable("integer"))
    return members
