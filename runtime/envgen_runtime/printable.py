"""Text of others as people may see it: nothing that a terminal or a log would act upon."""

from __future__ import annotations

MAX_TEXT = 8000
"""How much text is shown at once, in characters."""

_MAX_EXCERPT = 200


def printable(text: str, limit: int = MAX_TEXT, *, keep: str = "") -> str:
    """``text`` as a terminal, a log or a report may show it.

    Control characters, line breaks and what turns the direction of writing are escaped, except
    those in ``keep``. The text ends after ``limit`` characters.
    """
    cut = text if len(text) <= limit else text[:limit]
    if not cut.isprintable():
        cut = "".join(
            sign
            if sign.isprintable() or sign in keep
            else sign.encode("unicode_escape", "surrogatepass").decode()
            for sign in cut
        )
    return cut if len(text) <= limit else f"{cut}... ({len(text) - limit} more characters)"


def excerpt(text: str | bytes) -> str:
    """The beginning of a text as ``printable`` shows it, on one line without runs of spaces."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return printable(" ".join(text.split()), _MAX_EXCERPT)
