"""Modules for trainers: when a package has them, and when it loses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envgen.errors import AuditError
from envgen.render.audit import audit
from tests.support import action, contract, run, save

MODULE = Path("generated/do_env/trl.py")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(contract(), "schemas/do_env.json")


def settings(text: str) -> None:
    Path("pyproject.toml").write_text(text)


def test_a_module_is_written_on_request_and_kept() -> None:
    assert run("build").exit_code == 0
    assert not MODULE.exists()
    assert "wrote" in run("build", "--adapter", "trl").stdout
    written = MODULE.read_text()
    assert "class DoEnvTRL(TRLEnvironment):" in written
    assert "trl" not in Path("generated/do_env/__init__.py").read_text()
    locked = json.loads(Path("generated/envgen.lock").read_text())["packages"]["do_env"]
    assert locked["adapters"] == ["trl"]
    assert "trl.py" in locked["files"]

    assert "unchanged" in run("build").stdout, "a build that isn't asked again keeps it"
    assert run("build", "--check").exit_code == 0
    save(contract(action={"type": "object", "properties": {}}), "schemas/do_env.json")
    assert "trl.py" in run("build", "--check").stdout
    assert run("build").exit_code == 0
    assert MODULE.read_text() != written, "it is built with its package"
    MODULE.unlink()
    assert run("build", "--check").exit_code == 1
    run("build")
    assert MODULE.exists()


@pytest.mark.parametrize(
    "text",
    [
        '[tool.envgen]\nadapters = ["trl"]\n',
        '[tool.envgen.envs.do_env]\nadapters = ["trl"]\n',
        '[tool.envgen]\nadapters = []\n[tool.envgen.envs.do_env]\nadapters = ["trl"]\n',
    ],
)
def test_settings_ask_for_it(text: str) -> None:
    settings(text)
    assert run("build").exit_code == 0
    assert MODULE.exists()
    assert run("build", "--check").exit_code == 0


@pytest.mark.parametrize("where", ["[tool.envgen]", "[tool.envgen.envs.do_env]"])
def test_settings_that_name_none_remove_it(where: str) -> None:
    run("build", "--adapter", "trl")
    settings(f"{where}\nadapters = []\n")
    assert "trl.py" in run("build", "--check").stdout
    assert MODULE.exists()
    assert run("build").exit_code == 0
    assert not MODULE.exists()
    assert run("build", "--check").exit_code == 0


def test_asking_for_another_keeps_the_first() -> None:
    save(action({"on": {"type": "boolean"}}), "schemas/do_env.json")
    run("build", "--adapter", "trl")
    run("build", "--adapter", "gymnasium", "--adapter", "gymnasium")
    assert MODULE.exists()
    assert MODULE.with_name("gymnasium.py").exists()
    assert run("build", "--check").exit_code == 0
    settings('[tool.envgen]\nadapters = ["gymnasium"]\n')
    run("build", "--adapter", "trl")
    assert MODULE.exists()
    run("build")
    assert not MODULE.exists(), "the settings are the whole list"


def test_a_script_is_written_for_trainers_that_have_one() -> None:
    save(action({"on": {"type": "boolean"}}), "schemas/do_env.json")
    run("build", "--adapter", "gymnasium")
    refused = run("init", "--trainer", "gymnasium", "do_env")
    assert refused.exit_code == 2
    assert "'gymnasium' is not one of trl" in refused.stderr
    assert run("init", "--trainer", "trl", "do_env").exit_code == 0
    assert "DoEnvTRL" in Path("train_trl.py").read_text()
    assert MODULE.exists()
    assert MODULE.with_name("gymnasium.py").exists()


def test_one_that_was_edited_is_not_removed_unasked() -> None:
    run("build", "--adapter", "trl")
    MODULE.write_text(f"{MODULE.read_text()}mine = 1\n")
    settings("[tool.envgen]\nadapters = []\n")
    refused = run("build")
    assert refused.exit_code == 1
    assert "edited by hand: trl.py" in refused.stderr
    assert MODULE.exists()
    assert run("build", "--force").exit_code == 0
    assert not MODULE.exists()


def test_an_unknown_trainer_is_said() -> None:
    refused = run("build", "--adapter", "unknown")
    assert refused.exit_code == 2
    assert "trl" in refused.stderr
    settings('[tool.envgen]\nadapters = ["unknown"]\n')
    refused = run("build")
    assert refused.exit_code == 1
    assert "tool.envgen.adapters.0" in refused.stderr


def test_a_faulty_hint_is_told_without_the_names_of_settings() -> None:
    settings('[tool.envgen.envs.do_env.gymnasium]\n"action.text" = { max_length = -1 }\n')
    refused = run("build")
    assert refused.exit_code == 1
    assert "action.text: max_length: a count of characters" in refused.stderr
    assert "the settings are" not in refused.stderr
    settings("[tool.envgen]\nadapter = []\n")
    assert "the settings are" in run("build").stderr


def test_blocks_of_a_module_are_replaced() -> None:
    save(
        '{% extends "envgen/2/trl.py.jinja" %}\n{% block class_docstring %}\n'
        '    """{{ name }}, ours."""\n{% endblock %}\n',
        "mine/trl.py.jinja",
    )
    assert run("build", "--adapter", "trl", "--templates", "mine").exit_code == 0
    assert '"""DoEnvTRL, ours."""' in MODULE.read_text()


_HEAD = (
    '"""TRL."""\nfrom envgen_runtime.adapters.trl import TRLEnvironment\n'
    "from envgen_runtime.tools import OMITTED\nfrom .client import DoEnv\n"
    "class X(TRLEnvironment):\n    client_class = DoEnv\n"
)
HOSTILE = {
    "another client": "    client_class = TRLEnvironment\n",
    "a client of Python's": "    client_class = list\n",
    "a client that is called": "    client_class = DoEnv()\n",
    "another constant": "    other = DoEnv\n",
    "an evaluated base": "class Y(TRLEnvironment['evil()']): ...\n",
    "a special method": "    def __reduce__(self): return 1\n",
    "a private method": "    def _call(self): return 1\n",
    "a call in a default": "    def x(self, a=evil()): return 1\n",
    "a name in a default": "    def x(self, a=DoEnv): return 1\n",
    "another call": "    def x(self): return self._episode.close()\n",
    "a string in an annotation": "    def x(self, a: 'evil()'): return 1\n",
    "a decorator": "    @evil\n    def x(self): return 1\n",
    "an import of TRL": "from trl import GRPOTrainer\n",
    "an import of the models": "from .models import A\n",
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_else_stands_in_a_module(code: str) -> None:
    audit(
        "trl.py", f"{_HEAD}    def x(self, a: int = OMITTED) -> str: return self._call('x', {{}})\n"
    )
    with pytest.raises(AuditError):
        audit("trl.py", f"{_HEAD}{code}")
