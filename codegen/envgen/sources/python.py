"""Pydantic classes, as the contract that a server of theirs would publish.

The classes are imported in a child process: side effects of the import (threads, monkey patches,
prints, ``sys.exit``) don't reach envgen, several sources may name modules of the same name, and an
edited class is read as it is now. The current folder is searched first, as with ``python -m``.
"""

from __future__ import annotations

import re
import subprocess
import sys

from envgen_runtime.contract.parts import REQUIRED_PARTS

from ..errors import ContractError, EnvgenError
from .parsing import MAX_BYTES, Document, parse_json

_SPEC = re.compile(r"(?P<module>\w+(?:\.\w+)*):(?P<classes>\w+(?:\.\w+)*(?:,\w+(?:\.\w+)*){1,3})")
_PARTS = (*REQUIRED_PARTS, "reset_observation")
_IMPORT_TIMEOUT_S = 120.0
_LAST_LINES = 3

# A program of its own, because it may import nothing of envgen's.
_PROGRAM = """
import importlib, json, os, sys, traceback

module_name, *pairs = sys.argv[1:]
sys.path.insert(0, os.getcwd())
answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # prints of the import must not mix with the answer


def say(**fields):
    json.dump(fields, answer)
    answer.flush()
    os._exit(0)


try:
    from pydantic import TypeAdapter

    module = importlib.import_module(module_name)
    document = {}
    for pair in pairs:
        part, _, name = pair.partition("=")
        value = module
        try:
            for attribute in name.split("."):
                value = getattr(value, attribute)
        except AttributeError:
            say(missing=name)
        mode = "validation" if part == "action" else "serialization"
        document[part] = TypeAdapter(value).json_schema(mode=mode)
    say(document=document)
except BaseException as error:
    say(error="".join(traceback.format_exception_only(error)).strip()[-2000:])
"""


def read(source: str) -> Document:
    """Make a contract of classes, with a name that their module suggests.

    Args:
        source: ``python:package.module:Action,Observation,State``, optionally with a fourth class:
            the observation of a reset.

    Raises:
        ContractError: the module or a class doesn't exist, or the import fails.
    """
    match = _SPEC.fullmatch(source.removeprefix("python:"))
    if match is None:
        raise ContractError(
            "this names no classes",
            source=source,
            hint="write package.module:CodeAction,CodeObservation,CodeState",
        )
    module, classes = match["module"], match["classes"].split(",")
    pairs = [f"{part}={name}" for part, name in zip(_PARTS, classes, strict=False)]
    answer = parse_json(_import(source, [module, *pairs]), source=source)
    if "missing" in answer:
        raise ContractError(f"{module} has no {answer['missing']}", source=source)
    if "error" in answer:
        raise _failure(source, module, str(answer["error"]))
    return Document(answer["document"], source, _suggested_name(module))


def _import(source: str, arguments: list[str]) -> bytes:
    command = [sys.executable, "-c", _PROGRAM, *arguments]
    try:
        done = subprocess.run(  # noqa: S603  # our program; the names in it were checked
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_IMPORT_TIMEOUT_S,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ContractError(
            f"the import took longer than {_IMPORT_TIMEOUT_S:g} s", source=source
        ) from error
    if not done.stdout:
        last = " ".join(done.stderr.decode(errors="replace").split("\n")[-_LAST_LINES:]).strip()
        raise ContractError(f"the import ended Python: {last}", source=source)
    return done.stdout[: MAX_BYTES + 1]


def _failure(source: str, module: str, error: str) -> EnvgenError:
    top = module.partition(".")[0]
    hint = ""
    if error.startswith("ModuleNotFoundError") and repr(top) in error:
        hint = "run envgen in the folder that contains it, or install it beside envgen"
    elif error.startswith("ModuleNotFoundError"):
        hint = "install the missing package beside envgen: uv run --with PACKAGE envgen ..."
    return ContractError(f"can't be read: {error}", source=source, hint=hint)


def _suggested_name(module: str) -> str:
    """``coding_env.models`` suggests ``coding_env``."""
    parts = module.split(".")
    return parts[-2] if len(parts) > 1 and parts[-1] in ("models", "types") else parts[-1]
