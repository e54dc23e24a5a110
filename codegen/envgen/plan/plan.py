"""The plan: every class and alias that will exist, its name and its types.

datamodel-code-generator renders classes well, and chooses names and types badly for our ends: it
numbers names so that they move when another part changes, boxes a constrained number within a list
into a class, and takes what isn't required for nullable. So names and types are settled first (see
``planner``), and ``render.models`` has it render classes in which no choice is left.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..contract.contract import Part
from ..options import Transport
from ..text import UntrustedText
from .types import Type


@dataclass(frozen=True, slots=True)
class PlannedField:
    """One field of a class.

    Attributes:
        name: its Python name.
        wire_name: its name in the contract.
        type: its type.
        default: its default, as a Python expression; None where the field is required.
        description: what the contract says about it.
        deprecated: whether the contract advises against it.
    """

    name: str
    wire_name: UntrustedText
    type: Type
    default: str | None
    description: UntrustedText | None = None
    deprecated: bool = False


@dataclass(frozen=True, slots=True)
class PlannedClass:
    """One model.

    Attributes:
        name: the class's name.
        sent: whether it can be reached from what is sent, so that it is strict.
        extras: the types of the names and values of fields beside those that it names; None where
            it takes none.
        fields: its fields, in the contract's order.
        description: what the contract says about it.
    """

    name: str
    sent: bool
    extras: tuple[Type, Type] | None
    fields: tuple[PlannedField, ...]
    description: UntrustedText | None = None

    def types(self) -> Iterator[Type]:
        """Yield the types that it uses, in order."""
        for item in self.fields:
            yield item.type
        yield from self.extras or ()


@dataclass(frozen=True, slots=True)
class PlannedAlias:
    """A name for a type that is no class.

    Attributes:
        name: the alias.
        type: what it stands for.
        description: what the contract says about it.
        is_lazy: whether it is evaluated when it is used, since it leads back to itself or is large.
    """

    name: str
    type: Type
    description: UntrustedText | None = None
    is_lazy: bool = False

    def types(self) -> Iterator[Type]:
        """Yield the type that it stands for."""
        yield self.type


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


@dataclass(frozen=True, slots=True)
class PlannedTool:
    """A tool, as a method of the package's namespace of tools.

    Attributes:
        name: the method's name.
        wire_name: the tool's name.
        arguments: what its arguments are.
        data: the type of its result's data.
        is_wrapped: whether the server sends that data as ``{"result": ...}``.
        description: what the server says about it; may be empty.
        hints: what calls of it do, by the names of MCP's annotations.
    """

    name: str
    wire_name: UntrustedText
    arguments: PlannedPart
    data: Type
    is_wrapped: bool
    description: UntrustedText
    hints: Mapping[str, bool]


@dataclass(slots=True)
class Plan:
    """What will be rendered.

    Attributes:
        client: the name of the sync client's class.
        transport: the transport that it uses unless its user names one, where settings choose it.
        definitions: classes and aliases by name, in the order in which they are declared.
        parts: the parts of the contract.
        tools: the tools that clients can call.
        toolset: the name of the sync namespace of tools.
    """

    client: str
    transport: Transport | None = None
    definitions: dict[str, PlannedClass | PlannedAlias] = field(
        default_factory=dict[str, PlannedClass | PlannedAlias]
    )
    parts: dict[Part, PlannedPart] = field(default_factory=dict[Part, PlannedPart])
    tools: tuple[PlannedTool, ...] = ()
    toolset: str = ""

    @property
    def classes(self) -> dict[str, PlannedClass]:
        """The classes, by name."""
        found = self.definitions.items()
        return {name: item for name, item in found if isinstance(item, PlannedClass)}

    @property
    def unions(self) -> list[PlannedPart]:
        """The parts that are unions; those that are the same union once."""
        found = {part.name: part for part in self.parts.values() if part.union is not None}
        return list(found.values())
