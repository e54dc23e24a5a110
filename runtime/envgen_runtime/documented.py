"""Options as data: a ``TypedDict`` holds their names, types, defaults and descriptions.

A function takes them as ``**options: Unpack[...]``, so type checkers know each one by name.
``documented`` shows them to readers too, in the function's signature and docstring.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar, get_args

F = TypeVar("F", bound=Callable[..., Any])

_WIDTH = 100


class Option(NamedTuple):
    """What ``Annotated`` adds to an option's type: its description, and its default.

    The default is ``...`` if the callee decides.
    """

    description: str
    default: Any = ...


def complete(options: type, given: Mapping[str, Any], *, of: str) -> dict[str, Any]:
    """Add the defaults of the options that aren't given.

    Raises:
        TypeError: ``of`` takes no option of that name.
    """
    known = _options_of(options)
    for name in given.keys() - known.keys():
        raise TypeError(f"{of}() got an unexpected keyword argument {name!r}")
    return {name: given.get(name, option.default) for name, (_, option) in known.items()}


def documented(options: type) -> Callable[[F], F]:
    """Show each option in the signature and the docstring of a function that takes them.

    ``options`` is the ``TypedDict`` of the function's last parameter, ``**options``. Its entries go
    after the entry ``options:`` of the docstring, or to its end.
    """

    def document(function: F) -> F:
        known = _options_of(options)
        signature = inspect.signature(function)
        shown = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=option.default,
                annotation=getattr(annotation, "__forward_arg__", annotation),
            )
            for name, (annotation, option) in known.items()
        ]
        parameters = [*list(signature.parameters.values())[:-1], *shown]
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        function.__doc__ = _with_entries(function.__doc__ or "", known)
        return function

    return document


def _options_of(options: type) -> dict[str, tuple[Any, Option]]:
    """The type and the ``Option`` of each key of a ``TypedDict``."""
    found: dict[str, tuple[Any, Option]] = {}
    for name, annotation in options.__annotations__.items():
        type_, option = get_args(annotation)
        found[name] = type_, option
    return found


def _with_entries(doc: str, options: dict[str, tuple[Any, Option]]) -> str:
    lines = inspect.cleandoc(doc).splitlines()
    at = next((n for n, line in enumerate(lines) if line.startswith("    options:")), None)
    if at is None:
        lines += ["", "Args:"]
        at = len(lines) - 1
    entries = [
        textwrap.fill(
            f"{name}: {option.description}",
            _WIDTH,
            initial_indent="    ",
            subsequent_indent="        ",
        )
        for name, (_, option) in options.items()
    ]
    return "\n".join([*lines[: at + 1], *entries, *lines[at + 1 :]])
