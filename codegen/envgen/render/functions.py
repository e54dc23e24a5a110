"""What models can call, as plain Python functions: for trainers that read schemas out of them.

The parsers of docstrings know sections by ``Args:``, ``Returns:`` and ``Raises:``, wherever these
stand, and parameters by ``name:`` at the beginning of a line. So no text of a contract has the one,
and no line of it begins with the other. Read and run: transformers 5.24, ``get_json_schema``.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any

from envgen_runtime.calling.catalogue import ModelTool, catalogue_of
from envgen_runtime.json_value import as_array, as_object
from envgen_runtime.printable import LINES, printable

from ..naming import function_names
from ..text import UntrustedText
from .context import FunctionContext, FunctionParameter
from .hints import hint_of
from .told import SECTIONS, plain, shortened, told, told_of_all

if TYPE_CHECKING:
    from ..contract.contract import EnvContract

_MAX_DESCRIPTION = 16_000  # characters: more than any real tool has
_MAX_LEVELS = 5  # of alternatives within alternatives, where parameters may be named
_WIDTH = 80  # columns of the list of parameters, which stands further in

_SECTION = re.compile(f"({'|'.join(SECTIONS)}):")
_INSTEAD = dict[str, str](zip(SECTIONS, ("Arguments:", "Return value:", "Errors:"), strict=True))
_ENTRY = re.compile(r"\s*\w+[ \t]*(?:\([^()\n]*\))?[ \t]*:")


def functions(contract: EnvContract, *, taken: AbstractSet[str]) -> list[FunctionContext]:
    """Return a function for each tool, and each variant of the action, of a contract.

    Args:
        contract: the contract.
        taken: names that no function may have.
    """
    tools = catalogue_of(json.loads(contract.to_json())).tools
    names = function_names([tool.name for tool in tools], taken=taken)
    return [_function(tool, names[tool.name]) for tool in tools]


def _function(tool: ModelTool, name: str) -> FunctionContext:
    schemas, required = _parameters(tool)
    names = _parameter_names([*schemas])
    order = sorted(schemas, key=lambda wire_name: wire_name not in required)
    parameters = [
        FunctionParameter(
            names[wire_name],
            UntrustedText(wire_name),
            hint_of(schemas[wire_name], tool.schema).render(),
            wire_name in required,
        )
        for wire_name in order
    ]
    texts = {
        names[wire_name]: told(schemas[wire_name], tool.schema, is_required=wire_name in required)
        for wire_name in order
    }
    of_all = told_of_all(tool.schema, {*schemas, *tool.tags})
    docstring = _docstring(tool, of_all, texts)
    return FunctionContext(name, UntrustedText(tool.wire_name), parameters, docstring)


def _parameter_names(wire_names: list[str]) -> dict[str, str]:
    """The parameters' names, none of which begins a section in a list of them."""
    names = function_names(wire_names, taken=frozenset())
    taken = {name for name in names.values() if name.endswith(SECTIONS)}
    return function_names(wire_names, taken=taken) if taken else names


def _parameters(tool: ModelTool) -> tuple[dict[str, Any], AbstractSet[str]]:
    """The schemas of what a tool takes, by name, and which of them must be given."""
    found: dict[str, list[Any]] = {}
    required = _collect(tool.schema, found, 0)
    schemas = {
        name: alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}
        for name, alternatives in found.items()
        if name not in tool.tags and alternatives != [False]
    }
    return schemas, required


def _collect(schema: Any, found: dict[str, list[Any]], level: int) -> frozenset[str]:
    """Add the properties that an object may have, and return the names of those that it must."""
    fields = as_object(schema)
    if fields is None or level > _MAX_LEVELS:
        return frozenset()
    required = frozenset(map(str, as_array(fields.get("required")) or []))
    for name, property_ in (as_object(fields.get("properties")) or {}).items():
        known = found.setdefault(name, [])
        if property_ not in known:
            known.append(property_)
    for keyword in ("allOf", "anyOf", "oneOf"):
        members = [
            _collect(member, found, level + 1) for member in as_array(fields.get(keyword)) or []
        ]
        if members:
            every = frozenset[str].union if keyword == "allOf" else frozenset[str].intersection
            required |= every(*members)
    for keyword in ("then", "else"):
        _collect(fields.get(keyword), found, level + 1)
    return required


# --- docstrings -----------------------------------------------------------------------------------


def _docstring(tool: ModelTool, of_all: str, parameters: Mapping[str, str]) -> UntrustedText:
    """The description, what holds of all arguments, and a list of them with their texts."""
    lines = textwrap.dedent(tool.description.expandtabs(4)).strip().splitlines()
    if lines:  # the first line often stands further out than the others
        lines = [lines[0], *textwrap.dedent("\n".join(lines[1:])).splitlines()]
    text = printable("\n".join(lines), _MAX_DESCRIPTION + 1, keep=LINES).strip()
    description = shortened(text, _MAX_DESCRIPTION) or f"Call {plain(tool.wire_name)}."
    paragraphs = [_without_sections(text) for text in (description, of_all) if text]
    if parameters:
        entries = (_entry(name, text) for name, text in parameters.items())
        paragraphs.append("\n".join(["Args:", *entries]))
    return UntrustedText("\n\n".join(paragraphs))


def _without_sections(text: str) -> str:
    """A text that no parser takes for a section of a docstring."""
    return _SECTION.sub(lambda match: _INSTEAD[match[1]], text)


def _entry(name: str, text: str) -> str:
    """An entry of the list of parameters, wrapped."""
    lines = textwrap.wrap(
        f"{name}: {_without_sections(text)}",
        width=_WIDTH,
        initial_indent="    ",
        subsequent_indent="        ",
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(_unmistakable(lines))


def _unmistakable(lines: list[str]) -> Iterator[str]:
    """The lines of an entry, none but the first of which looks like another entry."""
    held = lines[0]
    for line in lines[1:]:
        if _ENTRY.match(line):
            held = f"{held} {line.lstrip()}"
        else:
            yield held
            held = line
    yield held


__all__ = ["functions"]
