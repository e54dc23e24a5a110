"""Defaults that are lists and objects: they are values, and type checkers take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import action, build
from tests.test_generated import check_types

LETTERS = {"type": "array", "items": {"enum": ["a", "b"]}}
# Each type with a default, whose own type is another one where it stands alone.
DEFAULTS: dict[str, tuple[Any, Any]] = {
    "choices": ({"anyOf": [LETTERS, {"type": "null"}]}, ["a"]),
    "a map of choices": (
        {"type": ["object", "null"], "additionalProperties": {"enum": ["a"]}}, {"x": "a"}),
    "one of two scalars": ({"type": ["array", "null"], "items": {"type": ["integer", "string"]}},
                           [1]),
    "integers that are numbers": ({"type": ["array", "null"], "items": {"type": "number"}}, [1]),
    "a limit": ({**LETTERS, "type": ["array", "null"], "maxItems": 3}, ["b"]),
    "an alias": ({"type": ["array", "null"], "items": {"$ref": "#/$defs/Mode"}}, ["x"]),
    "models": ({"type": ["array", "null"], "items": {"$ref": "#/$defs/Point"}}, [{"x": 1}]),
    "lists in lists": ({"type": ["array", "null"], "items": LETTERS}, [["a"]]),
    "any values": ({"type": ["array", "null"]}, ["a", 1]),
    "text": ({"type": ["array", "null"], "items": {"type": "string"}}, ["a"]),
}  # fmt: skip
DEFINITIONS = {
    "Mode": {"enum": ["x", "y"]},
    "Point": {"type": "object", "properties": {"x": {"type": "integer"}}},
}


def document() -> dict[str, Any]:
    properties = {
        f"p{number}": {**schema, "default": default}
        for number, (schema, default) in enumerate(DEFAULTS.values())
    }
    return action(properties, **{"$defs": DEFINITIONS})


def test_the_default_of_a_nullable_container_is_its_value(tmp_path: Path) -> None:
    made = build(document(), tmp_path).DoAction()
    defaults = {f"p{number}": default for number, (_, default) in enumerate(DEFAULTS.values())}
    assert made.model_dump(mode="json") == defaults
    assert made.p0 is not type(made)().p0


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_type_checkers_take_the_default_of_a_nullable_container(
    checker: str, tmp_path: Path
) -> None:
    build(document(), tmp_path)
    check_types(checker, tmp_path)
