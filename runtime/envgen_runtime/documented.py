"""Options as data: a ``TypedDict`` has their names and types, its docstring describes them.

A function takes them as ``**options: Unpack[...]``, so type checkers know each one by name.
``documented`` shows them to readers too, in the function's signature and docstring. An option that
isn't given is None, or what its annotation has, as ``Annotated[float, 10.0]``; ``...`` there means
that the callee decides.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from typing_extensions import get_original_bases, is_typeddict

F = TypeVar("F", bound=Callable[..., Any])

_NOTHING: Mapping[str, str] = MappingProxyType({})
_ENTRY = re.compile(r"^    (\w+): .*(?:\n {8}.*)*", re.MULTILINE)


def complete(
    options: type, given: Mapping[str, Any], *, of: str, instead: Mapping[str, str] = _NOTHING
) -> dict[str, Any]:
    """Add the defaults of the options that aren't given.

    Args:
        options: the ``TypedDict``.
        given: options by name.
        of: the callee's name.
        instead: what to use instead of names that people take for options.

    Raises:
        TypeError: there is no option of that name.
    """
    check_names(options, given, of=of, instead=instead)
    known = options.__annotations__
    return {name: given.get(name, _default(annotation)) for name, annotation in known.items()}


def check_names(
    options: type, given: Iterable[str], *, of: str, instead: Mapping[str, str] = _NOTHING
) -> None:
    """Raise TypeError for a name that isn't one of ``options``. Arguments as for ``complete``."""
    for name in sorted(set(given) - options.__annotations__.keys()):
        told = f": {instead[name]}" if name in instead else ""
        raise TypeError(f"{of}() got an unexpected keyword argument {name!r}{told}")


def documented(options: type) -> Callable[[F], F]:
    """Show each option in the signature and the docstring of a function that takes them.

    ``options`` is the ``TypedDict`` of the function's last parameter, ``**options``. Its entries go
    after the entry ``options:`` of the docstring, or to its end.
    """

    def document(function: F) -> F:
        signature = inspect.signature(function)
        shown = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_default(annotation),
                annotation=_type(annotation),
            )
            for name, annotation in options.__annotations__.items()
        ]
        parameters = [*list(signature.parameters.values())[:-1], *shown]
        function.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        lines = inspect.cleandoc(function.__doc__ or "").splitlines()
        at = next((n for n, line in enumerate(lines) if line.startswith("    options:")), None)
        if at is None:
            lines += ["", "Args:"]
            at = len(lines) - 1
        described = _entries(options)
        entries = [described[name] for name in options.__annotations__ if name in described]
        function.__doc__ = "\n".join([*lines[: at + 1], *entries, *lines[at + 1 :]])
        return function

    return document


def _default(annotation: Any) -> Any:
    return next(iter(getattr(annotation, "__metadata__", ())), None)


def _type(annotation: Any) -> Any:
    plain = annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation
    return getattr(plain, "__forward_arg__", plain)


def _entries(options: type) -> dict[str, str]:
    """The entry of each option in the docstrings of a ``TypedDict`` and of its bases."""
    found: dict[str, str] = {}
    for base in get_original_bases(options):
        if is_typeddict(base):
            found |= _entries(base)
    doc = inspect.cleandoc(options.__doc__ or "")
    return found | {entry[1]: entry[0] for entry in _ENTRY.finditer(doc)}
