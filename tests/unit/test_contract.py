"""What a contract has to be, and what is said of one that isn't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from envgen.build import build_package
from envgen.contract.contract import EnvContract, parse_contract
from envgen.errors import ContractError
from envgen.sources.parsing import parse_json
from tests.support import action, contract, load, observation


def parse(document: Any, name: str | None = None) -> EnvContract:
    return parse_contract(document, source="x.json", name=name)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "x.json: a contract is a JSON object"),
        ({"action": {}}, "x.json: no observation: this is not a contract"),
        (contract(action=None), "x.json: no action: this is not a contract"),
        ({"state": {}}, "x.json: no action and no observation: this is not a contract"),
        (
            contract()["action"],
            "x.json: this is a single schema (DoAction), not a contract",
        ),
        ({"action": {}, "observation": {}, "state": {}}, "x.json: the environment has no name"),
        (contract(action=True), "x.json#/action: a part of a contract is a schema object"),
        (
            action({"x": 1}),
            "x.json#/action/properties/x: a schema is an object or a boolean, not a",
        ),
        (action({"x": {"type": "text"}}), "x.json#/action/properties/x/type: type can't be 'text'"),
        (
            action({"x/y": {"minimum": "0"}}),
            "x.json#/action/properties/x~1y/minimum: minimum can't",
        ),
        (action({"x": {"$ref": "file:///etc/passwd"}}), "a $ref that leaves the document"),
        (action({"x": {"$ref": "http://127.0.0.1/x.json"}}), "a $ref that leaves the document"),
        (action({"x": {"anyOf": []}}), "x.json#/action/properties/x/anyOf: expected a list"),
        (action({"x": {"enum": []}}), "x.json#/action/properties/x/enum: enum can't be []"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(document: Any, says: str) -> None:
    with pytest.raises(ContractError) as caught:
        parse(document)
    assert says in str(caught.value)


def test_nesting_has_a_limit() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(150):
        schema = {"type": "array", "items": schema}
    with pytest.raises(ContractError, match="more than 100 levels"):
        parse(action({"x": schema}))


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe", b"[NaN]", b"[1e400]", b"[" * 100_000])
def test_what_is_not_json_is_refused(text: bytes) -> None:
    with pytest.raises(ContractError):
        parse_json(text, source="x.json")


def test_only_known_keywords_go_on() -> None:
    parsed = parse(
        action({"x": {"type": "string", "customTypePath": "os.system", "x-python-type": "evil"}})
    )
    assert parsed.parts["action"]["properties"]["x"] == {"type": "string"}
    assert [finding.pointer for finding in parsed.findings] == [
        "/action/properties/x/customTypePath",
        "/action/properties/x/x-python-type",
    ]


def test_properties_may_have_the_names_of_keywords() -> None:
    properties = {"$ref": {"type": "string"}, "default": {"type": "integer"}, "x-y": {}}
    assert parse(action(properties)).parts["action"]["properties"] == properties


def test_the_fingerprint_is_of_the_structure() -> None:
    plain = parse(action({"a": {"type": "string"}, "b": {"type": "integer"}}))
    turned = parse(
        action({"b": {"type": "integer", "title": "B"}, "a": {"type": "string"}}, description="!")
    )
    other = parse(action({"a": {"type": "string"}, "b": {"type": "number"}}))
    assert plain.fingerprint == turned.fingerprint
    assert plain.fingerprint != other.fingerprint


def test_a_property_called_title_counts_for_the_fingerprint() -> None:
    with_title = parse(observation({"title": {"type": "string"}}))
    assert with_title.fingerprint != parse(observation({})).fingerprint


def test_a_saved_contract_reads_back_the_same() -> None:
    first = parse(action({"größe": {"type": "string", "default": "\u2028"}}))
    again = parse(parse_json(first.to_json().encode(), source="x.json"))
    assert (again.name, again.parts, again.fingerprint) == (
        first.name,
        first.parts,
        first.fingerprint,
    )


def test_a_base_state_is_noticed() -> None:
    base = {"episode_id": {"type": "string"}, "step_count": {"type": "integer"}}
    findings = parse(contract(state={"properties": base})).findings
    assert [(finding.severity, finding.pointer) for finding in findings] == [("warning", "/state")]
    assert not parse(contract(state={"properties": {**base, "score": {}}})).findings


@pytest.mark.parametrize("absent", [{}, {"state": None}])
def test_without_a_state_it_has_the_base_state(absent: dict[str, Any], tmp_path: Path) -> None:
    document = {key: value for key, value in contract().items() if key != "state"}
    parsed = parse({**document, **absent})
    (finding,) = parsed.findings
    assert (finding.severity, finding.pointer) == ("warning", "/state")
    assert "no state is published" in finding.message
    assert "--state FILE" in finding.hint
    state = load(build_package(parsed, tmp_path).folder).State.model_validate({"score": 3})
    assert (state.step_count, state.episode_id, state.score) == (0, None, 3)


def test_the_name_given_wins() -> None:
    assert parse(contract(), name="OtherEnvironment").name == "other_env"
