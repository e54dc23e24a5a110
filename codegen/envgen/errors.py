"""The errors that stop a command. They are shown to the user without a traceback.

EnvgenError             exit code 1: the input is at fault
├── ContractError       a contract that can't be used, with a place in it
├── ConfigError         a setting in pyproject.toml
├── TemplateError       one of the project's own templates
├── OutputError         a folder or file to write to
├── AuditError          rendered code that envgen doesn't emit; nothing was written
├── ServerEnded         an environment that envgen started, or tried to start, has ended
└── Unreachable         exit code 3: a server that can't be reached
"""

from __future__ import annotations

from copy import copy
from typing import Self


class EnvgenError(Exception):
    """Base of the errors that a user can fix.

    Attributes:
        message: what is wrong.
        source: the file, URL or setting at fault.
        hint: what the user can do; may be empty.
        exit_code: the command's exit code.
        keeps_lines: whether the message has lines of ours, as the end of a log. Those of any other
            are a contract's or a server's, and are shown as one.
    """

    exit_code = 1

    def __init__(
        self, message: str, *, source: str = "", hint: str = "", keeps_lines: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.hint = hint
        self.keeps_lines = keeps_lines

    @property
    def place(self) -> str:
        """The source, and the place in it if it is known."""
        return self.source

    def with_context(self, **context: str) -> Self:
        """Return a copy with some of ``source``, ``hint`` and ``pointer`` replaced.

        Raise it ``from`` the original, in a caller that knows the place when the callee doesn't.
        """
        error = copy(self)
        for name, value in context.items():
            setattr(error, name, value)
        return error

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.message) if part)


class ContractError(EnvgenError):
    """A contract that can't be used.

    Attributes:
        pointer: JSON pointer to the place (RFC 6901), empty for the whole document.
    """

    def __init__(
        self, message: str, *, pointer: str = "", source: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, source=source, hint=hint)
        self.pointer = pointer

    @property
    def place(self) -> str:
        """The source and the pointer into it, as ``file.json#/action``."""
        return f"{self.source}#{self.pointer}" if self.pointer else self.source


class ConfigError(EnvgenError):
    """A setting that can't be used."""


class TemplateError(EnvgenError):
    """One of the project's own templates that can't be used."""


class OutputError(EnvgenError):
    """A folder or file that can't be written, or must not be overwritten."""


class AuditError(EnvgenError):
    """Rendered code that envgen doesn't emit: a bug in envgen, or a hostile contract."""


class ServerEnded(EnvgenError):
    """An environment that envgen started, or tried to start, has ended."""


class Unreachable(EnvgenError):
    """A server that doesn't answer, or not in time, or refuses access."""

    exit_code = 3
