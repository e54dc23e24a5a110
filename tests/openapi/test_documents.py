"""Documents that say the same in other ways: allOf, references, null, versions, servers."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from envgen.compat import compare
from envgen.contract.contract import EnvContract
from envgen.sources import read_contract
from tests.openapi import apps, sessions
from tests.support import load, run, save


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


SEED = apps.seed().openapi()


def read(document: Any, name: str = "x.json") -> EnvContract:
    return read_contract(save(document, name))


def changed(**schemas: Any) -> dict[str, Any]:
    document = copy.deepcopy(SEED)
    document["components"]["schemas"].update(schemas)
    return document


def envelope(**keywords: Any) -> dict[str, Any]:
    return {"SeedStep": keywords}


ACTION = {"properties": {"action": {"$ref": "#/components/schemas/Move"}}, "required": ["action"]}
TIMEOUT = {"properties": {"timeout_s": {"type": "number"}}}


@pytest.mark.parametrize(
    "step",
    [
        {"allOf": [ACTION, TIMEOUT]},
        {"allOf": [{"$ref": "#/components/schemas/Base"}], **TIMEOUT},
        {"$ref": "#/components/schemas/Both"},
        {"anyOf": [{"$ref": "#/components/schemas/Both"}, {"type": "null"}]},
        {
            "type": ["object", "null"],
            "properties": {**ACTION["properties"], **TIMEOUT["properties"]},
        },
        {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Both"}]},
    ],
)
def test_a_step_in_other_words(step: Any) -> None:
    both = {"allOf": [{"$ref": "#/components/schemas/Base"}, TIMEOUT]}
    contract = read(changed(SeedStep=step, Base={"type": "object", **ACTION}, Both=both))
    assert contract.wire == read(SEED).wire
    assert contract.parts["action"] == read(SEED).parts["action"]


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0", "3.1.1", "3.2.0", 3.1, 3.0])
def test_versions(version: str | float) -> None:
    text = yaml.safe_dump({**SEED, "openapi": version})
    assert read(text, "api.yaml").wire == read(SEED).wire


@pytest.mark.parametrize(
    ("servers", "prefix"),
    [
        ([{"url": "/"}], ""),
        ([{"url": "/api/v1/"}], "/api/v1"),
        ([{"url": "https://walks.example/api"}], "/api"),
        ([{"url": "{base}/v2", "variables": {"base": {"default": "/api"}}}], "/api/v2"),
        ([], ""),
    ],
)
def test_servers(servers: Any, prefix: str) -> None:
    wire = read({**SEED, "servers": servers}).wire
    assert wire is not None
    assert (wire.step.path, wire.reset.path) == (f"{prefix}/step", f"{prefix}/reset")


@pytest.mark.parametrize("code", ["200", "201", "2XX", "default"])
def test_responses(code: str) -> None:
    document = copy.deepcopy(SEED)
    responses = document["paths"]["/step"]["post"]["responses"]
    document["paths"]["/step"]["post"]["responses"] = {
        "204": {"description": "nothing"},
        "422": responses["422"],
        code: responses["200"],
    }
    assert read(document).wire == read(SEED).wire


def test_a_contract_without_routes_of_its_own_has_no_wire() -> None:
    parts = {part: {"type": "object", "properties": {}} for part in ("action", "observation")}
    contract = read({"name": "x", **parts, "state": {"type": "object", "properties": {}}})
    assert contract.wire is None
    assert "wire" not in json.loads(contract.to_json())


def test_a_contract_with_a_wire_survives_being_saved() -> None:
    contract = read(sessions.by_path().openapi())
    again = read(contract.to_json(), "saved.json")
    assert (again.wire, again.fingerprint) == (contract.wire, contract.fingerprint)
    assert again.to_json() == contract.to_json()


@pytest.mark.parametrize(
    "wire",
    [
        3,
        {},
        {"reset": {"method": "POST", "path": "/r"}},
        {"reset": {"method": "BREW", "path": "/r"}, "step": {"method": "POST", "path": "/s"}},
        {"reset": {"method": "POST", "path": "r"}, "step": {"method": "POST", "path": "/s"}},
        {"reset": {"method": "POST", "path": "/a b"}, "step": {"method": "POST", "path": "/s"}},
        {"reset": {"method": "POST", "path": "/r?x"}, "step": {"method": "POST", "path": "/s"}},
        {"reset": {"method": "POST", "path": "/r\n"}, "step": {"method": "POST", "path": "/s"}},
    ],
)
def test_a_wire_that_cannot_be_used(wire: Any) -> None:
    from envgen.errors import ContractError

    document = json.loads(read(SEED).to_json())
    with pytest.raises(ContractError, match="#/wire"):
        read({**document, "wire": wire}, "saved.json")


def test_a_route_that_changes_breaks() -> None:
    before = read(SEED)
    moved = read(apps.prefix().openapi())
    found = [item for item in compare(before, moved).changes if item.part == "wire"]
    assert {(item.rule, item.level) for item in found} == {("route-changed", "breaking")}
    assert "/wire/step/path" in {item.pointer for item in found}
    assert before.fingerprint != moved.fingerprint
    stateless = copy.deepcopy(SEED)
    del stateless["paths"]["/state"]
    added = [item for item in compare(read(stateless), before).changes if item.part == "wire"]
    assert [(item.rule, item.level) for item in added] == [("route-added", "info")]
    own = json.loads(before.to_json())
    del own["wire"]
    assert compare(read(own, "own.json"), before).level == "breaking"


def test_a_reply_that_may_leave_out_more() -> None:
    reply = copy.deepcopy(SEED["components"]["schemas"]["SeedReply"])
    reply["required"] = ["observation", "reward", "done"]
    required = read(changed(SeedReply=reply))
    for old, new, level in ((required, read(SEED), "breaking"), (read(SEED), required, "info")):
        found = [item for item in compare(old, new).changes if item.part == "wire"]
        assert {item.level for item in found} == {level}


def test_hostile_names_stay_texts(folder: Path) -> None:
    name = "a\"'''__import__('os')"
    path = f'/x"+__import__("os").abort()+"/{{{name}}}'
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Walk", "version": "1"},
        "paths": {
            f"{path}/{role}": {
                "post": {
                    "parameters": [{"name": name, "in": "path", "required": True, "schema": {}}],
                    "requestBody": {"content": {"application/json": {"schema": MOVE}}},
                    "responses": {"200": {"content": {"application/json": {"schema": DONE}}}},
                }
            }
            for role in ("reset", "step")
        },
    }
    assert run("build", save(document)).exit_code == 0
    package = load(folder / "generated" / "walk")
    assert package.WalkEnv.wire.step.path == f"{path}/step"
    assert package.WalkEnv.wire.arguments == [name]
    assert f'{{"{name}"' not in (folder / "generated" / "walk" / "client.py").read_text()


MOVE = {"type": "object", "properties": {"by": {"type": "integer"}}}
DONE = {"type": "object", "properties": {"at": {"type": "integer"}, "done": {"type": "boolean"}}}
