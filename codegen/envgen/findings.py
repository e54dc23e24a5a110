"""Findings about a contract that was accepted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["info", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in a contract that its user should know.

    Attributes:
        severity: ``warning`` where the client is less exact than the contract or the server.
        pointer: JSON pointer to the place in the contract.
        message: what was found.
        hint: what to do about it; may be empty.
    """

    severity: Severity
    pointer: str
    message: str
    hint: str = ""
