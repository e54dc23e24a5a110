"""Contracts of pydantic classes, for those who write environments."""

from __future__ import annotations

import inspect
import json
import shutil
import sysconfig
from pathlib import Path
from venv import create as make

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


ENVIRONMENT = """
from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Callable, Generic, Literal, Optional, TypeVar

from pydantic import BaseModel, Field

from .models import CodeAction, CodeObservation, CodeState, Inner

if TYPE_CHECKING:
    from nowhere import Tensor

A = TypeVar("A")
O = TypeVar("O")
S = TypeVar("S")

class Mood(Enum):
    CALM = "calm"

class Place(BaseModel):
    x: int

class Base(Generic[A, O, S]):
    def reset(self, seed: int | None = None, **kwargs: Any) -> O: ...
    def step(self, action: A, timeout_s: float | None = None) -> O: ...
    @property
    def state(self) -> S: ...

class Middle(Base[A, O, CodeState], Generic[A, O]):
    pass

class Inherited(Middle[CodeAction, CodeObservation]):
    def reset(self, seed=None, *, task: str) -> Inner.Start: ...
    def step(self, action: Any): ...

class CodingEnvironment:
    def reset(
        self,
        seed: Optional[int] = None,
        episode_id: Optional[str] = None,
        task: str = "sum",
        level: Annotated[int, Field(ge=1, description="How hard.")] = 1,
        mood: Mood = Mood.CALM,
        start: Place | None = None,
        kind: Literal["a", "b"] = "a",
        grid: Tensor = None,
        judge: Callable[[str], float] = len,
        untyped=3,
        *args: int,
        **kwargs: Any,
    ) -> CodeObservation: ...

    async def step_async(self, action: CodeAction) -> CodeObservation: ...

    def step(self, action: str) -> str: ...

    @property
    def state(self) -> CodeState: ...

class Untold:
    def reset(self): ...
    def step(self, action): ...
    state = None

class Stateless:
    def reset(self) -> CodeObservation: ...
    def step(self, action: CodeAction) -> CodeObservation: ...
"""


def test_a_contract_of_an_environment() -> None:
    save(ENVIRONMENT, "my_env/server.py")
    result = run("build", "--from-python", "my_env.server:CodingEnvironment")
    assert (result.exit_code, result.stderr) == (0, "")
    module = load(Path("generated/coding_env"))
    assert module.CodingEnv.env_name == "coding_env"
    assert module.CodeState(steps=2).steps == 2
    saved = json.loads(Path("schemas/coding_env.json").read_text())
    assert "reset_observation" not in saved
    parameters = saved["reset_parameters"]
    assert parameters["properties"] == {
        "task": {"type": "string", "default": "sum"},
        "level": {"type": "integer", "minimum": 1, "description": "How hard.", "default": 1},
        "mood": {"$ref": "#/$defs/Mood", "default": "calm"},
        "start": {"anyOf": [{"$ref": "#/$defs/Place"}, {"type": "null"}], "default": None},
        "kind": {"type": "string", "enum": ["a", "b"], "default": "a"},
        "grid": {"default": None},
        "judge": {},
        "untyped": {"default": 3},
    }
    assert "required" not in parameters
    assert "episode_id" in inspect.signature(module.CodingEnv.reset).parameters
    shown = inspect.signature(module.CodingEnv.reset).parameters
    assert shown["task"].annotation == "str | None"


def test_type_parameters_tell_what_methods_do_not() -> None:
    save(ENVIRONMENT, "my_env/server.py")
    assert run("build", "--from-python", "my_env.server:Inherited").exit_code == 0
    saved = json.loads(Path("schemas/inherited.json").read_text())
    assert list(saved["action"]["properties"]) == ["source"]
    assert set(saved["observation"]["properties"]) == {"stdout", "length"}
    assert list(saved["state"]["properties"]) == ["steps"]
    assert list(saved["reset_observation"]["properties"]) == ["hello"]
    assert saved["reset_parameters"]["required"] == ["task"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Untold", "Untold.step says no type for its action: annotate it, or name the classes"),
        ("Stateless", "its state has no type: annotate what the property returns"),
        ("Base", "Base.step says no type for its action"),
    ],
)
def test_an_environment_that_tells_too_little(name: str, says: str) -> None:
    save(ENVIRONMENT, "my_env/server.py")
    result = run("build", "--from-python", f"my_env.server:{name}")
    assert result.exit_code == 1
    assert says in result.stderr


# --- the interpreter ------------------------------------------------------------------------------


def venv(folder: str) -> Path:
    """A virtual environment that has the packages of this one, and a module that this one lacks."""
    make(folder, with_pip=False, symlinks=True)
    (packages,) = Path(folder, "lib").glob("python*/site-packages")
    (packages / "beside.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (packages / f"only_{Path(folder).name.strip('.')}.py").write_text(MODELS)
    return Path(folder)


def spec(module: str) -> str:
    return f"{module}:CodeAction,CodeObservation,CodeState"


@pytest.mark.slow
@pytest.mark.parametrize("python", ["theirs", "theirs/bin/python"])
def test_the_interpreter_that_is_named(python: str) -> None:
    venv("theirs")
    named = run("build", "--from-python", spec("only_theirs"), "--python", python)
    assert named.exit_code == 0, named.stderr
    lacking = run("build", "--from-python", spec("only_theirs"))
    assert lacking.exit_code == 1
    assert "--python names another interpreter" in lacking.stderr
    source = f'source = "python:{spec("only_theirs")}"'
    save(f'[tool.envgen.envs.my_env]\n{source}\npython = "{python}"\n', "pyproject.toml")
    assert run("sync", "--check").exit_code == 4


def test_the_active_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    venv(".venv")
    active = venv("active")
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    assert run("build", "--from-python", spec("only_venv")).exit_code == 0
    monkeypatch.setenv("VIRTUAL_ENV", str(active.resolve()))
    assert run("build", "--from-python", spec("only_venv")).exit_code == 1
    assert run("build", "--from-python", spec("only_active")).exit_code == 0
    shutil.rmtree("active")
    assert run("build", "--from-python", spec("only_venv")).exit_code == 0


def test_no_such_interpreter() -> None:
    refused = run("build", "--from-python", CLASSES, "--python", "nowhere")
    assert refused.exit_code == 1
    assert "nowhere is neither an interpreter nor a virtual environment" in refused.stderr
    save("", "x.json")
    assert run("build", "x.json", "--python", "nowhere").exit_code == 2


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("my_env.models:CodeAction", "CodeAction has no reset and no step"),
        ("my_env.models:CodeAction,CodeObservation", "this names no classes"),
        ("json:dumps", "this names no classes"),
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
