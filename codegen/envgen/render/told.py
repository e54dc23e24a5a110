"""What a plain type can't say of a parameter, as text for a model: bounds, and nested objects.

``Target. Object {x: integer (required, at least 0; the column); y: integer (required)}.`` The text
is one line, bounded, and complete within that: what has no words of its own is told as JSON Schema.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from envgen_runtime.calling.advice import BOUNDS
from envgen_runtime.json_value import as_array, as_object, at_pointer, pointer_keys, pointer_of
from envgen_runtime.printable import as_sentence, printable

SECTIONS = ("Args", "Returns", "Raises")
"""What begins a section of a docstring, before a colon."""

_MAX_TEXT = 8000  # characters that a parameter's text may have
_MAX_LEVELS = 10
_CUT = " [...]"

_FIELDS = frozenset({"properties", "patternProperties", "required"})
_WORDS: Mapping[str, str] = {"uniqueItems": "without duplicates"}
_AS_SCHEMA = frozenset(
    {
        "allOf", "contains", "dependencies", "dependentRequired", "dependentSchemas", "else", "if",
        "maxContains", "minContains", "not", "propertyNames", "then", "unevaluatedItems",
        "unevaluatedProperties",
    }
)  # fmt: skip
_UNIONS = ("anyOf", "oneOf")
_OF_ALL = frozenset(
    {*_AS_SCHEMA, *_UNIONS, "additionalProperties", "const", "enum", "maxProperties",
     "minProperties", "patternProperties", "required"}
)  # fmt: skip
_OF_OTHERS = ("additionalProperties", "unevaluatedProperties")
"""What is said of names that have no parameter. A function refuses them by itself."""
_BEYOND_TYPES = frozenset({"$ref", *_FIELDS, *_WORDS, *_AS_SCHEMA, *BOUNDS})
_OPEN: tuple[Any, ...] = (None, True, {})


def told(schema: Any, root: Mapping[str, Any], *, is_required: bool) -> str:
    """A parameter's text: its description, what its type doesn't say, and its default.

    It ends as a sentence does: at the end, parsers take ``(choices: [...])`` for a list of values.

    Args:
        schema: the parameter's, in normal form.
        root: the document that its references lead into.
        is_required: whether it has to be given.
    """
    fields = as_object(schema) or {}
    sentences = [as_sentence(plain(str(fields.get("description") or fields.get("title") or "")))]
    writer = _Writer(root)
    if not writer.is_said(fields):
        sentences.append(as_sentence(_capitalized(writer.phrase(fields, 0, is_whole=False))))
    if fields.get("default") is not None:
        sentences.append(f"Default: {_json(fields['default'])}.")
    text = " ".join(sentence for sentence in sentences if sentence)
    return shortened(text, _MAX_TEXT) or ("Required." if is_required else "Optional.")


def told_of_all(schema: Mapping[str, Any], parameters: Collection[str]) -> str:
    """What a tool's schema says of its arguments together; "" if each has its own text for it.

    Args:
        schema: the tool's, in normal form.
        parameters: the names of those that are told one by one.
    """
    rules = {
        key: value
        for key, value in schema.items()
        if key in _OF_ALL and not (key in _OF_OTHERS and (value is False or value in _OPEN))
    }
    required = as_array(rules.pop("required", None)) or []
    unnamed = [name for name in required if name not in parameters]
    if unnamed:
        rules["required"] = unnamed
    return shortened(f"All arguments together fit {_json(rules)}.", _MAX_TEXT) if rules else ""


def plain(text: str) -> str:
    """A text in one line, without what a model can't see."""
    return printable(" ".join(text.split()), len(text) + 1)


def shortened(text: str, limit: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= limit else f"{text[: limit - len(_CUT)].rstrip()}{_CUT}"


class _Writer:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._told: set[str] = set()  # definitions that refer to themselves
        self._left = _MAX_TEXT

    def is_said(self, schema: Any, level: int = 0) -> bool:
        """Whether a plain type says all of a schema, apart from its own description."""
        fields = as_object(schema)
        if fields is None:
            return schema is not False
        if level > _MAX_LEVELS or (level and ("description" in fields or "default" in fields)):
            return False
        values = [fields["const"]] if "const" in fields else as_array(fields.get("enum")) or []
        fixed = as_array(fields.get("prefixItems"))
        if (
            fields.keys() & _BEYOND_TYPES
            or any(value is not None and not isinstance(value, str | int) for value in values)
            or (fixed is not None and ("items" in fields or len(fixed) == 1))
            or (self._is_ruled(fields) and fields.keys() & {*_UNIONS})
        ):
            return False
        within: list[Any] = [
            fields.get("items"),
            fields.get("additionalProperties"),
            *(fixed or ()),
        ]
        for keyword in _UNIONS:
            within += as_array(fields.get(keyword)) or []
        return all(self.is_said(item, level + 1) for item in within)

    def _is_ruled(self, fields: Mapping[str, Any]) -> bool:
        """Whether a schema says what it accepts beside its unions."""
        return bool(fields.keys() & {"type", "const", "enum"})

    def phrase(
        self, schema: Any, level: int, *, is_required: bool = False, is_whole: bool = True
    ) -> str:
        """What a schema accepts, ``array (at least 1 items) of string``.

        Args:
            schema: the schema.
            level: how deep it stands.
            is_required: whether it is that of a field that has to be given.
            is_whole: whether its description and its default are told.
        """
        fields = as_object(schema)
        if fields is None or self._left < 0 or level > _MAX_LEVELS:
            return "nothing" if schema is False else "value"
        reference = fields.get("$ref")
        notes = ["required"] if is_required else []
        notes += [said.format(_json(fields[key])) for key, said in BOUNDS.items() if key in fields]
        notes += [said for key, said in _WORDS.items() if fields.get(key)]
        if is_whole and fields.get("default") is not None:
            notes.append(f"default {_json(fields['default'])}")
        group = [", ".join(notes)] if notes else []
        text = str(fields.get("description") or "") if is_whole else ""
        if text:
            group.append(plain(text))
        noted = f" ({'; '.join(group)})" if group else ""
        self._left -= len(noted)
        if isinstance(reference, str):
            return f"{self._referred(reference, level)}{noted}"
        return "".join([self._kind(fields, level), noted, *self._within(fields, level)])

    def _kind(self, fields: Mapping[str, Any], level: int) -> str:
        if "const" in fields:
            return _json(fields["const"])
        values = as_array(fields.get("enum"))
        if values is not None:
            return f"one of {', '.join(map(_json, values))}"
        kinds = as_array(fields.get("type")) or [fields.get("type")]
        if kinds != [None]:
            return " or ".join(map(str, kinds))
        for keyword in _UNIONS:
            members = as_array(fields.get(keyword))
            if members:
                return _either(self.phrase(member, level + 1) for member in members)
        return "object" if "properties" in fields else "array" if "items" in fields else "value"

    def _within(self, fields: Mapping[str, Any], level: int) -> Iterator[str]:
        """What follows the type: items, fields, and keywords without words of their own."""
        fixed = as_array(fields.get("prefixItems"))
        if fixed is not None:
            items = ", ".join(self.phrase(item, level + 1) for item in fixed)
            rest = fields.get("items")
            more = f", then {self.phrase(rest, level + 1)}" if rest is not None else ""
            yield f" of [{items}{more}]"
        elif fields.get("items") not in _OPEN:
            text = self.phrase(fields["items"], level + 1)
            yield f" of ({text})" if " or " in text.partition("{")[0] else f" of {text}"
        if entries := [*self._entries(fields, level)]:
            yield f" {{{'; '.join(entries)}}}"
        unsaid = {*_AS_SCHEMA, *_UNIONS} if self._is_ruled(fields) else _AS_SCHEMA
        others = {key: value for key, value in fields.items() if key in unsaid}
        if others:
            text = _json(others)
            self._left -= len(text)
            yield f" and JSON Schema {text}"

    def _entries(self, fields: Mapping[str, Any], level: int) -> Iterator[str]:
        properties = as_object(fields.get("properties")) or {}
        required = as_array(fields.get("required")) or []
        for name, schema in properties.items():
            text = self.phrase(schema, level + 1, is_required=name in required)
            entry = f"{_name(name)}: {text}"
            self._left -= len(name)
            yield entry
        unnamed = [str(name) for name in required if name not in properties]
        if unnamed:
            yield f"required: {', '.join(map(_name, unnamed))}"
        for pattern, schema in (as_object(fields.get("patternProperties")) or {}).items():
            yield f"names matching {_json(pattern)}: {self.phrase(schema, level + 1)}"
        rest = fields.get("additionalProperties")
        if rest is False:
            yield "no others" if properties else "no fields"
        elif rest not in _OPEN and rest is not False:
            others = "others" if properties else "any names"
            yield f"{others}: {self.phrase(rest, level + 1)}"

    def _referred(self, reference: str, level: int) -> str:
        """A definition that refers to itself: told once, and named from then on."""
        place = pointer_of(reference)
        if place is None:
            return "value"
        name = (pointer_keys(place) or ["value"])[-1]
        if place in self._told:
            return name
        self._told.add(place)
        return f"{name}, which is {self.phrase(at_pointer(self._root, place), level + 1)}"


def _either(texts: Iterable[str]) -> str:
    return " or ".join(dict.fromkeys(texts))


def _name(name: str) -> str:
    return name if name.isidentifier() and not name.endswith(SECTIONS) else _json(name)


def _json(value: Any) -> str:
    return plain(json.dumps(value, ensure_ascii=False, default=str))


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]


__all__ = ["plain", "shortened", "told", "told_of_all"]
