"""Generated models agree with a JSON Schema validator on which actions are valid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, note, reject, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from envgen.build import build_package
from envgen.contract.contract import parse_contract
from envgen.errors import ContractError
from envgen_runtime import ExactValidator
from envgen_runtime.json_value import same_json
from tests.strategies import DIALECTS, SCHEMAS, instances, mutated, objects, referring
from tests.support import action, load


@pytest.mark.slow
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
            assert same_json(env._step_payload(made), instance)
        else:
            with pytest.raises(ValidationError):
                module.DoAction.model_validate(instance)


# docs/types.md, "Where types are narrower": what else a type refuses that a contract allows.
NARROWER = {"extra_forbidden", "union_tag_not_found", "union_tag_invalid"}


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[*HealthCheck])
@given(data=st.data(), schema=referring(), dialect=st.sampled_from(DIALECTS))
def test_exact_mode_refuses_what_types_refuse(
    data: st.DataObject,
    schema: dict[str, Any],
    dialect: str | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Both read one contract.json in one dialect."""
    part = {"title": "DoAction", **schema} | ({} if dialect is None else {"$schema": dialect})
    try:
        contract = parse_contract(action({}) | {"action": part}, source="x")
        package = build_package(contract, tmp_path_factory.mktemp("exact"))
    except ContractError:
        reject()  # such as an $anchor, which draft 7 doesn't know
    module = load(package.folder)
    saved = json.loads((package.folder / "contract.json").read_text())["action"]
    try:
        exact = ExactValidator(saved)
    except ValueError:
        reject()  # such as a list of items in 2020-12; a client in exact mode isn't made then
    document = contract.documents["action"]
    for _ in range(8):
        instance = data.draw(instances(document, document))
        if data.draw(st.booleans()):
            instance = data.draw(mutated(instance))
        note(json.dumps(instance))
        reasons = refusal(module.DoAction, instance)
        assert not reasons or reasons & NARROWER or not exact.is_valid(instance), reasons


def refusal(model: type[BaseModel], instance: Any) -> set[str]:
    """Why a model refuses an instance, as pydantic names it; empty if it doesn't."""
    try:
        model.model_validate(instance)
    except ValidationError as error:
        return {detail["type"] for detail in error.errors()}
    return set()
