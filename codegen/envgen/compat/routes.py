"""The comparison of how two contracts travel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from envgen_runtime.json_value import as_object

from ..contract.wire import ToolServer, Wire
from ..schema.keywords import pointer_to
from .changes import Change, change
from .structure import value_text

_ADDABLE = ("state", "close")
"""Routes that a client can do without."""


def compare_wires(old: Wire | ToolServer | None, new: Wire | ToolServer | None) -> Iterator[Change]:
    """Yield the differences. A client sends every request by the routes that it was built from."""
    if old is None and new is None:
        return
    if old is None or new is None:
        found = "routes of its own" if old is None else "OpenEnv's routes"
        yield _change("route-changed", "/wire", f"the server has {found} now")
        return
    before, after = old.to_json(), new.to_json()
    for key in dict.fromkeys((*before, *after)):
        place = pointer_to("/wire", key)
        if key in _ADDABLE and key not in before:
            yield _change("route-added", place, f"{_route(after[key])} is new, for {key}")
        elif key in _ADDABLE and key not in after:
            yield _change("route-changed", place, f"{key} has no route any more")
        else:
            yield from _compare(before.get(key), after.get(key), place)


def _compare(old: Any, new: Any, place: str) -> Iterator[Change]:
    before, after = as_object(old), as_object(new)
    if before is None or after is None:
        if old != new:
            yield _change("route-changed", place, f"{_shown(old)} became {_shown(new)}")
        return
    for key in dict.fromkeys((*before, *after)):
        if key == "optional":
            yield from _compare_optional(before.get(key, []), after.get(key, []), place)
        else:
            yield from _compare(before.get(key), after.get(key), pointer_to(place, key))


def _compare_optional(old: list[str], new: list[str], place: str) -> Iterator[Change]:
    pointer = pointer_to(place, "optional")
    for names, rule, verb in (
        ([name for name in new if name not in old], "field-optional", "may be left out now"),
        ([name for name in old if name not in new], "field-required", "is always there now"),
    ):
        for name in names:
            message = f"{name} in the reply {verb}"
            yield change(rule, "reply", "wire", pointer, message)


def _change(rule: str, place: str, message: str) -> Change:
    return change(rule, "request", "wire", place, message)


def _route(route: Any) -> str:
    return f"{route['method']} {route['path']}"


def _shown(value: Any) -> str:
    return "nothing" if value is None else value_text(value)
