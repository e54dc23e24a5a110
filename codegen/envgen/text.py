"""Text from a contract is hostile until proven otherwise; these are the ways out of it.

A contract's text (names, descriptions, patterns, string values) reaches generated Python in four
forms only: an identifier, a literal, a docstring (or lines of one), a comment. Each is written as
ruff and black would leave it.

datamodel-code-generator never sees such text. ``Placeholders`` stand in for it, and are replaced in
the source that it returns.

What a command prints goes through ``for_terminal``, ``for_markdown``, ``for_annotation`` or
``json_text``, which also keep GitHub from reading workflow commands in it (``printable``).
"""

from __future__ import annotations

import json
import keyword
import re
import textwrap
import unicodedata
from typing import Any

from envgen_runtime.printable import printable

_LINE_BREAKS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CLOSING_QUOTE = re.compile(r'"(?="|\Z)')
_NOT_WORD = re.compile(r"\W+")
MAX_SHOWN = 1000
_BACKTICKS = re.compile(r"`+")
# Words that neither Markdown nor GitHub reads as anything else: no links, names, numbers or signs.
_PLAIN_WORDS = re.compile(r"(?:[A-Za-z0-9]+(?:_[A-Za-z0-9]+)*|[ ,;'()?]|[.:](?= |$))*")


class UntrustedText:
    """A contract's text. It refuses to be formatted: the functions below are the ways out."""

    __slots__ = ("raw",)

    def __init__(self, raw: str) -> None:
        self.raw = raw

    def __str__(self) -> str:
        raise TypeError("untrusted text leaves through identifier, literal, docstring or comment")

    def __format__(self, spec: str) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"UntrustedText({self.raw!r})"

    def __bool__(self) -> bool:
        return bool(self.raw)


def identifier(text: UntrustedText, *, fallback: str) -> str:
    """A Python identifier that resembles ``text``: NFKC, no leading underscore, no keyword.

    ``fallback`` is used where nothing of the text is left, and before a leading digit.
    """
    name = _NOT_WORD.sub("_", unicodedata.normalize("NFKC", text.raw)).strip("_")
    if not name:
        name = fallback
    elif not name.isidentifier():  # a leading digit, or a word character that can't start a name
        name = f"{fallback}_{name}"
    if not name.isidentifier():
        name = fallback
    return f"{name}_" if keyword.iskeyword(name) else name


def literal(text: UntrustedText) -> str:
    """A Python string literal of printable characters, in the quotes that need fewer escapes."""
    quote = "'" if text.raw.count('"') > text.raw.count("'") else '"'
    return f"{quote}{''.join(_escape(character, quote=quote) for character in text.raw)}{quote}"


def docstring(text: UntrustedText, *, indent: str) -> str:
    """A triple-quoted docstring whose continuation lines stand at ``indent``, without blank ends.

    Control characters become escapes, so that no character of the text can end the literal.
    """
    lines = [line.rstrip() for line in _LINE_BREAKS.split(text.raw.expandtabs(4))]
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    margin = min((len(line) - len(line.lstrip()) for line in lines[1:] if line), default=0)
    lines = [line.lstrip() if number == 0 else line[margin:] for number, line in enumerate(lines)]
    # Formatters keep a quote from touching the three that begin or end a docstring.
    body = docstring_lines(UntrustedText("\n".join(lines)), indent=indent)
    if body.startswith('"'):
        body = f" {body}"
    if len(lines) > 1:
        return f'"""{body}\n{indent}"""'
    if body.endswith(r"\"") and body != r"\"":
        body = f'{body[:-2]}" '
    return f'"""{body}"""'


def docstring_lines(text: UntrustedText, *, indent: str) -> str:
    """Lines for the inside of a docstring, all but the first at ``indent``."""
    escaped = "".join(
        character if character == "\n" else _escape(character, quote="") for character in text.raw
    )
    lines = _CLOSING_QUOTE.sub(r"\"", escaped).split("\n")
    return "\n".join(
        f"{indent}{line}" if line and number else line for number, line in enumerate(lines)
    )


def docstring_entry(name: str, text: UntrustedText, *, indent: str) -> str:
    """An entry of a docstring's list, ``name: text``, wrapped to 88 columns."""
    words = " ".join(_LINE_BREAKS.sub(" ", text.raw).split())
    return textwrap.fill(
        f"{name}: {docstring_lines(UntrustedText(words), indent='')}",
        width=88,
        initial_indent=indent,
        subsequent_indent=f"{indent}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def comment(text: UntrustedText) -> str:
    """One line of comment, without the ``#``."""
    words = " ".join(_LINE_BREAKS.sub(" ", text.raw).split())
    return "".join(_escape(character, quote="") for character in words)


def _escape(character: str, *, quote: str) -> str:
    if character in ("\\", quote):
        return f"\\{character}"
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode("ascii")


# --- what commands print --------------------------------------------------------------------------


def for_terminal(text: str, limit: int = MAX_SHOWN, *, keep: str = "") -> str:
    """Text for a line of a terminal or a log; for several lines, if a line break is in ``keep``."""
    return printable(text, limit, keep=keep)


def for_markdown(text: str, limit: int = MAX_SHOWN) -> str:
    """Inline Markdown that says ``text``: plain words as they are, anything else as code.

    Only in code is nothing a link, a mention, HTML or the end of what it stands in.
    """
    return text if len(text) <= limit and _PLAIN_WORDS.fullmatch(text) else as_code(text, limit)


def as_code(text: str, limit: int = MAX_SHOWN) -> str:
    """A code span of Markdown that says ``text``."""
    shown = for_terminal(" ".join(text.split()) or " ", limit)
    longest = max(map(len, _BACKTICKS.findall(shown)), default=0)
    fence = "`" * (longest + 1)
    blank = " " if longest else ""
    return f"{fence}{blank}{shown}{blank}{fence}"


def for_annotation(text: str, limit: int = MAX_SHOWN) -> str:
    """The message of a workflow command."""
    return printable(text, limit).replace("%", "%25")


def for_annotation_property(text: str, limit: int = MAX_SHOWN) -> str:
    """A property of a workflow command, such as its title."""
    return for_annotation(text, limit).replace(":", "%3A").replace(",", "%2C")


def json_text(document: Any) -> str:
    """A JSON document in ASCII."""
    return json.dumps(document, indent=2).replace("##[", "##\\u005b")


# --- what datamodel-code-generator sees -----------------------------------------------------------


class Placeholders:
    """Hands out placeholders for texts and pieces of code, and puts them back.

    A placeholder is an ASCII word, which no formatter or renderer would change.
    """

    _PATTERN = re.compile(
        r'"""\s*(envgen_d\d+_)\s*"""|["\'](envgen_[lc]\d+_)["\']|\b(envgen_t\d+_|EnvgenN\d+x)\b'
    )

    def __init__(self) -> None:
        self._contents: dict[str, str] = {}
        self._placeholders: dict[tuple[str, str], str] = {}

    def literal(self, text: UntrustedText) -> str:
        """A placeholder for a string value; it is replaced by the string's literal."""
        return self._add("l", literal(text))

    def docstring(self, text: UntrustedText) -> str:
        """A placeholder for a description; it is replaced by a docstring, indented as a member."""
        return self._add("d", docstring(text, indent="    "))

    def code(self, expression: str) -> str:
        """A placeholder string for an expression that envgen made, such as a default."""
        return self._add("c", expression)

    def type(self, expression: str) -> str:
        """A placeholder name for a type expression that envgen made."""
        return self._add("t", expression)

    def name(self, class_name: str) -> str:
        """A placeholder for a class's name, in a spelling that a renderer leaves alone."""
        return self._add("n", class_name)

    def _add(self, kind: str, content: str) -> str:
        key = (kind, content)
        if key not in self._placeholders:
            number = len(self._contents)
            placeholder = f"EnvgenN{number}x" if kind == "n" else f"envgen_{kind}{number}_"
            self._contents[placeholder] = content
            self._placeholders[key] = placeholder
        return self._placeholders[key]

    def restore(self, source: str) -> str:
        """``source`` with each placeholder replaced by its content; KeyError if one isn't ours."""

        def content(match: re.Match[str]) -> str:
            return self._contents[match[1] or match[2] or match[3]]

        return self._PATTERN.sub(content, source)
