"""``envgen init --trainer``: which environment a script is for, and what stays."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from tests.support import contract, run, save

SCRIPT = Path("train_trl.py")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(contract(), "schemas/do_env.json")


def init(*arguments: str) -> str:
    done = run("init", "--trainer", "trl", *arguments)
    assert done.exit_code == 0, done.output
    ast.parse(SCRIPT.read_text())
    return SCRIPT.read_text()


@pytest.mark.parametrize("source", [None, "do_env", "generated/do_env", "schemas/do_env.json"])
def test_a_script_for_a_package(source: str | None) -> None:
    run("build")
    script = init(*([source] if source is not None else []))
    assert "from generated.do_env.trl import DoEnvTRL\n" in script
    assert Path("generated/do_env/trl.py").exists()
    assert run("build", "--check").exit_code == 0


def test_a_source_is_built_first() -> None:
    assert "DoEnvTRL.spec(URL" in init("schemas/do_env.json")
    assert Path("generated/do_env/trl.py").exists()


def test_settings_of_an_environment_are_kept() -> None:
    settings = '[tool.envgen.envs.do_env]\nclass_name = "Doer"\nout = "clients"\n'
    Path("pyproject.toml").write_text(settings)
    run("build")
    assert "from clients.do_env.trl import DoerTRL\n" in init("do_env")


def test_a_script_for_the_tools_of_a_server_has_a_reward() -> None:
    save({"name": "weather", "tools": [{"name": "ask", "inputSchema": {}}]}, "weather.json")
    script = init("weather.json")
    assert "WeatherToolsTRL.spec(URL, rows=rows, reward_funcs=[calls])" in script


def test_a_file_that_exists_is_left_alone() -> None:
    run("build")
    SCRIPT.write_text("mine\n")
    refused = run("init", "--trainer", "trl")
    assert refused.exit_code == 1
    assert "train_trl.py: there is a file already" in refused.stderr
    assert SCRIPT.read_text() == "mine\n"


def test_an_environment_is_named_where_there_are_several_or_none() -> None:
    assert "the packages are none" in run("init", "--trainer", "trl").stderr
    save(contract(name="other_env"), "schemas/other_env.json")
    run("build")
    refused = run("init", "--trainer", "trl")
    assert "name an environment: the packages are do_env, other_env" in refused.stderr
    assert "OtherEnvTRL" in init("other_env")


def test_usage() -> None:
    for trainer in ("unknown", "gymnasium"):
        assert run("init", "--trainer", trainer).exit_code == 2
    assert run("init", "do_env").exit_code == 2


def test_a_lock_writes_no_code_into_a_script() -> None:
    run("build", "--adapter", "trl")
    lock = Path("generated/envgen.lock")
    document = json.loads(lock.read_text())
    document["packages"]["do_env"]["source"] = 'http://x/"\nimport evil\n"'
    lock.write_text(json.dumps(document))
    assert "\nimport evil" not in init("do_env")
    SCRIPT.unlink()
    document["packages"]["do_env"]["client"] = "DoEnv\nimport evil"
    lock.write_text(json.dumps(document))
    assert run("init", "--trainer", "trl", "do_env").exit_code == 1
    assert not SCRIPT.exists()


@pytest.mark.parametrize("folder", ["my-clients", "class"])
def test_a_place_that_cannot_be_imported_is_refused(folder: str) -> None:
    Path("pyproject.toml").write_text(f'[tool.envgen]\nout = "{folder}"\n')
    run("build")
    refused = run("init", "--trainer", "trl", "do_env")
    assert refused.exit_code == 1
    assert "can't be imported" in refused.stderr


@pytest.mark.parametrize("arguments", [[], ["do_env"]], ids=str)
def test_what_only_the_lock_names_is_not_started(arguments: list[str]) -> None:
    run("build")
    lock = Path("generated/envgen.lock")
    packages = json.loads(lock.read_text())
    packages["packages"]["do_env"]["source"] = "mcp+stdio:touch started"
    lock.write_text(json.dumps(packages))
    Path("schemas/do_env.json").unlink()
    refused = run("init", "--trainer", "trl", *arguments)
    assert refused.exit_code == 1
    assert "only the lock says" in refused.stderr
    assert not Path("started").exists()
