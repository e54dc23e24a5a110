"""The differences between the contract that a client was built from and the server's.

Both are compared in normal form, so that what envgen drops or rewrites is no difference. Prose and
the names of definitions are none either. Contracts of environments of tools are compared as they
are generated from (``tools``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

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
from .telling import Way, allows_more, below, matters, way_of
from .tools import with_tool_replies

OnDrift = Literal["check", "error", "ignore"]
"""What a client does about a server with another contract: log it, refuse it, or not look."""

_MAX_LISTED = 20
_COMMON_FIELDS = frozenset({"done", "reward", "metadata", "type"})
_MAX_SHOWN = 60

_VALUES = sorted({"$schema", *VALUES} - NAMING - PROSE - {"required", "discriminator"})
_MAPS = sorted(SCHEMA_MAPS - DEFINITIONS)
_NESTED = sorted(SCHEMA_LISTS | SCHEMAS)


def differences(built_from: Mapping[str, Any], server: Mapping[str, Any]) -> list[str]:
    """``Contracts.differences``, where nothing else is asked of the two."""
    return Contracts(built_from, server).differences()


class _Difference(NamedTuple):
    """A difference as a line, and whether it changes something for a client."""

    line: str
    matters: bool = True


def tool_differences(
    built_from: Mapping[str, Any], listed: list[Any], *, all_of_them: bool = True
) -> list[str]:
    """List how a server's tools differ from those of the contract that a client was built from.

    Args:
        built_from: the contract.
        listed: what the server replied to ``tools/list``.
        all_of_them: whether what changes nothing for a client is listed, too.
    """
    ours, theirs = _by_name(built_from.get("tools")), _by_name(listed)
    found: list[_Difference] = []
    for name, tool in ours.items():
        place = pointer_to("/tools", name)
        if name not in theirs:
            found.append(_Difference(f"{place}: removed"))
            continue
        unpublished = as_array(tool.get(UNPUBLISHED)) or []
        for key, way in _TOOL_SCHEMAS.items():
            if key not in unpublished:
                place_of = pointer_to(place, key)
                found += _of_tool(tool.get(key), theirs[name].get(key), place_of, way)
    for name in [name for name in theirs if name not in ours]:
        found.append(_Difference(f"{pointer_to('/tools', name)}: added", matters=False))
    lines = [line for line, is_news in found if is_news or all_of_them]
    return lines if len(lines) <= _MAX_LISTED else [*lines[:_MAX_LISTED], "and more"]


_TOOL_SCHEMAS: Mapping[str, Way] = {"inputSchema": "request", "outputSchema": "reply"}


def _by_name(tools: Any) -> dict[str, dict[str, Any]]:
    fields = (as_object(tool) for tool in as_array(tools) or [])
    return {str(tool.get("name")): tool for tool in fields if tool is not None}


def _of_tool(ours: Any, theirs: Any, place: str, way: Way) -> Iterator[_Difference]:
    mine, other = as_object(ours), as_object(theirs)
    if mine is None or other is None:
        if (mine is None) is not (other is None):
            yield _Difference(f"{place}: {'added' if mine is None else 'removed'}")
    elif fault(other) is None:  # else it is read as any object by generator and client alike
        try:
            yield from _compare(normal_form(mine), normal_form(other), place, way)
        except RecursionError:
            yield _Difference(f"{place}: nested too deeply to be compared")


def told_drift(drift: list[str], *, server: str, name: str, source: str) -> str:
    """The differences as a message.

    Args:
        drift: a line for each.
        server: the server, as it may be shown.
        name: what the client was built for.
        source: what ``envgen build`` is given.
    """
    return (
        f"{server} has another contract than {name}'s client was built from: {'; '.join(drift)}. "
        f"Regenerate with: envgen build {source}"
    )


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
        return self._listed(all_of_them=True)

    def worth_telling(self) -> list[str]:
        """List the differences that change something for a client.

        Then what it sends isn't taken any more, or what it receives is something else.
        """
        return self._listed(all_of_them=False)

    def _listed(self, *, all_of_them: bool) -> list[str]:
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
                for line, is_news in _compare(ours, theirs, f"/{part}", way_of(part)):
                    if not (is_news or all_of_them):
                        continue
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


def _compare(ours: JsonSchema, theirs: JsonSchema, place: str, way: Way) -> Iterator[_Difference]:
    if not same_json(ours, theirs):
        yield from _Comparison(ours, theirs).schemas(ours, theirs, place, way)


class _Comparison:
    """Compares two schemas place by place, along their references."""

    def __init__(self, ours: JsonSchema, theirs: JsonSchema) -> None:
        self._ours = References(ours)
        self._theirs = References(theirs)
        self._compared: set[tuple[str | None, str | None, Way]] = set()

    def schemas(self, ours: Any, theirs: Any, place: str, way: Way) -> Iterator[_Difference]:
        references = (reference_of(ours), reference_of(theirs))
        if any(references):
            if (*references, way) in self._compared:
                return
            self._compared.add((*references, way))
            ours, theirs = _target(ours, self._ours), _target(theirs, self._theirs)
        mine, other = as_object(ours), as_object(theirs)
        if mine is not None and other is not None:
            yield from self._keywords(mine, other, place, way)
        elif not same_json(ours, theirs) and not (_is_anything(ours) and _is_anything(theirs)):
            yield _became(place, ours, theirs, is_news=_is_news(ours, theirs, way))

    def _keywords(
        self, ours: JsonSchema, theirs: JsonSchema, place: str, way: Way
    ) -> Iterator[_Difference]:
        for keyword in _VALUES:
            mine, other = ours.get(keyword), theirs.get(keyword)
            is_equal = _same_members if keyword in ("type", "enum") else same_json
            if (keyword in ours) is not (keyword in theirs) or not is_equal(mine, other):
                is_news = matters(way, allows_more=allows_more(keyword, mine, other))
                yield _became(pointer_to(place, keyword), mine, other, is_news=is_news)
        tags = [(as_object(item.get("discriminator")) or {}).get("propertyName")
                for item in (ours, theirs)]  # fmt: skip
        if tags[0] != tags[1]:
            yield _became(pointer_to(place, "discriminator", "propertyName"), *tags)
        yield from _required(ours, theirs, place, way)
        for keyword in _MAPS:
            pair = as_object(ours.get(keyword)) or {}, as_object(theirs.get(keyword)) or {}
            is_news = keyword != "properties" or way == "condition"
            if way == "request":  # what had any type has one now
                is_news |= ours.get("additionalProperties", False) is not False
            place_of = pointer_to(place, keyword)
            yield from self._maps(*pair, place_of, below(way, keyword), added_is_news=is_news)
        for keyword in _NESTED:
            absent: Any = [] if keyword in SCHEMA_LISTS else True
            pair = ours.get(keyword, absent), theirs.get(keyword, absent)
            lists = as_array(pair[0]), as_array(pair[1])
            if lists[0] is not None and lists[1] is not None:
                place_of = pointer_to(place, keyword)
                yield from self._lists(lists[0], lists[1], place_of, below(way, keyword))
            else:
                yield from self.schemas(*pair, pointer_to(place, keyword), below(way, keyword))

    def _maps(
        self,
        ours: dict[str, Any],
        theirs: dict[str, Any],
        place: str,
        way: Way,
        *,
        added_is_news: bool,
    ) -> Iterator[_Difference]:
        for name, schema in ours.items():
            if name in theirs:
                yield from self.schemas(schema, theirs[name], pointer_to(place, name), way)
            else:
                yield _Difference(f"{pointer_to(place, name)}: removed")
        for name in theirs:
            if name not in ours:
                yield _Difference(f"{pointer_to(place, name)}: added", added_is_news)

    def _lists(
        self, ours: list[Any], theirs: list[Any], place: str, way: Way
    ) -> Iterator[_Difference]:
        if len(ours) != len(theirs):
            yield _Difference(f"{place}: {len(ours)} members became {len(theirs)}")
            return
        for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
            yield from self.schemas(mine, other, pointer_to(place, index), way)


def _required(ours: JsonSchema, theirs: JsonSchema, place: str, way: Way) -> Iterator[_Difference]:
    needed, needs = (
        {name for name in as_array(item.get("required")) or [] if isinstance(name, str)}
        for item in (ours, theirs)
    )
    for name in sorted(needed ^ needs):
        how = "now required" if name in needs else "no longer required"
        is_news = matters(way, allows_more=name in needed)
        yield _Difference(f"{pointer_to(place, 'properties', name)}: {how}", is_news)


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


def _is_news(ours: Any, theirs: Any, way: Way) -> bool:
    """Whether it matters that one of two schemas is true or false, as where fields are closed."""
    return matters(way, allows_more=ours is False if ours is False or theirs is False else None)


def _became(place: str, ours: Any, theirs: Any, *, is_news: bool = True) -> _Difference:
    return _Difference(f"{place}: {_shown(ours)} became {_shown(theirs)}", is_news)


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."
