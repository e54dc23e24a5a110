"""Limits of numbers, texts and sizes: which became tighter, which looser."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal

from ..plan.scalars import FORMAT_TYPES
from ..schema.keywords import JsonSchema

LimitRule = Literal["limit-tightened", "limit-loosened", "format-changed"]

_SIZES = (
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)


def limit_changes(type_: str, old: JsonSchema, new: JsonSchema) -> Iterator[tuple[LimitRule, str]]:
    """Yield the rules that apply to two schemas of one JSON type, each with a message."""
    for least, most in _SIZES:
        yield from _ordered(least, old.get(least) or None, new.get(least) or None, is_lower=True)
        yield from _ordered(most, old.get(most), new.get(most), is_lower=False)
    yield from _bounds(type_, old, new)
    yield from _multiples(old.get("multipleOf"), new.get("multipleOf"))
    yield from _unordered(
        "uniqueItems", old.get("uniqueItems") or None, new.get("uniqueItems") or None
    )
    yield from _unordered("pattern", old.get("pattern"), new.get("pattern"))
    yield from _formats(old, new)


def _ordered(
    keyword: str, old: Any, new: Any, *, is_lower: bool
) -> Iterator[tuple[LimitRule, str]]:
    if old == new:
        return
    is_tighter = old is None or (new is not None and (new > old) == is_lower)
    yield "limit-tightened" if is_tighter else "limit-loosened", _became(keyword, old, new)


def _bounds(type_: str, old: JsonSchema, new: JsonSchema) -> Iterator[tuple[LimitRule, str]]:
    """Compare bounds. For integers, ``minimum: 1`` equals ``exclusiveMinimum: 0``."""
    for side, sign in (("Minimum", 1), ("Maximum", -1)):
        before, after = (_bound(type_, schema, side, sign) for schema in (old, new))
        if before != after:
            is_tighter = before is None or (after is not None and after > before)
            rule: LimitRule = "limit-tightened" if is_tighter else "limit-loosened"
            yield rule, f"{side.lower()} was {_shown(before, sign)} and is {_shown(after, sign)}"


_Bound = tuple[float, bool]  # signed so that the greater one allows less; whether it is exclusive


def _bound(type_: str, schema: JsonSchema, side: str, sign: int) -> _Bound | None:
    found: list[_Bound] = []
    for keyword, is_exclusive in ((side.lower(), False), (f"exclusive{side}", True)):
        if keyword not in schema:
            continue
        value = sign * schema[keyword]
        if type_ == "integer":
            value = math.floor(value) + 1 if is_exclusive else math.ceil(value)
        found.append((value, is_exclusive and type_ != "integer"))
    return max(found, default=None)


def _shown(bound: _Bound | None, sign: int) -> str:
    if bound is None:
        return "not there"
    return f"{sign * bound[0]}{' exclusive' if bound[1] else ''}"


def _multiples(old: Any, new: Any) -> Iterator[tuple[LimitRule, str]]:
    keyword = "multipleOf"
    if isinstance(old, int) and isinstance(new, int) and old != new:
        if old % new == 0:
            yield "limit-loosened", _became(keyword, old, new)
            return
        if new % old == 0:
            yield "limit-tightened", _became(keyword, old, new)
            return
    yield from _unordered(keyword, old, new)


def _unordered(keyword: str, old: Any, new: Any) -> Iterator[tuple[LimitRule, str]]:
    """Compare keywords without an order, such as ``pattern``: a change tightens and loosens."""
    if old == new:
        return
    if new is not None:
        yield "limit-tightened", _became(keyword, old, new)
    if old is not None:
        yield "limit-loosened", _became(keyword, old, new)


def _formats(old: JsonSchema, new: JsonSchema) -> Iterator[tuple[LimitRule, str]]:
    before, after = (FORMAT_TYPES.get(str(item.get("format"))) for item in (old, new))
    if before == after or "enum" in old or "enum" in new:
        yield from _unordered("format", old.get("format"), new.get("format"))
    else:
        message = f"texts are read as {after or 'str'} now, not as {before or 'str'}"
        yield "format-changed", message


def _became(keyword: str, old: Any, new: Any) -> str:
    if old is None:
        return f"{keyword} is {new!r} now"
    return f"{keyword} was {old!r} and is {'gone' if new is None else repr(new)}"
