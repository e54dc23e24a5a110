"""What a parameter's text says, and how it ends."""

from __future__ import annotations

from typing import Any

import pytest

from envgen.render.told import told, told_of_all

CHOICES = '(choices: ["a"])'


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "description": CHOICES},
        {"type": "string", "title": f"Size {CHOICES}", "default": CHOICES},
        {"type": "string", "pattern": CHOICES},
        {"type": "object", "properties": {"x": {"type": "string", "description": CHOICES}}},
        {"type": "string", "description": f"{'x' * 9000}{CHOICES}"},
    ],
)
def test_no_text_ends_like_a_list_of_choices(schema: Any) -> None:
    """At the end, it is a list of values to transformers, which fails on one that isn't JSON."""
    assert told(schema, {}, is_required=True).endswith((".", "[...]"))


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        ({"additionalProperties": False, "required": ["x"]}, ""),
        ({"unevaluatedProperties": True, "description": "Go.", "$defs": {}}, ""),
        ({"required": ["x", "y"]}, 'All arguments together fit {"required": ["y"]}.'),
        (
            {"minProperties": 1, "patternProperties": {"^p_": {}}},
            'All arguments together fit {"minProperties": 1, "patternProperties": {"^p_": {}}}.',
        ),
        (
            {"anyOf": [{"required": ["x"]}, {"minProperties": 2}]},
            'All arguments together fit {"anyOf": [{"required": ["x"]}, {"minProperties": 2}]}.',
        ),
    ],
)
def test_what_holds_of_all_arguments_is_told(rules: Any, text: str) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, **rules}
    assert told_of_all(schema, ["x"]) == text
