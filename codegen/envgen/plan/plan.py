"""The plan: every class that will exist, its name and its fields' types.

datamodel-code-generator renders classes well, and chooses names and types badly for our ends: it
numbers names so that they move when another part changes, boxes a constrained number within a list
into a class, and takes what isn't required for nullable. So names and types are settled first (see
``planner``), and ``models`` has it render classes in which no choice is left.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..contract.contract import Part
from ..options import Transport
from ..text import UntrustedText

Direction = Literal["request", "reply"]


@dataclass(frozen=True, slots=True)
class PlannedField:
    """One field of a class.

    Attributes:
        name: its Python name.
        wire_name: its name in the contract.
        type: its type, as a Python expression.
        default: its default, as a Python expression; None where the field is required.
        description: what the contract says about it.
    """

    name: str
    wire_name: UntrustedText
    type: str
    default: str | None
    description: UntrustedText | None


@dataclass(frozen=True, slots=True)
class PlannedClass:
    """One model.

    Attributes:
        name: the class's name.
        direction: whether it is sent or received.
        open: whether it takes fields beside those that it names.
        extras: the type of those fields, as a Python expression; None where it takes none.
        fields: its fields, in the contract's order.
        description: what the contract says about it.
    """

    name: str
    direction: Direction
    open: bool
    extras: str | None
    fields: tuple[PlannedField, ...]
    description: UntrustedText | None


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """What a part of the contract is called in Python.

    Attributes:
        name: the class; where the part is a union, an alias for it.
        models: the classes that an instance may have, one where the part is no union.
        union: the expression that the alias stands for; None for a class.
        lifted: which of ``done``, ``reward`` and ``metadata`` the part's schema has as fields.
    """

    name: str
    models: tuple[str, ...]
    union: str | None
    lifted: tuple[str, ...]


@dataclass(slots=True)
class Plan:
    """What will be rendered.

    Attributes:
        client: the name of the sync client's class.
        transport: the transport that it uses unless its user names one, where settings choose it.
        classes: by name, each after those that it uses (but for recursion).
        parts: the parts of the contract.
    """

    client: str
    transport: Transport | None = None
    classes: dict[str, PlannedClass] = field(default_factory=dict[str, PlannedClass])
    parts: dict[Part, PlannedPart] = field(default_factory=dict[Part, PlannedPart])

    @property
    def unions(self) -> list[PlannedPart]:
        """The parts that are unions; those that are the same union once."""
        found = {part.name: part for part in self.parts.values() if part.union is not None}
        return list(found.values())
