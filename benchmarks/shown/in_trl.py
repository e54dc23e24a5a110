"""TRL: the generated class, and TRL's own adapter for servers of the Open Reward Standard.

Both give functions to ``transformers.utils.get_json_schema``, which reads schemas out of them.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from transformers.utils import get_json_schema
from trl.experimental.openreward.environment import _bind_tool_method

from benchmarks.shown.jobs import Shown, Source, answer, failed, places, shown


def show(source: Source) -> Iterator[tuple[str, str, Shown]]:
    """Yield what both make of a package's tools."""
    yield from _ours(source)
    for tool in source["tools"]:
        spec = {
            "name": tool["name"],
            "description": tool["description"],
            "input_schema": tool["schema"],
        }
        environment = type("Environment", (), {})
        try:
            _bind_tool_method(environment, spec)
            if tool["name"] in vars(environment):
                function = getattr(environment(), tool["name"])
                schema = get_json_schema(function)["function"]["parameters"]
                yield "TRL's own, for ORS", tool["place"], shown(schema)
        except Exception as error:  # noqa: BLE001 - it is the result
            yield "TRL's own, for ORS", tool["place"], failed(error)


def _ours(source: Source) -> Iterator[tuple[str, str, Shown]]:
    module = importlib.import_module(f"{source['package']}.trl")
    (environment,) = (
        item
        for name, item in vars(module).items()
        if name.endswith("TRL") and item.__module__ == module.__name__
    )
    instance = object.__new__(environment)
    for name, function in inspect.getmembers(environment, inspect.isfunction):
        if name in ("reset", "get_reward") or name.startswith("_"):
            continue
        wire_name, names = _called(function)
        place = places(source)[wire_name]
        try:
            told = get_json_schema(getattr(instance, name))["function"]
            schema = {**told["parameters"], "description": told["description"]}
            yield "TRL", place, shown(schema, names)
        except Exception as error:  # noqa: BLE001 - it is the result
            yield "TRL", place, failed(error)


def _called(function: Any) -> tuple[str, dict[str, str]]:
    """The tool that a function calls, and the names of its parameters by those on the wire."""
    plain = inspect.unwrap(function)
    _, *parameters = inspect.signature(plain).parameters
    recorder = SimpleNamespace(_call=lambda name, arguments: (name, arguments))
    called: tuple[str, dict[str, str]] = plain(recorder, **{name: name for name in parameters})
    return called


if __name__ == "__main__":
    answer(show)
