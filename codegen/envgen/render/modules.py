"""Template and context -> the source of a module, with its imports, laid out."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from ..errors import AuditError
from .context import Context
from .layout import layout
from .templating import Templates

_IMPORTS = "# imports\n"
_DIGITS = re.compile(r"(\d+)")
_STANDARD = frozenset({"datetime", "typing", "uuid"})


def render(
    file: str,
    context: Context,
    *,
    names: Mapping[str, str],
    templates: Templates,
    exports: Collection[str] = (),
) -> str:
    """Render a file of a generated package.

    A contract's text in the context is ``UntrustedText``: a template that forgets to send it
    through a filter fails instead of printing it.

    Args:
        file: its name.
        context: what the template is rendered with.
        names: the module of each name that the file may import.
        templates: the templates.
        exports: names that are imported for users of the module.

    Raises:
        TemplateError: a template of the project's can't be used.
        AuditError: the rendered text is not Python.
    """
    source = templates.render(
        file, {field.name: getattr(context, field.name) for field in fields(context)}
    )
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise AuditError(f"the rendered {file} is not Python: {error}") from error
    used = _names(tree) | {*exports}
    imported = {name: module for name, module in names.items() if name in used}
    return layout(source.replace(_IMPORTS, _import_block(imported), 1).rstrip("\n") + "\n")


def _names(tree: ast.AST) -> set[str]:
    """The names that code uses, also in the strings that late aliases are."""
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name):
                names.add(name)
            case ast.Call(func=ast.Name(id="TypeAliasType"), args=[_, ast.Constant(value=alias)]):
                names |= _names(ast.parse(str(alias), mode="eval"))
            case _:
                pass
    return names


def isort_key(name: str) -> tuple[bool, bool, list[tuple[int, str]]]:
    """Sorts names as isort and ruff do: constants, classes, the rest; numbers by their value."""
    parts = [(int(part or 0), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name)]
    is_constant = name.isupper() and len(name) > 1
    return (not is_constant, not name[0].isupper(), parts)


def _import_key(name: str) -> tuple[Any, ...]:
    """Sorts the names of one import: as ``isort_key``, but capitals don't come first."""
    *kind, _ = isort_key(name)
    return (*kind, isort_key(name.lower())[-1], name)


def _import_block(imported: Mapping[str, str]) -> str:
    """The import statements, in isort's order."""
    groups: dict[int, list[str]] = {}
    for module in sorted(set(imported.values())):
        names = sorted((name for name in imported if imported[name] == module), key=_import_key)
        group = 2 if module.startswith(".") else int(module not in _STANDARD)
        groups.setdefault(group, []).append(f"from {module} import {', '.join(names)}")
    return "\n\n".join("\n".join(groups[group]) for group in sorted(groups)) + "\n"
