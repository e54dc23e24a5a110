"""Which classes and aliases a contract becomes: their names, their identity, how they recur."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from envgen.build import build_package
from envgen.contract.contract import parse_contract
from envgen.errors import ContractError
from tests.support import ROOT, action, build, contract, little_work, observation

CASES = Path(os.environ.get("ENVGEN_SHARED", ROOT.parent / "shared")) / "cases" / "generator"
TEXT = {"type": "string"}
NUMBER = {"type": "integer"}


def ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def of(properties: dict[str, Any], *required: str, **keywords: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*required], **keywords}


@pytest.mark.slow
@pytest.mark.parametrize(
    "case", sorted(CASES.glob("*/check.py")), ids=lambda path: path.parent.name
)
def test_an_input_that_once_failed(case: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(case)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAIL" not in done.stdout


# --- identity -----------------------------------------------------------------------------------


def test_what_one_receives_can_be_sent_without_what_the_contract_does_not_know(
    tmp_path: Path,
) -> None:
    move = of({"from": TEXT, "n": {**NUMBER, "default": 1}}, "from")
    document = contract(
        action=of({"move": ref("Move")}, "move", title="Play", **{"$defs": {"Move": move}}),
        observation=of(
            {"legal": {"type": "array", "items": ref("Move")}},
            title="Board",
            **{"$defs": {"Move": move}},
        ),
    )
    module = build(document, tmp_path)
    env = module.DoEnv("http://127.0.0.1:9")
    payload = {"observation": {"legal": [{"from": "a", "newer": 1}]}, "reward": 0, "done": False}
    legal = env._parse_result(payload).observation.legal[0]
    assert type(legal) is module.Move
    assert (legal.newer, legal.model_dump(by_alias=True)["newer"]) == (1, 1)
    legal.n = 2
    assert legal.newer == 1
    assert env._step_payload(module.Play(move=legal)) == {"move": {"from": "a", "n": 2}}
    with pytest.raises(ValidationError, match="Extra inputs"):
        module.Play(move={"from": "a", "newer": 1})


def test_an_action_that_an_observation_lists_is_one_class(tmp_path: Path) -> None:
    move = of({"to": TEXT}, "to", title="Move")
    seen = of({"legal": {"type": "array", "items": ref("Move")}}, **{"$defs": {"Move": move}})
    module = build(contract(action=move, observation={"title": "Seen", **seen}), tmp_path)
    assert {name for name in module.__all__ if "Move" in name} == {"Move"}


def test_the_two_variants_of_fastapi_are_one_class(tmp_path: Path) -> None:
    fields = {"x": {**NUMBER, "default": 0}}
    document = contract(
        action=of({"p": ref("Pos-Input")}, title="Go", **{"$defs": {"Pos-Input": of(fields)}}),
        observation=of(
            {"p": ref("Pos-Output")}, title="Seen", **{"$defs": {"Pos-Output": of(fields, "x")}}
        ),
    )
    module = build(document, tmp_path)
    assert {name for name in module.__all__ if "Pos" in name} == {"Pos"}
    assert module.Pos().x == 0


def test_definitions_that_refer_to_different_things_are_different(tmp_path: Path) -> None:
    def part(title: str, inner: dict[str, Any]) -> dict[str, Any]:
        definitions = {"Keep": of({"m": ref("M")}), "M": of({"a": inner})}
        return of({"k": ref("Keep")}, title=title, **{"$defs": definitions})

    module = build(
        contract(action=part("Go", TEXT), observation=part("Seen", NUMBER), state=part("St", TEXT)),
        tmp_path,
    )
    assert {"Keep", "M", "SeenKeep", "SeenM"} <= set(module.__all__)
    assert "StKeep" not in module.__all__


# --- names --------------------------------------------------------------------------------------


def test_every_named_definition_can_be_imported(tmp_path: Path) -> None:
    definitions = {
        "Color": {"enum": ["red", "green"], "description": "A colour."},
        "Small": {"type": "integer", "maximum": 9},
        "Either": {"anyOf": [TEXT, NUMBER]},
        "Maybe": {"anyOf": [NUMBER, {"type": "null"}]},
        "Many": {"type": "array", "items": NUMBER},
        "Long": {"enum": [f"value {number}" for number in range(400)]},
        "Noop": {"type": "object", "properties": {}, "description": "Do nothing."},
    }
    document = action({name.lower(): ref(name) for name in definitions}, **{"$defs": definitions})
    module = build(document, tmp_path)
    assert set(definitions) <= set(module.__all__)
    made = module.DoAction.model_validate({})
    assert (made.maybe, made.many) == (None, []), "through an alias as without one"
    assert module.DoAction(maybe=None).maybe is None
    with pytest.raises(ValidationError):
        module.DoAction(small=None)
    assert "A colour." in (tmp_path / "do_env" / "models.py").read_text()


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Chess move action", "ChessMoveAction"),
        ("simple-user", "SimpleUser"),
        ("v1.core.Pod", "V1CorePod"),
        ("Box[int]", "BoxInt"),
        ("HTTPError", "HTTPError"),
        ("ENV_CLASS_NAME__Action", "EnvClassNameAction"),
    ],
)
def test_a_class_is_named_as_a_person_would(title: str, name: str, tmp_path: Path) -> None:
    module = build(contract(action=of({"type_": TEXT, "id": TEXT}, title=title)), tmp_path)
    assert list(getattr(module, name).model_fields) == ["type_", "id"]


def test_descriptions_reach_json_schemas(tmp_path: Path) -> None:
    inner = of({"x": {**NUMBER, "description": "Across."}})
    fields = {"from": {**TEXT, "description": "Where."}, "p": ref("P")}
    old = {**TEXT, "deprecated": True}
    document = action({**fields, "old": old}, **{"$defs": {"P": inner}})
    schema = build(document, tmp_path).DoAction.model_json_schema()
    assert schema["properties"]["from"]["description"] == "Where."
    assert schema["$defs"]["P"]["properties"]["x"]["description"] == "Across."
    assert schema["properties"]["old"]["deprecated"] is True


# --- recursion ----------------------------------------------------------------------------------


def test_recursion_is_typed_at_every_depth_and_in_every_order(tmp_path: Path) -> None:
    definitions = {
        "Node": {
            "oneOf": [ref("Leaf"), ref("Branch")],
            "discriminator": {"propertyName": "kind"},
        },
        "Leaf": of({"kind": {"const": "leaf"}, "v": NUMBER}, "kind", "v"),
        "Branch": of(
            {"kind": {"const": "branch"}, "kids": {"type": "array", "items": ref("Node")}}, "kind"
        ),
        "Json": {"anyOf": [NUMBER, {"type": "array", "items": ref("Json")}]},
    }
    properties = {"node": ref("Node"), "branch": ref("Branch"), "json": ref("Json")}
    sources: list[str] = []
    for order in (dict(definitions), dict(reversed(definitions.items()))):
        out = tmp_path / str(len(sources))
        module = build(action(properties, **{"$defs": order}), out)
        sources.append((out / "do_env" / "models.py").read_text())
        deep = {"kind": "branch", "kids": [{"kind": "branch", "kids": [{"kind": "leaf", "v": 1}]}]}
        made = module.DoAction.model_validate({"node": deep, "json": [[1]]})
        assert type(made.node.kids[0].kids[0]) is module.Leaf
        for wrong in ({"json": [["1"]]}, {"json": [[True]]}, {"node": {"kind": "leaf"}}):
            with pytest.raises(ValidationError):
                module.DoAction.model_validate(wrong)
    assert sources[0] == sources[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "number"),
    [
        ("chain", 500),
        ("ring", 200),
        ("dense", 200),
        pytest.param("chain", 1500, marks=pytest.mark.slow),
        pytest.param("ring", 1000, marks=pytest.mark.slow),
    ],
)
def test_many_definitions_build_and_import(shape: str, number: int, tmp_path: Path) -> None:
    def targets(index: int) -> list[int]:
        match shape:
            case "chain":
                return [index + 1] if index + 1 < number else []
            case "ring":
                return [(index + 1) % number]
            case _:
                return [(index * factor + 1) % number for factor in (3, 7, 11)]

    definitions = {
        f"C{index}": of(
            {"v": NUMBER, **{f"n{at}": ref(f"C{to}") for at, to in enumerate(targets(index))}}, "v"
        )
        for index in range(number)
    }
    document = observation({"x": ref("C0")}, **{"$defs": definitions})
    with little_work():
        module = build(document, tmp_path)
    value: dict[str, Any] = {"v": 1}
    for _ in range(100):
        value = {"v": 1, "n0": value}
    seen = module.SeeObservation.model_validate({"x": {**value, "newer": 1}})
    assert seen.model_dump(exclude_unset=True) == {"x": {**value, "newer": 1}}
    value["n0"]["n0"]["v"] = "1"
    with pytest.raises(ValidationError):
        module.SeeObservation.model_validate({"x": value})


# --- discriminators and constants ---------------------------------------------------------------


def tagged(tag: dict[str, Any], number: int) -> dict[str, Any]:
    return of({"kind": tag, f"n{number}": NUMBER}, "kind")


@pytest.mark.parametrize(
    ("tags", "mapping", "sent"),
    [
        (({"const": 1}, {"const": 2}), None, 2),
        (({"enum": ["a", "b"]}, {"enum": ["c", "d"]}), None, "d"),
        ((TEXT, TEXT), {"one": "#/$defs/A", "two": "#/$defs/B"}, "two"),
        ((TEXT, TEXT), None, "B"),
    ],
)
def test_a_discriminator_decides(
    tags: tuple[Any, Any], mapping: dict[str, str] | None, sent: Any, tmp_path: Path
) -> None:
    discriminator = {"propertyName": "kind", **({"mapping": mapping} if mapping else {})}
    union = {"oneOf": [ref("A"), ref("B")], "discriminator": discriminator}
    definitions = {"A": tagged(tags[0], 0), "B": tagged(tags[1], 1)}
    document = action({"x": union}, **{"$defs": definitions})
    package = build_package(parse_contract(document, source="x"), tmp_path / "found")
    assert not package.findings
    module = build(document, tmp_path)
    assert type(module.DoAction.model_validate({"x": {"kind": sent}}).x) is module.B
    with pytest.raises(ValidationError):
        module.DoAction.model_validate({"x": {"kind": sent, "n0": 1}})


def test_a_base_with_a_discriminator_is_a_union_of_its_children(tmp_path: Path) -> None:
    definitions = {
        "Pet": of({"kind": TEXT}, "kind", discriminator={"propertyName": "kind"}),
        "Cat": {"allOf": [ref("Pet"), of({"name": TEXT})]},
        "Dog": {"allOf": [ref("Pet"), of({"bark": TEXT})]},
    }
    module = build(action({"pet": ref("Pet")}, **{"$defs": definitions}), tmp_path)
    assert type(module.DoAction.model_validate({"pet": {"kind": "Dog"}}).pet) is module.Dog
    assert "Pet" in module.__all__


def test_a_required_constant_is_filled_in_but_has_to_be_received(tmp_path: Path) -> None:
    get = of({"type": {"enum": ["get"]}, "key": TEXT}, "type", "key", title="Get")
    module = build(contract(action=get), tmp_path)
    env = module.DoEnv("http://127.0.0.1:9")
    assert env._step_payload(module.Get(key="k")) == {"type": "get", "key": "k"}
    with pytest.raises(ValidationError, match="type"):
        module.Get.model_validate({"key": "k"})


# --- values -------------------------------------------------------------------------------------


def test_integers_of_more_than_64_bits_are_values(tmp_path: Path) -> None:
    large = 2**64 - 1
    module = build(action({"x": {"enum": [large, 1, 10.0**20]}}), tmp_path)
    assert [module.DoAction(x=value).x for value in (large, 1, 10**20)] == [large, 1, 10**20]


def test_times_that_python_has_no_value_for_are_read(tmp_path: Path) -> None:
    properties = {
        "at": {**TEXT, "format": "date-time"},
        "for": {**TEXT, "format": "duration", "default": "P1DT2S"},
    }
    package = build_package(parse_contract(action(properties), source="x"), tmp_path / "found")
    assert [finding.pointer for finding in package.findings] == [
        "/action/properties/at/format", "/action/properties/for/format",
    ]  # fmt: skip
    module = build(action(properties), tmp_path)
    made = module.DoAction.model_validate({"at": "2016-12-31T23:59:60Z"})
    assert made.at.replace(tzinfo=None) == datetime(2016, 12, 31, 23, 59, 59, 999999)
    assert made.for_ == timedelta(days=1, seconds=2)


def test_names_of_further_fields_keep_their_pattern(tmp_path: Path) -> None:
    schema = {"patternProperties": {"^x-": TEXT}, "additionalProperties": False}
    module = build(contract(action=of({"n": NUMBER}, title="Hdr", **schema)), tmp_path)
    assert module.Hdr.model_validate({"x-a": "1"}).model_dump()["x-a"] == "1"
    with pytest.raises(ValidationError):
        module.Hdr.model_validate({"oops": "1"})


@pytest.mark.parametrize("part", [{"enum": [{"move": "up"}]}, {"enum": ["up"]}, {"const": 1}])
def test_a_part_that_is_an_enumeration_is_refused(part: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="JSON object on the wire"):
        build(contract(action={"title": "Pick", **part}), tmp_path)
