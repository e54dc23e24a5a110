"""From a contract and hints to fields, or to what no space can say.

The rule behind every choice: each sample of an action's space is an action that the contract
accepts, and each observation that the contract allows is in its space. What that can't be said of
is refused, with the hint that would help.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...calling.catalogue import ModelTool, catalogue_of
from ...contract.inlining import inlined
from ...contract.normal_form import normal_form
from .fields import Field, Union
from .hints import read_hints
from .notes import Notes
from .schemas import Reader


@dataclass(frozen=True, slots=True)
class ActionMember:
    """An action, or a tool that a step calls, and the field of what it takes."""

    tool: ModelTool
    field: Field


@dataclass(frozen=True, slots=True)
class Interface:
    """What an environment takes and shows, as fields.

    Attributes:
        actions: the members of the action's union; one if it is none.
        observation: of a step, and of a reset where the contract says no other.
        reset_observation: of a reset.
        places: the places that hints can be given for.
    """

    actions: tuple[ActionMember, ...]
    observation: Field
    reset_observation: Field
    places: tuple[str, ...]

    @property
    def has_one_observation(self) -> bool:
        """Whether a reset shows what a step does."""
        return self.observation is self.reset_observation

    @property
    def observed(self) -> Field:
        """What either of both observations is: itself if they are one, else a union."""
        if self.has_one_observation:
            return self.observation
        return Union((("reset", self.reset_observation), ("step", self.observation)))


def read_interface(contract: Mapping[str, Any], hints: Mapping[str, object]) -> Interface:
    """Read what an environment takes and shows.

    Args:
        contract: the contract.
        hints: as ``read_hints`` takes them.

    Raises:
        HintError: a hint can't be read, is of no place, or can't be true of its place.
        NoSpace: no space can say all of it; the message says where, and which hints would help.
    """
    known = Notes(read_hints(hints))
    actions = tuple(_actions(contract, known))
    observation = _observed(contract, "observation", known)
    reset = observation
    if contract.get("reset_observation", contract["observation"]) != contract["observation"]:
        reset = _observed(contract, "reset_observation", known)
        reset = observation if reset == observation else reset
    known.check()
    return Interface(actions, observation, reset, tuple(known.places))


def _actions(contract: Mapping[str, Any], known: Notes) -> Iterator[ActionMember]:
    found = catalogue_of(contract)
    for item in found.findings:
        known.refuse("action", item.message, ())
    members = found.tools
    if any(tool.kind == "tool" for tool in members) and not found.steps_tools:
        known.refuse("action", "its tools aren't called by steps", ())
        members = tuple(tool for tool in members if tool.kind == "action")
    for tool in members:
        place = "action" if len(members) == 1 else f"action({tool.wire_name})"
        reader = Reader(known, is_action=True, tags=tool.tags)
        if len(members) > 1 and reader.is_ignored(place):
            continue
        if tool.kind == "action":
            known.roots.add(place)
        yield ActionMember(tool, reader.read(tool.schema, place))


def _observed(contract: Mapping[str, Any], part: str, known: Notes) -> Field:
    schema = inlined(normal_form(contract[part])).schema
    known.roots.add(part)
    return Reader(known, is_action=False).read(schema, part)
