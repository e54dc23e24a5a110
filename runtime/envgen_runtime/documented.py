"""Options as data: a ``TypedDict`` gives their names, types, defaults and descriptions.

A function takes them as ``**options: Unpack[...]``, so type checkers know each one by name.
``documented`` does the same for readers: it shows each option in the signature and the docstring.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, get_args

F = TypeVar("F", bound=Callable[..., Any])

_WIDTH = 100


class Option(NamedTuple):
    """What ``Annotated`` adds to an option's type.

    Attributes:
        description: what it does, as a docstring says it.
        default: the value if it isn't given; left out if the callee decides.
    """

    description: str
    default: Any = ...


def options_of(options: type) -> dict[str, tuple[Any, Option]]:
    """The type and the ``Option`` of each key of a ``TypedDict``."""
    found: dict[str, tuple[Any, Option]] = {}
    for name, annotation in options.__annotations__.items():
        annotated = get_args(annotation)
        found[name] = annotated[0], annotated[1]
    return found


def defaults(options: type) -> dict[str, Any]:
    """The default of each option that has one."""
    return {name: it.default for name, (_, it) in options_of(options).items()}


def documented(options: type) -> Callable[[F], F]:
    """Show each option in the signature and the docstring of a function that unpacks them.

    Args:
        options: the ``TypedDict`` of the function's ``**options``. In the docstring, the entry
            ``options:`` is followed by the entries of the options.
    """

    def document(function: F) -> F:
        known = options_of(options)
        signature = inspect.signature(function)
        given = list(signature.parameters.values())
        shown = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=it.default,
                annotation=getattr(annotation, "__forward_arg__", annotation),
            )
            for name, (annotation, it) in known.items()
        ]
        function.__signature__ = signature.replace(parameters=[*given[:-1], *shown])  # type: ignore[attr-defined]
        function.__doc__ = _with_entries(function.__doc__ or "", known)
        return function

    return document


def _with_entries(doc: str, options: dict[str, tuple[Any, Option]]) -> str:
    lines = doc.splitlines()
    for number, line in enumerate(lines):
        if line.lstrip().startswith("options:"):
            indent = line[: len(line) - len(line.lstrip())]
            entries = [
                textwrap.fill(
                    f"{name}: {it.description}",
                    _WIDTH,
                    initial_indent=indent,
                    subsequent_indent=indent + "    ",
                )
                for name, (_, it) in options.items()
            ]
            return "\n".join([*lines[: number + 1], *entries, *lines[number + 1 :]])
    return doc
