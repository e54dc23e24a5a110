"""Contracts of pydantic classes, for those who write environments."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import load, run, save

MODELS = """
from pydantic import BaseModel, Field, computed_field

print("imported, to standard output")

class CodeAction(BaseModel):
    code: str = Field(validation_alias="source")

class CodeObservation(BaseModel):
    stdout: str

    @computed_field
    @property
    def length(self) -> int:
        return len(self.stdout)

class CodeState(BaseModel):
    steps: int = 0

class Inner:
    class Start(BaseModel):
        hello: str
"""
CLASSES = "my_env.models:CodeAction,CodeObservation,CodeState"


@pytest.fixture(autouse=True)
def modules() -> None:
    save("", "my_env/__init__.py")
    save(MODELS, "my_env/models.py")


def test_a_contract_from_classes() -> None:
    result = run("build", "--from-python", CLASSES)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"    wrote generated/my_env  MyEnv from python:{CLASSES}\n"
    saved = json.loads(Path("schemas/my_env.json").read_text())
    assert list(saved["action"]["properties"]) == ["source"], "as it is read"
    assert set(saved["observation"]["properties"]) == {"stdout", "length"}, "as it is written"
    assert load(Path("generated/my_env")).CodeState(steps=2).steps == 2


def test_a_class_for_what_reset_observes() -> None:
    assert run("build", "--from-python", f"{CLASSES},Inner.Start").exit_code == 0
    saved = json.loads(Path("schemas/my_env.json").read_text())
    assert list(saved["reset_observation"]["properties"]) == ["hello"]


def test_an_edited_class_is_read_as_it_is_now() -> None:
    run("build", "--from-python", CLASSES)
    save(MODELS.replace("steps: int", "turns: int"), "my_env/models.py")
    run("build", "--from-python", CLASSES)
    assert "turns" in Path("generated/my_env/models.py").read_text()


def test_configured() -> None:
    save(f'[tool.envgen.envs.other_env]\nsource = "python:{CLASSES}"\n', "pyproject.toml")
    assert run("sync").exit_code == 4
    assert Path("generated/other_env").is_dir()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("my_env.models:CodeAction", "this names no classes"),
        ("my_env.models", "this names no classes"),
        ("os;print(1):A,B,C", "this names no classes"),
        ("-c:A,B,C", "this names no classes"),
        ("my_env.models:CodeAction,Gone,CodeState", "my_env.models has no Gone"),
        ("gone.models:A,B,C", "No module named 'gone'"),
        ("needs:A,B,C", "No module named 'numpy_not_here'"),
        ("fails:A,B,C", "RuntimeError: no database"),
        ("leaves:A,B,C", "SystemExit: 0"),
        ("dies:A,B,C", "the import ended Python"),
        ("json:JSONDecoder,loads,dump", "can't be read: "),
    ],
)
def test_errors(spec: str, says: str) -> None:
    save("import numpy_not_here", "needs.py")
    save("raise RuntimeError('no database')", "fails.py")
    save("import sys; sys.exit(0)", "leaves.py")
    save("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "dies.py")
    result = run("build", "--from-python", spec)
    assert result.exit_code == 1
    assert says in result.stderr
    assert "Traceback" not in result.output
    assert not Path("generated").exists()
