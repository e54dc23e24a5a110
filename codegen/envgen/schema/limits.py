"""How large a contract may be: what keeps a build of a hostile one within seconds and memory.

Every limit is a multiple of the largest public contract that was found (a resources server of NeMo
Gym 0.7.0 with 5,952 schemas, most of them OpenAI's), and small enough that a build at all limits at
once takes seconds. What a step does is linear in what is counted here, or has a limit of its own.
"""

from __future__ import annotations

import math
import re
import time
from typing import Any

from envgen_runtime.contract.keywords import MAX_DEPTH
from envgen_runtime.json_value import as_array, as_object

from ..errors import ContractError, Unreachable

MAX_SCHEMAS = 12_000
"""Schemas of a contract, in all parts and tools. Each may become a class, which takes milliseconds
to render; the largest public contract has 5,952."""

MAX_VALUES = 20_000
"""Constants, enumerated values, defaults, required names and the like. Each becomes a literal,
which is laid out, audited and compiled; the largest public contract has some 2,000."""

MAX_TEXT = 2_000_000
"""Characters of all names and texts. Public contracts stay under 500,000."""

MAX_NAME = 300
"""Characters of a property's, a definition's or a part's name: the names of classes within it begin
with it. The longest public one has 79."""

MAX_CLASS_NAME = 1_000
"""Characters of a class's name, which is made of the names of all that the class is within."""

MAX_MEMBERS = 500
"""Members of a union or an ``allOf``. Python nests unions, within its recursion limit."""

MAX_PATTERN_COST = 120_000
"""States of a regular expression, as ``pattern_cost`` counts them: half a second to compile, at the
build and at each import. One of more isn't compiled, nor checked by clients."""

MAX_PATTERNS_COST = 400_000
"""States of all regular expressions of a contract that are compiled."""

MAX_PLANNED = 2 * MAX_SCHEMAS
"""Classes and fields of a package: an ``allOf`` copies what it refers to."""

MAX_STEPS = 30_000
"""Schemas that are looked at for types and defaults, which references can multiply."""

MAX_DIGITS = 308
"""Digits of an integer: those that a JSON number of 64 bits can have."""


def parse_integer(digits: str, base: int = 10) -> int:
    """An integer that a JSON number can hold. ValueError for one of more digits."""
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"{digits[:20]}... is too large for a number")
    return int(digits, base)


class ContractTooLarge(ContractError):
    """A contract that is larger than its limits allow."""


class Budget:
    """What is left of a contract's limits.

    Args:
        source: what to call the contract in errors.
        timeout_s: how long its parts may be read, in seconds; None for as long as it takes.
    """

    def __init__(self, source: str, *, timeout_s: float | None = None) -> None:
        self._source = source
        self._timeout_s = timeout_s
        self._deadline = math.inf if timeout_s is None else time.monotonic() + timeout_s
        self._schemas = self._values = self._text = self._cost = 0

    def schema(self, pointer: str) -> None:
        """Count a schema.

        Raises:
            ContractTooLarge: there are too many, as for all methods.
            Unreachable: the time is up.
        """
        if time.monotonic() > self._deadline:
            raise Unreachable(
                f"took longer than {self._timeout_s:g} s to read",
                source=self._source,
                hint="give it more time with --timeout SECONDS",
            )
        self._schemas += 1
        self._check(self._schemas, MAX_SCHEMAS, "schemas", pointer)

    def name(self, name: str, pointer: str) -> None:
        """Count a name that names of Python are made of."""
        if len(name) > MAX_NAME:
            at = pointer.rpartition("/")[0] if pointer.endswith(name[-20:]) else pointer
            raise self._error(f"a name of more than {MAX_NAME} characters", at)
        self.text(name, pointer)

    def text(self, text: str, pointer: str) -> None:
        """Count a text."""
        self._text += len(text)
        self._check(self._text, MAX_TEXT, "characters of names and texts", pointer)

    def pattern(self, pattern: str, pointer: str) -> None:
        """Count a regular expression."""
        self.text(pattern, pointer)
        cost = pattern_cost(pattern)
        self._cost += cost if cost <= MAX_PATTERN_COST else 0
        self._check(self._cost, MAX_PATTERNS_COST, "states of regular expressions", pointer)

    def value(self, value: Any, pointer: str) -> None:
        """Count a JSON value with all that it holds."""
        level: list[Any] = [value]
        for _ in range(MAX_DEPTH + 1):
            self._values += len(level)
            self._check(self._values, MAX_VALUES, "constants, defaults and other values", pointer)
            inner: list[Any] = []
            for item in level:
                fields = as_object(item)
                if fields is not None:
                    for key in fields:
                        self.text(key, pointer)
                    inner += fields.values()
                elif isinstance(item, str):
                    self.text(item, pointer)
                else:
                    inner += as_array(item) or []
            if not inner:
                return
            level = inner
        raise self._error(f"a value of more than {MAX_DEPTH} levels", pointer)

    def members(self, members: list[Any], pointer: str) -> None:
        """Check the number of schemas in a list."""
        self._check(len(members), MAX_MEMBERS, "members", pointer)

    def _check(self, number: int, limit: int, what: str, pointer: str) -> None:
        if number > limit:
            raise self._error(f"more than {limit:,} {what}", pointer)

    def _error(self, message: str, pointer: str) -> ContractError:
        return ContractTooLarge(message, source=self._source, pointer=shown_pointer(pointer))


def shown_pointer(pointer: str) -> str:
    """A pointer of a length that a message may have."""
    return pointer if len(pointer) <= MAX_CLASS_NAME else f"{pointer[:MAX_CLASS_NAME]}..."


_TOKEN = re.compile(
    r"\\[pP]\{[^}]*\}|\\.|\[(?:\\.|[^\]\\])*\]|[()]|\{(\d*)(,?)(\d*)\}|.", re.DOTALL
)
_LARGE_CLASS = re.compile(r"\\[wWpP]")
_LARGE, _SMALL = 100, 10
"""States of a class of characters, as UTF-8: one of Unicode's has hundreds of ranges."""


def pattern_cost(pattern: str) -> int:
    """Estimate the states that a regular expression compiles to.

    Repetitions multiply what they repeat: a hundred times a hundred letters are 10,000.
    """
    groups: list[int] = [0]
    last = 0  # of what a repetition would repeat
    for token in _TOKEN.finditer(pattern):
        text = token[0]
        if text == "(":
            groups.append(0)
            last = 0
        elif text == ")" and len(groups) > 1:
            last = groups.pop()
            groups[-1] += last
        elif token[2] is not None and (token[1] or token[3]):
            times = max(int(number[:9]) for number in (token[1] or "0", token[3] or "0"))
            groups[-1] += last * max(times - 1, 0)
            last *= max(times, 1)
        else:
            is_large = _LARGE_CLASS.search(text) is not None
            last = len(text) + (_LARGE if is_large else _SMALL if text[0] in "[.\\" else 0)
            groups[-1] += last
    return sum(groups)
