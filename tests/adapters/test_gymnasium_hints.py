"""Hints say what JSON Schema can't, and never what the contract forbids."""

from __future__ import annotations

from typing import Any

import pytest

from envgen_runtime.adapters.gymnasium.hints import HintError
from envgen_runtime.adapters.gymnasium.notes import NoSpace
from envgen_runtime.adapters.gymnasium.reading import read_interface
from envgen_runtime.adapters.gymnasium.spaces import space_of
from tests.calling.worlds import tool, tooled
from tests.support import action, contract

STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("hints", "why"),
    [
        ({"action.y": {"bounds": [0, 1]}}, r"action\.y: there is no such place.*action\.x"),
        ({"action.x": {"bounds": [0, 20]}}, r"the contract allows no more than \[0, 10\]"),
        ({"action.x": {"bounds": [0.5, 2]}}, "they are integers"),
        ({"action.x": {"dtype": "float32"}}, "dtype: one of int8"),
        ({"action.x": {"max_length": 3}}, "max_length means nothing here"),
        ({"action.x": {"ignore": True}}, "the contract requires it"),
        ({"action.x": {"given": True}}, "the contract requires it already"),
        ({"action.s": {"charset": "[a-d]"}}, "doesn't allow 'd'"),
        ({"action.s": {"max_length": 9}}, "no more than 5"),
        ({"action.s": {"ignore": True, "max_length": 3}}, "ignore stands alone"),
        ({"action": {"ignore": True}}, "only a field or a member of a union"),
        ({"action.x": {}}, "a hint has some of"),
        ({"action.x": {"bound": [0, 1]}}, "bound: a hint has some of"),
        ({"action.x": {"bounds": [1, 0]}}, "the least value comes first"),
        ({"action.x": {"bounds": [1]}}, "two numbers"),
        ({"action.x": {"ignore": False}}, "true, or no hint"),
        ({"action.s": {"charset": "abc"}}, "as a class of a regular expression"),
        ({"action.s": {"charset": "[c-a]"}}, "is empty"),
        ({"action.s": {"max_length": 0}}, "a count of characters"),
        ({"action.x": {"shape": [0]}}, "the length of each level"),
        ({"action.x": {"dtype": "complex64"}}, "one of int8"),
    ],
)
def test_a_hint_that_cannot_be_is_an_error(hints: Any, why: str) -> None:
    document = action(
        {
            "x": {"type": "integer", "minimum": 0, "maximum": 10},
            "s": {"type": "string", "pattern": "^[a-c]*$", "maxLength": 5},
        },
        required=["x"],
    )
    read_interface(document, {})
    with pytest.raises(HintError, match=why):
        read_interface(document, hints)


def test_members_of_unions_have_places() -> None:
    move = {"type": "object", "title": "Move", "properties": {"by": {"type": "integer"}},
            "required": ["by"]}  # fmt: skip
    document = contract(
        action={"anyOf": [move, {"type": "object", "title": "Say", "properties": {"s": STRING}}]}
    )
    hints = {"action(Move).by": {"bounds": [0, 3]}, "action(Say)": {"ignore": True}}
    (member,) = read_interface(document, hints).actions
    assert str(space_of(member.field, is_action=True)) == "Dict('by': Discrete(4))"


def test_a_member_that_is_ignored_still_counts_where_one_alone_may_fit() -> None:
    number = {"type": "number", "minimum": 0, "maximum": 5}
    union = {"oneOf": [{"type": "integer", "minimum": 0, "maximum": 5}, number]}
    with pytest.raises(NoSpace, match="may overlap"):
        read_interface(action({"x": union}), {"action.x(number)": {"ignore": True}})


def test_tools_are_members_of_the_action() -> None:
    document = tooled(
        tool("roll", {"sides": {"enum": [*range(2, 21)]}}, required=["sides"]),
        tool("stop", {}, additionalProperties=False),
    )  # fmt: skip
    hints = {"observation.seen": {"as_json": True, "max_length": 99}}
    found = read_interface(document, hints)
    assert [member.tool.wire_name for member in found.actions] == ["roll", "stop"]
    rolled = found.actions[0].field
    assert str(space_of(rolled, is_action=True)) == "Dict('sides': Discrete(19, start=2))"


def test_tools_that_are_not_listed_are_said() -> None:
    with pytest.raises(NoSpace, match="the contract doesn't list the tools"):
        read_interface(tooled(), {})
