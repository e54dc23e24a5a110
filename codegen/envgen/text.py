"""Text from a contract is hostile until proven otherwise; these are the ways out of it.

A contract's text (names, descriptions, patterns, string values) reaches generated Python in four
forms only, each made by one function here: an identifier, a literal, a docstring, a comment.

datamodel-code-generator never sees such text at all. A ``Vault`` hands it placeholders instead and
puts the text back, as a literal or a docstring, into the source it returns.
"""

from __future__ import annotations

import keyword
import re
import unicodedata

_LINE_BREAKS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_CLOSING_QUOTE = re.compile(r'"(?="|\Z)')
_NOT_WORD = re.compile(r"\W+")


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
    """A Python string literal, double-quoted, in printable ASCII and printable Unicode only."""
    escaped = "".join(_escape(character, quote='"') for character in text.raw)
    return f'"{escaped}"'


def docstring(text: UntrustedText, *, indent: str = "") -> str:
    r"""A docstring that says ``text``, its lines indented by ``indent``, without blank ends.

    Control characters become escapes, so that no character of the text can end the literal.
    """
    lines = [line.rstrip() for line in _LINE_BREAKS.split(text.raw.expandtabs(4))]
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    margin = min((len(line) - len(line.lstrip()) for line in lines[1:] if line), default=0)
    escaped = [
        "".join(_escape(character, quote="") for character in line)
        for line in (line if number == 0 else line[margin:] for number, line in enumerate(lines))
    ]
    escaped[:1] = [line.lstrip() for line in escaped[:1]]
    body = "\n".join(f"{indent}{line}" if line else "" for line in escaped).removeprefix(indent)
    body = _CLOSING_QUOTE.sub(r"\"", body)
    return f'"""{body}\n{indent}"""' if len(escaped) > 1 else f'"""{body}"""'


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


class Vault:
    """Keeps texts and pieces of code, hands out placeholders, and puts the texts back.

    A placeholder is an ASCII word. Within a line it is as long as what will replace it, so that
    the formatter that breaks lines measures them right.
    """

    _PLACEHOLDER = re.compile(
        r'"""\s*(envgen_d\d+_*)\s*"""|"(envgen_[lc]\d+_*)"|\b(envgen_t\d+_*|EnvgenN\d+x)\b'
    )

    def __init__(self) -> None:
        self._contents: dict[str, str] = {}
        self._placeholders: dict[tuple[str, str], str] = {}

    def literal(self, text: UntrustedText) -> str:
        """A placeholder for a string value; comes back as its literal."""
        return self._keep("l", literal(text))

    def docstring(self, text: UntrustedText) -> str:
        """A placeholder for a description; comes back as a docstring, indented as a member."""
        return self._keep("d", docstring(text, indent="    "))

    def code(self, expression: str) -> str:
        """A placeholder string for an expression of ours, such as a default that is a call."""
        return self._keep("c", expression)

    def type(self, expression: str) -> str:
        """A placeholder name for a type expression of ours."""
        return self._keep("t", expression)

    def name(self, class_name: str) -> str:
        """A placeholder for the name of a class, of a shape that nobody would improve."""
        return self._keep("n", class_name)

    def _keep(self, kind: str, content: str) -> str:
        key = (kind, content)
        if key not in self._placeholders:
            number = len(self._contents)
            word = f"EnvgenN{number}x" if kind == "n" else f"envgen_{kind}{number}_"
            quotes = 2 if kind in "lc" else 0
            placeholder = word if kind in "dn" else word.ljust(len(content) - quotes, "_")
            self._contents[placeholder] = content
            self._placeholders[key] = placeholder
        return self._placeholders[key]

    def restore(self, source: str) -> str:
        """``source`` with every placeholder replaced by what it stands for.

        Raises:
            KeyError: a placeholder that this vault did not hand out.
        """

        def content(match: re.Match[str]) -> str:
            return self._contents[match[1] or match[2] or match[3]]

        return self._PLACEHOLDER.sub(content, source)
