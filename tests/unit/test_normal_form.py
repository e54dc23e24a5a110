"""The normal form of a schema: older drafts and OpenAPI's ways of saying things, rewritten."""

from __future__ import annotations

from typing import Any

import pytest

from envgen_runtime.contract.normal_form import (
    DRAFT_7,
    DRAFT_2019_09,
    DRAFT_2020_12,
    normal_form,
)

A = {"$ref": "#/$defs/A"}


def rest(schema: Any) -> Any:
    """The normal form without its dialect, which is the same again in normal form."""
    form = normal_form(schema)
    assert normal_form(form) == form
    return {key: value for key, value in form.items() if key != "$schema"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"type": ["string", "null"]}),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"enum": ["a"]}, {"anyOf": [{"enum": ["a"]}, {"type": "null"}]}),
        (
            {"type": "string", "const": "a"},
            {"anyOf": [{"type": "string", "const": "a"}, {"type": "null"}]},
        ),
        ({"description": "d", **A}, {"description": "d", "anyOf": [A, {"type": "null"}]}),
        ({"anyOf": [A, {}]}, {"anyOf": [A, {}, {"type": "null"}]}),
        ({"allOf": [A]}, {"anyOf": [{"allOf": [A]}, {"type": "null"}]}),
        ({"description": "null is one of any"}, {"description": "null is one of any"}),
    ],
)
def test_nullable(schema: dict[str, Any], expected: Any) -> None:
    assert rest({**schema, "nullable": True}) == expected
    assert rest({**schema, "nullable": False}) == schema


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"minimum": 0, "exclusiveMinimum": True}, {"exclusiveMinimum": 0}),
        ({"minimum": 0, "exclusiveMinimum": False}, {"minimum": 0}),
        ({"maximum": 9, "exclusiveMaximum": True}, {"exclusiveMaximum": 9}),
        (
            {"minimum": 0, "maximum": 9, "exclusiveMaximum": True},
            {"minimum": 0, "exclusiveMaximum": 9},
        ),
        ({"exclusiveMinimum": True}, {}),
        ({"exclusiveMinimum": 0, "minimum": 1}, {"exclusiveMinimum": 0, "minimum": 1}),
    ],
)
def test_boolean_bounds(schema: dict[str, Any], expected: Any) -> None:
    assert rest(schema) == expected
    assert rest({"properties": {"n": schema}}) == {"properties": {"n": expected}}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({}, DRAFT_2020_12),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, DRAFT_7),
        ({"$schema": "http://json-schema.org/draft-07/schema"}, DRAFT_7),
        ({"$schema": DRAFT_2019_09}, DRAFT_2019_09),
        ({"$schema": DRAFT_2020_12, "items": [{}]}, DRAFT_2020_12),
        ({"$schema": "http://e.test/own", "items": {}}, DRAFT_2020_12),
        ({"properties": {"pair": {"items": [{}, {}]}}}, DRAFT_7),
        ({"dependencies": {"a": ["b"]}}, DRAFT_7),
        ({"definitions": {"a": {"$id": "#a"}}}, DRAFT_7),
        ({"properties": {"dependencies": {}}}, DRAFT_2020_12),
    ],
)
def test_the_dialect(schema: dict[str, Any], expected: str) -> None:
    assert normal_form(schema)["$schema"] == expected


def test_unknown_keywords_are_dropped_and_their_namesakes_kept() -> None:
    kept = {"properties": {"x-order": {"type": "string"}}, "enum": [{"x-order": 1}]}
    assert rest({**kept, "x-order": 1, "example": "a"}) == kept


def test_what_is_no_schema_stays() -> None:
    assert [normal_form(value) for value in (True, 3, "x", None)] == [True, 3, "x", None]
    assert rest({"properties": 3, "items": "x"}) == {"properties": 3, "items": "x"}


def test_depth_has_a_limit() -> None:
    schema: Any = {}
    for _ in range(5_000):
        schema = {"items": schema}
    form, depth = normal_form(schema), 0
    while form is not False:
        form, depth = form["items"], depth + 1
    assert depth == 101
