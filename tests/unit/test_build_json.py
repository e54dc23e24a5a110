"""``envgen build --format json``: for machines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import action, contract, run, save


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(contract(), "schemas/do_env.json")


def told(*arguments: str) -> dict[str, Any]:
    result = run("build", "--format", "json", *arguments)
    document = json.loads(result.stdout)
    assert document["exit_code"] == result.exit_code
    assert document["version"] == 1
    return document


def test_what_became_of_each_source() -> None:
    save("{", "schemas/bad_env.json")
    save(contract(name="quiet_env"), "schemas/quiet_env.json")
    bad, do, quiet = told()["sources"]
    assert (bad["status"], bad["error"]["kind"]) == ("failed", "ContractError")
    assert bad["error"]["place"].startswith("schemas/bad_env.json")
    locked = json.loads(Path("generated/envgen.lock").read_text())["packages"]
    assert do == {
        "source": "schemas/do_env.json",
        "status": "wrote",
        "name": "do_env",
        "client": "DoEnv",
        "folder": "generated/do_env",
        "contract": locked["do_env"]["contract"],
        "findings": [],
        "differences": [],
    }
    assert quiet["status"] == "wrote"
    again = told("nowhere.json", "schemas/do_env.json")["sources"]
    assert [item["status"] for item in again] == ["failed", "unchanged"]


def test_findings_have_their_places() -> None:
    save(action({}, **{"not": {}}), "schemas/do_env.json")
    [source] = told()["sources"]
    [finding] = source["findings"]
    assert (finding["severity"], finding["pointer"]) == ("warning", "/action/not")


def test_a_comparison() -> None:
    save(contract(name="other_env"), "schemas/other_env.json")
    told()
    Path("schemas/other_env.json").unlink()
    save(action({"n": {"type": "integer"}}), "schemas/do_env.json")
    document = told("--check", "--remove-stale")
    assert document["exit_code"] == 1
    [source] = document["sources"]
    assert source["status"] == "differs"
    stale = {item["path"]: item for item in source["differences"]}
    assert stale["generated/do_env/models.py"]["kind"] == "stale"
    assert "+    n: Omittable[int]" in stale["generated/do_env/models.py"]["diff"]
    assert document["packages_of_none"] == [{"status": "extra", "folder": "generated/other_env"}]
    assert "generated/envgen.lock" in {item["path"] for item in document["differences"]}


def test_what_keeps_a_build_from_beginning() -> None:
    save("[tool.envgen]\nouts = 1\n", "pyproject.toml")
    document = told()
    assert document["error"]["message"].startswith("tool.envgen.outs: ")
    assert document["exit_code"] == 1
