"""Lays out rendered Python so that ruff and black leave it alone, at 88 and at 100 columns.

Users run a formatter over their repositories, which must not change what envgen wrote. A statement
that fits 88 columns stays on one line. A longer one is broken at a bracket: with each element on a
line of its own and a trailing comma, which formatters keep at any width; or, where the statement
would not fit 100 columns either, with all elements on one line. ``# fmt: skip`` keeps the few
statements that neither layout suits.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field

_NARROW = 88
_WIDE = 100
_INDENT = 4
_OPEN, _CLOSE = "([{", ")]}"
_SKIP = "  # fmt: skip"
_STUB = '"""As above, with the fields as keywords."""'


def layout(source: str) -> str:
    """``source`` with its statements laid out; docstrings and comments stay. Or SyntaxError."""
    lines = source.split("\n")
    result: list[str] = []
    done = 0
    for first, last in _spans(ast.parse(source)):
        result += lines[done:first]
        result += _statement(lines[first : last + 1])
        done = last + 1
    return "\n".join(result + lines[done:])


def broken(expression: str, indent: int) -> list[str]:
    """The lines of an expression at ``indent``, broken where it is too long for one."""
    return _laid(_parsed(expression), indent) or [" " * indent + expression]


def _spans(tree: ast.AST) -> Iterator[tuple[int, int]]:
    """The lines of each statement (of a class or function: its decorators and header) in order."""
    for statement in (*getattr(tree, "body", ()), *getattr(tree, "orelse", ())):
        match statement:
            case ast.Expr(value=ast.Constant(value=str())):
                continue
            case ast.If():
                yield from _spans(statement)
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in statement.decorator_list:
                    yield decorator.lineno - 1, (decorator.end_lineno or 0) - 1
                body = statement.body[0]
                last = body.lineno - 1
                # A body on the line of the header, `...`, belongs to it.
                end = statement.end_lineno or 0
                yield statement.lineno - 1, (end - 1 if _is_on_header(statement) else last - 1)
                if not _is_on_header(statement):
                    yield from _spans(statement)
            case _:
                yield statement.lineno - 1, (statement.end_lineno or 0) - 1


def _is_on_header(statement: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    body = statement.body[0]
    return isinstance(body, ast.Expr) and getattr(body.value, "value", None) is ...


@dataclass(slots=True)
class _Group:
    """A bracket and what is in it, one list of parts for each element."""

    opening: str
    is_call: bool = False
    elements: list[_Parts] = field(default_factory=lambda: [[]])

    @property
    def flat(self) -> str:
        """The bracket on one line."""
        inner = ", ".join(_flat(element) for element in self.elements)
        is_pair = self.opening == "(" and not self.is_call and len(self.elements) == 1
        return f"{self.opening}{inner}{',' if is_pair else ''}{self.closing}"

    @property
    def closing(self) -> str:
        """The bracket's other half."""
        return _CLOSE[_OPEN.index(self.opening)]


_Parts = list[str | _Group]


def _flat(parts: _Parts) -> str:
    return "".join(part if isinstance(part, str) else part.flat for part in parts)


def _statement(lines: list[str]) -> list[str]:
    text = "\n".join(lines)
    indent = len(lines[0]) - len(lines[0].lstrip())
    comments = [token for token in _tokens(text.lstrip()) if token.type == tokenize.COMMENT]
    if any(token.start[0] not in (1, len(lines)) for token in comments):
        return lines
    if text.startswith("from "):
        return _import(text)
    parts = _parsed(text.strip())
    flat = " " * indent + _flat(parts)
    if not comments:
        is_long_union = "|" in parts and len(flat) > _NARROW
        laid = _parenthesized(parts, indent) if is_long_union else _laid(parts, indent)
        return _skipped(laid, indent) if laid else [flat + _SKIP]
    comment = f"  {comments[0].string}"
    if len(lines) > 1 and comments[0].start[0] == 1:  # it is about the opening line
        first, *rest = _skipped(_exploded(parts, indent, "", True) or lines, indent)
        return [first + comment, *rest]
    return [flat + comment + (_SKIP if len(flat + comment) > _NARROW else "")]


def _import(text: str) -> list[str]:
    """An import. Formatters never put the names of one on a line of their own together."""
    head, _, names = " ".join(text.replace("(", "").replace(")", "").split()).partition(" import ")
    flat = f"{head} import {names.rstrip(',')}"
    if len(flat) <= _NARROW:
        return [flat]
    return [f"{head} import (", *(f"    {name}," for name in names.rstrip(",").split(", ")), ")"]


def _tokens(text: str) -> Iterator[tokenize.TokenInfo]:
    """The tokens of one statement. Its block may be missing: that is not an error here."""
    try:
        yield from tokenize.generate_tokens(io.StringIO(text).readline)
    except (tokenize.TokenError, IndentationError):
        return


def _parsed(text: str) -> _Parts:
    """A statement as text and brackets, with single spaces where it was broken."""
    stack = [_Group("(")]
    end = (1, 0)
    for token in _tokens(text):
        if token.type in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT):
            continue
        if token.type in (tokenize.DEDENT, tokenize.ENDMARKER):
            break
        parts = stack[-1].elements[-1]
        is_apart = token.start[0] > end[0] or token.start[1] > end[1]
        end = token.end
        if token.type == tokenize.OP and token.string in _CLOSE:
            group = stack.pop()
            if not group.elements[-1]:
                group.elements.pop()
            stack[-1].elements[-1].append(group)
            continue
        if token.type == tokenize.OP and token.string == "," and len(stack) > 1:
            stack[-1].elements.append([])
            continue
        if is_apart and parts:
            parts.append(" ")
        if token.type == tokenize.OP and token.string in _OPEN:
            stack.append(_Group(token.string, is_call=bool(parts) and not is_apart))
        else:
            parts.append(token.string)
    return stack[0].elements[0]


def _laid(parts: _Parts, indent: int, end: str = "", *, forced: bool = False) -> list[str] | None:
    """The lines of ``parts`` with ``end`` behind them; None where they have no stable layout.

    ``forced`` says that they would fit one line at 100 columns, so that only a trailing comma in
    them keeps formatters from joining the lines.
    """
    flat = " " * indent + _flat(parts) + end
    if len(flat) <= _NARROW and not forced:
        return [flat]
    lay = _union if "|" in parts else _exploded
    return lay(parts, indent, end, forced)


def _exploded(parts: _Parts, indent: int, end: str, forced: bool) -> list[str] | None:
    """``parts`` broken at the last bracket that makes every line short enough."""
    margin, inside = " " * indent, indent + _INDENT
    places = range(len(parts))
    is_header = any(part in ("def", "class") for part in parts[:3])
    for place in places if is_header else reversed(places):
        group = parts[place]
        if isinstance(group, str) or not group.elements:
            continue
        head = f"{margin}{_flat(parts[:place])}{group.opening}"
        tail = f"{margin}{group.closing}{_flat(parts[place + 1 :])}{end}"
        if max(len(head), len(tail)) > _NARROW:
            continue
        inner = " " * inside + group.flat[1:-1]
        is_wide = _is_wide(parts, indent, end, place)
        if is_wide and not forced and len(inner) <= _NARROW and "(" not in tail:
            return [head, inner, tail]
        if group.opening == "[" and len(group.elements) == 1:  # X[int,] is another type
            must = forced or len(inner) <= _WIDE
            element = _laid(group.elements[0], inside, forced=must)
            laid = [element if element and len(element) > 1 else None]
        elif is_header:
            laid = [_parameter(element, inside) for element in group.elements]
        else:
            laid = [_laid(element, inside, ",") for element in group.elements]
        lines = [line for element in laid for line in element or []]
        if None not in laid:
            return [head, *lines, tail]
    return None


def _parameter(parts: _Parts, indent: int) -> list[str]:
    """The lines of a parameter; one that is too long where it has no stable layout."""
    flat = " " * indent + _flat(parts) + ","
    if len(flat) > _NARROW and "|" in parts:
        return _parenthesized(parts, indent, ",") or [flat]
    return _laid(parts, indent, ",") or [flat]


def _skipped(lines: list[str], indent: int) -> list[str]:
    """The lines of a statement, marked for formatters where one of a header is too long.

    black takes the mark at the end of a header for one of the body, too, where that is ``...``.
    """
    if max(map(len, lines)) <= _NARROW:
        return lines
    header = lines[-1].removesuffix(" ...")
    stub = [" " * (indent + _INDENT) + _STUB] if header != lines[-1] else []
    return [*lines[:-1], header + _SKIP, *stub]


def _union(parts: _Parts, indent: int, end: str, forced: bool) -> list[str] | None:
    """A union with a member on each line."""
    members: list[_Parts] = [[]]
    for part in parts:
        if part == "|":
            members.append(["|"])
        else:
            members[-1].append(part)
    members = [member[:-1] for member in members[:-1]] + members[-1:]  # without the last space
    forced = forced or indent + len(_flat(parts) + end) <= _WIDE
    result: list[str] = []
    for number, member in enumerate(members):
        last = end if number == len(members) - 1 else ""
        flat = " " * indent + _flat(member) + last
        lines = _exploded(member, indent, last, forced) if forced or len(flat) > _NARROW else None
        forced = forced and lines is None
        if lines is None and len(flat) > _NARROW:
            return None
        result += lines or [flat]
    return None if forced else result


def _is_wide(parts: _Parts, indent: int, end: str, place: int) -> bool:
    """Whether formatters would break ``parts`` at ``place`` even at 100 columns.

    They would rather break what is assigned, if what is before it fits.
    """
    equals = parts.index("=") if "=" in parts else len(parts)
    if place > equals or equals == len(parts):
        return indent + len(_flat(parts) + end) > _WIDE
    value = parts[equals + 2 :]
    called = value[0] if len(value) > 1 and isinstance(value[0], str) else ""
    return indent + len(f"{_flat(parts[: equals + 2])}{called}(") > _WIDE


def _parenthesized(parts: _Parts, indent: int, end: str = "") -> list[str] | None:
    """An assignment or a parameter whose type or value is a union, put into parentheses."""
    margin = " " * indent
    colon = parts.index(":") if ":" in parts else -1
    equals = parts.index("=") if "=" in parts else len(parts) + 1
    for first, last in ((colon + 2, equals - 1), (equals + 2, len(parts))):
        union = parts[first:last]
        if "|" not in union:
            continue
        head, tail = f"{margin}{_flat(parts[:first])}(", f"{margin}){_flat(parts[last:])}{end}"
        is_wide = _is_wide(parts, indent, end, first)
        lines = _laid(union, indent + _INDENT, forced=not is_wide)
        if lines and max(len(head), len(tail)) <= _NARROW:
            return [head, *lines, tail]
    return None
