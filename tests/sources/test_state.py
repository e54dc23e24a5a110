"""The state of an environment whose server publishes the base State only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import contract, load, run, save

BASE = {
    "title": "State",
    "type": "object",
    "properties": {"episode_id": {"type": "string"}, "step_count": {"type": "integer"}},
}
OWN = {
    "title": "MazeState",
    "type": "object",
    "required": ["score"],
    "properties": {"score": {"$ref": "#/$defs/Score"}},
    "$defs": {"Score": {"type": "integer", "minimum": 0}},
}


def test_the_base_state_is_noticed() -> None:
    result = run("build", save(contract(state=BASE)))
    assert "warning x.json#/state: only the base State is published" in result.stderr
    assert "--state FILE" in result.stderr


@pytest.mark.parametrize("overlay", [OWN, contract(state=OWN)], ids=["schema", "contract"])
def test_a_state_from_a_file_is_part_of_the_saved_contract(overlay: object) -> None:
    source = save(contract(state=BASE))
    result = run("build", source, "--state", save(overlay, "state.json"))
    assert (result.exit_code, result.stderr) == (0, "")
    saved = json.loads(Path("schemas/do_env.json").read_text())
    assert saved["state"].items() >= OWN.items()
    assert saved["unpublished"] == ["state"]
    assert load(Path("generated/do_env")).MazeState(score=3).score == 3
    assert run("build", "schemas/do_env.json").stdout.startswith("unchanged")


def test_a_state_from_the_settings() -> None:
    save(OWN, "state.json")
    save(contract(state=BASE), "schemas/do_env.json")
    save('[tool.envgen.envs.do_env]\nstate = "state.json"\n', "pyproject.toml")
    result = run("build")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "class MazeState" in Path("generated/do_env/models.py").read_text()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "state.json: not JSON"),
        ("[]", "state.json: the schema of a state is a JSON object"),
        ('{"type": "text"}', "state.json#/type: type can't be 'text'"),
        (None, "state.json: can't be read"),
    ],
)
def test_an_overlay_at_fault_is_named(content: str | None, says: str) -> None:
    if content is not None:
        save(content, "state.json")
    result = run("build", save(contract()), "--state", "state.json")
    assert result.exit_code == 1
    assert says in result.stderr
