"""Each rule, by a pair of schemas for an action (a request) or an observation (a reply)."""

from __future__ import annotations

from typing import Any

import pytest

from envgen.compat import RULES, Changelog, compare
from envgen.contract.contract import EnvContract, parse_contract
from tests.support import contract

INT, TEXT = {"type": "integer"}, {"type": "string"}
A = {"type": "object", "properties": {"t": {"const": "a"}}, "required": ["t"]}
B = {"type": "object", "properties": {"t": {"const": "b"}}, "required": ["t"]}


def of(value: Any, *required: str, **keywords: Any) -> dict[str, Any]:
    """A part whose field ``x`` has this schema."""
    return {"type": "object", "properties": {"x": value}, "required": list(required), **keywords}


def fields(*names: str, required: tuple[str, ...] = (), **keywords: Any) -> dict[str, Any]:
    properties = dict.fromkeys(names, INT)
    return {"type": "object", "properties": properties, "required": list(required), **keywords}


def compared(old: Any, new: Any, part: str = "action") -> Changelog:
    before, after = contract(**{part: old}), contract(**{part: new})
    return compare(parse_contract(before, source="old"), parse_contract(after, source="new"))


PAIRS: list[tuple[str, Any, Any]] = [
    ("title-changed", {"title": "A", **fields("x")}, {"title": "B", **fields("x")}),
    ("type-narrowed", of({"type": ["integer", "null"]}), of(INT)),
    ("type-narrowed", of({"type": "number"}), of(INT)),
    ("type-narrowed", of(True), of(TEXT)),
    ("type-narrowed", of(INT), of(False)),
    ("type-widened", of(INT), of({"anyOf": [INT, {"type": "null"}]})),
    ("type-widened", of(INT), of({"type": "number"})),
    ("type-widened", of(INT), of({})),
    ("variant-removed", of({"anyOf": [A, B]}), of(A)),
    ("variant-added", of(A), of({"anyOf": [A, B]})),
    ("variant-added", {"anyOf": [A]}, {"anyOf": [A, B]}),
    ("value-removed", of({"enum": ["a", "b"]}), of({"enum": ["a"]})),
    ("value-removed", of(TEXT), of({"enum": ["a"]})),
    ("value-added", of({"enum": ["a"]}), of({"enum": ["a", "b"]})),
    ("value-added", of({"const": "a"}), of(TEXT)),
    ("limit-tightened", of({**INT, "minimum": 0}), of({**INT, "minimum": 1})),
    ("limit-tightened", of(TEXT), of({**TEXT, "pattern": "^a"})),
    ("limit-tightened", of({**TEXT, "maxLength": 3}), of({**TEXT, "maxLength": 2})),
    ("limit-loosened", of({**INT, "maximum": 9}), of(INT)),
    ("limit-loosened", of({"type": "array", "uniqueItems": True}), of({"type": "array"})),
    ("field-removed", fields("x", "y"), fields("x")),
    ("field-added", fields("x"), fields("x", "y")),
    (
        "field-named",
        fields("x", additionalProperties=True),
        fields("x", "y", additionalProperties=True),
    ),
    ("required-field-added", fields("x"), fields("x", "y", required=("y",))),
    ("field-required", fields("x"), fields("x", required=("x",))),
    ("field-required", fields("x"), fields("x", required=("other",))),
    ("field-optional", fields("x", required=("x",)), fields("x")),
    ("default-changed", of({**INT, "default": 1}), of({**INT, "default": 2})),
    ("default-changed", of({**INT, "default": 1}), of(INT)),
    ("fields-closed", fields("x"), fields("x", additionalProperties=False)),
    ("fields-opened", fields("x", additionalProperties=False), fields("x")),
    (
        "tuple-changed",
        of({"type": "array", "prefixItems": [INT]}),
        of({"type": "array", "prefixItems": [INT, INT]}),
    ),
    ("condition-changed", of({**TEXT, "not": {"maxLength": 1}}), of(TEXT)),
    ("condition-changed", of({"type": "array"}), of({"type": "array", "contains": INT})),
    ("type-widened", of({"type": "array", "items": INT}), of({"type": "array"})),
    (
        "type-widened",
        of({"$ref": "#/$defs/N"}, **{"$defs": {"N": INT}}),
        of({"$ref": "#/$defs/M"}, **{"$defs": {"M": {"type": "number"}}}),
    ),
    ("condition-changed", of(TEXT), of({**TEXT, "contentEncoding": "base64"})),
    ("condition-changed", of({**INT, "readOnly": True}), of(INT)),
    ("format-changed", of({**TEXT, "format": "date"}), of({**TEXT, "format": "date-time"})),
    ("format-changed", of(TEXT), of({**TEXT, "format": "uuid"})),
    ("value-removed", of({"enum": ["a", "b"]}), of({"enum": ["a", "b"], "const": "a"})),
    ("limit-tightened", of({**INT, "exclusiveMinimum": 0}), of({**INT, "minimum": 2})),
    ("limit-loosened", of({**INT, "multipleOf": 4}), of({**INT, "multipleOf": 2})),
    # A value that fits two members of a oneOf doesn't fit the oneOf.
    ("condition-changed", of({"oneOf": [INT]}), of({"oneOf": [INT, {"type": "number"}]})),
    (
        "condition-changed",
        of({"not": {"$ref": "#/$defs/N"}}, **{"$defs": {"N": INT}}),
        of({"not": {"$ref": "#/$defs/N"}}, **{"$defs": {"N": TEXT}}),
    ),
    # One definition used twice, once with a limit beside the reference.
    (
        "limit-tightened",
        fields("x")
        | {
            "properties": {"a": {"$ref": "#/$defs/N"}, "b": {"$ref": "#/$defs/N", "maximum": 9}},
            "$defs": {"N": INT},
        },
        fields("x")
        | {
            "properties": {"a": {"$ref": "#/$defs/N"}, "b": {"$ref": "#/$defs/N", "maximum": 8}},
            "$defs": {"N": INT},
        },
    ),
]

BETWEEN = {**INT, "minimum": 1, "maximum": 5}
SPELLINGS = [
    (of({"type": ["integer", "null"]}), of({"anyOf": [INT, {"type": "null"}]})),
    (of({"anyOf": [INT, TEXT]}), of({"anyOf": [TEXT, INT]})),
    (of({"oneOf": [INT, TEXT]}), of({"type": ["string", "integer"]})),
    (of({"anyOf": [INT, {"anyOf": [TEXT, INT]}]}), of({"anyOf": [INT, TEXT]})),
    (of({"const": "a"}), of({"enum": ["a"]})),
    (of({"enum": ["a", "b"]}), of({"anyOf": [{"const": "b"}, {"const": "a"}]})),
    (of({"enum": ["a", None]}), of({"anyOf": [{"const": "a"}, {"type": "null"}]})),
    (of({"enum": [1, 2]}), of({"enum": [1.0, 2]})),
    (of({"enum": [True, False]}), of({"type": "boolean"})),
    (of(BETWEEN), of({**INT, "exclusiveMinimum": 0, "exclusiveMaximum": 6})),
    (of(BETWEEN), of({**INT, "minimum": 0.5, "maximum": 5})),
    (of(BETWEEN), of({"allOf": [INT, {"minimum": 1}, {"maximum": 5}]})),
    (of(BETWEEN), of({"$ref": "#/$defs/B"}, **{"$defs": {"B": BETWEEN}})),
    (of({"type": "array"}), of({"type": "array", "uniqueItems": False, "minItems": 0})),
    (of({"type": "number"}), of({"type": ["integer", "number"]})),
    (of(INT), of({**INT, "maxLength": 3})),
    (of({}), of(True)),
    (of({"oneOf": [A, B]}), of({"oneOf": [B, A]})),
    (of({"oneOf": [A, B]}), of({"anyOf": [A, B]})),
]


@pytest.mark.parametrize(("one", "other"), SPELLINGS)
@pytest.mark.parametrize("part", ["action", "observation"])
def test_what_is_only_said_otherwise_is_no_change(one: Any, other: Any, part: str) -> None:
    for old, new in ((one, other), (other, one)):
        assert [(item.rule, item.message) for item in compared(old, new, part).changes] in (
            [],
            [("prose-changed", "the same is said in another way")],
        )


@pytest.mark.parametrize(("rule", "old", "new"), PAIRS, ids=[pair[0] for pair in PAIRS])
@pytest.mark.parametrize("part", ["action", "observation"])
def test_a_rule(rule: str, old: Any, new: Any, part: str) -> None:
    found = compared(old, new, part)
    judged = RULES[rule].request if part == "action" else RULES[rule].reply
    assert (rule, judged) in {(change.rule, change.level) for change in found.changes}
    assert all(change.pointer.startswith(f"/{part}") for change in found.changes)
    assert not compared(new, new, part).changes


def test_parts_and_names_count() -> None:
    plain = parse_contract(contract(), source="x")
    more = parse_contract(contract(reset_observation=fields("x")), source="x")
    named = parse_contract(contract(), source="x", name="other")
    assert [change.rule for change in compare(plain, more).changes] == ["part-added"]
    assert [change.rule for change in compare(more, plain).changes] == ["part-removed"]
    assert [change.rule for change in compare(plain, named).changes] == ["name-changed"]


def tools(*given: dict[str, Any]) -> EnvContract:
    return parse_contract(contract(tools=list(given)), source="x")


def test_tools_count() -> None:
    add = {"name": "a/dd", "inputSchema": fields("x")}
    look = {"name": "look", "inputSchema": fields("x"), "outputSchema": fields("y")}
    found = compare(tools(add), tools(look)).changes
    assert [(item.rule, item.level, item.pointer) for item in found] == [
        ("tool-removed", "breaking", "/tools/a~1dd"),
        ("tool-added", "info", "/tools/look"),
    ]
    assert not compare(tools(add, look), tools(look, add)).changes, "their order says nothing"


@pytest.mark.parametrize(("rule", "old", "new"), PAIRS, ids=[pair[0] for pair in PAIRS])
@pytest.mark.parametrize("side", ["inputSchema", "outputSchema"])
def test_a_rule_within_a_tool(rule: str, old: Any, new: Any, side: str) -> None:
    if rule == "title-changed" and side == "inputSchema":
        return  # its class is called after the tool
    found = compare(tools({"name": "t", side: old}), tools({"name": "t", side: new}))
    judged = RULES[rule].request if side == "inputSchema" else RULES[rule].reply
    assert (rule, judged, "tools") in {(it.rule, it.level, it.part) for it in found.changes}
    assert all(change.pointer.startswith(f"/tools/t/{side}") for change in found.changes)


def test_what_a_tool_gives_is_promised_from_when_it_says_so() -> None:
    mute, told = {"name": "t"}, {"name": "t", "outputSchema": of(INT, "x")}
    assert compare(tools(mute), tools(told)).level == "info"
    assert compare(tools(told), tools(mute)).level == "breaking"


def test_prose_alone_is_a_patch() -> None:
    found = compared(fields("x"), {**fields("x"), "description": "New words."})
    assert ([change.rule for change in found.changes], found.bump) == (["prose-changed"], "patch")


def test_every_rule_has_a_pair() -> None:
    elsewhere = {"part-added", "part-removed", "name-changed", "prose-changed"}
    elsewhere |= {"tool-added", "tool-removed", "route-added", "route-changed"}
    elsewhere |= {"tool-destructive", "annotation-changed", "result-typed", "result-untyped"}
    assert {rule for rule, _, _ in PAIRS} | elsewhere == set(RULES)


def test_a_rename_is_suggested() -> None:
    found = compared(
        of({**TEXT, "maxLength": 7}), {**of(TEXT), "properties": {"y": {**TEXT, "maxLength": 7}}}
    )
    (removed,) = [change for change in found.changes if change.rule == "field-removed"]
    assert removed.hint == "y is new and has the same type: was it renamed?"


@pytest.mark.parametrize(
    ("old", "new", "bump"),
    [
        (fields("x"), fields("x"), "none"),
        (fields("x"), fields("x", "y"), "minor"),
        (of({**INT, "default": 1}), of({**INT, "default": 2}), "minor"),
        (fields("x", "y"), fields("x"), "major"),
    ],
)
def test_the_version_bump(old: Any, new: Any, bump: str) -> None:
    assert compared(old, new).bump == bump


def test_recursion_ends() -> None:
    def tree(leaf: Any) -> dict[str, Any]:
        node = {
            "type": "object",
            "properties": {"v": leaf, "kids": {"type": "array", "items": {"$ref": "#/$defs/T"}}},
        }
        return {"$ref": "#/$defs/T", "$defs": {"T": node}}

    assert not compared(tree(INT), tree(INT)).changes
    assert compared(tree({"type": "number"}), tree(INT)).level == "breaking"


READS, WRITES = {"readOnlyHint": True}, {"readOnlyHint": False}


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (READS, WRITES, "tool-destructive"),
        (READS, {}, "tool-destructive"),
        ({"destructiveHint": False}, {"destructiveHint": True}, "tool-destructive"),
        (WRITES, READS, "annotation-changed"),
        ({}, {"destructiveHint": True}, "annotation-changed"),
        ({**READS, "idempotentHint": True}, READS, "annotation-changed"),
    ],
)
def test_what_a_tool_says_of_its_calls(old: Any, new: Any, rule: str) -> None:
    tool = {"name": "t", "inputSchema": fields("x")}
    before, after = ({**tool, "annotations": hints} for hints in (old, new))
    (found,) = compare(tools(before), tools(after)).changes
    assert (found.rule, found.pointer) == (rule, "/tools/t/annotations")
    assert found.level == ("breaking" if rule == "tool-destructive" else "info")


def test_a_result_that_gets_a_type_or_loses_it() -> None:
    mute, told = {"name": "t"}, {"name": "t", "outputSchema": fields("x")}
    (typed,) = compare(tools(mute), tools(told)).changes
    (untyped,) = compare(tools(told), tools(mute)).changes
    assert (typed.rule, typed.level) == ("result-typed", "info")
    assert (untyped.rule, untyped.level) == ("result-untyped", "breaking")


def test_a_tool_that_may_have_been_renamed() -> None:
    before, after = ({"name": name, "inputSchema": fields("x")} for name in ("find", "search"))
    found = {item.rule: item.hint for item in compare(tools(before), tools(after)).changes}
    assert "search is new" in found["tool-removed"]
    other = {"name": "search", "inputSchema": fields("y")}
    assert not any(item.hint for item in compare(tools(before), tools(other)).changes)


def test_instructions_are_prose() -> None:
    listed = [{"name": "t", "inputSchema": fields("x")}]
    plain = parse_contract({"name": "x", "tools": listed}, source="x")
    told = parse_contract({"name": "x", "tools": listed, "instructions": "Ask."}, source="x")
    assert [item.rule for item in compare(plain, told).changes] == ["prose-changed"]
    assert compare(plain, plain).level is None
