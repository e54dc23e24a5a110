"""Text of others as people may see it: nothing that a terminal or a log would act upon."""

from __future__ import annotations

import re

MAX_TEXT = 8000
"""How much text is shown at once, in characters."""

LINES = "\n\t"
"""What to ``keep`` of a text that may have several lines, such as the end of a log."""

_MAX_EXCERPT = 200
_COMMAND = re.compile(r"^([^\S\n]*)::", re.MULTILINE)
_COMMANDS = ("::", "##[")
_ENDS = ".!?:;\u2026\u3002"


def printable(text: str, limit: int = MAX_TEXT, *, keep: str = "") -> str:
    """``text`` as a terminal, a log or a report may show it.

    Control characters, line breaks and what turns the direction of writing are escaped, except
    those in ``keep``. The text ends after ``limit`` characters.

    No line of it begins with a workflow command. GitHub reads all of a step's output for them:
    ``::error::`` at the beginning of a line, after any blanks, the older ``##[error]`` anywhere.
    """
    cut = text if len(text) <= limit else text[:limit]
    if not cut.isprintable():
        cut = "".join(
            sign
            if sign.isprintable() or sign in keep
            else sign.encode("unicode_escape", "surrogatepass").decode()
            for sign in cut
        )
    if any(sign in cut for sign in _COMMANDS):
        cut = _COMMAND.sub(r"\1\\::", cut).replace("##[", r"##\[")
    return cut if len(text) <= limit else f"{cut}... ({len(text) - limit} more characters)"


def excerpt(text: str | bytes) -> str:
    """The beginning of a text as ``printable`` shows it, on one line without runs of spaces."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return printable(" ".join(text.split()), _MAX_EXCERPT)


def as_sentence(text: str) -> str:
    """``text`` with a full stop, so that another sentence may follow; nothing if it is empty."""
    plain = text.rstrip()
    return plain if not plain or plain[-1] in _ENDS else f"{plain}."
