"""Contracts that would take minutes or gigabytes are refused, or take work in proportion."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any, cast

import pytest

from envgen.contract.contract import parse_contract
from envgen.errors import ContractError, Unreachable
from envgen.plan.planner import make_plan
from envgen.schema import limits
from envgen.schema.limits import pattern_cost
from envgen.sources.parsing import parse
from envgen_runtime.contract.drift import Contracts, differences
from tests.support import action, build, calls_up_to, contract

TEXT = {"type": "string"}


def of(properties: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, **keywords}


def refs(count: int, name: str = "#/$defs/D{}") -> dict[str, Any]:
    return {f"p{index}": {"$ref": name.format(index)} for index in range(count)}


def many(count: int, schema: Callable[[int], Any] = lambda _: TEXT) -> dict[str, Any]:
    return {f"D{index}": schema(index) for index in range(count)}


def multiplied(copies: str) -> dict[str, Any]:
    """Each definition has two copies of the next: 2**40 in the end."""

    def definition(index: int) -> Any:
        copy = {"allOf": [{"$ref": f"#/$defs/D{index + 1}"}, {"description": "a copy"}, {}]}
        copy["allOf"][2] = {"minProperties": 1} if copies == "object" else {"minItems": 1}
        if copies == "object":
            return of({"a": copy, "b": copy})
        return {"type": "array", "prefixItems": [copy, copy]}

    last = {"D40": of({"x": TEXT}) if copies == "object" else {"type": "array"}}
    return action({"x": {"$ref": "#/$defs/D0"}}, **{"$defs": {**many(40, definition), **last}})


def undecided() -> dict[str, Any]:
    """A default of which each level fits two members, and the last level none."""
    level = {"type": "array", "items": {"$ref": "#/$defs/L"}}
    either = {"anyOf": [level, {**level, "maxItems": 3}]}
    default = reduce(lambda inner, _: [inner], range(60), cast("Any", 1))
    return action({"x": {"$ref": "#/$defs/L", "default": default}}, **{"$defs": {"L": either}})


COPY = {"allOf": [{"$ref": "#/$defs/L"}, {"minItems": 1}]}

REFUSED = {
    "fields": action({f"f{index}": TEXT for index in range(limits.MAX_SCHEMAS)}),
    "objects": action({f"f{index}": of({"a": TEXT}) for index in range(limits.MAX_SCHEMAS // 2)}),
    "definitions": action({}, **{"$defs": many(limits.MAX_SCHEMAS)}),
    "a name": action({"a" * (limits.MAX_NAME + 1): TEXT}),
    "a definition's name": action({}, **{"$defs": {"D" * (limits.MAX_NAME + 1): TEXT}}),
    "a title": action({}, title="T " * limits.MAX_NAME),
    "the environment's name": contract(name="a" * (limits.MAX_NAME + 1)),
    "a class's name": action(
        {"x": reduce(lambda inner, _: of({"long" * 20: inner}), range(15), of({"x": TEXT}))}
    ),
    "a constant": action({"a": {"const": [*range(limits.MAX_VALUES)]}}),
    "a default": action({"a": {"default": [*range(limits.MAX_VALUES)]}}),
    "an enumeration": action({"a": {"enum": [f"v{i}" for i in range(limits.MAX_VALUES)]}}),
    "types": action({"a": {"type": ["string"] * limits.MAX_VALUES}}),
    "required names": action({}, required=["a"] * limits.MAX_VALUES),
    "unknown keywords": action({}, **{f"x{index}": 1 for index in range(limits.MAX_VALUES)}),
    "a text": action({"a": {"description": "x" * limits.MAX_TEXT}}),
    "members": action({"a": {"anyOf": [of({f"k{i}": TEXT}) for i in range(2000)]}}),
    "members of members": action(
        {
            "a": {
                "anyOf": [
                    {"anyOf": [{"type": "string", "maxLength": 99 * i + j} for j in range(99)]}
                    for i in range(20)
                ]
            }
        }
    ),
    "a wide allOf": action({}, allOf=[of({f"f{index}": TEXT}) for index in range(2000)]),
    "a long allOf": action(
        {"x": {"allOf": [{"$ref": "#/$defs/D0"}]}},
        **{"$defs": {**many(900, lambda i: {"allOf": [{"$ref": f"#/$defs/D{i + 1}"}, {}]}),
                     "D900": of({})}},
    ),
    "an allOf that copies itself": action(
        {"x": {"$ref": "#/$defs/L"}}, **{"$defs": {"L": {"type": "array", "items": COPY}}}
    ),
    "objects that multiply": multiplied("object"),
    "tuples that multiply": multiplied("tuple"),
    "fields that multiply": action(
        {f"p{i}": {"allOf": [{"$ref": "#/$defs/B"}, {"minProperties": i}]} for i in range(200)},
        **{"$defs": {"B": of({f"f{index}": TEXT for index in range(200)})}},
    ),
    "a default that fits in many ways": undecided(),
    "counted patterns": action(
        {f"p{i}": {"type": "string", "pattern": rf"^\w{{1,{200 + i}}}$"} for i in range(300)}
    ),
    "a level of bases": action(
        {"x": {"$ref": "#/$defs/D0"}},
        **{"$defs": many(400, lambda i: {
            **of({"t": TEXT}), "discriminator": {"propertyName": "t"},
            "allOf": [{"$ref": f"#/$defs/D{i - 1}"}] if i else [{}],
        })},
    ),
    "tools": contract(
        tools=[
            {"name": f"t{index}", "inputSchema": of({f"a{i}": TEXT for i in range(19)})}
            for index in range(900)
        ]
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("document", REFUSED.values(), ids=REFUSED.keys())
def test_a_contract_that_would_take_too_long_is_refused(document: dict[str, Any]) -> None:
    with calls_up_to(10_000_000), pytest.raises(ContractError) as caught:
        make_plan(parse_contract(document, source="x"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 2_000


def test_a_contract_as_large_as_a_public_one_is_taken() -> None:
    """A resources server of NeMo Gym 0.7.0 has OpenAI's schemas of requests and replies twice."""
    large = action({f"f{index}": TEXT for index in range(6_000)})
    assert make_plan(parse_contract(large, source="x"))


GROWING: dict[str, Callable[[int], dict[str, Any]]] = {
    "fields": lambda n: action({f"f{index}": TEXT for index in range(n)}),
    "objects": lambda n: action({f"f{index}": of({"a": TEXT}) for index in range(n)}),
    "definitions": lambda n: action(refs(n), **{"$defs": many(n, lambda _: of({"a": TEXT}))}),
    "anchors": lambda n: action(
        refs(n, "#a{}"), **{"$defs": many(n, lambda i: {"$anchor": f"a{i}", **TEXT})}
    ),
    "names by URI": lambda n: action(
        refs(n, "http://x.test/{}"),
        **{"$defs": many(n, lambda i: {"$id": f"http://x.test/{i}", **TEXT})},
    ),
    "dynamic references": lambda n: action(
        {f"p{index}": {"$dynamicRef": "#n"} for index in range(n)},
        **{"$defs": {"D": {"$dynamicAnchor": "n", **TEXT}}},
    ),
    "ambiguous references": lambda n: action(
        {f"p{index}": {"$dynamicRef": "#n"} for index in range(n)},
        **{"$defs": many(2, lambda _: {"$dynamicAnchor": "n", **TEXT})},
    ),
    "a chain of references": lambda n: action(
        {"x": {"$ref": "#/$defs/D0"}},
        **{"$defs": {**many(n, lambda i: {"$ref": f"#/$defs/D{i + 1}"}), f"D{n}": TEXT}},
    ),
    "findings": lambda n: action({f"f{i}": {**TEXT, "not": {"const": i}} for i in range(n)}),
    "tags": lambda n: action(
        {"x": {"$ref": "#/$defs/U"}},
        **{
            "$defs": {
                "U": {
                    "oneOf": [{"$ref": "#/$defs/A"}, {"$ref": "#/$defs/B"}],
                    "discriminator": {
                        "propertyName": "t",
                        "mapping": {f"m{index}": "#/$defs/A" for index in range(n)},
                    },
                },
                "A": of({"t": TEXT}),
                "B": of({"t": TEXT}),
            }
        },
    ),
    "enumerated patterns": lambda n: action(
        {"x": {**TEXT, "pattern": r"^\w{1,99}$", "enum": [f"v{index}" for index in range(n)]}}
    ),
    "enumerations in allOf": lambda n: action(
        {"x": {"allOf": [{"enum": [*range(n)]}, {"enum": [*range(n, 0, -1)]}]}}
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("document", GROWING.values(), ids=GROWING.keys())
def test_work_grows_with_the_contract(document: Callable[[int], dict[str, Any]]) -> None:
    """Twice the size is twice the work; a square would be four times."""
    calls: list[int] = []
    for number in (150, 300, 600):
        given = document(number)
        with calls_up_to(10_000_000) as counted:
            make_plan(parse_contract(given, source="x"))
        calls.append(next(counted))
    assert calls[2] - calls[1] < 3 * (calls[1] - calls[0])


def test_a_pattern_that_would_take_long_to_compile_is_not_checked(tmp_path: Path) -> None:
    pattern = r"((\w{1,99}){1,99}){1,99}"
    document = action({f"p{index}": {**TEXT, "pattern": pattern} for index in range(50)})
    _, findings = make_plan(parse_contract(document, source="x"))
    assert {finding.pointer for finding in findings} == {
        f"/action/properties/p{index}/pattern" for index in range(50)
    }
    assert build(document, tmp_path).DoAction(p0="-").p0 == "-"


def test_a_union_of_many_members_imports(tmp_path: Path) -> None:
    members = [of({f"k{index}": TEXT}, required=[f"k{index}"]) for index in range(400)]
    module = build(action({"a": {"anyOf": members}}), tmp_path)
    assert module.DoAction.model_validate({"a": {"k399": "x"}}).a.k399 == "x"


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        (r"^\w{1,200}$", 20_000),
        (r"(\w{1,100}){1,100}", 1_000_000),
        (r"((ab){10}){10}", 200),
        (r"a{100}{100}", 10_000),
        (r"a{1000", 6),
        (r"[^\w]{100}", 10_000),
        (r"\(\w{100}\)", 10_000),
    ],
)
def test_the_cost_of_a_pattern(pattern: str, least: int) -> None:
    assert least <= pattern_cost(pattern) < 3 * least


def test_reading_takes_no_longer_than_it_may() -> None:
    parse_contract(contract(), source="x", timeout_s=1000)
    with pytest.raises(Unreachable) as caught:
        parse_contract(contract(), source="x", timeout_s=-1)
    assert "--timeout" in caught.value.hint


@pytest.mark.parametrize("is_yaml", [False, True], ids=["JSON", "YAML"])
@pytest.mark.parametrize("number", ["1" * 400, "-" + "9" * 5000])
def test_an_integer_that_no_number_holds(number: str, is_yaml: bool) -> None:
    with pytest.raises(ContractError, match=r"too large|too long"):
        parse(f'{{"a": {number}}}'.encode(), source="x", is_yaml=is_yaml)


# --- what a client looks at -----------------------------------------------------------------------

ODD: list[Any] = [
    {"required": 5}, {"required": [{}]}, {"properties": 5}, {"anyOf": 5}, {"anyOf": [5]},
    {"$ref": 5}, {"enum": 5}, {"items": 5}, {"discriminator": 5}, {"$anchor": []}, {"type": {}},
    {"const": {"a": [[]]}}, {"properties": {"x": 5}}, {"$ref": "#"}, {"allOf": [{"$ref": "#"}]},
    reduce(lambda inner, _: of({"a": inner}), range(3000), of({})),
    of({f"f{index}": TEXT for index in range(60_000)}),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("schema", ODD, ids=range(len(ODD)))
def test_a_client_can_look_at_any_schema(schema: Any) -> None:
    ours = contract()
    with calls_up_to(2_000_000):
        theirs = {"action": schema, "observation": schema, "state": schema}
        found = differences(ours, theirs)
        Contracts(ours, theirs).other_environment()
    assert found
    assert all(isinstance(line, str) and len(line) < 500 for line in found)


@pytest.mark.slow
def test_a_clients_work_grows_with_the_schema() -> None:
    calls: list[int] = []
    for number in (200, 400, 800):
        defs = {"$defs": many(number, lambda i: {"$anchor": f"a{i}", **TEXT})}
        ours, theirs = (action(refs(number, "#a{}"), **defs, minProperties=n) for n in (1, 2))
        with calls_up_to(10_000_000) as counted:
            assert len(differences(ours, theirs)) == 1
        calls.append(next(counted))
    assert calls[2] - calls[1] < 3 * (calls[1] - calls[0])
