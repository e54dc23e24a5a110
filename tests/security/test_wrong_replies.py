"""Replies with a great many wrong values: what is kept of their errors is bounded."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

from envgen_runtime import ExactValidator
from envgen_runtime.wire.mismatch import reply_mismatch
from envgen_runtime.wire.protocol import server_error
from tests.security.streams import request
from tests.support import build, observation

MANY = 50_000
TEXT = {"type": "string"}
PROPERTIES: dict[str, Any] = {
    "texts": {"type": "array", "items": TEXT},
    "numbers": {"type": "array", "items": {"type": "integer"}},
    "rows": {"type": "array", "items": {"type": "array", "items": TEXT}},
    "objects": {"type": "array", "items": {"type": "object", "required": ["a"]}},
    "either": {"type": "array", "items": {"anyOf": [TEXT, {"type": "array", "items": TEXT}]}},
    "by_name": {"type": "object", "additionalProperties": TEXT},
}


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    return build(observation(PROPERTIES), tmp_path_factory.mktemp("wrong"))


def refused(module: ModuleType, field: str, value: Any) -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        module.SeeObservation.model_validate({field: value})
    return caught.value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("texts", [1] * MANY),
        ("numbers", ["x"] * MANY),
        ("rows", [[1] * 10] * MANY),
        ("objects", [1] * MANY),
        ("either", [[1] * 10] * MANY),
    ],
)
def test_a_list_is_left_at_its_first_wrong_item(
    module: ModuleType, field: str, value: list[Any]
) -> None:
    assert refused(module, field, value).error_count() <= 2, "one for each member of a union"


def test_too_many_wrong_values_of_an_object_are_counted_alone(module: ModuleType) -> None:
    error = refused(module, "by_name", dict.fromkeys(map(str, range(MANY)), 1))
    mismatch = reply_mismatch(error, request(), env_name="do", place="/observation")
    assert f"{MANY:,} values" in str(mismatch)
    assert mismatch.path == "$.observation"
    few = refused(module, "by_name", {"a": 1, "b": 2, "c": 3, "d": 4})
    mismatch = reply_mismatch(few, request(), env_name="do", place="/observation")
    assert "(and 1 more)" in str(mismatch)
    assert mismatch.path == "$.observation.by_name.a"


def test_of_a_large_instance_the_first_violation_is_found() -> None:
    validator = ExactValidator({"type": "array", "items": TEXT})
    (violation,) = validator.errors(["x", *[1] * MANY])
    assert violation.path == "$[1]"
    assert len(list(validator.errors([1] * 100))) == 100
    assert list(validator.errors(["x"] * MANY)) == []


def test_a_message_tells_a_few_of_the_servers_errors() -> None:
    data = {"errors": [{"loc": ["a"], "msg": "no"}] * MANY}
    error = server_error(data, code="VALIDATION_ERROR", request=request())
    assert len(error.args[0]) < 1_000
    assert f"(and {MANY - 20} more)" in str(error)
