"""Generated models agree with a JSON Schema validator on which actions are valid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from envgen.build import build_package
from envgen.contract.contract import parse_contract
from tests.strategies import SCHEMAS, instances, mutated, objects
from tests.support import action, load


@settings(max_examples=150, deadline=None, suppress_health_check=[*HealthCheck])
@given(data=st.data(), schema=objects(SCHEMAS))
def test_what_a_schema_says_is_what_its_action_takes(
    data: st.DataObject, schema: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    contract = parse_contract(action({}) | {"action": {"title": "DoAction", **schema}}, source="x")
    module = load(build_package(contract, tmp_path_factory.mktemp("agreement")).folder)
    env = module.DoEnv("http://127.0.0.1:9")
    judge = Draft202012Validator(schema)
    for _ in range(8):
        instance = data.draw(instances(schema, schema))
        if data.draw(st.booleans()):
            instance = data.draw(mutated(instance))
        note(json.dumps(instance))
        is_valid = judge.is_valid(instance)
        if is_valid:
            made = module.DoAction.model_validate(instance)
            assert same(env._step_payload(made), instance)
        else:
            with pytest.raises(ValidationError):
                module.DoAction.model_validate(instance)


def same(one: Any, other: Any) -> bool:
    """Equal as JSON: 1 is 1.0, and isn't true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
