"""What tests share: contracts made of a few lines, and packages built from them."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from envgen.build import build_package
from envgen.cli import app
from envgen.contract.contract import parse_contract

ROOT = Path(__file__).parents[1]

PATIENCE_S = 120.0
"""After how many seconds something has hung, however busy the machine is."""

CPU_LIMIT_S = 30.0
"""More than any work here takes that is linear in its input."""

_numbers = itertools.count()


def contract(**parts: Any) -> dict[str, Any]:
    """A contract whose parts are plain, but for those given."""
    plain = {
        "action": {
            "title": "DoAction",
            "type": "object",
            "properties": {"text": {"type": "string"}},
        },
        "observation": {"title": "SeeObservation", "type": "object", "properties": {}},
        "state": {"title": "DoState", "type": "object", "properties": {}},
    }
    return {"name": "do_env", **plain, **parts}


def action(properties: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    """A contract whose action has these properties."""
    schema = {"title": "DoAction", "type": "object", "properties": properties, **keywords}
    return contract(action=schema)


def observation(properties: dict[str, Any], **keywords: Any) -> dict[str, Any]:
    """A contract whose observation has these properties."""
    schema = {"title": "SeeObservation", "type": "object", "properties": properties, **keywords}
    return contract(observation=schema)


def load(folder: Path) -> ModuleType:
    """Import a generated package from where it is, under a name of its own."""
    folder = folder.resolve()  # Python remembers what a relative path once meant
    name = f"generated_for_test_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def build(document: dict[str, Any], out: Path) -> ModuleType:
    """Build a contract and import the package."""
    return load(build_package(parse_contract(document, source="test.json"), out).folder)


@contextmanager
def little_work() -> Generator[None]:
    """Hold the block against a limit of processor time, which a busy machine doesn't use up."""
    before = time.thread_time()
    yield
    assert time.thread_time() - before < CPU_LIMIT_S


@contextmanager
def calls_up_to(limit: int) -> Generator[Iterator[int]]:
    """Hold the block against a number of calls, however fast the machine is."""
    counted = itertools.count()

    def count(_frame: FrameType, _event: str, _argument: Any) -> None:
        if next(counted) > limit:
            raise AssertionError(f"more than {limit} calls")

    sys.setprofile(count)
    try:
        yield counted
    finally:
        sys.setprofile(None)


def run(*arguments: str) -> Result:
    """The command, in the current folder."""
    return CliRunner().invoke(app, list(arguments))


def save(document: Any, name: str = "x.json") -> str:
    """Write a file into the current folder: text as it is, anything else as JSON."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(document if isinstance(document, str) else json.dumps(document))
    return name


def contracts(folder: str) -> list[Path]:
    """The files of a folder of ``tests/contracts``, and of the set that stands beside the project.

    That is larger, and takes the place of a file of ours that has the same name.
    """
    beside = Path(os.environ.get("ENVGEN_SHARED", ROOT.parent / "shared"))
    places = (ROOT / "tests" / "contracts" / folder, beside / _BESIDE.get(folder, folder))
    files = {file.name: file for place in places for file in place.glob("*.json")}
    return [file for _, file in sorted(files.items())]


_BESIDE = {"json-schema": "json-schema-suite/draft7"}


def contract_cases(folder: str) -> list[Any]:
    """``contracts`` as parameters."""
    return [pytest.param(file, id=file.stem) for file in contracts(folder)]
