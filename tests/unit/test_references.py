"""Where references lead, by whatever name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from envgen.contract.contract import parse_contract
from envgen.errors import ContractError
from tests.support import action, build

INTEGER = {"type": "integer"}


@pytest.mark.parametrize(
    ("value", "keywords"),
    [
        ({"$ref": "#/$defs/n"}, {"$defs": {"n": INTEGER}}),
        ({"$ref": "#n"}, {"$defs": {"n": {"$anchor": "n", **INTEGER}}}),
        ({"$ref": "#n"}, {"definitions": {"n": {"$id": "#n", **INTEGER}}}),
        ({"$ref": "n.json"},
         {"$id": "http://e.test/a/", "$defs": {"n": {"$id": "n.json", **INTEGER}}}),
        ({"$ref": "urn:x:n"}, {"$defs": {"n": {"$id": "urn:x:n", **INTEGER}}}),
        ({"$id": "urn:x:v", "$ref": "#/$defs/n", "$defs": {"n": INTEGER}}, {}),
        ({"$dynamicRef": "#n"}, {"$defs": {"n": {"$dynamicAnchor": "n", **INTEGER}}}),
        ({"$ref": "#n"},
         {"$schema": "https://json-schema.org/draft/2020-12/schema",
          "$defs": {"n": {"$anchor": "n", **INTEGER}, "t": {"items": [INTEGER]}}}),
        ({"$ref": "#/$defs/a%25b~1c"}, {"$defs": {"a%b/c": {"$anchor": "n", **INTEGER}}}),
    ],
    ids=lambda value: str(value)[:60],
)  # fmt: skip
def test_a_place_is_found_by_its_name(
    value: dict[str, Any], keywords: dict[str, Any], tmp_path: Path
) -> None:
    module = build(action({"x": value}, required=["x"], **keywords), tmp_path)
    assert module.DoAction(x=1).x == 1
    with pytest.raises(ValidationError):
        module.DoAction(x="one")


@pytest.mark.parametrize(
    "reference",
    ["#nowhere", "other.json", "file:///etc/passwd", "http://e.test/b.json", "//e.test/x", "../x",
     "http://[::1", "#/$defs/n/type"],
)  # fmt: skip
def test_what_is_not_in_the_document_is_refused(reference: str) -> None:
    document = action(
        {"x": {"$ref": reference}}, **{"$id": "http://e.test/a.json", "$defs": {"n": INTEGER}}
    )
    with pytest.raises(ContractError, match="#/action/properties/x/") as caught:
        parse_contract(document, source="x.json")
    assert "$defs" in caught.value.hint


def test_in_draft_7_a_reference_stands_alone(tmp_path: Path) -> None:
    beside = action(
        {"x": {"$ref": "#/definitions/n", "maximum": 3}}, definitions={"n": INTEGER}, required=["x"]
    )
    build(beside, tmp_path / "now")
    with pytest.raises(ValidationError):
        build(beside, tmp_path / "now").DoAction(x=4)
    beside["action"]["$schema"] = "http://json-schema.org/draft-07/schema#"
    assert build(beside, tmp_path / "then").DoAction(x=4).x == 4


def test_what_depends_on_the_way_there_is_said() -> None:
    ambiguous = action(
        {"x": {"$dynamicRef": "#n"}},
        **{"$defs": {name: {"$id": name, "$dynamicAnchor": "n", **INTEGER} for name in "ab"}},
    )
    ambiguous["action"]["properties"]["y"] = {
        "$ref": "https://json-schema.org/draft/2020-12/schema"
    }
    findings = parse_contract(ambiguous, source="x.json").findings
    assert sorted(finding.pointer for finding in findings) == [
        "/action/properties/x/$ref",
        "/action/properties/y/$ref",
    ]


def test_a_saved_contract_always_says_its_dialect() -> None:
    def saved(properties: Any = None, **keywords: Any) -> Any:
        document = action(properties or {}, **keywords)
        return parse_contract(document, source="x").parts["action"]["$schema"]

    draft_7 = "http://json-schema.org/draft-07/schema#"
    present = "https://json-schema.org/draft/2020-12/schema"
    assert saved() == present
    assert saved(dependencies={"a": ["b"]}) == draft_7
    assert saved({"dependencies": {"additionalItems": True}}) == present
    assert saved(**{"$schema": "http://json-schema.org/draft-04/schema"}) == draft_7
    assert saved(**{"$schema": "https://json-schema.org/draft/2020-12/schema#"}) == present
    assert saved(**{"$schema": "https://evil.test/schema"}) == present


def test_the_present_dialect_is_no_part_of_the_fingerprint() -> None:
    plain = parse_contract(action({"x": {"type": "string"}}), source="x")
    assert plain.fingerprint == (
        "dd6be6093ccaac9e388cc63f3c6b36dc5bbeef3956103e78d263986e777fd7e4"
    ), "as envgen 0.1 computed it: packages and locks keep theirs"
