"""Templates and what they are about -> the source of a module, with the imports that it needs."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import fields

from ..errors import AuditError
from .context import Context
from .templating import Templates

_IMPORTS = "# imports\n"
_LINE_LENGTH = 100

# Where the names come from that generated modules may use; the audit allows these and no others.
LIBRARY: Mapping[str, str] = {
    "Annotated": "typing",
    "Any": "typing",
    "AsyncEnvClient": "envgen_runtime",
    "ConfigDict": "pydantic",
    "EnvClient": "envgen_runtime",
    "EnvHooks": "envgen_runtime",
    "Envelope": "envgen_runtime",
    "Field": "pydantic",
    "JsonValue": "envgen_runtime",
    "Literal": "typing",
    "Omittable": "envgen_runtime",
    "OneOf": "envgen_runtime",
    "ReplyModel": "envgen_runtime",
    "RequestModel": "envgen_runtime",
    "StepResult": "envgen_runtime",
    "TypeAdapter": "pydantic",
    "TypeAlias": "typing",
    "UUID": "uuid",
    "UniqueItems": "envgen_runtime",
    "date": "datetime",
    "datetime": "datetime",
    "overload": "typing",
    "reset_fields": "envgen_runtime",
    "time": "datetime",
    "timedelta": "datetime",
    "wire_fields": "envgen_runtime",
}

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
        context: what its template is about.
        names: the module of each name that the file may import.
        templates: where it is taken from.
        exports: names that are imported for others, used or not.

    Raises:
        TemplateError: a template of the project's own can't be used.
        AuditError: what was rendered is not Python.
    """
    source = templates.render(
        file, {field.name: getattr(context, field.name) for field in fields(context)}
    )
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise AuditError(f"the rendered {file} is not Python: {error}") from error
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} | {*exports}
    imported = {name: module for name, module in names.items() if name in used}
    return source.replace(_IMPORTS, _import_block(imported), 1).rstrip("\n") + "\n"


def _isort_key(name: str) -> tuple[bool, bool, str]:
    return (not name.isupper(), not name[0].isupper(), name.lower())


def _import_block(imported: Mapping[str, str]) -> str:
    """The import statements, in the order that isort gives them."""
    groups: dict[int, list[str]] = {}
    for module in sorted(set(imported.values())):
        names = sorted(
            (name for name in imported if imported[name] == module),
            key=_isort_key,
        )
        line = f"from {module} import {', '.join(names)}"
        if len(line) > _LINE_LENGTH:
            line = "\n".join([f"from {module} import (", *(f"    {name}," for name in names), ")"])
        group = 2 if module.startswith(".") else int(module not in _STANDARD)
        groups.setdefault(group, []).append(line)
    return "\n\n".join("\n".join(groups[group]) for group in sorted(groups)) + "\n"
