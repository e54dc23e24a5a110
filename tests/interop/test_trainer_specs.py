"""``benchmarks.trainer_specs`` on some schemas: what trainers show is what the contract says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.told import untold
from benchmarks.trainer_specs import (
    TRAINERS,
    Scores,
    beyond_hints,
    generated,
    measure,
    some_tools,
)
from tests.interop.conftest import skip_without_venv
from tests.support import ROOT

SCHEMAS = 20


def documents() -> dict[str, Any]:
    """Tools of servers, actions, and generated schemas."""
    lists = {file.stem: json.loads(file.read_text()) for file in
             sorted((ROOT / "tests" / "contracts" / "mcp").glob("*.json"))}  # fmt: skip
    names = ("coding_env", "connect_four_env", "warehouse_env")
    actions = {
        f"{name}_action": json.loads((ROOT / "schemas" / f"{name}.json").read_text())
        for name in names
    }
    return {**some_tools(lists, 8), **actions, "generated": generated(12)}


def measured(name: str, folder: Path) -> Scores:
    with skip_without_venv():
        return measure(documents(), {name: TRAINERS[name]}, {}, folder, 120)


@pytest.mark.parametrize("name", [name for name in TRAINERS if name != "trl"])
def test_trainers_show_what_the_contract_says(name: str, tmp_path: Path) -> None:
    scores = measured(name, tmp_path)
    for way in TRAINERS[name].shows:
        score = scores.ways[way]
        assert score.schemas >= SCHEMAS
        assert (score.unequal, score.crashes, score.invisible) == ({}, [], [])
        assert 0 < score.valid < score.instances


def test_trl_shows_what_hints_can_say(tmp_path: Path) -> None:
    """TRL's own adapter is measured beside it: it loses most, and hides tools."""
    scores = measured("trl", tmp_path)
    ours, own = TRAINERS["trl"].shows
    assert scores.ways[ours].schemas >= SCHEMAS
    assert (scores.ways[ours].crashes, scores.ways[ours].invisible) == ([], [])
    sayable = scores.ways[f"{ours}, that hints can say"]
    assert sayable.schemas > 8
    assert sayable.unequal == {}
    assert all(scores.beyond[place] for place in scores.ways[ours].unequal)
    assert scores.untold
    assert not any(scores.untold.values())
    assert scores.ways[own].invisible
    assert scores.ways[own].equal < scores.ways[ours].equal


def test_what_hints_can_t_say() -> None:
    text = {"type": "string", "description": "x", "format": "uri"}
    sayable = {"anyOf": [{"enum": ["a", 1, None]}, {"type": "array", "items": text}, True]}
    maps = {"type": "object", "additionalProperties": sayable}
    assert beyond_hints({"properties": {"a": maps, "b": {}}, "required": ["a"]}) == set()
    lost = {
        "a": {"items": {"type": "integer", "minimum": 1}},
        "b": {"additionalProperties": {"properties": {}}},
        "c": {"enum": [1.5]},
    }
    said = beyond_hints({"properties": lost, "anyOf": [{"required": ["a"]}]})
    assert said == {"minimum", "properties", "enum of no Literal", "anyOf"}


def test_what_texts_tell() -> None:
    """Each keyword that hints lose has to be in the text of its parameter, or of the whole."""
    schema = {
        "type": "object",
        "properties": {"from": {"type": "string", "minLength": 2, "pattern": "a b"}},
        "additionalProperties": False,
        "required": ["from", "to"],
        "not": {"required": ["by"]},
    }
    names = {"from": "from_"}
    told = {"from_": {"description": 'String (at least 2 characters, matching "a\n    b").'}}
    shown = {"description": 'Go. {"required": ["to"], "not": {"required": ["by"]}}'}
    assert untold(schema, {**shown, "properties": told}, names) == set()
    assert untold(schema, {"description": "Go.", "properties": {"from_": {}}}, names) == {
        "minLength", "not", "pattern", "required",
    }  # fmt: skip
