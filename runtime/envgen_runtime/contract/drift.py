"""The differences between the contract that a client was built from and the server's.

Both are compared in normal form, so that what envgen drops or rewrites is no difference. Prose and
the names of definitions are none either. Contracts of environments of tools are compared as they
are generated from (``tools``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..json_value import as_array, as_object, comparable, pointer_to, same_json
from .keywords import (
    DEFINITIONS,
    NAMING,
    PROSE,
    SCHEMA_LISTS,
    SCHEMA_MAPS,
    SCHEMAS,
    VALUES,
    JsonSchema,
)
from .normal_form import normal_form
from .parts import PARTS, UNPUBLISHED, is_base_state
from .published import fault
from .references import References, follow, members, reference_of
from .tools import with_tool_replies

_MAX_LISTED = 20
_COMMON_FIELDS = frozenset({"done", "reward", "metadata", "type"})
_MAX_SHOWN = 60

_VALUES = sorted({"$schema", *VALUES} - NAMING - PROSE - {"required", "discriminator"})
_MAPS = sorted(SCHEMA_MAPS - DEFINITIONS)
_NESTED = sorted(SCHEMA_LISTS | SCHEMAS)


def differences(built_from: Mapping[str, Any], server: Mapping[str, Any]) -> list[str]:
    """``Contracts.differences``, where nothing else is asked of the two."""
    return Contracts(built_from, server).differences()


def is_worth_telling(found: list[str]) -> bool:
    """Whether differences change anything for a client: more fields in what it receives don't."""
    return not all(line.endswith(": added") and not line.startswith("/action/") for line in found)


def tool_differences(built_from: Mapping[str, Any], listed: list[Any]) -> list[str]:
    """List how a server's tools differ from those of the contract that a client was built from.

    Args:
        built_from: the contract.
        listed: what the server replied to ``tools/list``.
    """
    ours, theirs = _by_name(built_from.get("tools")), _by_name(listed)
    found: list[str] = []
    for name, tool in ours.items():
        place = pointer_to("/tools", name)
        if name not in theirs:
            found.append(f"{place}: removed")
            continue
        unpublished = as_array(tool.get(UNPUBLISHED)) or []
        for key in ("inputSchema", "outputSchema"):
            if key in unpublished:
                continue
            found += _of_tool(tool.get(key), theirs[name].get(key), pointer_to(place, key))
    found += (f"{pointer_to('/tools', name)}: added" for name in theirs if name not in ours)
    return found if len(found) <= _MAX_LISTED else [*found[:_MAX_LISTED], "and more"]


def _by_name(tools: Any) -> dict[str, dict[str, Any]]:
    fields = (as_object(tool) for tool in as_array(tools) or [])
    return {str(tool.get("name")): tool for tool in fields if tool is not None}


def _of_tool(ours: Any, theirs: Any, place: str) -> Iterator[str]:
    mine, other = as_object(ours), as_object(theirs)
    if mine is None or other is None:
        if (mine is None) is not (other is None):
            yield f"{place}: {'added' if mine is None else 'removed'}"
    elif fault(other) is None:  # else it is read as any object by generator and client alike
        try:
            yield from _compare_part(normal_form(mine), normal_form(other), place)
        except RecursionError:
            yield f"{place}: nested too deeply to be compared"


class Contracts:
    """The contract that a client was built from, and its server's, each in normal form."""

    def __init__(self, built_from: Mapping[str, Any], server: Mapping[str, Any]) -> None:
        self._unpublished = built_from.get(UNPUBLISHED, ())
        self._own, _ = _parts(built_from)
        self._published, self._faults = _parts(server)

    def differences(self) -> list[str]:
        """List what the server's contract has otherwise: a line each, with its JSON pointer.

        A part that one of the two doesn't have is no difference, nor is one that the user gave in
        place of the server's. Nor is a state of which the server publishes the base fields alone:
        many servers send more than they publish.
        """
        if self._faults:
            return self._faults
        found: list[str] = []
        for part in PARTS:
            ours, theirs = self._own.get(part), self._published.get(part)
            if ours is None or theirs is None or part in self._unpublished:
                continue
            if part == "state" and is_base_state(theirs):
                continue
            try:
                for line in _compare_part(ours, theirs, f"/{part}"):
                    if len(found) == _MAX_LISTED:
                        return [*found, "and more"]
                    found.append(line)
            except RecursionError:
                found.append(f"/{part}: nested too deeply to be compared")
        return found

    def other_environment(self) -> str | None:
        """What another environment's server calls its action; None if it is the same one's.

        It is another's if the action and the observation have other titles, and no field in common
        beside those of every environment.
        """
        for part in ("action", "observation"):
            ours, theirs = self._own.get(part), self._published.get(part)
            if ours is None or theirs is None or ours.get("title") == theirs.get("title"):
                return None
            fields, others = _fields(ours), _fields(theirs)
            if not fields or not others or fields & others:
                return None
        title = self._published["action"].get("title")
        return repr(title[:_MAX_SHOWN]) if isinstance(title, str) else "without a name"


def _fields(schema: JsonSchema) -> set[str]:
    found = (as_object(member.get("properties")) or {} for member in members(schema))
    return {name for properties in found for name in properties} - _COMMON_FIELDS


def _parts(contract: Mapping[str, Any]) -> tuple[Mapping[str, JsonSchema], list[str]]:
    """The parts of a contract as a client is generated from them, and why others can't be read."""
    schemas: dict[str, JsonSchema] = {}
    faults: list[str] = []
    for part in PARTS:
        published = contract.get(part)
        if published is None:
            continue
        reason, schema = fault(published), as_object(published)
        if reason is not None:
            faults.append(f"/{part}: can't be compared: {reason}")
        elif schema is not None:
            schemas[part] = normal_form(schema)
    return with_tool_replies(schemas), faults


def _compare_part(ours: JsonSchema, theirs: JsonSchema, place: str) -> Iterator[str]:
    if not same_json(ours, theirs):
        yield from _Comparison(ours, theirs).schemas(ours, theirs, place)


class _Comparison:
    """Compares two schemas place by place, along their references."""

    def __init__(self, ours: JsonSchema, theirs: JsonSchema) -> None:
        self._ours = References(ours)
        self._theirs = References(theirs)
        self._compared: set[tuple[str | None, str | None]] = set()

    def schemas(self, ours: Any, theirs: Any, place: str) -> Iterator[str]:
        references = (reference_of(ours), reference_of(theirs))
        if any(references):
            if references in self._compared:
                return
            self._compared.add(references)
            ours, theirs = _target(ours, self._ours), _target(theirs, self._theirs)
        mine, other = as_object(ours), as_object(theirs)
        if mine is not None and other is not None:
            yield from self._keywords(mine, other, place)
        elif not same_json(ours, theirs) and not (_is_anything(ours) and _is_anything(theirs)):
            yield _became(place, ours, theirs)

    def _keywords(self, ours: JsonSchema, theirs: JsonSchema, place: str) -> Iterator[str]:
        for keyword in _VALUES:
            mine, other = ours.get(keyword), theirs.get(keyword)
            is_equal = _same_members if keyword in ("type", "enum") else same_json
            if (keyword in ours) is not (keyword in theirs) or not is_equal(mine, other):
                yield _became(pointer_to(place, keyword), mine, other)
        tags = [(as_object(item.get("discriminator")) or {}).get("propertyName")
                for item in (ours, theirs)]  # fmt: skip
        if tags[0] != tags[1]:
            yield _became(pointer_to(place, "discriminator", "propertyName"), *tags)
        yield from _required(ours, theirs, place)
        for keyword in _MAPS:
            pair = as_object(ours.get(keyword)) or {}, as_object(theirs.get(keyword)) or {}
            yield from self._maps(*pair, pointer_to(place, keyword))
        for keyword in _NESTED:
            absent: Any = [] if keyword in SCHEMA_LISTS else True
            pair = ours.get(keyword, absent), theirs.get(keyword, absent)
            lists = as_array(pair[0]), as_array(pair[1])
            if lists[0] is not None and lists[1] is not None:
                yield from self._lists(lists[0], lists[1], pointer_to(place, keyword))
            else:
                yield from self.schemas(*pair, pointer_to(place, keyword))

    def _maps(self, ours: dict[str, Any], theirs: dict[str, Any], place: str) -> Iterator[str]:
        for name, schema in ours.items():
            if name in theirs:
                yield from self.schemas(schema, theirs[name], pointer_to(place, name))
            else:
                yield f"{pointer_to(place, name)}: removed"
        yield from (f"{pointer_to(place, name)}: added" for name in theirs if name not in ours)

    def _lists(self, ours: list[Any], theirs: list[Any], place: str) -> Iterator[str]:
        if len(ours) != len(theirs):
            yield f"{place}: {len(ours)} members became {len(theirs)}"
            return
        for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from self.schemas(mine, other, pointer_to(place, index))


def _required(ours: JsonSchema, theirs: JsonSchema, place: str) -> Iterator[str]:
    needed, needs = (
        {name for name in as_array(item.get("required")) or [] if isinstance(name, str)}
        for item in (ours, theirs)
    )
    for name in sorted(needed ^ needs):
        how = "now required" if name in needs else "no longer required"
        yield f"{pointer_to(place, 'properties', name)}: {how}"


def _target(schema: Any, references: References) -> Any:
    """Return what a reference leads to, with the keywords beside it; None if it is broken."""

    def beside(reference: str, holder: Any) -> Any:
        found = references.resolve(reference)
        target = as_object(found)
        rest = {key: value for key, value in holder.items() if key != "$ref"}
        return found if target is None else {**target, **rest}

    try:
        return follow(schema, reference_of, beside)
    except LookupError:
        return None


def _same_members(ours: Any, theirs: Any) -> bool:
    """Whether two lists have the same members in any order; one value counts as a list of it."""
    one, other = (
        {comparable(item) for item in as_array(value) or [value]} for value in (ours, theirs)
    )
    return one == other


def _is_anything(schema: Any) -> bool:
    return schema is True or schema == {}


def _became(place: str, ours: Any, theirs: Any) -> str:
    return f"{place}: {_shown(ours)} became {_shown(theirs)}"


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."
