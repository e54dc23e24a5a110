"""Contracts with the hints that they need, for tests of Gymnasium's spaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gymnasium import spaces

from envgen_runtime.adapters.gymnasium.hints import HintError
from envgen_runtime.adapters.gymnasium.notes import NoSpace
from envgen_runtime.adapters.gymnasium.reading import Interface, read_interface

HINTS: Mapping[str, Any] = {
    "bounds": [20, 30],
    "max_length": 2000,
    "charset": "[ -~]",
    "as_json": True,
    "ignore": True,
}
"""A value for each hint; an array whose length varies and needs a shape gets none."""

BELOW = [-50, -40]
"""Bounds for where the contract has an upper one alone."""


def with_hints(document: Mapping[str, Any]) -> tuple[Interface, dict[str, Any]]:
    """What an environment takes and shows, with the hints that it is asked for.

    Raises NoSpace if no hint helps.
    """
    hints: dict[str, Any] = {}
    while True:
        try:
            return read_interface(document, hints), hints
        except NoSpace as error:
            if not all(error.places.values()) or "shape" in str(error.places):
                raise
            for place, names in error.places.items():
                assert place not in hints or not {*names} <= hints[place].keys(), "it didn't help"
                hints.setdefault(place, {}).update({name: HINTS[name] for name in names})
        except HintError as error:
            conflicting = [
                place for place in hints if f"{place}: bounds: the contract" in str(error)
            ]
            if not conflicting or all(hints[place]["bounds"] == BELOW for place in conflicting):
                raise
            for place in conflicting:
                hints[place]["bounds"] = BELOW


def samples(space: spaces.Space[Any], count: int) -> list[Any]:
    """What the space gives with a seed of its own."""
    space.seed(7)
    return [space.sample() for _ in range(count)]
