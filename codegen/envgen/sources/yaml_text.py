"""Read YAML as JSON, from the parser's events.

The YAML library's constructors are not used: they make more than JSON (dates, Python objects), and
nested aliases could fill the memory. Scalars follow the core schema of YAML 1.2, which OpenAPI
requires: ``no`` and ``2024-01-01`` are strings.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from ..errors import ContractError
from ..schema.limits import parse_integer

MAX_NODES = 200_000
"""The limit of values in a document, of which some 100,000 are read in a second. Values behind an
alias count each time."""

MAX_DEPTH = 200

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NO_BRACKETS = re.compile(r"""'[^']*'?|"[^"]*"?|\s#[^\n]*|[^][{}"'\s][^][{}\s]*""")
"""Quoted text, comments and words, in which brackets mean nothing."""

_CORE_TAGS = ("str", "int", "float", "bool", "null", "map", "seq")


def parse_yaml(content: bytes, *, source: str) -> Any:
    """Parse YAML.

    Raises:
        ContractError: it is not YAML, can't be written as JSON, or is too large.
    """
    reader = _Reader(source)
    try:
        return reader.read(yaml.parse(content, Loader=_PARSER))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reader.check_lookahead(content, error)
        reason = " ".join(str(error).split())
        raise ContractError(f"not YAML: {reason}", source=source) from error


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that has not ended."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    start: int
    key: str | None = None
    has_key: bool = field(default=False)


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._open: list[_Open] = []
        self._anchored: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._documents = 0
        self._position = 0
        self._result: Any = None

    def read(self, events: Iterator[Any]) -> Any:
        for event in events:
            self._position = event.end_mark.index
            match event:
                case yaml.DocumentStartEvent():
                    self._documents += 1
                    if self._documents > 1:
                        raise self._error("more than one document", event)
                case yaml.ScalarEvent():
                    self._count(1, event)
                    self._add(self._scalar(event), event, event.anchor, 1)
                case yaml.AliasEvent():
                    if event.anchor not in self._anchored:
                        raise self._error("an alias to its own container, or to nothing", event)
                    value, size = self._anchored[event.anchor]
                    self._count(size, event)
                    self._add(value, event, None, size)
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._start(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    ended = self._open.pop()
                    self._add(ended.value, event, ended.anchor, self._nodes - ended.start)
                case _:
                    pass
        return self._result

    def check_lookahead(self, content: bytes, error: Exception) -> None:
        """Report that a document is too deep, if that is why the parser failed.

        The parser looks ahead to the end of a line, where it may reach its own limit before it
        reports the levels that reach ours.

        Raises:
            ContractError: the text it looked at has more levels than ``MAX_DEPTH``.
        """
        mark = getattr(error, "problem_mark", None)
        if mark is None:
            return
        ahead = content.decode(errors="replace")[self._position : mark.index]
        brackets = _NO_BRACKETS.sub("", ahead)
        opened = sum(map(brackets.count, "[{")) - sum(map(brackets.count, "]}"))
        if len(self._open) + opened > MAX_DEPTH:
            raise self._error_at(mark, f"more than {MAX_DEPTH} levels") from error

    def _start(self, event: Any) -> None:
        self._count(1, event)
        self._check_tag(event)
        if len(self._open) >= MAX_DEPTH:
            raise self._error(f"more than {MAX_DEPTH} levels", event)
        if self._open and isinstance(self._open[-1].value, dict) and not self._open[-1].has_key:
            raise self._error("a key that is not a string", event)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._open.append(_Open(value, event.anchor, self._nodes - 1))

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise self._error(f"more than {MAX_NODES} values", event)

    def _add(self, value: Any, event: Any, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self._anchored[anchor] = value, size
        if not self._open:
            self._result = value
            return
        holder = self._open[-1]
        if isinstance(holder.value, list):
            holder.value.append(value)
        elif holder.has_key:
            holder.value[str(holder.key)] = value
            holder.has_key = False
        else:
            holder.key, holder.has_key = self._key(value, event, holder.value), True

    def _key(self, value: Any, event: Any, holder: dict[str, Any]) -> str:
        """A key as in JSON: ``200:`` means ``"200":``."""
        key = event.value if isinstance(event, yaml.ScalarEvent) else value
        if not isinstance(key, str):
            raise self._error("a key that is not a string", event)
        if key == "<<" and event.implicit[0]:
            raise self._error("a merge key (<<), which YAML 1.2 doesn't have", event)
        if key in holder:
            raise self._error(f"the key {key[:60]!r} occurs twice", event)
        return key

    def _scalar(self, event: Any) -> Any:
        self._check_tag(event)
        text: str = event.value
        if event.tag is not None:
            if event.tag.rpartition(":")[2] == "str":
                return text
        elif not event.implicit[0]:  # quoted
            return text
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        try:
            if _INTEGER.fullmatch(text):
                base = {"0o": 8, "0x": 16}.get(text[:2], 10)
                return parse_integer(text, base)
            if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
                return number
        except ValueError as error:  # more digits than Python accepts
            raise self._error("a number that is too long", event) from error
        return text

    def _check_tag(self, event: Any) -> None:
        tag: str | None = event.tag
        if tag is None or tag == "!":
            return
        if tag.removeprefix("tag:yaml.org,2002:") not in _CORE_TAGS:
            raise self._error(f"the tag {tag[:60]}, which JSON doesn't have", event)

    def _error(self, message: str, event: Any) -> ContractError:
        return self._error_at(event.start_mark, message)

    def _error_at(self, mark: Any, message: str) -> ContractError:
        return ContractError(
            f"not JSON in YAML: line {mark.line + 1}: {message}", source=self._source
        )
