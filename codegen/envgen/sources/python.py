"""Python classes, as the contract that a server of theirs would publish.

The classes are imported in a child process, by the interpreter that has them: side effects of the
import (threads, monkey patches, prints, ``sys.exit``) don't reach envgen, several sources may name
modules of the same name, and an edited class is read as it is now. The current folder is searched
first, as with ``python -m``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from envgen_runtime.contract.parts import REQUIRED_PARTS

from ..errors import ConfigError, ContractError, EnvgenError
from .parsing import MAX_BYTES, Document, parse_json

_SPEC = re.compile(
    r"(?P<module>\w+(?:\.\w+)*):(?P<classes>\w+(?:\.\w+)*(?:(?:,\w+(?:\.\w+)*){2,3})?)"
)
_PARTS = (*REQUIRED_PARTS, "reset_observation")
_IMPORT_TIMEOUT_S = 120.0
_LAST_LINES = 3
_BELOW_VENV = ("bin/python", "Scripts/python.exe")


class RunPython(Protocol):
    """Runs an interpreter with arguments, and returns what it wrote."""

    def __call__(self, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
        """Raise TimeoutExpired after ``timeout_s`` seconds."""
        ...


def read(source: str, python: str | None = None) -> Document:
    """Make a contract of classes, with a name that their module suggests.

    Args:
        source: ``python:package.module:Action,Observation,State``, optionally with a fourth class:
            the observation of a reset; or ``python:package.module:Environment``, whose methods
            tell the classes and the parameters of its reset.
        python: the interpreter, or its virtual environment; None for the active one.

    Raises:
        ContractError: the module or a class doesn't exist, the import fails, or the class doesn't
            tell its types.
        ConfigError: there is no such interpreter.
    """
    match = _SPEC.fullmatch(source.removeprefix("python:"))
    if match is None:
        raise ContractError(
            "this names no classes",
            source=source,
            hint="write package.module:CodeAction,CodeObservation,CodeState, or "
            "package.module:CodingEnvironment",
        )
    module, classes = match["module"], match["classes"].split(",")
    parts = ("environment",) if len(classes) == 1 else _PARTS
    pairs = [f"{part}={name}" for part, name in zip(parts, classes, strict=False)]
    interpreter = _interpreter(python)
    answer = describe(partial(_run, interpreter), [module, *pairs], source=source)
    if "error" in answer:
        raise _failure(source, module, str(answer["error"]), interpreter)
    name = classes[0].rpartition(".")[2] if len(classes) == 1 else _suggested_name(module)
    return Document(document_of(answer, module, source=source), source, name)


def describe(run: RunPython, arguments: Sequence[str], *, source: str) -> dict[str, Any]:
    """Run the program in ``describe.py``, and return its answer.

    Args:
        run: runs an interpreter with arguments, within a time limit in seconds.
        arguments: those of the program.
        source: what to call it in errors.

    Raises:
        ContractError: it gave no answer, or not in time.
    """
    program = Path(__file__).with_name("describe.py").read_text(encoding="utf-8")
    try:
        done = run("-c", program, *arguments, timeout_s=_IMPORT_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise ContractError(
            f"the import took longer than {_IMPORT_TIMEOUT_S:g} s", source=source
        ) from error
    except OSError as error:
        raise ContractError(f"Python can't be run: {error}", source=source) from error
    if not done.stdout:
        last = " ".join(done.stderr.decode(errors="replace").split("\n")[-_LAST_LINES:]).strip()
        raise ContractError(f"the import ended Python: {last}", source=source)
    answer: dict[str, Any] = parse_json(done.stdout[: MAX_BYTES + 1], source=source)
    return answer


def document_of(answer: Mapping[str, Any], module: str, *, source: str) -> Any:
    """The document in an answer.

    Raises:
        ContractError: there is none.
    """
    if "missing" in answer:
        raise ContractError(f"{module} has no {answer['missing']}", source=source)
    if "document" not in answer:
        raise ContractError(str(answer.get("problem") or answer.get("error")), source=source)
    return answer["document"]


def _run(interpreter: str, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603 - our program; the names in it were checked
        [interpreter, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )


def _interpreter(python: str | None) -> str:
    """The interpreter that the user means: named, of the active venv, of ./.venv, or envgen's."""
    if python is not None:
        if (inside := _of_venv(Path(python))) is not None:
            return inside
        if (found := shutil.which(python)) is not None:
            return found
        raise ConfigError(
            f"{python} is neither an interpreter nor a virtual environment", source="python"
        )
    active = os.environ.get("VIRTUAL_ENV")
    venvs = [Path(active)] if active else []
    return next(filter(None, map(_of_venv, [*venvs, Path(".venv")])), sys.executable)


def _of_venv(folder: Path) -> str | None:
    # Not resolved: the interpreter's path is what makes it that of the virtual environment.
    places = (folder.absolute() / place for place in _BELOW_VENV)
    return next((str(place) for place in places if place.is_file()), None)


def _failure(source: str, module: str, error: str, interpreter: str) -> EnvgenError:
    top = module.partition(".")[0]
    hint = ""
    if error.startswith("ModuleNotFoundError"):
        hint = f"{interpreter} was asked; --python names another interpreter or virtual environment"
        if repr(top) in error:
            hint += ", and the current folder is searched first"
    return ContractError(f"can't be read: {error}", source=source, hint=hint)


def _suggested_name(module: str) -> str:
    """``coding_env.models`` suggests ``coding_env``."""
    parts = module.split(".")
    return parts[-2] if len(parts) > 1 and parts[-1] in ("models", "types") else parts[-1]
