"""Compares two contracts: what changed, and for whom it breaks."""

from __future__ import annotations

from .changes import LEVELS, RULES, Bump, Change, Changelog, Level, Rule
from .compare import compare

__all__ = ["LEVELS", "RULES", "Bump", "Change", "Changelog", "Level", "Rule", "compare"]
