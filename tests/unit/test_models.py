"""From a few lines of schema to classes that behave: what users of generated models rely on."""

from __future__ import annotations

from datetime import date, time
from functools import reduce
from pathlib import Path
from types import ModuleType
from typing import Any, cast
from uuid import UUID

import pytest
from pydantic import BaseModel, ValidationError

from envgen.build import build_package
from envgen.contract.contract import parse_contract
from envgen.errors import ContractError
from envgen_runtime.generated import wire_fields
from tests.support import action, build, contract, load, observation

POINT = {
    "type": "object",
    "properties": {"x": {"type": "integer"}, "y": {"type": "integer", "default": 0}},
    "required": ["x"],
}


def wire(model: BaseModel) -> dict[str, Any]:
    return wire_fields(cast("Any", model), type(cast("Any", model)))


def annotations(module: ModuleType, name: str) -> dict[str, str]:
    return dict(getattr(module, name).__annotations__)


def test_a_default_does_not_make_a_field_optional(tmp_path: Path) -> None:
    module = build(action({"n": {"type": "integer", "default": 3}}), tmp_path)
    assert annotations(module, "DoAction") == {"n": "int"}
    assert module.DoAction().n == 3
    with pytest.raises(ValidationError):
        module.DoAction(n=None)


def test_a_container_without_a_default_is_empty_and_not_null(tmp_path: Path) -> None:
    properties = {
        "tags": {"type": "array", "items": {"type": "string"}},
        "notes": {"type": "object", "additionalProperties": {"type": "integer"}},
    }
    module = build(action(properties), tmp_path)
    assert annotations(module, "DoAction") == {"tags": "list[str]", "notes": "dict[str, int]"}
    first, second = module.DoAction(), module.DoAction()
    first.tags.append("x")
    assert second.tags == []


def test_an_untouched_field_is_not_sent_and_a_touched_one_is(tmp_path: Path) -> None:
    properties = {
        "tags": {"type": "array", "items": {"type": "string"}},
        "mode": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": "normal"},
        "limit": {"type": "integer"},
    }
    module = build(action(properties), tmp_path)
    assert wire(module.DoAction()) == {}
    assert wire(module.DoAction(mode=None, tags=[])) == {"mode": None, "tags": []}
    changed = module.DoAction()
    changed.tags.append("late")
    changed.limit = 2
    assert wire(changed) == {"tags": ["late"], "limit": 2}


def test_a_tag_is_always_sent(tmp_path: Path) -> None:
    properties = {"type": {"const": "call_tool", "default": "call_tool"}, "n": {"default": 1}}
    assert wire(build(action(properties), tmp_path).DoAction()) == {"type": "call_tool"}


def test_requests_forbid_unknown_fields_and_replies_keep_them(tmp_path: Path) -> None:
    document = contract(
        action={"properties": {"a": {"type": "string"}}},
        observation={"properties": {}, "additionalProperties": False},
    )
    module = build(document, tmp_path)
    with pytest.raises(ValidationError, match="Extra inputs"):
        module.DoAction(typo=1)
    assert module.DoObservation.model_validate({"newer": 1}).newer == 1


def test_a_request_that_is_declared_open_takes_more(tmp_path: Path) -> None:
    module = build(action({"a": {"type": "string"}}, additionalProperties=True), tmp_path)
    assert wire(module.DoAction(a="x", more=1)) == {"a": "x", "more": 1}


def test_what_a_closed_request_was_received_with_is_not_sent(tmp_path: Path) -> None:
    """As clients read it: an observation's move, from a newer server, goes into an action."""
    move = {"type": "object", "properties": {"to": {"type": "string"}}}
    module = build(
        action({"move": {"$ref": "#/$defs/Move"}}, **{"$defs": {"Move": move}}), tmp_path
    )
    received = module.Move.model_validate({"to": "e4", "newer": 1}, extra="allow")
    assert received.newer == 1
    assert wire(module.DoAction(move=received)) == {"move": {"to": "e4"}}


def test_wire_names_are_aliases(tmp_path: Path) -> None:
    module = build(action({"from": {"type": "string"}, "schema": {}}, required=["from"]), tmp_path)
    assert wire(module.DoAction(from_="here", schema_=1)) == {"from": "here", "schema": 1}
    assert module.DoAction.model_validate({"from": "here"}).from_ == "here"


def test_descriptions_become_docstrings(tmp_path: Path) -> None:
    package = build_package(
        parse_contract(
            action(
                {"a": {"type": "string", "description": "Line one.\nLine two."}}, description="D."
            ),
            source="x",
        ),
        tmp_path,
    )
    source = (package.folder / "models.py").read_text()
    assert '    """D."""\n' in source
    assert '    a: Omittable[str] = None\n    """Line one.\n    Line two.\n    """\n' in source


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "number", "minimum": 0, "maximum": 1}, "Annotated[float, Field(ge=0, le=1)]"),
        (
            {"type": "array", "items": {"type": "integer", "exclusiveMinimum": 0}},
            "list[Annotated[int, Field(gt=0)]]",
        ),
        ({"anyOf": [{"type": "string", "maxLength": 3}, {"type": "null"}]},
         "Annotated[str, Field(max_length=3)] | None"),
        ({"type": ["integer", "null"]}, "int | None"),
        ({"type": "integer", "nullable": True}, "int | None"),
        ({"enum": ["a", 2, None, True]}, "Literal['a', 2, True] | None"),
        ({"const": "on"}, "Literal['on']"),
        ({"enum": [0.5, 1]}, "Annotated[float, OneOf(0.5, 1)]"),
        ({"const": [1, {"a": None}]}, "Annotated[list[JsonValue], OneOf([1, {'a': None}])]"),
        ({"enum": ["a", 2.0]}, "Literal['a', 2]"),
        ({"type": "string", "enum": ["a", 1]}, "Literal['a']"),
        ({"type": ["string", "null"], "enum": ["a", None]}, "Literal['a'] | None"),
        ({"type": "string", "enum": ["a", "long"], "maxLength": 1}, "Literal['a']"),
        ({"type": "integer", "exclusiveMinimum": 0.5}, "Annotated[int, Field(ge=1)]"),
        ({"type": "integer", "exclusiveMaximum": 2.5}, "Annotated[int, Field(le=2)]"),
        ({"type": "integer", "multipleOf": 1.5}, "Annotated[int, Field(multiple_of=3)]"),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True},
         "Annotated[list[str], UniqueItems()]"),
        ({"type": "array", "items": False}, "Annotated[list[JsonValue], Field(max_length=0)]"),
        ({"type": "object", "additionalProperties": False},
         "Annotated[dict[str, JsonValue], Field(max_length=0)]"),
        ({"type": "object", "propertyNames": {"maxLength": 2}},
         "dict[Annotated[str, Field(max_length=2)], JsonValue]"),
        ({"type": "object", "patternProperties": {"^x": {"type": "integer"}},
          "additionalProperties": False}, "dict[Annotated[str, Field(pattern='^x')], int]"),
        ({"minimum": 2}, "str | Annotated[float, Field(ge=2)] | bool | list[JsonValue] | dict[str, JsonValue] | None"),  # noqa: E501
        ({"type": "string", "anyOf": [{"maxLength": 2}, {"minLength": 5}]},
         "Annotated[str, Field(max_length=2)] | Annotated[str, Field(min_length=5)]"),
        ({"allOf": [{"type": "integer", "maximum": 9}, {"type": "number", "maximum": 5}]},
         "Annotated[int, Field(le=5)]"),
        ({}, "JsonValue"),
        ({"type": "object"}, "dict[str, JsonValue]"),
        ({"type": "array"}, "list[JsonValue]"),
        ({"type": "object", "additionalProperties": {"type": "array", "items": {"type": "number"}}},
         "dict[str, list[float]]"),
        ({"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}],
          "minItems": 2, "maxItems": 2}, "tuple[int, str]"),
        ({"type": "array", "prefixItems": [{"type": "integer"}]}, "list[JsonValue]"),
        ({"type": "string", "format": "date-time"}, "datetime"),
        ({"type": "string", "format": "email"}, "str"),
        ({"type": "string", "pattern": '^a"b$'}, "Annotated[str, Field(pattern='^a\"b$')]"),
        ({"type": "string", "pattern": "(?=look)"}, "str"),
        ({"allOf": [{"type": "integer"}, {"minimum": 1}]}, "Annotated[int, Field(ge=1)]"),
        ({"type": "integer", "minimum": 0, "exclusiveMinimum": True},
         "Annotated[int, Field(gt=0)]"),
    ],
)  # fmt: skip
def test_types(schema: dict[str, Any], expected: str, tmp_path: Path) -> None:
    module = build(action({"x": schema}, required=["x"]), tmp_path)
    assert annotations(module, "DoAction") == {"x": expected}


def test_references_recursion_and_shared_names(tmp_path: Path) -> None:
    tree = {
        "type": "object",
        "properties": {"kids": {"type": "array", "items": {"$ref": "#/definitions/T"}}},
    }
    document = contract(
        action={"properties": {"p": {"$ref": "#/$defs/P"}}, "$defs": {"P": POINT}},
        observation={
            "properties": {"p": {"$ref": "#/definitions/P"}, "t": {"$ref": "#/definitions/T"}},
            "definitions": {"P": {**POINT, "required": []}, "T": tree},
        },
        state={"properties": {"t": {"$ref": "#/definitions/T"}}, "definitions": {"T": tree}},
    )
    module = build(document, tmp_path)
    assert annotations(module, "DoAction") == {"p": "Omittable[P]"}
    assert annotations(module, "DoObservation")["p"] == "Omittable[DoObservationP]"
    assert annotations(module, "DoState") == {"t": "Omittable[T]"}, "equal replies share a class"
    seen = module.DoObservation.model_validate({"t": {"kids": [{"kids": []}]}})
    assert type(seen.t.kids[0]) is module.T


def test_a_default_for_an_object_is_an_object(tmp_path: Path) -> None:
    document = action(
        {
            "p": {"$ref": "#/$defs/P", "default": {"x": 1}},
            "ps": {"type": "array", "items": {"$ref": "#/$defs/P"}, "default": [{"x": 2}]},
        },
        **{"$defs": {"P": POINT}},
    )
    made = build(document, tmp_path).DoAction()
    assert (made.p.x, made.ps[0].x) == (1, 2)


@pytest.mark.parametrize(
    ("schema", "default"),
    [
        ({"type": "integer", "minimum": 0}, -1),
        ({"type": "string", "maxLength": 2}, "abc"),
        ({"type": "string", "pattern": "^a"}, "b"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 2}, ["a"]),
        ({"type": "array", "items": {"type": "string"}, "uniqueItems": True}, ["a", "a"]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"a": "x"}),
        ({"type": "object", "propertyNames": {"maxLength": 1}}, {"long": 1}),
        ({"$ref": "#/$defs/P"}, {"x": 1, "limited": 11}),
        ({"$ref": "#/$defs/P"}, {"x": 1, "counts": {"a": "x"}}),
        ({"$ref": "#/$defs/P"}, {"y": 1}),
        ({"type": "array", "items": {"$ref": "#/$defs/P"}}, [{"x": 1, "limited": 11}]),
    ],
)
def test_a_default_that_breaks_its_schema_never_breaks_the_import(
    schema: dict[str, Any], default: Any, tmp_path: Path
) -> None:
    limited = {"type": "integer", "maximum": 10}
    counts = {"type": "object", "additionalProperties": {"type": "integer"}}
    point = {**POINT, "properties": {**POINT["properties"], "limited": limited, "counts": counts}}
    document = action({"p": {**schema, "default": default}}, **{"$defs": {"P": point}})
    package = build_package(parse_contract(document, source="x"), tmp_path)
    assert [finding.pointer for finding in package.findings] == ["/action/properties/p/default"]
    assert load(package.folder).DoAction().p in (None, [], {})


def test_a_default_of_another_type_is_reported_and_left_out(tmp_path: Path) -> None:
    package = build_package(
        parse_contract(action({"n": {"type": "integer", "default": "many"}}), source="x"), tmp_path
    )
    assert [finding.pointer for finding in package.findings] == ["/action/properties/n/default"]
    assert load(package.folder).DoAction().n is None


def test_an_action_that_is_a_union(tmp_path: Path) -> None:
    def variant(kind: str) -> dict[str, Any]:
        return {"properties": {"kind": {"const": kind, "default": kind}, "n": {"type": "integer"}}}

    document = contract(
        action={
            "title": "MoveAction",
            "oneOf": [{"$ref": "#/$defs/Go"}, {"$ref": "#/$defs/Stay"}],
            "discriminator": {"propertyName": "kind"},
            "$defs": {"Go": variant("go"), "Stay": variant("stay")},
        }
    )
    module = build(document, tmp_path)
    env = module.DoEnv("http://127.0.0.1:1")
    assert env._step_payload(module.Stay(n=1)) == {"kind": "stay", "n": 1}
    assert {"Go", "Stay", "MoveAction"} <= set(module.__all__)


@pytest.mark.parametrize(
    ("part", "pointer"),
    [
        ({"type": "string"}, "/action"),
        ({"anyOf": [{"type": "string"}, POINT]}, "/action"),
        ({"properties": {"x": {"$ref": "#/$defs/Gone"}}}, "/action/properties/x"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "/action/$defs/A"),
        ({"allOf": [{"$ref": "#"}]}, "/action"),
    ],
)
def test_an_action_that_nobody_could_send_is_refused(
    part: dict[str, Any], pointer: str, tmp_path: Path
) -> None:
    with pytest.raises(ContractError) as caught:
        build(contract(action=part), tmp_path)
    assert caught.value.pointer == pointer
    assert not list(tmp_path.iterdir())


def test_what_is_not_checked_is_said(tmp_path: Path) -> None:
    package = build_package(
        parse_contract(action({"x": {"type": "string", "not": {"const": "y"}}}), source="x"),
        tmp_path,
    )
    assert [finding.message for finding in package.findings] == ["not isn't checked by the client"]


def test_names_do_not_move_when_another_part_changes(tmp_path: Path) -> None:
    inline = {"where": {"type": "object", "properties": {"x": {"type": "integer"}}}}
    before = build(observation(inline), tmp_path / "before")
    grown = {**observation(inline), "action": {"properties": {"where": inline["where"]}}}
    after = build(grown, tmp_path / "after")
    assert "SeeObservationWhere" in before.__all__
    assert set(before.__all__) - {"DoAction"} <= set(after.__all__)


def test_lifted_fields_stand_in_both_places(tmp_path: Path) -> None:
    module = build(
        observation({"done": {"type": "boolean"}, "reward": {"type": "number"}}), tmp_path
    )
    result = module.DoEnv("http://h")._parse_result({"observation": {}, "reward": 2, "done": True})
    assert (result.done, result.observation.done) == (True, True)
    assert (result.reward, result.observation.reward) == (2, 2.0)


def test_lifted_fields_stay_off_an_observation_that_lacks_them(tmp_path: Path) -> None:
    module = build(observation({"x": {"type": "integer"}}), tmp_path)
    payload = {"observation": {"x": 1}, "reward": None, "done": False}
    assert module.DoEnv("http://h")._parse_result(payload).observation.model_dump() == {"x": 1}


def test_a_tag_that_is_not_required_is_sent(tmp_path: Path) -> None:
    def member(tag: str) -> dict[str, Any]:
        return {
            "type": "object",
            "title": tag.upper(),
            "properties": {"type": {"const": tag}, "n": {"type": "integer"}},
        }

    union = {"oneOf": [member("a"), member("b")], "discriminator": {"propertyName": "type"}}
    package = build_package(parse_contract(contract(action=union), source="x"), tmp_path)
    module = load(package.folder)
    env = module.DoEnv("http://127.0.0.1:9")
    classes = [name for name in module.__all__ if hasattr(module, name) and "Variant" in name]
    sent = [env._step_payload(getattr(module, name)(n=1)) for name in classes]
    assert sent == [{"type": "a", "n": 1}, {"type": "b", "n": 1}]
    assert not package.findings


def test_a_definition_may_be_null(tmp_path: Path) -> None:
    null = {"$ref": "#/$defs/N"}
    maybe = {"anyOf": [null, {"type": "null"}]}
    definitions = {"$defs": {"N": {"type": "null"}}}
    models = build(action({"a": null, "b": maybe}, **definitions), tmp_path)
    kept = build(observation({"a": null, "b": maybe}, **definitions), tmp_path / "kept")
    assert kept.SeeObservation.model_validate({"a": None, "b": None}).b is None
    assert models.DoAction.model_validate({"a": None}).a is None
    with pytest.raises(ValidationError):
        models.DoAction.model_validate({"a": 1})


@pytest.mark.parametrize("value", ["x", 1, [], {}, [1], True])
def test_a_required_constant_is_filled_in_and_wanted(tmp_path: Path, value: Any) -> None:
    models = build(action({"class": {"const": value}}, required=["class"]), tmp_path)
    assert models.DoAction().class_ == value
    with pytest.raises(ValidationError):
        models.DoAction.model_validate({})


def test_a_constant_that_is_no_tag_is_sent_when_it_is_said(tmp_path: Path) -> None:
    module = build(action({"confirm": {"const": True}}), tmp_path)
    env = module.DoEnv("http://127.0.0.1:9")
    assert env._step_payload(module.DoAction()) == {}
    assert env._step_payload(module.DoAction(confirm=True)) == {"confirm": True}


@pytest.mark.parametrize("name", ["EnvgenN0x", "envgen_t0", "envgen_l1_", "envgen_d0", "envgen_c0"])
def test_a_field_may_be_called_as_the_generators_own_placeholders(
    name: str, tmp_path: Path
) -> None:
    module = build(action({name: {"type": "integer", "description": "D."}}), tmp_path)
    assert module.DoEnv("http://127.0.0.1:9")._step_payload(
        module.DoAction.model_validate({name: 1})
    ) == {name: 1}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "format": "date", "default": "2024-01-31"}, date(2024, 1, 31)),
        ({"type": "string", "format": "uuid", "default": str(UUID(int=7))}, UUID(int=7)),
        ({"type": "string", "format": "time", "default": "10:30:00"}, time(10, 30)),
        ({"type": "integer", "default": 1.0}, 1),
        ({"type": "string", "format": "date", "default": "soon"}, None),
    ],
)
def test_a_default_is_of_its_fields_type(
    schema: dict[str, Any], value: Any, tmp_path: Path
) -> None:
    made = build(action({"x": schema}), tmp_path).DoAction()
    assert (made.x, type(made.x)) == (value, type(value))


def test_large_numbers_are_not_rounded(tmp_path: Path) -> None:
    large = 2**53 + 1
    schema = {"type": "number", "minimum": 0}
    module = build(action({"x": schema, "y": {"type": "integer"}}), tmp_path)
    made = module.DoAction.model_validate({"x": large, "y": 1e19})
    assert module.DoEnv("http://127.0.0.1:9")._step_payload(made) == {"x": large, "y": 10**19}
    assert type(module.DoAction(x=2).x) is float


def test_parts_that_are_the_same_union_share_it(tmp_path: Path) -> None:
    member = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    other = {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}
    union = {"title": "Seen", "anyOf": [member, other]}
    module = build(contract(observation=union, reset_observation=union), tmp_path)
    assert module.__all__.count("Seen") == 1


def test_references_to_references_fold_in_linear_time(tmp_path: Path) -> None:
    definitions: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(60)
    }
    definitions["d60"] = POINT
    module = build(action({"p": {"$ref": "#/$defs/d0"}}, **{"$defs": definitions}), tmp_path)
    assert module.DoAction.model_validate({"p": {"x": 1}}).p.x == 1


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "maxLength": 2**64},
        {"type": "array", "maxItems": 2**64},
        {"type": "object", "maxProperties": 2**70},
    ],
)
def test_limits_beyond_counting_import(schema: dict[str, Any], tmp_path: Path) -> None:
    assert build(action({"x": schema}), tmp_path).DoAction


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "title": "\ud800", "enum": ["\udfff"]},
        {"default": reduce(lambda inner, _: [inner], range(300), cast("Any", 0))},
    ],
)
def test_what_no_file_can_hold_is_refused(schema: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ContractError):
        build(action({"x": schema}), tmp_path)


@pytest.mark.parametrize("tags", [("a", ["a", "b"]), (1, True), (0.5, 2), ("a", "a")])
def test_members_that_no_tag_tells_apart_import(tags: tuple[Any, Any], tmp_path: Path) -> None:
    def member(tag: Any, n: int) -> dict[str, Any]:
        one = {"enum": tag} if isinstance(tag, list) else {"const": tag}
        properties = {"k": one, f"n{n}": {"type": "integer"}}
        return {"type": "object", "properties": properties, "required": ["k", f"n{n}"]}

    union = {
        "anyOf": [member(tag, n) for n, tag in enumerate(tags)],
        "discriminator": {"propertyName": "k"},
    }
    package = build_package(parse_contract(action({"x": union}), source="x"), tmp_path)
    assert [finding.pointer for finding in package.findings] == [
        "/action/properties/x/discriminator"
    ]
    made = load(package.folder).DoAction.model_validate({"x": {"k": tags[0], "n0": 1}})
    assert made.x.n0 == 1


def test_a_number_comes_back_as_it_is_enumerated(tmp_path: Path) -> None:
    module = build(action({"x": {"enum": [1, "a", None, True]}}), tmp_path)
    assert [type(module.DoAction(x=value).x) for value in (1, 1.0, True)] == [int, int, bool]


def test_a_field_without_a_name_is_left_out_like_any_other(tmp_path: Path) -> None:
    module = build(action({"": {"type": "integer"}}), tmp_path)
    assert module.DoEnv("http://127.0.0.1:9")._step_payload(module.DoAction()) == {}


def test_a_bound_beyond_floats_is_no_traceback(tmp_path: Path) -> None:
    assert build(action({"x": {"type": "number", "maximum": 10**400}}), tmp_path).DoAction(x=1.5)
