"""``benchmarks.tool_specs`` on a few contracts: what models are shown is what the contract says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.tool_specs import Scores, measure
from envgen_runtime.calling import catalogue
from tests.calling.worlds import NODE, tool, tooled
from tests.support import ROOT

POINT = {"type": "object", "properties": {"x": {"type": "integer", "minimum": 0}}}
ODD = tooled(
    tool(
        "everything",
        {
            "beside": {"$ref": "#/$defs/Point", "required": ["x"], "maxProperties": 1},
            "closed": {"$ref": "#/$defs/Point", "additionalProperties": False},
            "node": {"$ref": "#/$defs/Node"},
            "into": {"$ref": "#/properties/$meta"},
            "many": {"type": "array", "items": {"$ref": "#/$defs/Point"}, "uniqueItems": True,
                     "contains": {"required": ["x"]}, "maxItems": 4},
            "$meta": {"oneOf": [{"type": "integer", "multipleOf": 3}, {"type": "number"}]},
        },
        **{"$defs": {"Point": POINT, "Node": NODE}},
        anyOf=[{"required": ["beside"]}, {"required": ["node"]}],
    ),
    tool("old", {"pair": {"type": "array", "items": [{"type": "string"}, {"$ref": "#"}],
                          "additionalItems": False}, "from": {"type": "string"}},
         **{"$schema": "http://json-schema.org/draft-07/schema#",
            "dependencies": {"from": ["pair"]}}),
)  # fmt: skip


def measured(document: Any, folder: Path, count: int) -> Scores:
    scores = Scores()
    measure(document, "sample", folder, count, scores)
    return scores


@pytest.mark.parametrize(
    ("document", "count"),
    [
        pytest.param(ODD, 150, id="odd"),
        pytest.param(json.loads((ROOT / "schemas/warehouse_env.json").read_text()), 80, id="union"),
        pytest.param(json.loads((ROOT / "schemas/coding_env.json").read_text()), 60, id="action"),
    ],
)
def test_it_accepts_and_refuses_the_same(document: Any, count: int, tmp_path: Path) -> None:
    scores = measured(document, tmp_path, count)
    for name, score in scores.formats.items():
        assert (score.unequal, score.crashes, score.invisible) == ({}, [], []), name
        if "strict" not in name:
            assert 0 < score.valid < score.instances
    assert scores.broken


def test_a_difference_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample that finds nothing shows nothing unless it would have found something."""
    original = catalogue.inlined

    def wider(document: Any, pointer: str = "", *, keep: bool = False) -> Any:
        result = original(document, pointer, keep=keep)
        result.schema["properties"].pop("beside", None)
        return result

    monkeypatch.setattr(catalogue, "inlined", wider)
    assert measured(ODD, tmp_path, 150).formats["openai"].unequal.keys() == {"sample:everything"}
