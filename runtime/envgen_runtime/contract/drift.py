"""What has changed between the contract that a client was built from and the server's.

The server's is compared as it is; ours was rebuilt from known keywords when the client was
generated. So keywords that envgen drops are not a difference, prose and titles are none, and a
definition's name is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from .contract import resolve

_PARTS = ("action", "observation", "reset_observation", "state")
_MAX_LISTED = 20
_MAX_SHOWN = 60
_BASE_STATE = {"episode_id", "step_count"}

_MAPS = ("properties", "patternProperties", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = (
    "items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties",
    "unevaluatedProperties", "propertyNames", "not", "if", "then", "else",
)  # fmt: skip
_VALUES = (
    "type", "enum", "const", "default", "nullable", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "format", "minItems",
    "maxItems", "uniqueItems", "minContains", "maxContains", "minProperties", "maxProperties",
    "dependentRequired",
)  # fmt: skip


def differences(built_from: Mapping[str, Any], server: Mapping[str, Any]) -> list[str]:
    """What the server's contract has otherwise, a line each, with the place as a JSON pointer.

    A part that the server doesn't publish is no difference. Nor is a state of which it publishes
    the base fields alone: many servers know more about their state than they say.
    """
    found: list[str] = []
    for part in _PARTS:
        ours, theirs = _object(built_from.get(part)), _object(server.get(part))
        if ours is None or theirs is None:
            continue
        if part == "state" and theirs.get("properties", {}).keys() == _BASE_STATE:
            continue
        for line in _Walk(ours, theirs).compare(ours, theirs, f"/{part}"):
            if len(found) == _MAX_LISTED:
                return [*found, "and more"]
            found.append(line)
    return found


class _Walk:
    def __init__(self, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        self._ours = ours
        self._theirs = theirs
        self._seen: set[tuple[str, str]] = set()

    def compare(self, ours: Any, theirs: Any, place: str) -> Iterator[str]:
        references = (_reference(ours), _reference(theirs))
        if any(references):
            if references in self._seen:
                return
            self._seen.add(references)
            ours, theirs = _followed(ours, self._ours), _followed(theirs, self._theirs)
        mine, other = _object(ours), _object(theirs)
        if mine is not None and other is not None:
            yield from self._keywords(mine, other, place)
        elif ours != theirs and not (_is_anything(ours) and _is_anything(theirs)):
            yield f"{place}: {_shown(ours)} became {_shown(theirs)}"

    def _keywords(self, ours: dict[str, Any], theirs: dict[str, Any], place: str) -> Iterator[str]:
        for keyword in _VALUES:
            mine, other = _value(ours, keyword), _value(theirs, keyword)
            if mine != other:
                yield f"{place}/{keyword}: {_shown(mine)} became {_shown(other)}"
        needed, needs = set(ours.get("required", ())), set(theirs.get("required", ()))
        for name in sorted(needed ^ needs):
            how = "now required" if name in needs else "no longer required"
            yield f"{place}/properties/{name}: {how}"
        for keyword in _MAPS:
            maps = ours.get(keyword, {}), theirs.get(keyword, {})
            yield from self._maps(*maps, f"{place}/{keyword}")
        for keyword in (*_LISTS, *_SINGLE):
            absent: Any = [] if keyword in _LISTS else True
            pair = ours.get(keyword, absent), theirs.get(keyword, absent)
            compare = self._lists if all(isinstance(it, list) for it in pair) else self.compare
            yield from compare(*pair, f"{place}/{keyword}")

    def _maps(self, ours: dict[str, Any], theirs: dict[str, Any], place: str) -> Iterator[str]:
        for name, schema in ours.items():
            if name in theirs:
                yield from self.compare(schema, theirs[name], f"{place}/{name}")
            else:
                yield f"{place}/{name}: removed"
        yield from (f"{place}/{name}: added" for name in theirs if name not in ours)

    def _lists(self, ours: Any, theirs: Any, place: str) -> Iterator[str]:
        if len(ours) != len(theirs):
            yield f"{place}: {len(ours)} members became {len(theirs)}"
        else:
            for number, mine in enumerate(ours):
                yield from self.compare(mine, theirs[number], f"{place}/{number}")


def _reference(schema: Any) -> str:
    target = schema.get("$ref") if isinstance(schema, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return target if isinstance(target, str) else ""


def _followed(schema: Any, root: dict[str, Any]) -> Any:
    """What a schema that is a reference refers to, with what stands beside the reference."""
    target = _reference(schema)
    if not target:
        return schema
    found = resolve(root, target)
    if found is None:  # our copy has `definitions` under $defs
        found = resolve(root, target.replace("#/definitions/", "#/$defs/", 1))
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    target_schema = _object(found)
    return {**target_schema, **beside} if target_schema is not None else found


def _value(schema: dict[str, Any], keyword: str) -> Any:
    value = schema.get(keyword)
    if keyword in ("type", "enum") and isinstance(value, list):
        items: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
        return sorted(items, key=repr)
    return value


def _is_anything(schema: Any) -> bool:
    return schema is True or schema == {}


def _shown(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 3]}..."


def _object(value: Any) -> dict[str, Any] | None:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
