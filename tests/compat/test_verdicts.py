"""What is called compatible is: instances of one contract are valid for the other."""

from __future__ import annotations

import copy
import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from envgen.compat import compare
from envgen.contract.contract import parse_contract
from envgen.errors import ContractError
from tests.strategies import SCHEMAS, instances, mutated, objects
from tests.support import contract


@st.composite
def versions(draw: st.DrawFn) -> tuple[Any, Any]:
    """A schema, and it with one place changed as a new version might; maybe with references."""
    old = draw(objects(SCHEMAS))
    for _ in range(draw(st.integers(0, 2))):
        draw(varied(draw(st.sampled_from(_places(old)))))
        assume(old.get("type") == "object" and old.get("properties"))
    if draw(st.booleans()):  # a field's schema becomes a definition, used by two fields
        name = draw(st.sampled_from(sorted(old["properties"])))
        old["$defs"] = {"D": old["properties"][name]}
        old["properties"][name] = {"$ref": "#/$defs/D"}
        old["properties"]["twin"] = {"$ref": "#/$defs/D"}
    new = copy.deepcopy(old)
    draw(varied(draw(st.sampled_from(_places(new)))))
    return old, new


def _places(schema: Any) -> list[dict[str, Any]]:
    """The schemas in a schema, itself included."""
    places: list[dict[str, Any]] = []
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if node.keys() & {"type", "anyOf", "oneOf", "enum", "const", "$ref"}:
                places.append(node)
            waiting += [value for key, value in node.items() if key not in ("enum", "const")]
        elif isinstance(node, list):
            waiting += node
    return places


_SMALL = st.integers(0, 5)
_KEYWORDS = {
    "minimum": _SMALL,
    "maximum": _SMALL,
    "exclusiveMinimum": _SMALL,
    "exclusiveMaximum": _SMALL,
    "multipleOf": st.sampled_from([1, 2, 3, 4]),
    "minLength": _SMALL,
    "maxLength": _SMALL,
    "pattern": st.sampled_from(["^a", "1"]),
    "format": st.sampled_from(["date", "date-time", "email"]),
    "minItems": _SMALL,
    "maxItems": _SMALL,
    "uniqueItems": st.booleans(),
    "minProperties": _SMALL,
    "maxProperties": _SMALL,
    "const": st.sampled_from([0, 1, 1.0, True, "", "a", None]),
    "enum": st.lists(st.sampled_from([0, 1, 1.5, True, False, "", "a", None]), min_size=1),
    "not": SCHEMAS,
    "contains": SCHEMAS,
    "patternProperties": st.dictionaries(st.sampled_from(["a", "^x"]), SCHEMAS, max_size=1),
    "propertyNames": st.just({"maxLength": 2}),
    "required": st.lists(st.sampled_from(["a", "b-c"]), unique=True),
    "anyOf": st.lists(SCHEMAS, min_size=1, max_size=3),
    "oneOf": st.lists(SCHEMAS, min_size=1, max_size=3),
    "allOf": st.lists(SCHEMAS, min_size=1, max_size=2),
}


@st.composite
def varied(draw: st.DrawFn, node: dict[str, Any]) -> None:
    """Change one schema in place."""
    keys = [key for key in node if key not in ("type", "prefixItems", "items", "$ref", "$defs")]
    match draw(st.sampled_from(["drop", "replace", "type", "keyword", "keyword", "field"])):
        case "drop" if keys:
            del node[draw(st.sampled_from(keys))]
        case "type":
            kinds = ["number", "integer", "string", "object", ["string", "null"]]
            node["type"] = draw(st.sampled_from(kinds))
        case "field" if "properties" in node:
            node["properties"][draw(st.sampled_from(["a", "new"]))] = draw(SCHEMAS)
        case "replace" if "$defs" not in node:
            other = draw(SCHEMAS)
            node.clear()
            node.update(other if isinstance(other, dict) else {})
        case _:
            keyword = draw(st.sampled_from(sorted(_KEYWORDS)))
            node[keyword] = draw(_KEYWORDS[keyword])


def opened(schema: Any) -> Any:
    """``schema`` with unknown fields allowed, as replies have it."""
    if isinstance(schema, list):
        return [opened(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: value if key in ("enum", "const") else opened(value)
        for key, value in schema.items()
        if key != "additionalProperties" or value is not False
    }


EXAMPLES = int(os.environ.get("ENVGEN_VERDICTS", "100"))


@pytest.mark.slow
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[*HealthCheck])
@given(data=st.data(), pair=versions(), part=st.sampled_from(["action", "observation"]))
def test_a_compatible_change_breaks_nobody(data: st.DataObject, pair: Any, part: str) -> None:
    old, new = pair
    assume(new.get("type") == old.get("type") == "object" and "properties" in new)
    try:
        before, after = (
            parse_contract(contract(**{part: schema}), source="x") for schema in (old, new)
        )
        found = compare(before, after)
    except ContractError:
        assume(False)  # nothing that a contract may say
    assume(not found.reaches("warning"))
    note(json.dumps(old))
    note(json.dumps(new))
    written, judge = (old, new) if part == "action" else (new, opened(old))
    writer, reader = Draft202012Validator(written), Draft202012Validator(judge)
    for _ in range(5):
        instance = data.draw(instances(written, written))
        if data.draw(st.booleans()):
            instance = data.draw(mutated(instance))
        if writer.is_valid(instance):
            note(json.dumps(instance))
            assert reader.is_valid(instance)
