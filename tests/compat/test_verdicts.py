"""What is called compatible is: instances of one contract are valid for the other."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from envgen.compat import compare
from envgen.contract import parse_contract
from tests.strategies import SCHEMAS, instances, mutated, objects
from tests.support import contract


@st.composite
def changed(draw: st.DrawFn, schema: Any) -> Any:
    """``schema`` with one place in it changed as a new version of it might be."""
    result = copy.deepcopy(schema)
    places: list[dict[str, Any]] = []
    waiting: list[Any] = [result]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "type" in node or "anyOf" in node or "enum" in node:
                places.append(node)
            waiting += [value for key, value in node.items() if key not in ("enum", "const")]
        elif isinstance(node, list):
            waiting += node
    node = draw(st.sampled_from(places))
    keys = [key for key in node if key not in ("type", "prefixItems", "items")]
    match draw(st.sampled_from(["drop", "replace", "number", "limit", "field"])):
        case "drop" if keys:
            del node[draw(st.sampled_from(keys))]
        case "number":
            node["type"] = draw(
                st.sampled_from(["number", "integer", "string", ["string", "null"]])
            )
        case "limit":
            node[draw(st.sampled_from(["minimum", "maxLength", "maxItems"]))] = draw(
                st.integers(0, 5)
            )
        case "field" if "properties" in node:
            node["properties"][draw(st.sampled_from(["a", "new"]))] = draw(SCHEMAS)
        case _:
            other = draw(SCHEMAS)
            node.clear()
            node.update(other if isinstance(other, dict) else {})
    return result


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


@settings(max_examples=100, deadline=None, suppress_health_check=[*HealthCheck])
@given(data=st.data(), old=objects(SCHEMAS), part=st.sampled_from(["action", "observation"]))
def test_a_compatible_change_breaks_nobody(data: st.DataObject, old: Any, part: str) -> None:
    new = data.draw(changed(old))
    assume(new.get("type") == "object" and "properties" in new)
    before, after = (
        parse_contract(contract(**{part: schema}), source="x") for schema in (old, new)
    )
    assume(not compare(before, after).reaches("warning"))
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
