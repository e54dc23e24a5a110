"""Limits of what a project's templates may do: work and output are counted, not timed.

Loops, calls and everything that makes text out of text are counted where jinja2 hands them to its
environment; ``Work`` raises once there is too much. The error has the template's line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sized
from functools import wraps
from typing import TYPE_CHECKING, Any, cast

from jinja2 import nodes
from jinja2.compiler import CodeGenerator
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..text import UntrustedText

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.compiler import Frame

MAX_STEPS = 200_000
"""Rounds of loops and calls in a module. envgen's own templates need some for each field."""

MAX_OUTPUT = 10_000_000
"""Characters and items that a template makes or looks at, also those that it throws away."""

MAX_SIZE = 1_000_000
"""The length of one text or list, and the largest number that a call or filter takes."""

_MAX_BITS = 4_096
_WIDE = re.compile(r"\d{5}|%[-#0 +.\d]*\*|:[^{}]*\{")
"""A width in a format that is large, or that an argument chooses."""
_NUMBERS = re.compile(r"\d+")


class Work:
    """What rendering a module has done so far."""

    def __init__(self, *, is_limited: bool = True) -> None:
        self._steps = self._output = 0
        self._is_limited = is_limited

    def step(self, output: int = 0) -> None:
        """Count a step that writes ``output`` characters. Raises SecurityError if it's too much."""
        if not self._is_limited:
            return
        self._steps += 1
        self._output += output
        if self._steps > MAX_STEPS:
            raise SecurityError(f"more than {MAX_STEPS:,} rounds of loops and calls")
        if self._output > MAX_OUTPUT:
            raise SecurityError(f"more than {MAX_OUTPUT:,} characters and items")

    def taken(self, arguments: Iterable[Any]) -> int:
        """Count the arguments of a call, as ``looked_at`` does.

        Raises SecurityError for a very large one or number.
        """
        arguments = [*arguments]
        for argument in arguments:
            if isinstance(argument, int) and abs(argument) > MAX_SIZE:
                raise SecurityError(f"a number above {MAX_SIZE:,}")
        return self.looked_at(arguments)

    def looked_at(self, values: Iterable[Any]) -> int:
        """Count all that is in ``values``, and return how much it is.

        Raises SecurityError for a very large one.
        """
        waiting, size = [*values] if self._is_limited else [], 0
        while waiting:
            value = waiting.pop()
            if isinstance(value, str | bytes | range):
                size += len(value)
            elif isinstance(value, list | tuple | set | frozenset | dict):
                size += len(cast("Sized", value))
                _check_size(size)
                waiting += [*value.keys(), *value.values()] if isinstance(value, dict) else value
        self.step(size)
        return size

    def made(self, value: Any) -> Any:
        """Count what an operation made, and return it."""
        if self._is_limited and isinstance(value, str | list | tuple | bytes):
            length = len(cast("Sized", value))
            _check_size(length)
            self.step(length)
        return cast("Any", value)


class LimitedEnvironment(ImmutableSandboxedEnvironment):
    """jinja2's sandbox, with limits for ``work``."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})
    work = Work()

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, finalize=self._finalized)
        self.code_generator_class = _Generator
        self.globals.pop("lipsum", None)
        self.filters.pop("pprint")  # lays out for a minute what is within the limits
        tables: tuple[dict[str, Any], ...] = (self.filters, self.tests)
        for functions in tables:
            functions.update({name: self._limited(each) for name, each in functions.items()})
        filters: dict[str, Any] = self.filters
        filters["envgen_counted"] = self.counted
        filters["envgen_looked_at"] = self.looked_at

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Keep a contract's text to the filters: its attribute has it unescaped."""
        return not isinstance(obj, UntrustedText) and super().is_safe_attribute(obj, attr, value)

    def _generate(self, source: nodes.Template, *args: Any, **options: Any) -> str:
        """Compile a template whose loops count their rounds, and what they write in each."""
        for loop in source.find_all(nodes.For):
            written = sum(len(data.data) for data in loop.find_all(nodes.TemplateData))
            counted = nodes.Filter(
                loop.iter, "envgen_counted", [nodes.Const(written)], [], None, None
            )
            loop.iter = counted.set_lineno(loop.lineno)
        for comparison in source.find_all(nodes.Compare):
            holders: list[Any] = [comparison, *comparison.ops]
            for holder in holders:
                looked_at = nodes.Filter(holder.expr, "envgen_looked_at", [], [], None, None)
                holder.expr = looked_at.set_lineno(comparison.lineno)
        return super()._generate(source, *args, **options)

    def counted(self, items: Iterable[Any], written: int) -> Iterator[Any]:
        """Yield ``items``, each a round of a loop that writes so many characters."""
        for item in items:
            self.work.step(written)
            yield item

    def looked_at(self, value: Any) -> Any:
        """Count what a comparison looks at, and return it."""
        self.work.looked_at([value])
        return value

    def get_template(self, *args: Any, **options: Any) -> Template:
        """Load a template: an include is a step."""
        self.work.step()
        return super().get_template(*args, **options)

    def joined(self, parts: tuple[Any, ...]) -> str:
        """What ``~`` makes of its operands."""
        self.work.looked_at(parts)
        texts = [str(part) for part in parts]
        _check_size(sum(map(len, texts)))
        return str(self.work.made("".join(texts)))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """The sandbox's ``format`` of a text, limited."""
        formatted = super().wrap_str_format(value)
        if formatted is None:
            return None

        def limited(*args: Any, **options: Any) -> str:
            _check_format(value.__self__, self.work.taken([*args, *options.values()]))
            return formatted(*args, **options)

        return limited

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Get an item, or a slice."""
        return self.work.made(super().getitem(obj, argument))

    def call(self, __context: Any, __obj: Any, *args: Any, **options: Any) -> Any:  # noqa: PYI063
        """Call something."""
        owner = getattr(__obj, "__self__", None)
        self.work.taken([owner, *args, *options.values()])
        if isinstance(owner, str) and getattr(__obj, "__name__", "") in ("replace", "join"):
            _check_product([owner, *args])
        return self.work.made(super().call(__context, __obj, *args, **options))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Do an arithmetic operation."""
        for one, other in ((left, right), (right, left)):
            if operator == "*" and isinstance(one, int) and isinstance(other, Sized):
                _check_size(one * len(other))
        match left, right:
            case (int(), int()):
                bits = left.bit_length() * (max(right, 0) if operator == "**" else 1)
                if bits + right.bit_length() > _MAX_BITS:
                    raise SecurityError("a very large number")
            case (str(), _) if operator == "%":
                values: Any = right
                size = self.work.taken(values if isinstance(right, tuple) else [right])
                _check_format(left, size)
            case _:
                pass
        return self.work.made(super().call_binop(context, operator, left, right))

    def _finalized(self, value: Any) -> Any:
        """What ``{{ }}`` writes."""
        self.work.looked_at([value])
        return value

    def _limited(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that refuses very large arguments, and whose results are counted."""

        @wraps(function)
        def limited(*args: Any, **options: Any) -> Any:
            given = [*args, *options.values()]
            size = self.work.taken(given)
            if function.__name__ in ("do_replace", "do_indent", "sync_do_join", "do_join"):
                _check_product(given)
            if (
                function.__name__ == "do_tojson"
            ):  # a line for each item, and an indent for each line
                _check_product([size, *(each for each in given if isinstance(each, int))])
            if function.__name__ == "do_wordwrap":
                _check_product(each for each in given if isinstance(each, str))
            if function.__name__ == "do_format" and isinstance(args[0], str):
                _check_format(args[0], size)
            if function.__name__ in ("do_sum", "sync_do_sum") and isinstance(
                given[-1], list | tuple
            ):
                raise SecurityError("a sum of lists")
            return self.work.made(function(*args, **options))

        return limited


class _Generator(CodeGenerator):
    """Compiles ``~`` into a call, which can count."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


def _check_size(size: int) -> None:
    if size > MAX_SIZE:
        raise SecurityError(f"a text or list of more than {MAX_SIZE:,}")


def _check_product(arguments: Iterable[Any]) -> None:
    """Check the lengths of texts and lists of which one is written for every part of another."""
    size = 1
    for argument in arguments:
        if isinstance(argument, str | list | tuple):
            size *= len(cast("Sized", argument)) + 1
        elif isinstance(argument, int):
            size *= abs(argument) + 1
    _check_size(size)


def _check_format(text: str, size: int) -> None:
    """Check what a format would write, whose arguments have ``size`` characters and items in all.

    Each field may write all of an argument, and be as wide as any number in it.
    """
    if _WIDE.search(text):
        raise SecurityError("a format with a very wide field")
    fields = text.count("%") + text.count("{")
    _check_size(fields * size + sum(map(int, _NUMBERS.findall(text))))


__all__ = ["LimitedEnvironment", "Work"]
