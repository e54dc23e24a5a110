"""The rules that classify changes, and the result of a comparison.

A rule's level depends on who writes the data. Clients write requests (actions, reset parameters)
and break when the server accepts less than before. Servers write replies (observations, states),
and readers break when something is missing or different.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..contract.contract import Part

Level = Literal["breaking", "warning", "info"]
LEVELS: tuple[Level, ...] = ("info", "warning", "breaking")
"""From the least to the most serious."""

ChangedPart = Part | Literal["tools", "wire"]

Direction = Literal["request", "reply"]

Bump = Literal["major", "minor", "patch", "none"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of change, with its level in what clients send and in what servers send."""

    request: Level
    reply: Level
    meaning: str


RULES: Mapping[str, Rule] = {
    "part-added": Rule("info", "info", "a part that wasn't published before"),
    "part-removed": Rule("breaking", "breaking", "a part that isn't published any more"),
    "tool-added": Rule("info", "info", "a tool that wasn't there before"),
    "tool-removed": Rule("breaking", "breaking", "a tool that isn't there any more"),
    "tool-destructive": Rule("breaking", "breaking", "a tool that may destroy something now"),
    "annotation-changed": Rule("info", "info", "what a tool says about its calls"),
    "result-typed": Rule("info", "info", "a result with a type, that had none before"),
    "result-untyped": Rule("breaking", "breaking", "a result that has no type any more"),
    "route-added": Rule("info", "info", "a route that wasn't there before"),
    "route-changed": Rule("breaking", "breaking", "how requests or replies travel"),
    "name-changed": Rule("breaking", "breaking", "the environment's name, where both say one"),
    "title-changed": Rule("breaking", "breaking", "the name of a part's class"),
    "type-narrowed": Rule("breaking", "info", "a type that isn't allowed any more"),
    "type-widened": Rule("info", "breaking", "a type that wasn't allowed before"),
    "variant-removed": Rule("breaking", "info", "a member of a union that isn't there any more"),
    "variant-added": Rule("info", "warning", "a member of a union that wasn't there before"),
    "value-removed": Rule("breaking", "info", "a value that isn't allowed any more"),
    "value-added": Rule("info", "warning", "a value that wasn't allowed before"),
    "limit-tightened": Rule("breaking", "info", "a limit that is closer than before"),
    "limit-loosened": Rule("info", "warning", "a limit that is wider than before"),
    "format-changed": Rule("breaking", "breaking", "what a text is read as"),
    "field-removed": Rule("breaking", "breaking", "a field that isn't there any more"),
    "field-added": Rule("info", "info", "a field that wasn't there before"),
    "field-named": Rule("warning", "warning", "a field with a type, that was open before"),
    "required-field-added": Rule("breaking", "info", "a new field that is required"),
    "field-required": Rule("breaking", "info", "a field that is required now"),
    "field-optional": Rule("info", "breaking", "a field that may be left out now"),
    "default-changed": Rule("warning", "warning", "what a field that is left out stands for"),
    "fields-closed": Rule("breaking", "info", "unknown fields aren't taken any more"),
    "fields-opened": Rule("info", "info", "unknown fields are taken now"),
    "tuple-changed": Rule("breaking", "breaking", "how many items are fixed, or which"),
    "condition-changed": Rule("warning", "warning", "a condition that can't be compared"),
    "prose-changed": Rule("info", "info", "words alone, or another way to say the same"),
}
"""By id. Ids are stable: people write them into settings and scripts."""


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two contracts.

    Attributes:
        rule: the id of the rule.
        part: the part of the contract, its tools or its wire; None for the contract as a whole.
        pointer: JSON pointer into the new contract; for what was removed, into the old one.
        hint: what the change may mean, or what to do about it; may be empty.
    """

    rule: str
    level: Level
    part: ChangedPart | None
    pointer: str
    message: str
    hint: str = ""


def change(
    rule: str,
    direction: Direction,
    part: ChangedPart | None,
    pointer: str,
    message: str,
    *,
    hint: str = "",
) -> Change:
    """Return a change, with the level that its rule has in this direction."""
    applied = RULES[rule]
    level = applied.request if direction == "request" else applied.reply
    return Change(rule, level, part, pointer, message, hint)


@dataclass(frozen=True, slots=True)
class Changelog:
    """What changed from one contract to another, the most serious first."""

    changes: tuple[Change, ...]

    @property
    def level(self) -> Level | None:
        """The most serious level; None if nothing has changed."""
        found = {item.level for item in self.changes}
        return next((level for level in reversed(LEVELS) if level in found), None)

    @property
    def bump(self) -> Bump:
        """How a client's version should change, by Semantic Versioning."""
        bumps: Mapping[Level | None, Bump] = {"breaking": "major", "warning": "minor", None: "none"}
        if self.level == "info":
            is_prose = all(item.rule == "prose-changed" for item in self.changes)
            return "patch" if is_prose else "minor"
        return bumps[self.level]

    def reaches(self, level: Level) -> bool:
        """Whether a change is at least as serious as ``level``."""
        return self.level is not None and LEVELS.index(self.level) >= LEVELS.index(level)
