"""Spaces of any contract that can be drawn, and of the real ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from envgen_runtime.adapters.gymnasium.acting import to_value
from envgen_runtime.adapters.gymnasium.checks import Outside
from envgen_runtime.adapters.gymnasium.notes import NoSpace
from envgen_runtime.adapters.gymnasium.observing import to_element
from envgen_runtime.adapters.gymnasium.spaces import space_of
from envgen_runtime.contract.exact import ExactValidator
from envgen_runtime.contract.normal_form import normal_form
from tests.adapters.spaced import samples, with_hints
from tests.strategies import SCHEMAS, instances, objects
from tests.support import action, contract, contract_cases

ANY = objects(SCHEMAS)
OFTEN = settings(max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])


@pytest.mark.slow
@OFTEN
@given(ANY, st.integers(0, 1000))
@example({"type": "object", "properties": {"a": {"oneOf": [{"const": 1}, {"const": True}]}}}, 1)
def test_samples_of_any_action_are_accepted_and_come_back(schema: Any, seed: int) -> None:
    document = contract(action=schema)
    try:
        found, _ = with_hints(document)
    except NoSpace:
        assume(False)
        raise
    validator = ExactValidator(normal_form(schema))
    for member in found.actions:
        space = space_of(member.field, is_action=True)
        space.seed(seed)
        for _ in range(5):
            sample = space.sample()
            assert sample in space
            value = json.loads(json.dumps(to_value(member.field, sample)))
            assert list(validator.errors(value)) == []
            again = to_value(member.field, to_element(member.field, value))
            assert again == value


@pytest.mark.slow
@OFTEN
@given(st.data())
def test_what_any_contract_allows_is_in_the_space_or_said_to_be_outside(
    data: st.DataObject,
) -> None:
    schema = data.draw(ANY)
    try:
        found, hints = with_hints(contract(action=action({})["action"], observation=schema))
    except NoSpace:
        assume(False)
        raise
    space = space_of(found.observation, is_action=False)
    validator = ExactValidator(normal_form(schema))
    outside: list[str] = []
    for _ in range(3):
        value = data.draw(instances(schema, schema))
        if not validator.is_valid(value):
            continue
        try:
            element = to_element(found.observation, value)
        except Outside as error:
            outside.append(error.hint)
            continue
        assert element in space
        kept = to_value(found.observation, element)
        assert to_value(found.observation, to_element(found.observation, kept)) == kept
    assert {*outside} <= {"max_length", "dtype"}, f"the hints are wide: {hints}"


@pytest.mark.parametrize("file", contract_cases("corpus"))
def test_real_contracts(file: Any) -> None:
    document = json.loads(file.read_text())
    try:
        found, _ = with_hints(document)
    except NoSpace as error:
        without_help = {place for place, helping in error.places.items() if not helping}
        assert without_help <= {"action", "action.parameters"}
        return
    validator = ExactValidator(normal_form(document["action"]))
    for member in found.actions:
        for sample in samples(space_of(member.field, is_action=True), 200):
            value = to_value(member.field, sample)
            assert list(validator.errors(value)) == []
