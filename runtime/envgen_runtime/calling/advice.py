"""What a model is told about a call that can't be made: what is wrong where, and what is allowed.

The text is bounded. It has the model's own values and what the contract says, and nothing of the
client's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from ..contract.exact import Violation
from ..contract.keywords import JsonSchema
from ..errors import InvalidRequest
from ..json_value import as_array, as_object, at_pointer, json_path, pointer_of
from ..printable import LINES, printable
from .catalogue import Catalogue, ModelTool

_MAX_TEXT = 2000
_MAX_ENTRIES = 5
_MAX_NAMES = 40
_MAX_VALUE = 80
_MAX_NAME = 100
_MAX_LEVELS = 5
_MAX_ITEM_LEVELS = 1

_NOT_AN_OBJECT = frozenset({"model_type", "model_attributes_type", "dict_type"})
"""pydantic's errors whose messages speak of Python's classes."""

_UNIONS = frozenset({"anyOf", "oneOf"})

Path = tuple[str | int, ...]


class InvalidCall(InvalidRequest):
    """A model's tool call can't be made. The message says to the model why, and what is allowed.

    Attributes:
        tool: the name in the call, if it has one.
    """

    tool: str | None = None

    def __str__(self) -> str:
        return printable(Exception.__str__(self), keep=LINES)

    def for_model(self) -> str:
        """The error as text for the model that made the call, as a ``ToolError`` has one."""
        return str(self)


def invalid(message: str, *, tool: str | None = None, path: str | None = None) -> InvalidCall:
    """Return an error whose text a model can be shown."""
    error = InvalidCall(printable(message, _MAX_TEXT, keep="\n"), path=path)
    error.tool = tool
    return error


def no_such_tool(name: str, known: Catalogue) -> str:
    """Say that there is no tool of this name, and which there are."""
    names = [item.name for item in known.tools]
    matches = get_close_matches(name, [*known.by_name], n=1)
    meant = f" Did you mean {known.by_name[matches[0]].name!r}?" if matches else ""
    listed = f"The tools are: {_listed(names)}." if names else "There are no tools."
    return f"there is no tool {_shown_name(name)}.{meant} {listed}"


def under_arguments(name: str, tool: ModelTool) -> str:
    """Say where a parameter belongs that stands beside the tool's name."""
    wanted = f'{{"name": "{tool.name}", "arguments": {{"{name[:_MAX_NAME]}": ...}}}}'
    return f"what {tool.name} takes goes under arguments, not beside the name: {wanted}"


def wrong_arguments(tool: ModelTool, faults: Sequence[tuple[Path, str]]) -> InvalidCall:
    """Return the error for arguments that a tool doesn't take.

    Args:
        tool: the tool.
        faults: the path of each, and what is wrong there.
    """
    lines = [f"- {json_path(path)}: {text}" for path, text in faults[:_MAX_ENTRIES]]
    if len(faults) > _MAX_ENTRIES:
        lines.append(f"- and {len(faults) - _MAX_ENTRIES} more")
    message = "\n".join([f"{tool.name} doesn't take these arguments; nothing was done:", *lines])
    return invalid(message, tool=tool.name, path=json_path(faults[0][0]))


def model_faults(
    error: ValidationError, arguments: dict[str, Any], tool: ModelTool
) -> list[tuple[Path, str]]:
    """What pydantic found wrong, a text for each place."""
    found: dict[Path, list[str]] = {}
    for detail in error.errors(include_url=False, include_context=False):
        is_missing = detail["type"] == "missing"
        path = _instance_path(detail["loc"], arguments, is_missing=is_missing)
        schema = _at(tool.schema, path)
        if is_missing:
            text = f"is missing; {_expected(schema, tool.schema)}"
        elif detail["type"] == "extra_forbidden":
            text = _unknown(str(path[-1]), path[:-1], tool)
        elif detail["type"] in _NOT_AN_OBJECT:
            text = f"is {_value(_value_at(arguments, path))}"
        else:
            text = f"{detail['msg']}, not {_value(_value_at(arguments, path))}"
        texts = found.setdefault(path, [])
        if text not in texts:
            texts.append(text)
    return [(path, _joined(texts, path, tool)) for path, texts in found.items()]


def violation_faults(
    violations: Iterable[Violation], arguments: dict[str, Any], tool: ModelTool
) -> list[tuple[Path, str]]:
    """What a validator found wrong, a text for each place."""
    found: dict[Path, list[str]] = {}
    for violation in violations:
        for path, text in _of_violation(violation, arguments, tool):
            texts = found.setdefault(path, [])
            if text not in texts:
                texts.append(text)
    return [(path, _joined(texts, path, tool)) for path, texts in found.items()]


def _of_violation(
    violation: Violation, arguments: dict[str, Any], tool: ModelTool
) -> Iterator[tuple[Path, str]]:
    path = violation.parts
    schema = as_object(_at(tool.schema, path)) or {}
    value = as_object(_value_at(arguments, path))
    keyword = violation.keyword.rpartition("/")[2]
    properties = as_object(schema.get("properties")) or {}
    is_closed = keyword == "additionalProperties" and "patternProperties" not in schema
    if is_closed and value is not None and properties:
        for name in value:
            if name not in properties:
                yield (*path, name), _unknown(name, path, tool)
    elif keyword == "required" and value is not None:
        missing = [name for name in as_array(schema.get("required")) or [] if name not in value]
        for name in missing:
            yield (*path, name), f"is missing; {_expected(properties.get(name), tool.schema)}"
        if not missing:
            yield path, violation.message
    elif keyword in _UNIONS:  # its words say which keyword it is, and nothing of the members
        yield path, f"is {_value(_value_at(arguments, path))}"
    else:
        yield path, violation.message


def _joined(texts: list[str], path: Path, tool: ModelTool) -> str:
    schema = _at(tool.schema, path)
    said = " or ".join(texts[:_MAX_ENTRIES])
    if schema is None or "missing" in said or "not a parameter" in said:
        return said
    return f"{said}; {_expected(schema, tool.schema)}"


def _unknown(name: str, path: Path, tool: ModelTool) -> str:
    schema = as_object(_at(tool.schema, path)) or {}
    known = [*(as_object(schema.get("properties")) or {})]
    matches = get_close_matches(name, known, n=1)
    meant = f" Did you mean {matches[0]!r}?" if matches else ""
    allowed = f" The parameters are: {_listed(known)}." if known else ""
    return f"is not a parameter.{meant}{allowed}"


# --- what is allowed ------------------------------------------------------------------------------


def _expected(schema: Any, root: JsonSchema) -> str:
    """``expected an integer, at least 0``."""
    return f"expected {_described(schema, root, 0)}"


BOUNDS = {
    "minimum": "at least {}", "maximum": "at most {}", "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}", "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters", "maxLength": "at most {} characters",
    "minItems": "at least {} items", "maxItems": "at most {} items",
    "minProperties": "at least {} properties", "maxProperties": "at most {} properties",
    "pattern": "matching {}", "format": "of the format {}",
}  # fmt: skip
"""How models are told each bound, by its keyword."""

_ARTICLES = {"array": "an array", "integer": "an integer", "object": "an object", "null": "null"}


def _described(schema: Any, root: JsonSchema, level: int) -> str:
    fields = as_object(schema)
    if fields is None or level > _MAX_LEVELS:
        return "a value"
    place = pointer_of(str(fields.get("$ref", "")))
    if place is not None:
        return _described(at_pointer(root, place), root, level + 1)
    if "const" in fields:
        return _value(fields["const"])
    values = as_array(fields.get("enum"))
    if values is not None:
        return f"one of {_listed(map(_value, values), is_quoted=True)}"
    members = as_array(fields.get("anyOf")) or as_array(fields.get("oneOf"))
    if members:
        texts = dict.fromkeys(_described(member, root, level + 1) for member in members)
        return " or ".join([*texts][:_MAX_ENTRIES])
    kinds = as_array(fields.get("type")) or [fields.get("type", "value")]
    text = " or ".join(_ARTICLES.get(kind, f"a {kind}") for kind in map(str, kinds))
    names = as_object(fields.get("properties"))
    if names:
        text += f" with {_listed(names)}"
    if "items" in fields and level <= _MAX_ITEM_LEVELS:
        text += f" of {_described(fields['items'], root, level + 2)}"
    bounds = [said.format(_value(fields[key])) for key, said in BOUNDS.items() if key in fields]
    return ", ".join([text, *bounds])


def _at(schema: Any, path: Path) -> Any:
    """The schema of what is at a path in an instance; None if none is found."""
    found: Any = schema
    for part in path:
        found = next(_within(found, part, schema, 0), None)
        if found is None:
            return None
    return found


def _within(schema: Any, part: str | int, root: JsonSchema, level: int) -> Iterator[Any]:
    fields = as_object(schema)
    if fields is None or level > _MAX_LEVELS:
        return
    place = pointer_of(str(fields.get("$ref", "")))
    if place is not None:
        yield from _within(at_pointer(root, place), part, root, level + 1)
    properties = as_object(fields.get("properties")) or {}
    fixed = as_array(fields.get("prefixItems")) or []
    if isinstance(part, str):
        yield from [properties[part]] if part in properties else []
        rest = fields.get("additionalProperties")
    else:
        yield from [fixed[part]] if part < len(fixed) else []
        rest = fields.get("items")
    for keyword in ("anyOf", "oneOf", "allOf"):
        for member in as_array(fields.get(keyword)) or []:
            yield from _within(member, part, root, level + 1)
    yield from _within(fields.get("then"), part, root, level + 1)
    if rest is not None:
        yield rest


# --- places and values ----------------------------------------------------------------------------


def _instance_path(loc: Path, instance: Any, *, is_missing: bool) -> Path:
    """The path in the instance: pydantic also names the members of unions that it tried."""
    path: list[str | int] = []
    value = instance
    for number, part in enumerate(loc, start=1):
        fields, items = as_object(value), as_array(value)
        if fields is not None and isinstance(part, str) and part in fields:
            value = fields[part]
        elif items is not None and isinstance(part, int) and part < len(items):
            value = items[part]
        elif not (is_missing and number == len(loc)):
            continue
        path.append(part)
    return tuple(path)


def _value_at(instance: Any, path: Path) -> Any:
    for part in path:
        fields, items = as_object(instance), as_array(instance)
        if fields is not None:
            instance = fields.get(str(part))
        elif items is not None and isinstance(part, int) and part < len(items):
            instance = items[part]
        else:
            return None
    return instance


def _value(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError):
        text = f"a {type(value).__name__}"
    return text if len(text) <= _MAX_VALUE else f"{text[:_MAX_VALUE]}..."


def _shown_name(name: str) -> str:
    return repr(name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}...")


def _listed(names: Iterable[str], *, is_quoted: bool = False) -> str:
    known = [name if is_quoted else name[:_MAX_NAME] for name in names]
    more = f" and {len(known) - _MAX_NAMES} more" if len(known) > _MAX_NAMES else ""
    return ", ".join(known[:_MAX_NAMES]) + more
