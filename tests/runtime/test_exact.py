"""``validate="exact"``: messages held against the contract itself."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError

import envgen_runtime as rt
from envgen.demo.server import serving
from tests.runtime.servers import answering, observed
from tests.support import action, build, contract, contract_cases

DRAFT_7 = "http://json-schema.org/draft-07/schema#"

# What pydantic can't say: an action may have `left` or `right`, not both.
ACTION = {
    "title": "TurnAction",
    "type": "object",
    "properties": {"left": {"type": "integer"}, "right": {"type": "integer"}},
    "not": {"required": ["left", "right"]},
    "additionalProperties": False,
}
OBSERVATION = {
    "title": "TurnObservation",
    "type": "object",
    "properties": {
        "done": {"const": False},
        "reward": {"type": ["number", "null"]},
        "cells": {"type": "array", "contains": {"const": 1}},
    },
    "required": ["cells", "done"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def turning(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    document = contract(name="turn_env", action=ACTION, observation=OBSERVATION)
    return build(document, tmp_path_factory.mktemp("exact"))


def test_a_request_that_breaks_the_contract_is_not_sent(turning: ModuleType) -> None:
    both = turning.TurnAction(left=1, right=2)
    with serving(answering(observed({"cells": [1]}), observed({"cells": [1]}))) as url:
        with turning.TurnEnv(url, validate="exact") as env:
            env.reset()
            with pytest.raises(rt.InvalidRequest, match="nothing was sent") as caught:
                env.step(both)
            assert caught.value.path == "$"
            assert not caught.value.maybe_applied
            assert env.step(turning.TurnAction(left=1)).observation.cells == [1]
        with turning.TurnEnv("http://127.0.0.1:9") as wider:
            assert wider._step_payload(both) == {"left": 1, "right": 2}, "types let it pass"


@pytest.mark.parametrize(
    ("frame", "path"),
    [
        (observed({"cells": [0, 2]}), "$.observation.cells"),
        (observed({"cells": [1]}, done=True), "$.observation.done"),
        (observed({"cells": [1], "newer": 1}), "$.observation"),
    ],
    ids=["contains", "lifted", "newer"],
)
def test_a_reply_that_breaks_the_contract(turning: ModuleType, frame: str, path: str) -> None:
    with serving(answering(frame)) as url, turning.TurnEnv(url, validate="exact") as env:
        with pytest.raises(rt.ReplyMismatch, match="validate=") as caught:
            env.reset()
    assert caught.value.path == path


def test_the_async_client_checks_the_same(turning: ModuleType) -> None:
    async def play(url: str) -> None:
        async with turning.AsyncTurnEnv(url, validate="exact") as env:
            with pytest.raises(rt.ReplyMismatch):
                await env.reset()

    with serving(answering(observed({"cells": [0]}))) as url:
        asyncio.run(play(url))


def test_reset_parameters_are_checked(tmp_path: Path) -> None:
    parameters = {
        "title": "DoReset",
        "type": "object",
        "properties": {"level": {"type": "integer"}, "name": {"type": "string"}},
        "not": {"required": ["level", "name"]},
        "additionalProperties": False,
    }
    module = build(contract(reset_parameters=parameters), tmp_path)
    with serving(answering(observed({}))) as url:
        with module.DoEnv(url, validate="exact") as env:
            for wrong in ({"level": 1, "name": "a"}, {"levle": 1}):
                with pytest.raises(rt.InvalidRequest, match="nothing was sent"):
                    env.reset(**wrong)
            env.reset(level=1, seed=3, episode_id="any environment may be sent these two")


def test_the_state_is_checked(tmp_path: Path) -> None:
    state = {
        "title": "DoState",
        "type": "object",
        "properties": {"step_count": {"type": "integer", "not": {"const": 13}}},
    }
    module = build(contract(state=state), tmp_path)
    frames = [json.dumps({"type": "state", "data": {"step_count": count}}) for count in (12, 13)]
    with serving(answering(*frames)) as url, module.DoEnv(url, validate="exact") as env:
        assert env.state().step_count == 12
        with pytest.raises(rt.ReplyMismatch) as caught:
            env.state()
    assert caught.value.path == "$.step_count"


@pytest.mark.parametrize("name", ["additionalItems", "dependencies", "items"])
def test_a_field_called_like_an_older_keyword_leaves_the_dialect(name: str, tmp_path: Path) -> None:
    """In draft 7, `maximum` beside a $ref would mean nothing."""
    digit = {"$ref": "#/$defs/N", "maximum": 9}
    document = action(
        {"x": digit, name: {"type": "string"}}, **{"$defs": {"N": {"type": "integer"}}}
    )
    module = build(document, tmp_path)
    saved = module.DoEnv("http://127.0.0.1:9").contract["action"]
    assert rt.ExactValidator(saved).is_valid({"x": 9})
    assert not rt.ExactValidator(saved).is_valid({"x": 10})
    with pytest.raises(ValidationError):
        module.DoAction(x=10)


def test_without_the_library_the_extra_is_named(
    turning: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)

    class Fresh(turning.TurnEnv):  # type: ignore[name-defined, misc]
        """A class whose validators nobody has made yet."""

    with pytest.raises(rt.MissingExtra, match=r"envgen-runtime\[exact\]"):
        Fresh("http://127.0.0.1:9", validate="exact")
    assert Fresh("http://127.0.0.1:9")


def test_a_client_written_by_hand_has_no_contract() -> None:
    class ByHand(rt.EnvClient[Any, Any, Any]):
        def _step_payload(self, action: Any) -> dict[str, Any]:
            return {"action": action}

        def _parse_result(self, payload: dict[str, Any]) -> rt.StepResult[Any]:
            return rt.StepResult(payload)

        def _parse_state(self, payload: dict[str, Any]) -> Any:
            return payload

    with pytest.raises(rt.ContractMissing, match="not generated by envgen"):
        ByHand("http://127.0.0.1:9", validate="exact")


# --- the validator ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (
            {"$defs": {"n": {"$anchor": "num", "type": "number"}}, "items": {"$ref": "#num"}},
            [1],
            ["x"],
        ),
        (
            {
                "$id": "urn:tree",
                "$dynamicAnchor": "node",
                "properties": {"kids": {"items": {"$dynamicRef": "#node"}}},
                "required": ["v"],
            },
            {"v": 1, "kids": [{"v": 2}]},
            {"v": 1, "kids": [{}]},
        ),
        (
            {
                "$id": "https://example.com/root",
                "$defs": {"inner": {"$id": "inner", "type": "string"}},
                "properties": {"a": {"$ref": "inner"}},
            },
            {"a": ""},
            {"a": 1},
        ),
        (
            {"allOf": [{"properties": {"a": True}}], "unevaluatedProperties": False},
            {"a": 1},
            {"b": 1},
        ),
        (
            {"prefixItems": [{"type": "string"}], "unevaluatedItems": {"type": "integer"}},
            ["a", 1],
            ["a", "b"],
        ),
        ({"prefixItems": [{"const": 1}], "items": False}, [1], [1, 2]),
        ({"dependentSchemas": {"a": {"required": ["b"]}}}, {"a": 1, "b": 1}, {"a": 1}),
        (
            {"$schema": DRAFT_7, "items": [{"const": 1}], "additionalItems": False},
            [1],
            [1, 2],
        ),
        ({"$schema": DRAFT_7, "dependencies": {"a": ["b"]}}, {"b": 1}, {"a": 1}),
        ({"type": "string", "format": "email"}, "no address", 1),
        ({"type": "integer"}, 2**70, 1.5),
        (True, None, ...),
        (False, ..., None),
    ],
)
def test_keywords(schema: Any, good: Any, bad: Any) -> None:
    validator = rt.ExactValidator(schema)
    assert good is ... or (validator.is_valid(good) and not list(validator.errors(good)))
    assert bad is ... or not validator.is_valid(bad)


def test_a_violation_says_where() -> None:
    schema = {"properties": {"a": {"items": {"maximum": 3}}}}
    (violation,) = rt.ExactValidator(schema).errors({"a": [1, 5]})
    assert violation.path == "$.a[1]"
    assert violation.keyword == "/properties/a/items/maximum"
    assert str(violation).startswith("$.a[1]: ")


@pytest.mark.parametrize("target", ["http://127.0.0.1:9/a.json", "file:///etc/hostname", "#/no"])
def test_nothing_is_fetched(target: str) -> None:
    with pytest.raises(ValueError, match="can't be used"):
        rt.ExactValidator({"$ref": target})


def test_a_schema_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="can't be used"):
        rt.ExactValidator({"type": 5})


@pytest.mark.parametrize("file", contract_cases("json-schema"))
def test_the_suite(file: Path) -> None:
    if file.stem == "refRemote":
        pytest.skip("refers outside the document")
    for group in json.loads(file.read_text()):
        schema = group["schema"]
        if isinstance(schema, dict):
            schema = {"$schema": DRAFT_7, **schema}
        validator = rt.ExactValidator(schema)
        for test in group["tests"]:
            case = f"{group['description']}: {test['description']}"
            assert validator.is_valid(test["data"]) == test["valid"], case
            assert bool(list(validator.errors(test["data"]))) != test["valid"], case
