"""envgen's jinja2 templates, and the blocks in them that a project's templates replace.

A project's template begins with ``{% extends "envgen/2/client.py.jinja" %}``: the number is the
version of the context, which is what blocks may rely on (``context``, docs/templates.md).
"""

from __future__ import annotations

import hashlib
import re
import traceback
from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TemplateError
from ..text import UntrustedText, comment, docstring, docstring_entry, docstring_lines, literal

if TYPE_CHECKING:
    from jinja2 import BaseLoader
    from jinja2.nodes import Template

    from .template_limits import LimitedEnvironment

CONTEXT_VERSION = 2
"""Goes up when a block that worked may fail: a name was removed or changed its meaning."""

_SUFFIX = ".jinja"
_EXTENDED = re.compile(r"envgen/(\d+)/(.+)")
DOCS = "docs/templates.md says what a template may contain"


@cache
def templates_folder() -> Path:
    """The folder of envgen's templates: in the package when installed, at the top of a checkout."""
    installed = Path(str(resources.files("envgen"))) / "templates"
    return installed if installed.is_dir() else Path(__file__).parents[3] / "templates"


class Templates:
    """The templates of one build: envgen's, and those in a project's ``folder``.

    Raises TemplateError if the folder is missing or has no templates.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self._files = _templates_in(templates_folder())
        self._own = _templates_in(folder) if folder is not None else {}
        unknown = [name for name in self._own.keys() - self._files if not name.startswith("_")]
        if folder is not None and (unknown or not self._own):
            raise TemplateError(
                f"{min(unknown)} replaces nothing" if unknown else "there are no templates here",
                source=str(folder),
                hint=f"templates are {', '.join(self._files)}; what they include begins with _",
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all templates. It changes whenever generated code may."""
        digest = hashlib.sha256()
        for files in (self._files, self._own):
            for name, path in files.items():
                digest.update(name.encode() + b"\0" + _read(path).encode() + b"\0")
        return digest.hexdigest()

    def render(self, file: str, context: Mapping[str, Any]) -> str:
        """The source of ``file``, without imports. TemplateError: a project's template fails."""
        from .template_limits import Work

        name = f"{file}{_SUFFIX}"
        self._environment.work = Work(is_limited=self.folder is not None)
        if self.folder is None:
            return self._environment.get_template(name).render(context)
        try:
            if name in self._own:
                self._check(name, context)
            return self._environment.get_template(name).render(context)
        except TemplateError:
            raise
        except Exception as error:  # whatever a template does
            raise self._error(error) from error

    @cached_property
    def _environment(self) -> LimitedEnvironment:
        # Imported for rendering only: a build that is up to date doesn't pay for it.
        from jinja2 import ChoiceLoader, PrefixLoader, StrictUndefined

        from .template_limits import LimitedEnvironment

        builtin, own = _loader(self._files), _loader(self._own)
        versioned = PrefixLoader({"envgen": PrefixLoader({str(CONTEXT_VERSION): builtin})})
        environment = LimitedEnvironment(
            loader=ChoiceLoader([versioned, own, builtin]),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,  # Python is rendered, not HTML; UntrustedText guards it
        )
        filters: dict[str, Any] = {
            "comment": comment,
            "docstring": _docstring,
            "docstring_entry": _docstring_entry,
            "docstring_lines": _docstring_lines,
            "literal": literal,
        }
        environment.filters.update(filters)
        return environment

    # --- a project's templates ------------------------------------------------------------------

    def _check(self, name: str, context: Iterable[str]) -> None:
        """Refuse a template that doesn't match what it extends, even in parts not executed."""
        from jinja2 import meta, nodes

        tree, replaced = self._parsed(self._own[name]), self._parsed(self._files[name])
        self._check_version(name, tree)
        blocks = {block.name for block in replaced.find_all(nodes.Block)}
        for block in tree.find_all(nodes.Block):
            if block.name not in blocks:
                raise self._fault(
                    name,
                    block.lineno,
                    f"there is no block {block.name}",
                    f"the blocks are {', '.join(sorted(blocks))}",
                )
        local = {item.name for item in replaced.find_all(nodes.Name) if item.ctx == "store"}
        known = {*context, *local, "super"}
        for unknown in sorted(meta.find_undeclared_variables(tree) - known):
            lines = [item.lineno for item in tree.find_all(nodes.Name) if item.name == unknown]
            raise self._fault(name, min(lines), f"{unknown} is undefined", DOCS)

    def _check_version(self, name: str, tree: Template) -> None:
        from jinja2 import nodes

        wanted = f'it begins with {{% extends "envgen/{CONTEXT_VERSION}/{name}" %}}'
        extends = next(tree.find_all(nodes.Extends), None)
        match extends.template if extends is not None else None:
            case nodes.Const(value=str(extended)) if found := _EXTENDED.fullmatch(extended):
                version, parent = found.groups()
            case _:
                raise self._fault(name, 1, "it doesn't extend envgen's", wanted)
        if parent != name:
            raise self._fault(name, 1, f"it extends {parent}", wanted)
        if version != str(CONTEXT_VERSION):
            raise self._fault(
                name,
                1,
                f"it is written for context {version}; this envgen has {CONTEXT_VERSION}",
                "docs/templates.md says what has changed",
            )

    def _parsed(self, path: Path) -> Template:
        return self._environment.parse(_read(path), path.name, str(path))

    def _error(self, error: Exception) -> TemplateError:
        """The error for a failed template, with the file and line in the project."""
        own = {str(path): path.name for path in self._own.values()}
        frames = traceback.extract_tb(error.__traceback__)
        places = [(own[frame.filename], frame.lineno) for frame in frames if frame.filename in own]
        if name := own.get(getattr(error, "filename", None) or ""):  # a TemplateSyntaxError
            places.append((name, getattr(error, "lineno", None)))
        file, line = places[-1] if places else ("", None)
        message = getattr(error, "message", None) or str(error) or type(error).__name__
        return self._fault(file, line, message, DOCS)

    def _fault(self, name: str, line: int | None, message: str, hint: str) -> TemplateError:
        place = self._own.get(name, self.folder)
        shown = f"{place}:{line}" if line is not None else str(place)
        return TemplateError(message, source=shown, hint=hint)


@cache
def default_templates() -> Templates:
    """The templates of envgen, without a project's."""
    return Templates()


def _templates_in(folder: Path) -> dict[str, Path]:
    files = {path.name: path for path in sorted(folder.glob(f"*{_SUFFIX}"))}
    for path in files.values():
        # A repository can carry links, and what a template says may end up in a package.
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise TemplateError("a link out of the templates' folder", source=str(path))
    return files


def _loader(files: Mapping[str, Path]) -> BaseLoader:
    """Load these files only: all that can be loaded is in the digest."""
    from jinja2 import FunctionLoader

    def load(name: str) -> tuple[str, str, None] | None:
        path = files.get(name)
        return (_read(path), str(path), None) if path is not None else None

    return FunctionLoader(load)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TemplateError(f"can't be read: {error}", source=str(path)) from error


def _docstring(text: UntrustedText, indent: int = 4) -> str:
    return docstring(text, indent=" " * indent)


def _docstring_lines(text: UntrustedText, indent: int = 8) -> str:
    margin = " " * indent
    return margin + docstring_lines(text, indent=margin)


def _docstring_entry(text: UntrustedText, name: str, indent: int = 12) -> str:
    return docstring_entry(name, text, indent=" " * indent)
