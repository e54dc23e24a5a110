"""The jinja2 environment in which templates are rendered, and the imports that a source needs."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .text import UntrustedText, comment, docstring, literal

if TYPE_CHECKING:
    from jinja2 import Environment

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


@cache
def templates_folder() -> Path:
    """Where the templates are: beside the package when installed, in a checkout at the top."""
    installed = Path(str(resources.files("envgen"))) / "templates"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "templates"


@cache
def templates_digest() -> str:
    """SHA-256 of all templates: changes when generated code may."""
    digest = hashlib.sha256()
    for template in sorted(templates_folder().glob("*.jinja")):
        digest.update(template.name.encode() + b"\0" + template.read_bytes() + b"\0")
    return digest.hexdigest()


@cache
def _environment() -> Environment:
    # Imported when something is rendered: a build that is up to date doesn't pay for it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(templates_folder()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Python is rendered, not HTML; UntrustedText guards it
    )
    environment.filters.update(literal=literal, comment=comment, docstring=_docstring)
    return environment


def _docstring(text: UntrustedText, indent: int = 4) -> str:
    return docstring(text, indent=" " * indent)


def render(template: str, *, names: Mapping[str, str], **context: Any) -> str:
    """Render the template for a file of a generated package.

    A contract's text in the context is ``UntrustedText``: a template that forgets to send it
    through a filter fails instead of printing it.

    Args:
        template: the file's name.
        names: the module of each name that the file may import.
        context: what the template is about.
    """
    source = _environment().get_template(f"{template}.jinja").render(context)
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    used |= set(context.get("exports", ()))
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
