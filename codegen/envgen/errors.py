"""What stops a build. Everything here is shown to the user as it is, without a traceback.

EnvgenError             exit code 1: the input is at fault
├── ContractError       a contract that can't be used, with the place in it
├── ConfigError         a setting in pyproject.toml
├── TemplateError       a template of the project's own
├── OutputError         the place to write to
├── AuditError          what was rendered is not what envgen emits; nothing was written
├── ServerEnded         an environment that was started here ended, or could not be started
└── Unreachable         exit code 3: the server can't be reached
"""

from __future__ import annotations

from copy import copy
from typing import Self


class EnvgenError(Exception):
    """Base of the errors that a user can mend.

    Attributes:
        source: the file, URL or setting at fault.
        hint: the way out.
        exit_code: what the command exits with.
    """

    exit_code = 1

    def __init__(self, message: str, *, source: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.source = source
        self.hint = hint

    @property
    def place(self) -> str:
        """Where the fault is: the source, and the place in it where there is one."""
        return self.source

    def with_context(self, **context: str) -> Self:
        """Return a copy with some of ``source``, ``hint`` and ``pointer`` replaced.

        Raise it ``from`` the original where a caller knows the place that the callee couldn't.
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
    """A template of the project's own that can't be used."""


class OutputError(EnvgenError):
    """The output can't be written where it should go."""


class AuditError(EnvgenError):
    """Rendered code that envgen doesn't emit: a fault in envgen or a hostile contract."""


class ServerEnded(EnvgenError):
    """An environment that was started here could not be started, or ended."""


class Unreachable(EnvgenError):
    """A server that doesn't answer, or not in time, or not to us."""

    exit_code = 3
