"""JSON values: their equality, and how places within them are written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError

from envgen_runtime.json_value import (
    at_pointer,
    comparable,
    pointer_keys,
    pointer_of,
    pointer_to,
    same_json,
)
from tests.strategies import JSON
from tests.support import action, build


@pytest.mark.parametrize(
    ("one", "other", "is_equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        ([1], [True], False),
        ({"a": [0]}, {"a": [0.0]}, True),
        ({"a": 0}, {"a": False}, False),
        ({"a": 1}, {"a": 1, "b": 1}, False),
        ([1, 2], [2, 1], False),
        ([], {}, False),
        ("1", 1, False),
        (None, False, False),
    ],
)
def test_equality(one: Any, other: Any, is_equal: bool) -> None:
    assert same_json(one, other) is same_json(other, one) is is_equal
    assert (comparable(one) == comparable(other)) is is_equal


@given(one=JSON, other=JSON)
def test_keys_are_equal_where_values_are(one: Any, other: Any) -> None:
    assert same_json(one, one)
    assert same_json(one, other) is (comparable(one) == comparable(other))


def test_pointers() -> None:
    document = {"a/b": [{"~": 1}], "": 2}
    place = pointer_to("", "a/b", 0, "~")
    assert place == "/a~1b/0/~0"
    assert pointer_keys(place) == ["a/b", "0", "~"]
    assert (at_pointer(document, place), at_pointer(document, "/")) == (1, 2)
    assert at_pointer(document, "") is document
    assert pointer_of("#/a%25b") == "/a%b"
    assert pointer_of("#") == ""
    assert pointer_of("#anchor") is pointer_of("other.json#/a") is None


@pytest.mark.parametrize("pointer", ["/b", "/a~1b/1", "/a~1b/-1", "/a~1b/" + "9" * 5000, "//x"])
def test_a_place_that_is_not_there(pointer: str) -> None:
    with pytest.raises(LookupError):
        at_pointer({"a/b": [1], "": 2}, pointer)


INTEGERS: dict[str, Any] = {
    "plain": {"type": "integer"},
    "bounded": {"type": "integer", "minimum": 0, "maximum": 9},
    "nullable": {"type": ["integer", "null"]},
    "other": {"anyOf": [{"type": "integer"}, {"type": "array"}]},
    "counts": {"type": "array", "items": {"type": "integer"}},
    "ages": {"type": "object", "additionalProperties": {"type": "integer"}},
    "nested": {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]},
}


@pytest.mark.parametrize("value", ["1", True, False, 1.5, "", None, [1]])
@pytest.mark.parametrize("name", INTEGERS)
def test_an_integer_is_nothing_else(name: str, value: Any, integers: Any) -> None:
    wrapped = {"counts": [value], "ages": {"a": value}, "nested": {"x": value}}.get(name, value)
    if (name, value) == ("nullable", None) or (name == "other" and value == [1]):
        return
    for model in (integers.DoAction, integers.SeeObservation):
        with pytest.raises(ValidationError):
            model.model_validate({name: wrapped})


@pytest.mark.parametrize("name", INTEGERS)
def test_a_float_without_a_fraction_is_an_integer(name: str, integers: Any) -> None:
    wrapped = {"counts": [1.0], "ages": {"a": 1.0}, "nested": {"x": 1.0}}.get(name, 1.0)
    made = integers.SeeObservation.model_validate({name: wrapped})
    assert "1.0" not in made.model_dump_json()


@pytest.fixture(scope="module")
def integers(tmp_path_factory: pytest.TempPathFactory) -> Any:
    observation = {"title": "SeeObservation", "type": "object", "properties": INTEGERS}
    document = action(INTEGERS) | {"observation": observation}
    return build(document, tmp_path_factory.mktemp("integers"))


def test_one_of_tells_one_from_true(tmp_path: Path) -> None:
    module = build(action({"x": {"enum": [1, [1], {"a": 1}, 0.5]}}), tmp_path)
    for value in (1, 1.0, [1], {"a": 1}, 0.5):
        assert module.DoAction(x=value)
    for value in (True, [True], {"a": True}, "1"):
        with pytest.raises(ValidationError):
            module.DoAction(x=value)
