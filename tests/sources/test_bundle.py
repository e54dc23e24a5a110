"""References to files: followed within the contract's folder, if that was asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from tests.sources.test_openapi import document, operation
from tests.support import action, contract, load, run, save

POINT = {
    "title": "Point",
    "type": "object",
    "required": ["x"],
    "properties": {"x": {"type": "integer"}, "next": {"$ref": "#"}},
}


def test_files_are_refused_unless_asked_for() -> None:
    save(POINT, "point.json")
    result = run("build", save(action({"at": {"$ref": "point.json"}})))
    assert result.exit_code == 1
    assert "x.json#/action/properties/at/$ref: a $ref that leaves the document" in result.stderr
    assert "--bundle" in result.stderr


def test_files_become_definitions() -> None:
    box = {
        "type": "object",
        "properties": {"size": {"$ref": "#/$defs/Size"}, "at": {"$ref": "../point.json"}},
        "$defs": {"Size": {"type": "integer", "minimum": 1}},
    }
    save(box, "parts/box.json")
    save(POINT, "point.json")
    properties = {"at": {"$ref": "./point.json"}, "box": {"$ref": "parts/box.json#"}}
    # What looks like a reference, and isn't.
    properties["text"] = {"type": "object", "default": {"$ref": "gone.json"}}
    assert run("build", save(action(properties)), "--bundle").exit_code == 0
    saved = json.loads(Path("schemas/do_env.json").read_text())
    assert set(saved["action"]["$defs"]) == {"point", "box", "Size"}
    package = load(Path("generated/do_env"))
    made = package.DoAction(at={"x": 1, "next": {"x": 2}}, box={"size": 2, "at": {"x": 3}})
    assert (made.at.next.x, made.box.size, made.box.at.x) == (2, 2, 3)
    with pytest.raises(ValueError, match="size"):
        package.DoAction(box={"size": 0})


def test_files_of_an_openapi_document() -> None:
    api = document({"/step": {"$ref": "paths.yaml#/step"}}, {"Text": {"$ref": "schemas/text.json"}})
    save({"title": "Text", "type": "object", "properties": {"said": {"type": "string"}}},
         "schemas/text.json")  # fmt: skip
    step = {
        "post": operation(
            {"properties": {"action": {"$ref": "api.yaml#/components/schemas/Text"}}},
            {"properties": {"observation": {"type": "object", "properties": {"a": {}}}}},
        )
    }
    save(yaml.safe_dump({"step": step}), "paths.yaml")
    result = run("build", save(yaml.safe_dump(api), "api.yaml"), "--bundle")
    assert (result.exit_code, result.stderr.count("error")) == (0, 0)
    assert load(Path("generated/some_env")).Text(said="x").said == "x"


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file beside the folder that the contract is in."""
    secret = tmp_path / "secret.json"
    secret.write_text('{"title": "Secret", "type": "object", "properties": {"s3cr3t": {}}}')
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    return secret


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("../secret.json", "leads out of the contract's folder"),
        ("a/../../secret.json", "leads out of the contract's folder"),
        ("%2e%2e/secret.json", "leads out of the contract's folder"),
        ("link.json", "leads out of the contract's folder"),
        ("linked/secret.json", "leads out of the contract's folder"),
        ("ABSOLUTE", "is an absolute path"),
        ("file://ABSOLUTE", "is no file: nothing is fetched"),
        ("FILE:secret.json", "is no file"),
        ("http://127.0.0.1:9/x.json", "is no file: nothing is fetched"),
        ("//127.0.0.1/x.json", "is no file: nothing is fetched"),
        ("point.json?x", "is no file"),
        ("gone.json", "leads to no file"),
        (".", "leads to no file"),
        ("pipe.json", "leads to no file"),
        ("circle.json", "can't be followed"),
        ("\x00.json", "leads to no file"),
        ("point.json#/gone", "leads to a place that is not there"),
        ("bad.json", "not JSON"),
    ],
)
def test_nothing_else_is_read(reference: str, says: str, outside: Path) -> None:
    save(POINT, "point.json")
    save("{", "bad.json")
    Path("link.json").symlink_to(outside)
    Path("linked").symlink_to(outside.parent)
    Path("circle.json").symlink_to("circle.json")
    Path("a").mkdir()
    os.mkfifo("pipe.json")
    target = reference.replace("ABSOLUTE", str(outside))
    result = run("build", save(action({"at": {"$ref": target}})), "--bundle")
    assert result.exit_code == 1
    assert "x.json#/action/properties/at/$ref: the $ref" in result.stderr
    assert says in result.stderr
    assert "s3cr3t" not in result.output
    assert not Path("generated").exists()


def test_a_part_may_be_a_file() -> None:
    save(POINT, "point.json")
    assert run("build", save(contract(action={"$ref": "point.json"})), "--bundle").exit_code == 0
    assert load(Path("generated/do_env")).Point(x=1).x == 1
