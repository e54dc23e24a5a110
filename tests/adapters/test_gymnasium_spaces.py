"""Gymnasium's spaces say what contracts do: for what is sent no more, for what is shown no less."""

from __future__ import annotations

import json
from typing import Any

import pytest
from gymnasium import spaces

from envgen_runtime.adapters.gymnasium.acting import to_value
from envgen_runtime.adapters.gymnasium.checks import Outside
from envgen_runtime.adapters.gymnasium.fields import Field
from envgen_runtime.adapters.gymnasium.kinds import BoundedSequence
from envgen_runtime.adapters.gymnasium.notes import NoSpace
from envgen_runtime.adapters.gymnasium.observing import to_element
from envgen_runtime.adapters.gymnasium.reading import read_interface
from envgen_runtime.adapters.gymnasium.spaces import space_of
from envgen_runtime.contract.exact import ExactValidator
from tests.adapters.spaced import samples
from tests.support import action, contract, observation

NAN = float("nan")


def sent(schema: Any, hint: Any = None, **beside: Any) -> Field:
    """The field of a required property of an action."""
    hints = {} if hint is None else {"action.x": hint}
    document = action({"x": schema}, required=["x"], **beside)
    return read_interface(document, hints).actions[0].field


def shown(schema: Any, hint: Any = None, **hints: Any) -> Field:
    """The field of a required property of an observation."""
    found = {**({} if hint is None else {"observation.x": hint}), **hints}
    document = showing({"x": schema}, required=["x"])
    return read_interface(document, found).observation


def showing(properties: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    """A contract whose observation has these properties. Its action has a space."""
    nothing = action({})["action"]
    return {**observation(properties, **keywords), "action": nothing}


def inner(field: Field, *, is_action: bool) -> Any:
    """The space of ``x``; the whole space if that is a constant."""
    space = space_of(field, is_action=is_action)
    return space["x"] if isinstance(space, spaces.Dict) else space


# --- what is sent ---------------------------------------------------------------------------------

STRING = {"type": "string"}
SENT: dict[str, tuple[Any, Any, str]] = {
    "an integer with both bounds": (
        {"type": "integer", "minimum": -2, "maximum": 4}, None, "Discrete(7, start=-2)"),
    "exclusive and fractional bounds": (
        {"type": "integer", "exclusiveMinimum": 0, "maximum": 3.5}, None, "Discrete(3, start=1)"),
    "an integer with a hint": ({"type": "integer"}, {"bounds": [0, 6]}, "Discrete(7)"),
    "an integer with a type": (
        {"type": "integer", "minimum": 0}, {"dtype": "uint8"}, "Box(0, 255, (1,), uint8)"),
    "an integer of any size, on purpose": (
        {"type": "integer"}, {"bounds": [float("-inf"), None]},
        "Box(-9223372036854775808, 9223372036854775807, (1,), int64)"),
    "a multiple": (
        {"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 4}, None, "Discrete(2)"),
    "a number": (
        {"type": "number", "minimum": 0, "maximum": 1}, None, "Box(0.0, 1.0, (1,), float64)"),
    "a number with a type": (
        {"type": "number", "minimum": -1, "maximum": 1}, {"dtype": "float32"},
        "Box(-1.0, 1.0, (1,), float32)"),
    "a boolean": ({"type": "boolean"}, None, "Discrete(2)"),
    "an enumeration": ({"enum": ["a", None, 1.5, True]}, None, "Discrete(4)"),
    "consecutive integers": ({"enum": [5, 3, 4]}, None, "Discrete(3, start=3)"),
    "a constant": ({"const": "a"}, None, "Discrete(1)"),
    "null": ({"type": ["integer", "null"], "minimum": 0, "maximum": 1}, None,
             "OneOf(Discrete(2), Discrete(1))"),
    "a string": ({"type": "string", "maxLength": 3}, {"charset": "[ab]"}, "Text(0, 3, charset=ab)"),
    "a string with a pattern": (
        {"type": "string", "pattern": r"^[a-c\d-]{2,4}$"}, None,
        "Text(2, 4, charset=-0123456789abc)"),
    "a pattern and a limit": (
        {"type": "string", "pattern": "^[xy]+$", "maxLength": 9, "minLength": 2}, None,
        "Text(2, 9, charset=xy)"),
    "numbers": (
        {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 9}, "minItems": 2,
         "maxItems": 2}, None, "Box(0, 9, (2,), int64)"),
    "numbers with bounds of their own": (
        {"type": "array", "prefixItems": [{"type": "number", "minimum": 0, "maximum": 1},
                                          {"type": "number", "minimum": -1, "maximum": 3}],
         "minItems": 2, "maxItems": 2}, None, "Box([ 0. -1.], [1. 3.], (2,), float64)"),
    "a tensor": (
        {"type": "array", "items": {"type": "array", "items": {
            "type": "number", "minimum": 0, "maximum": 1}}}, {"shape": [2, 3]},
        "Box(0.0, 1.0, (2, 3), float64)"),
    "booleans": (
        {"type": "array", "items": {"type": "boolean"}, "minItems": 3, "maxItems": 3}, None,
        "MultiBinary(3)"),
    "a tuple": (
        {"type": "array", "prefixItems": [{"type": "boolean"}, {"enum": ["a", "b"]}],
         "minItems": 2, "items": False}, None, "Tuple(Discrete(2), Discrete(2))"),
    "a list": (
        {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 3}, None,
        "Sequence(Discrete(2), 1 to 3)"),
    "an object": (
        {"type": "object", "properties": {"on": {"type": "boolean"}, "kind": {"const": 1}},
         "required": ["on"]}, None, "Dict('on': Discrete(2))"),
    "variants": (
        {"oneOf": [
            {"type": "object", "properties": {"k": {"const": "go"}, "n": {"enum": [1, 2]}},
             "required": ["n"]},
            {"type": "object", "properties": {"k": {"const": "stop"}}}]}, None,
        "OneOf(Dict('n': Discrete(2, start=1)), Discrete(1))"),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "hint", "expected"), SENT.values(), ids=SENT.keys())
def test_an_action_has_the_space_of_its_schema(schema: Any, hint: Any, expected: str) -> None:
    field = sent(schema, hint)
    assert str(inner(field, is_action=True)) == expected
    validator = ExactValidator(action({"x": schema}, required=["x"])["action"])
    for sample in samples(space_of(field, is_action=True), 100):
        value = json.loads(json.dumps(to_value(field, sample)))
        assert list(validator.errors(value)) == []


REFUSED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "an integer without bounds": ({"type": "integer", "minimum": 0}, ("bounds",)),
    "a number without bounds": ({"type": "number", "maximum": 0}, ("bounds",)),
    "bounds too far apart": ({"type": "number", "minimum": -1e308, "maximum": 1e308}, ("bounds",)),
    "a string": (STRING, ("max_length", "charset")),
    "a string of unknown characters": ({"type": "string", "maxLength": 3}, ("charset",)),
    "a pattern that isn't simple": ({"type": "string", "pattern": "^a+b$", "maxLength": 9}, ()),
    "a pattern that isn't anchored": ({"type": "string", "pattern": "[ab]+", "maxLength": 9}, ()),
    "a format": ({"type": "string", "format": "date", "maxLength": 3}, ()),
    "anything": (True, ()),
    "an object of any fields": ({"type": "object"}, ()),
    "unique items": ({"type": "array", "items": {"type": "boolean"}, "uniqueItems": True}, ()),
    "a condition": ({"type": "boolean", "not": {"const": True}}, ()),
    "a limit of an object": (
        {"type": "object", "properties": {"a": {"type": "boolean"}}, "minProperties": 1}, ()),
    "a field that isn't described": (
        {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["b"]}, ()),
    "an empty range": ({"type": "integer", "minimum": 3, "maximum": 2}, ()),
    "a tuple of any length": ({"type": "array", "prefixItems": [{"type": "boolean"}]}, ("shape",)),
    "members that overlap": (
        {"oneOf": [{"type": "integer", "minimum": 0, "maximum": 5},
                   {"type": "number", "minimum": 0, "maximum": 5}]}, ()),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "helping"), REFUSED.values(), ids=REFUSED.keys())
def test_what_no_space_says_is_refused_with_the_hint_that_helps(
    schema: Any, helping: tuple[str, ...]
) -> None:
    with pytest.raises(NoSpace, match=r"action\.x") as caught:
        sent(schema)
    assert caught.value.places == {"action.x": helping}


def test_every_place_is_named_at_once() -> None:
    document = contract(
        action={"type": "object", "properties": {"n": {"type": "integer"}, "s": STRING}},
        observation={"type": "object", "properties": {"deep": {"type": "array", "items": {
            "type": "object", "properties": {"s": STRING}}}}},
    )  # fmt: skip
    with pytest.raises(NoSpace) as caught:
        read_interface(document, {})
    assert [*caught.value.places] == ["action.n", "action.s", "observation.deep[].s"]
    assert caught.value.settings[1] == '"action.s" = { max_length = ..., charset = "[...]" }'
    assert "These hints would help" in caught.value.__notes__[0]


def test_a_reference_to_itself_has_no_space() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    document = action({"x": {"$ref": "#/$defs/Node"}}, **{"$defs": {"Node": node}})
    with pytest.raises(NoSpace, match="refers to itself"):
        read_interface(document, {})
    hints = {"action.x": {"ignore": True}}
    (member,) = read_interface(document, hints).actions
    assert to_value(member.field, 0) == {}


OPTIONAL: dict[str, tuple[Any, str, list[Any]]] = {
    "no default: it may be left out": (
        {"type": "boolean"}, "OneOf(Discrete(2), Discrete(1))", [{"x": False}, {"x": True}, {}]),
    "a default: it is always given": (
        {"type": "boolean", "default": True}, "Discrete(2)", [{"x": False}, {"x": True}]),
    "a default of another type": (
        {"type": "boolean", "default": None}, "OneOf(Discrete(2), Discrete(1))",
        [{"x": False}, {"x": True}, {}]),
    "null by default": (
        {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None},
        "OneOf(Discrete(2), Discrete(1))", [{"x": False}, {"x": True}, {"x": None}]),
    "null, or left out": (
        {"type": ["boolean", "null"]}, "OneOf(Discrete(2), Discrete(1), Discrete(1))",
        [{"x": False}, {"x": True}, {"x": None}, {}]),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "expected", "values"), OPTIONAL.values(), ids=OPTIONAL.keys())
def test_an_optional_field(schema: Any, expected: str, values: list[Any]) -> None:
    (member,) = read_interface(action({"x": schema}), {}).actions
    assert str(inner(member.field, is_action=True)) == expected
    found = [
        to_value(member.field, it) for it in samples(space_of(member.field, is_action=True), 60)
    ]
    assert {json.dumps(value) for value in found} == {json.dumps(value) for value in values}


def test_free_notes_on_an_action_are_left_out() -> None:
    notes = {"type": "object", "additionalProperties": True}
    (member,) = read_interface(action({"metadata": notes, "on": {"type": "boolean"}}), {}).actions
    assert "metadata" not in space_of(member.field, is_action=True).spaces  # type: ignore[attr-defined]
    with pytest.raises(NoSpace, match=r"action\.metadata"):
        read_interface(action({"metadata": notes}, required=["metadata"]), {})


@pytest.mark.parametrize(("low", "high"), [(0.1, 0.7), (0.7, 1.1)])
def test_float32_bounds_are_never_wider_than_the_contract(low: float, high: float) -> None:
    """The nearest float32 of 0.1 and of 1.1 is greater, that of 0.7 is less."""
    schema = {"type": "number", "minimum": low, "maximum": high}
    hint = {"dtype": "float32"}
    box = inner(sent(schema, hint), is_action=True)
    assert low <= float(box.low[0]) < float(box.high[0]) <= high
    for end in (box.low, box.high):
        assert low <= to_value(sent(schema, hint), {"x": end})["x"] <= high
    seen = inner(shown(schema, hint), is_action=False)
    assert float(seen.low[0]) <= low
    assert float(seen.high[0]) >= high
    for value in (low, high):
        assert to_element(shown(schema, hint), {"x": value})["x"] in seen


def test_exclusive_bounds_of_numbers_are_excluded() -> None:
    schema = {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    box = inner(sent(schema), is_action=True)
    assert 0 < box.low[0] < 1e-300
    assert 0.999 < box.high[0] < 1


@pytest.mark.parametrize(
    ("schema", "hint", "sample", "why"),
    [
        ({"type": "integer", "minimum": 0, "maximum": 6}, None, 7, "is 7, not from 0"),
        ({"type": "integer", "minimum": 0, "maximum": 6}, None, 1.5, "not an integer"),
        ({"type": "number", "minimum": 0, "maximum": 6}, None, [NAN], "is no number"),
        ({"type": "boolean"}, None, 2, "not an integer from 0 to 1"),
        (STRING, {"max_length": 3, "charset": "[a]"}, "aaaa", "4 characters"),
        (STRING, {"max_length": 3, "charset": "[a]"}, "b", "charset"),
        ({"enum": ["a", None]}, None, "a", "not an integer"),
    ],
)
def test_what_is_outside_of_the_space_is_refused(
    schema: Any, hint: Any, sample: Any, why: str
) -> None:
    with pytest.raises(Outside, match=why) as caught:
        to_value(sent(schema, hint), {"x": sample})
    assert caught.value.place == ".x"


# --- what is shown --------------------------------------------------------------------------------

SHOWN: dict[str, tuple[Any, Any, str, list[Any]]] = {
    "an integer of any size": (
        {"type": "integer"}, None, "Box(-9223372036854775808, 9223372036854775807, (1,), int64)",
        [0, -(2**63), 2**63 - 1]),
    "a number of any size": (
        {"type": "number"}, None, "Box(-inf, inf, (1,), float64)", [0, 1e308, -0.1, 2**60]),
    "any text": (
        STRING, {"max_length": 4}, "Text(0, 4, charset=Unicode)", ["", "äöü", "\ud800", "日本🙂"]),
    "text in a charset": (STRING, {"max_length": 4, "charset": "[a-c]"}, "Text(0, 4, charset=abc)",
                          ["", "abca"]),
    "a pattern that isn't simple": (
        {"type": "string", "pattern": "^a+b$", "maxLength": 9}, None, "Text(0, 9, charset=Unicode)",
        ["ab"]),
    "any value, as JSON": (
        {}, {"as_json": True, "max_length": 40}, "Text(0, 40, charset=Unicode)",
        [None, {"a": [1, "ä"]}, "x", 1.5]),
    "a board": (
        {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        {"shape": [2, 2]}, "Box(-9223372036854775808, 9223372036854775807, (2, 2), int64)",
        [[[1, 0], [0, -1]]]),
    "a list of unique items": (
        {"type": "array", "items": {"type": "boolean"}, "uniqueItems": True}, None,
        "Sequence(Discrete(2), 0 to any)", [[], [True], [False, True]]),
    "a union of numbers": (
        {"anyOf": [{"type": "boolean"}, {"type": "integer"}, {"type": "number"}]}, None,
        ("OneOf(Discrete(2), Box(-9223372036854775808, 9223372036854775807, (1,), int64), "
         "Box(-inf, inf, (1,), float64))"), [True, 1, 1.5]),
    "variants without a tag": (
        {"anyOf": [
            {"type": "object", "properties": {"a": {"type": "boolean", "default": False}}},
            {"type": "object", "properties": {"b": {"type": "boolean", "default": False}}}]}, None,
        "OneOf(Dict('a': Discrete(2)), Dict('b': Discrete(2)))", [{"a": True}, {"b": True}]),
    "an object that may have more": (
        {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"],
         "minProperties": 1}, None, "Dict('a': Discrete(2))", [{"a": True}]),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "hint", "expected", "values"), SHOWN.values(), ids=SHOWN.keys())
def test_an_observation_is_in_its_space_and_keeps_its_value(
    schema: Any, hint: Any, expected: str, values: list[Any]
) -> None:
    field = shown(schema, hint)
    assert str(inner(field, is_action=False)) == expected
    for value in values:
        element = to_element(field, {"x": value})
        assert element in space_of(field, is_action=False)
        kept = to_value(field, element)["x"]
        assert kept == value


@pytest.mark.parametrize(
    ("schema", "hints", "value", "place", "hint"),
    [
        (STRING, {"": {"max_length": 3}}, "four", ".x", "max_length"),
        (STRING, {"": {"max_length": 3, "charset": "[a]"}}, "b", ".x", "charset"),
        ({"type": "integer"}, {"": {"bounds": [0, 5]}}, 6, ".x", "bounds"),
        ({"type": "integer"}, {"": {"dtype": "int8"}}, 200, ".x", "bounds"),
        ({"type": "integer"}, {}, 2**63, ".x", "dtype"),
        ({"type": "number"}, {"": {"dtype": "float32"}}, 1e300, ".x", "dtype"),
        ({"type": "array", "items": {"type": "number"}}, {"": {"shape": [2]}}, [1], ".x", "shape"),
        ({"type": "array", "items": {"type": "number"}},
         {"": {"shape": [2]}, "[]": {"bounds": [0, 1]}}, [1, 2], ".x[]", "bounds"),
        ({"type": "array", "items": STRING}, {"[]": {"max_length": 1}}, ["ab"], ".x[]",
         "max_length"),
    ],
)  # fmt: skip
def test_an_observation_outside_of_a_hint_says_where_and_which(
    schema: Any, hints: Any, value: Any, place: str, hint: str
) -> None:
    field = shown(schema, None, **{f"observation.x{at}": it for at, it in hints.items()})
    with pytest.raises(Outside) as caught:
        to_element(field, {"x": value})
    assert (caught.value.place, caught.value.hint) == (place, hint)


def test_a_field_that_is_always_given_needs_no_union() -> None:
    document = showing({"x": {"type": "boolean"}})
    plain = read_interface(document, {}).observation
    assert str(space_of(plain, is_action=False)) == "Dict('x': OneOf(Discrete(2), Discrete(1)))"
    assert to_element(plain, {}) == {"x": (1, 0)}
    assert to_element(plain, {"x": True}) == {"x": (0, 1)}
    given_ = read_interface(document, {"observation.x": {"given": True}}).observation
    assert str(space_of(given_, is_action=False)) == "Dict('x': Discrete(2))"
    with pytest.raises(Outside) as caught:
        to_element(given_, {})
    assert (caught.value.place, caught.value.hint) == (".x", "given")


def test_what_a_step_returns_beside_the_observation_is_not_in_it() -> None:
    beside = {"done": {"type": "boolean"}, "reward": {}, "metadata": {"type": "object"}}
    field = read_interface(showing({**beside, "x": {"type": "boolean"}}, required=["x"]), {})
    assert str(space_of(field.observation, is_action=False)) == "Dict('x': Discrete(2))"
    empty = read_interface(showing(beside), {})
    assert str(space_of(empty.observation, is_action=False)) == "Discrete(1)"


def test_a_reset_may_show_something_else() -> None:
    one = observation({"x": {"type": "boolean"}}, required=["x"])["observation"]
    document = contract(
        action={"type": "object", "properties": {"n": {"enum": [1, 2]}}},
        observation=one,
        reset_observation={"type": "object", "properties": {"y": STRING}, "required": ["y"]},
    )
    with pytest.raises(NoSpace, match=r"reset_observation\.y"):
        read_interface(document, {})
    found = read_interface(document, {"reset_observation.y": {"max_length": 2}})
    assert str(space_of(found.observed, is_action=False)) == (
        "OneOf(Dict('y': Text(0, 2, charset=Unicode)), Dict('x': Discrete(2)))"
    )
    same = read_interface({**document, "reset_observation": one}, {})
    assert str(space_of(same.observed, is_action=False)) == "Dict('x': Discrete(2))"


# --- kinds of spaces ------------------------------------------------------------------------------


def test_a_sequence_keeps_to_its_length() -> None:
    space = BoundedSequence(spaces.Discrete(2), 2, 3)
    lengths = {len(sample) for sample in samples(space, 50)}
    assert lengths == {2, 3}
    assert (0, 1) in space
    assert (0,) not in space
    assert (0, 1, 1, 1) not in space
    assert [0, 1] not in space
    assert space != BoundedSequence(spaces.Discrete(2), 2, 4)
    assert space == BoundedSequence(spaces.Discrete(2), 2, 3)
    assert space.sample(mask=(3, None)) in space
