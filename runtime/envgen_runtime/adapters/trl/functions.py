"""Public functions of a class as tools of a model. Read and run: transformers 5.24."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from typing import Any, ClassVar

from ...errors import EnvError, MissingExtra
from ...printable import LINES, printable
from ...tools import OMITTED
from ..rows import Rows
from .spec import EnvironmentFactory, Settings, TRLSpec

PROMPT = "Act in the environment by calling its tools."
"""What the user says by default, before the first observation."""

_OWN = frozenset({"get_reward", "reset"})


class ToolFailed(EnvError):
    """A call failed, and the episode goes on. The message is what the model reads."""

    def __str__(self) -> str:
        return printable(Exception.__str__(self), keep=LINES)


class Functions:
    """What both kinds of environments have.

    Attributes:
        client_class: the generated client.
    """

    client_class: ClassVar[type[Any]]
    _beside: Mapping[str, Any]

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._beside = {}
        settings.made.add(self)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, function in [*vars(cls).items()]:
            if inspect.isfunction(function) and not name.startswith("_") and name not in _OWN:
                setattr(cls, name, _tolerant(function))

    def _arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What a model has given, by the contract's names."""
        given = {name: value for name, value in arguments.items() if value is not OMITTED}
        return {**given, **self._beside}

    @classmethod
    def _spec(
        cls, settings: Settings, rows: Rows, *, prompt: str, system: str | None, rewards: Any
    ) -> TRLSpec:
        settings.columns = (*settings.columns, *getattr(rows, "columns", ()))
        messages = [{"role": "system", "content": system}] if system is not None else []
        messages.append({"role": "user", "content": prompt})
        return TRLSpec(EnvironmentFactory(cls, settings), rows, messages, rewards)


def _tolerant(function: Callable[..., str]) -> Callable[..., str]:
    """A tool that takes any arguments: what is missing or unknown is for the contract to refuse.

    TRL calls tools with whatever the model writes. Python's own refusal would name a class and
    say nothing of what is expected.
    """
    names = [*inspect.signature(function).parameters][1:]

    @wraps(function)
    def call(self: Functions, /, *positional: Any, **arguments: Any) -> str:
        if len(positional) > len(names):
            raise TypeError(f"{function.__name__} takes {len(names)} arguments")
        given = {**dict(zip(names, positional, strict=False)), **arguments}
        known = {name: given.pop(name, OMITTED) for name in names}
        self._beside = given  # pyright: ignore[reportPrivateUsage]
        return function(self, **known)

    return call


def function_schemas(environment: type[Functions]) -> list[dict[str, Any]]:
    """Return the schemas of an environment's tools, as TRL shows them to a model.

    Raises:
        MissingExtra: transformers isn't installed.
    """
    try:
        library: Any = import_module("transformers.utils")
    except ImportError as error:
        raise MissingExtra("reading schemas as TRL does", extra="trl") from error
    return [
        library.get_json_schema(function)
        for name, function in inspect.getmembers(environment, inspect.isfunction)
        if not name.startswith("_") and name not in _OWN
    ]
