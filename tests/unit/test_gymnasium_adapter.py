"""``gymnasium.py``: the hints of the settings, and contracts that no space can say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from envgen.errors import AuditError
from envgen.render.audit import audit
from tests.support import contract, run, save

MODULE = Path("generated/do_env/gymnasium.py")
HINTS = '"action.text" = { max_length = 9, charset = "[a-z]" }\n'


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save(contract(), "schemas/do_env.json")


def settings(hints: str) -> None:
    Path("pyproject.toml").write_text(
        f'[tool.envgen]\nadapters = ["gymnasium"]\n[tool.envgen.envs.do_env.gymnasium]\n{hints}'
    )


def test_a_contract_that_no_space_can_say_is_refused_with_the_hint_that_helps() -> None:
    refused = run("build", "--adapter", "gymnasium")
    assert refused.exit_code == 1
    assert "action.text: is a string" in refused.stderr
    hint = 'set under [tool.envgen.envs.do_env.gymnasium]: "action.text" = { max_length = ...'
    assert hint in refused.stderr
    assert not MODULE.exists()


def test_the_hints_of_the_settings_are_in_the_module() -> None:
    settings(HINTS)
    assert run("build").exit_code == 0
    assert '"action.text": {"max_length": 9, "charset": "[a-z]"}' in MODULE.read_text()
    assert run("build", "--check").exit_code == 0
    locked = json.loads(Path("generated/envgen.lock").read_text())["packages"]["do_env"]
    assert locked["gymnasium"] == {"action.text": {"max_length": 9, "charset": "[a-z]"}}
    settings(HINTS.replace("9", "8"))
    assert "gymnasium.py" in run("build", "--check").stdout
    assert run("build").exit_code == 0
    assert '"max_length": 8' in MODULE.read_text()


def test_an_infinite_bound_is_written_as_none() -> None:
    number = {"type": "object", "properties": {"n": {"type": "number"}}}
    save(contract(action=number), "schemas/do_env.json")
    settings('"action.n" = { bounds = [-1.5, inf] }\n')
    assert run("build").exit_code == 0
    assert '"action.n": {"bounds": [-1.5, None]}' in MODULE.read_text()


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ('"action.txt" = { max_length = 9 }\n', "there is no such place; hints can be given for"),
        ('"action.text" = { max_len = 9 }\n', "max_len: a hint has some of"),
        ('"action.text" = { bounds = [0, 1] }\n', "bounds means nothing here"),
        ('"action.text" = { max_length = "9" }\n', "a count of characters"),
    ],
)
def test_a_hint_that_cannot_be_stops_the_build(hints: str, message: str) -> None:
    settings(hints)
    refused = run("build")
    assert refused.exit_code == 1
    assert message in refused.stderr
    assert "tool.envgen.envs.do_env.gymnasium" in refused.stderr


_HEAD = (
    '"""Gymnasium."""\nfrom envgen_runtime.adapters.gymnasium.env import GymnasiumEnv\n'
    "from .client import DoEnv\nclass X(GymnasiumEnv):\n    client_class = DoEnv\n"
)
HOSTILE = {
    "a call in a hint": '    hints = {"a": evil()}\n',
    "a name for hints": "    hints = DoEnv\n",
    "a method": "    def render(self): return 1\n",
    "a tool": "    def x(self): return self._call('x', {})\n",
    "an import of Gymnasium": "import gymnasium\n",
}


@pytest.mark.parametrize("code", HOSTILE.values(), ids=HOSTILE.keys())
def test_nothing_else_stands_in_a_module(code: str) -> None:
    audit("gymnasium.py", f"{_HEAD}    hints = {{'a': {{'bounds': [-1.5, None]}}}}\n")
    with pytest.raises(AuditError):
        audit("gymnasium.py", f"{_HEAD}{code}")


def test_a_server_of_tools_alone_is_refused() -> None:
    tool = {"name": "look", "inputSchema": {"type": "object", "properties": {}}}
    save({"name": "desk", "tools": [tool]}, "schemas/desk.json")
    refused = run("build", "schemas/desk.json", "--adapter", "gymnasium")
    assert refused.exit_code == 1
    assert "leave out the adapter gymnasium" in refused.stderr
    assert not Path("generated/desk").exists()
