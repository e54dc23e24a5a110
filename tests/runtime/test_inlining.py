"""A schema whose references are replaced accepts what it accepted."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, reject, settings
from hypothesis import strategies as st

from envgen_runtime import ExactValidator
from envgen_runtime.contract.inlining import inlined
from envgen_runtime.contract.keywords import schemas_in
from envgen_runtime.contract.normal_form import normal_form
from tests.strategies import DIALECTS, instances, mutated, referring
from tests.support import little_work

INTEGER = {"type": "integer"}
POINT = {"type": "object", "properties": {"x": INTEGER}, "required": ["x"]}
D7 = "http://json-schema.org/draft-07/schema#"
D2019 = "https://json-schema.org/draft/2019-09/schema"
D2020 = "https://json-schema.org/draft/2020-12/schema"


def of(value: Any, **keywords: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"v": value}, **keywords}


def agree(schema: dict[str, Any], *tried: Any) -> dict[str, Any]:
    """The inlined schema, which judges each instance as its source does."""
    form = normal_form(schema)
    result = inlined(form)
    source, shown = ExactValidator(form), ExactValidator(result.schema)
    verdicts = {source.is_valid(instance) for instance in tried}
    assert verdicts == {True, False}, "instances of both kinds are tried"
    same(source, shown, tried)
    return result.schema


def same(source: ExactValidator, shown: ExactValidator, tried: Iterable[Any]) -> None:
    for instance in tried:
        assert source.is_valid(instance) == shown.is_valid(instance), instance


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[*HealthCheck])
@given(data=st.data(), schema=referring(), dialect=st.sampled_from(DIALECTS))
def test_it_accepts_the_same(
    data: st.DataObject, schema: dict[str, Any], dialect: str | None
) -> None:
    form = normal_form(schema | ({} if dialect is None else {"$schema": dialect}))
    try:
        source = ExactValidator(form)
    except ValueError:
        reject()  # such as an $anchor, which draft 7 doesn't know
    result = inlined(form).schema
    shown = ExactValidator(result)
    note(json.dumps(form))
    note(json.dumps(result))
    for _ in range(5):
        instance = data.draw(instances(result, result))
        if data.draw(st.booleans()):
            instance = data.draw(mutated(instance))
        note(json.dumps(instance))
        assert source.is_valid(instance) == shown.is_valid(instance)


@pytest.mark.parametrize(
    "schema",
    [
        of({"$ref": "#/$defs/n"}, **{"$defs": {"n": INTEGER}}),
        of({"$ref": "#/definitions/n"}, definitions={"n": INTEGER}),
        of({"$ref": "#/properties/w"}, required=["v"]) | {"properties": {
            "v": {"$ref": "#/properties/w"}, "w": INTEGER}},
        of({"$ref": "#n"}, **{"$defs": {"n": {"$anchor": "n", **INTEGER}}}),
        of({"$ref": "n.json"},
           **{"$id": "http://e.test/a/", "$defs": {"n": {"$id": "n.json", **INTEGER}}}),
        of({"$id": "urn:x:v", "$ref": "#/$defs/n", "$defs": {"n": INTEGER}},
           **{"$defs": {"n": {"type": "string"}}}),
        of({"$ref": "m.json#/$defs/n"}, **{"$id": "http://e.test/a.json", "$defs": {
            "m": {"$id": "m.json", "$defs": {"n": INTEGER}}}}),
        of({"$dynamicRef": "#n"}, **{"$schema": D2020, "$defs": {
            "n": {"$dynamicAnchor": "n", **INTEGER}}}),
        of({"$ref": "#/$defs/n", "minimum": 0}, **{"$defs": {"n": INTEGER}}),
        of({"allOf": [{"$ref": "#/$defs/n"}], "description": "one"}, **{"$defs": {"n": INTEGER}}),
        of({"anyOf": [{"$ref": "#/$defs/n"}]}, **{"$defs": {"n": INTEGER}}),
    ],
    ids=lambda schema: json.dumps(schema)[:60],
)  # fmt: skip
def test_it_has_no_references(schema: dict[str, Any]) -> None:
    result = agree(schema, {"v": 1}, {"v": "one"}, {"v": None}, {"v": -1})
    assert result["properties"]["v"]["type"] == "integer"
    assert not any(key.startswith("$") for fields, _ in schemas_in(result) for key in fields)


def test_what_stands_beside_a_reference_counts() -> None:
    closed = {"additionalProperties": False, "properties": {"y": INTEGER}}
    beside = of({"$ref": "#/$defs/p", **closed}, **{"$defs": {"p": POINT}})
    tried = [{"v": {"x": 1}}, {"v": {"y": 1}}, {"v": {"x": 1, "y": 2}}, {"v": {}}, {}]
    assert "allOf" in agree(beside, *tried)["properties"]["v"]
    # Draft 7 ignores it.
    assert agree({"$schema": D7, **beside}, *tried)["properties"]["v"] == POINT


@pytest.mark.parametrize(
    "sibling",
    [
        {"unevaluatedProperties": False},
        {"patternProperties": {"^x": {"minimum": 0}}},
        {"not": {"required": ["y"]}},
        {"if": {"required": ["y"]}, "then": {"required": ["z"]}},
        {"dependentRequired": {"y": ["z"]}},
        {"properties": {"x": {"minimum": 0}}},
        {"properties": {"y": {}}},
        {"minProperties": 2},
        {"required": ["y"]},
        {"type": ["object", "null"]},
        {"enum": [{"x": 1}, {"x": 1, "y": 1}]},
        {"oneOf": [{"required": ["y"]}, {"required": ["z"]}]},
        {"propertyNames": {"maxLength": 1}},
    ],
    ids=json.dumps,
)
def test_no_keyword_beside_a_reference_is_lost(sibling: dict[str, Any]) -> None:
    values = [
        {"x": 1}, {"x": -1}, {"x": 1, "y": 1}, {"x": 1, "y": 1, "z": 1}, {"x": "1"}, {}, None,
        {"x": 1, "long": 1}, 7,
    ]  # fmt: skip
    for target in (POINT, {**POINT, "unevaluatedProperties": False}):
        schema = normal_form(of({"$ref": "#/$defs/p", **sibling}, **{"$defs": {"p": target}}))
        shown = ExactValidator(inlined(schema).schema)
        same(ExactValidator(schema), shown, [{"v": value} for value in values])


@pytest.mark.parametrize(
    ("dialect", "value", "same"),
    [
        (D7, {"items": [INTEGER], "additionalItems": False},
         {"prefixItems": [INTEGER], "items": False}),
        (D2019, {"items": [INTEGER]}, {"prefixItems": [INTEGER]}),
        (D7, {"dependencies": {"a": ["b"], "c": {"minProperties": 2}}},
         {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"minProperties": 2}}}),
        (D2020, {"dependencies": {"a": ["b"]}, "dependentRequired": {"a": ["c"], "d": ["a"]}},
         {"dependentRequired": {"a": ["c", "b"], "d": ["a"]}}),
        (D2020, {"dependencies": {"a": {"minProperties": 2}}, "dependentSchemas": {
            "a": {"required": ["b"]}}},
         {"dependentSchemas": {"a": {"minProperties": 2, "required": ["b"]}}}),
        (D7, {"type": "array", "prefixItems": [INTEGER]}, {"type": "array"}),
        (D7, {"type": "object", "unevaluatedProperties": False}, {"type": "object"}),
    ],
)  # fmt: skip
def test_an_older_dialect_is_rewritten(
    dialect: str, value: dict[str, Any], same: dict[str, Any]
) -> None:
    tried = [[1], ["1"], [1, 2], [], {"a": 1}, {"a": 1, "b": 1}, {"c": 1}, {"c": 1, "d": 1}, 1]
    result = agree({"$schema": dialect, **of(value)}, *({"v": item} for item in tried), {"v": 1}, 0)
    assert result["properties"]["v"] == same


def test_recursion_stays_under_definitions() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/No~1de"}, "p": {"$ref": "#/$defs/P"}},
    }
    schema = of({"$ref": "#/$defs/No~1de"}, **{"$defs": {"No/de": node, "P": POINT}})
    result = agree(
        schema, {"v": {"next": {"p": {"x": 1}}}}, {"v": {"next": {"p": {}}}}, {"v": {"next": 1}}
    )
    kept = {"type": "object", "$ref": "#/$defs/No_de"}
    assert result["properties"]["v"] == kept
    assert result["$defs"] == {
        "No_de": {"type": "object", "properties": {"next": kept, "p": POINT}}
    }
    assert inlined(normal_form(schema)).kept == {"No_de": "/$defs/No~1de"}


def test_the_root_is_written_out_even_if_it_recurs() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#"}, "last": INTEGER}}
    result = agree(node, {"next": {"next": {}}}, {"next": {"last": ""}}, {"next": 1})
    assert (result["type"], result["properties"]["last"]) == ("object", INTEGER)
    named = {"$ref": "#/$defs/a", "$defs": {"a": {**POINT, "not": {"$ref": "#/$defs/a"}}}}
    assert inlined(normal_form(named)).schema["properties"] == {"x": INTEGER}


def test_references_in_a_circle_end() -> None:
    circle = {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}
    result = inlined(normal_form({"$ref": "#/$defs/a", "$defs": circle})).schema
    assert result["$defs"].keys() <= circle.keys()
    assert inlined({"$ref": "#"}).schema["$ref"].startswith("#/$defs/")


def test_schemas_that_multiply_keep_their_references() -> None:
    definitions: dict[str, Any] = {"d0": INTEGER}
    for level in range(1, 60):
        again = {"$ref": f"#/$defs/d{level - 1}"}
        definitions[f"d{level}"] = {"type": "object", "properties": {"a": again, "b": again}}
    bomb = normal_form(of({"$ref": "#/$defs/d59"}, **{"$defs": definitions}))
    with little_work():
        result = inlined(bomb)
    assert result.is_too_large
    assert len(result.kept) == 60
    value: Any = 1
    for _ in range(59):
        value = {"a": value}
    shown = ExactValidator(result.schema)
    assert shown.is_valid({"v": value})
    assert not shown.is_valid({"v": {"a": value}})


def test_a_place_can_stand_alone() -> None:
    union = {"anyOf": [{"$ref": "#/$defs/p"}, {"$ref": "#/$defs/q"}],
             "$defs": {"p": POINT, "q": {"properties": {"p": {"$ref": "#/$defs/p"}}}}}  # fmt: skip
    result = inlined(normal_form(union), "/$defs/q", keep=True).schema
    assert result["properties"] == {"p": {"type": "object", "$ref": "#/$defs/p"}}
    assert result["$defs"] == {"p": POINT}


@pytest.mark.parametrize(
    "value",
    [
        {"$ref": "https://json-schema.org/draft/2020-12/schema"},
        {"$ref": "#/$defs/nowhere"},
        {"$ref": "#/$defs/a/$anchor"},
    ],
)
def test_what_is_not_known_accepts_anything_and_is_said(value: dict[str, Any]) -> None:
    document = normal_form(of(value, **{"$defs": {"a": {"$anchor": "n"}}}))
    result = inlined(document)
    assert result.unknown == ("/properties/v",)
    assert result.schema["properties"] == {"v": {}}


def test_a_dynamic_reference_with_several_targets_is_not_known() -> None:
    two = {"a": {"$dynamicAnchor": "n", **INTEGER}, "b": {"$id": "urn:b", "$dynamicAnchor": "n"}}
    document = normal_form(of({"$dynamicRef": "#n"}, **{"$defs": two}))
    assert inlined(document).unknown == ("/properties/v",)
