"""Lists of numbers, which are read by a quick rule: they mean what a single number means."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from envgen_runtime.errors import InvalidRequest
from tests.support import action, build

LARGE = 2**53 + 1
INTEGERS = {"type": "array", "items": {"type": "integer"}}
NUMBERS = {"type": "array", "items": {"type": "number"}}
LEVELS = {"type": "array", "items": {"type": "number", "minimum": 0}}
PROPERTIES = {
    "ints": INTEGERS,
    "numbers": NUMBERS,
    "levels": LEVELS,
    "grid": {"type": "array", "items": INTEGERS, "maxItems": 9},
    "either": {"anyOf": [NUMBERS, INTEGERS]},
}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return build(action(PROPERTIES), tmp_path_factory.mktemp("lists"))


@pytest.mark.parametrize(
    ("field", "given", "read"),
    [
        ("ints", [1, 2.0, 10**30], [1, 2, 10**30]),
        ("ints", [], []),
        ("numbers", [1, 2.5, -(2**53)], [1.0, 2.5, -(2.0**53)]),
        ("numbers", [0.5, LARGE], [0.5, LARGE]),
        ("levels", [3, LARGE], [3.0, LARGE]),
        ("grid", [[1, 2], [3.0]], [[1, 2], [3]]),
        ("either", [1, 2], [1, 2]),
        ("either", [1, 2.5], [1.0, 2.5]),
    ],
)
def test_what_a_list_of_numbers_is_read_as(
    module: ModuleType, field: str, given: Any, read: Any
) -> None:
    value = getattr(module.DoAction.model_validate({field: given}), field)
    assert value == read
    assert [list(map(type, row)) if isinstance(row, list) else type(row) for row in value] == [
        list(map(type, row)) if isinstance(row, list) else type(row) for row in read
    ]
    value.append(0)
    assert given != value, "the list is the model's own"


@pytest.mark.parametrize(
    ("field", "given", "places"),
    [
        ("ints", [1, True, 2, "3"], [("ints", 1)]),
        ("ints", [1.5, 2], [("ints", 0)]),
        ("numbers", [0.5, False], [("numbers", 1)]),
        ("numbers", [math.nan, 1.0, "x"], [("numbers", 0)]),
        ("numbers", [0.5, -math.inf], [("numbers", 1)]),
        ("levels", [1.0, -1.0, math.inf], [("levels", 1)]),
        ("grid", [[1], [True], 5], [("grid", 1, 0)]),
        ("grid", [[]] * 10, [("grid",)]),
        ("ints", "12", [("ints",)]),
    ],
)
def test_the_first_item_that_is_refused_is_named(
    module: ModuleType, field: str, given: Any, places: list[Any]
) -> None:
    """Of a million of them, pydantic would keep a gigabyte of errors."""
    with pytest.raises(ValidationError) as caught:
        module.DoAction.model_validate({field: given})
    assert [error["loc"] for error in caught.value.errors()] == places


def test_an_iterator_is_read_once(module: ModuleType) -> None:
    assert module.DoAction(ints=iter([1, 2.0])).ints == [1, 2]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["numbers", "grid"])
def test_what_a_list_came_to_hold_later_is_not_sent(
    module: ModuleType, field: str, value: float
) -> None:
    made = module.DoAction(numbers=[1.0], grid=[[1], [2]])
    (made.numbers if field == "numbers" else made.grid[1]).append(value)
    place = r"numbers\[1\]" if field == "numbers" else r"grid\[1\]\[1\]"
    with pytest.raises(InvalidRequest, match=rf"\$\.{place}: {value}"):
        module.DoEnv("http://127.0.0.1:9")._step_payload(made)


def test_a_flat_default_is_each_instances_own(tmp_path: Path) -> None:
    default = {"default": [1, 2]}
    module = build(action({"path": {**INTEGERS, **default}, "notes": {"type": "object"}}), tmp_path)
    module.DoAction().path.append(3)
    module.DoAction().notes["x"] = 1
    assert module.DoAction().model_dump() == {"path": [1, 2], "notes": {}}
    assert module.DoAction().model_dump(exclude_defaults=True) == {}
    assert module.DoAction.model_json_schema()["properties"]["path"]["default"] == [1, 2]
