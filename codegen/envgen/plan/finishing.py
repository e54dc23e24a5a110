"""The last stage of planning: what depends on what other definitions turned out to be.

Which field tells the members of a union apart, under which Python name; whether a type admits null;
which defaults a type checker takes for the field's type.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ..contract.tools import is_of_tool
from ..naming import ChosenNames, field_names
from ..schema.document import PartDocument
from ..schema.keywords import JsonSchema, as_object, pointer_to, tags_in
from ..text import UntrustedText
from .defaults import Defaults
from .definitions import Definitions
from .order import components
from .plan import PlannedAlias, PlannedClass, PlannedField, PlannedPart
from .types import (
    JSON_VALUE,
    NONE,
    ListOf,
    MapOf,
    Named,
    Type,
    Union,
    Values,
    Wrapped,
    constant_of,
    named_in,
    union_of,
)

_LIFTED = ("done", "reward", "metadata")


@dataclass(frozen=True, slots=True)
class DraftField:
    """A field whose default is not settled yet.

    Attributes:
        wire_name: its name in the contract.
        type: what its schema says.
        schema: that schema.
        pointer: where it stands.
        is_required: whether it has to be there.
        description: what the contract says about it.
    """

    wire_name: UntrustedText
    type: Type
    schema: Any
    pointer: str
    is_required: bool
    description: UntrustedText | None


@dataclass(eq=False, slots=True)
class Draft:
    """A class whose fields are not settled yet.

    Attributes:
        name: its name.
        sent: whether it can be reached from what is sent.
        document: the part that it is planned from.
        pointer: where it stands.
        schema: what it says.
        required: its required fields.
        description: what the contract says about it.
        fields: its fields.
        extras: the types of the names and values of further fields, where it takes any.
        names: its fields' Python names, by wire name.
    """

    name: str
    sent: bool
    document: PartDocument
    pointer: str
    schema: JsonSchema
    required: frozenset[str]
    description: UntrustedText | None
    fields: list[DraftField] = field(default_factory=list[DraftField])
    extras: tuple[Type, Type] | None = None
    names: dict[str, str] = field(default_factory=dict[str, str])

    def types(self) -> Iterator[Type]:
        """Yield the types that it uses."""
        for item in self.fields:
            yield item.type
        yield from self.extras or ()


@dataclass(frozen=True, slots=True)
class DraftAlias:
    """An alias whose type is not settled yet."""

    name: str
    type: Type
    document: PartDocument
    pointer: str
    description: UntrustedText | None


class Finisher:
    """Settles what is left once every definition has its types."""

    def __init__(
        self,
        drafts: dict[str, Draft],
        aliases: dict[str, DraftAlias],
        definitions: Definitions,
        chosen: ChosenNames,
    ) -> None:
        self._drafts = drafts
        self._aliases = aliases
        self._without_loops()
        for draft in drafts.values():
            taken = frozenset(item.name for type_ in draft.types() for item in named_in(type_))
            wire_names = [item.wire_name for item in draft.fields]
            names = field_names(wire_names, taken=taken)
            draft.names = chosen.of_fields(draft.name, names, taken=taken)
        self._other_tags: set[tuple[str, str]] = set()
        self._tags: dict[str, frozenset[str]] = {}
        places = {(draft.document.part, draft.pointer): draft for draft in drafts.values()}
        for key, definition in definitions.items():
            if definition.name in drafts:
                places[key] = drafts[definition.name]
        self._defaults = Defaults(places)

    def definitions(self) -> dict[str, PlannedClass | PlannedAlias]:
        """Return all classes and aliases, in no order."""
        aliases = {
            alias.name: replace(alias, type=self._tagged(alias.type, alias.document))
            for alias in self._aliases.values()
        }
        for draft in self._drafts.values():
            draft.fields = [
                replace(item, type=self._tagged(item.type, draft.document)) for item in draft.fields
            ]
            if draft.extras is not None:
                key, value = draft.extras
                draft.extras = (key, self._tagged(value, draft.document))
        self._aliases = aliases
        used = {
            **{name: [*draft.types()] for name, draft in self._drafts.items()},
            **{name: [alias.type] for name, alias in aliases.items()},
        }
        groups = components(
            {
                name: [item.name for type_ in types for item in named_in(type_)]
                for name, types in used.items()
            }
        )
        self._group = {name: number for number, group in enumerate(groups) for name in group}
        return {
            **{
                name: PlannedAlias(name, item.type, item.description)
                for name, item in aliases.items()
            },
            **{name: self._class(draft) for name, draft in self._drafts.items()},
        }

    def part(self, document: PartDocument, name: str) -> PlannedPart:
        """Return what a part is called, and which models it may be.

        Raises:
            ContractError: it is no object.
        """
        alias = self._aliases.get(name)
        while alias is not None and isinstance(alias.type, Named):
            name = alias.type.name
            alias = self._aliases.get(name)
        models = self._models(Named(name))
        if models is None:
            alias = self._aliases[name]
            kind = "a union of " if isinstance(alias.type, Union) else ""
            raise document.error(
                alias.pointer if alias.document is document else "",
                f"{document.part} is a JSON object on the wire, and this is {kind}"
                f"{alias.type.render()}",
                hint="every member has to be an object with properties" if kind else "",
            )
        fields = [self._drafts[model].names.keys() for model in models]
        lifted = tuple(name for name in _LIFTED if all(name in names for names in fields))
        union = self._aliases[name].type.render() if name in self._aliases else None
        return PlannedPart(name, models, union, lifted)

    # --- types ------------------------------------------------------------------------------------

    def _without_loops(self) -> None:
        """Take out the members by which a union is a member of itself: they add no value."""
        state: dict[str, bool] = {}  # whether an alias is done
        for start in self._aliases:
            path: list[tuple[str, Iterator[Type]]] = []
            name: str | None = start if start not in state else None
            while path or name is not None:
                if name is not None:
                    state[name] = False
                    path.append((name, iter(_direct(self._aliases[name].type))))
                    name = None
                holder, members = path[-1]
                member = next(members, None)
                if member is None:
                    state[holder] = True
                    path.pop()
                elif isinstance(member, Named) and member.name in self._aliases:
                    if member.name not in state:
                        name = member.name
                    elif not state[member.name]:
                        self._cut(holder, member)

    def _cut(self, holder: str, member: Named) -> None:
        alias = self._aliases[holder]
        if not isinstance(alias.type, Union):
            raise alias.document.error(alias.pointer, "a reference that leads back to itself")
        rest = [item for item in alias.type.members if item != member]
        alias.document.say(alias.pointer, "a union that is a member of itself; that adds no value")
        self._aliases[holder] = replace(alias, type=union_of(rest))

    def _models(self, type_: Type) -> tuple[str, ...] | None:
        """The classes that a type is a union of; None where it is something else as well."""
        found: dict[str, None] = {}
        for item in self._alternatives(type_):
            if not isinstance(item, Named):
                return None
            found[item.name] = None
        return tuple(found)

    def _alternatives(self, type_: Type) -> Iterator[Type]:
        """Yield the types that a type is a union of, aliases resolved, in order."""
        passed: set[str] = set()
        waiting = [type_]  # not recursive: aliases may be a long chain
        while waiting:
            item = waiting.pop()
            if isinstance(item, Named) and item.name in self._aliases:
                if item.name not in passed:
                    passed.add(item.name)
                    waiting.append(self._aliases[item.name].type)
            elif isinstance(item, Union):
                waiting += reversed(item.members)
            else:
                yield item

    def _tagged(self, type_: Type, document: PartDocument) -> Type:
        """A type whose unions name their tag as Python does, or do without."""
        type_ = type_.map_children(lambda child: self._tagged(child, document))
        if not isinstance(type_, Union) or type_.tag is None:
            return type_
        tag = self._tag(type_, type_.tag)
        if tag is None:
            document.say(
                type_.place,
                "not every member has it as a constant of its own; members are told apart by "
                "their fields",
            )
            return union_of(type_.members)
        return replace(type_, tag=tag)

    def _tag(self, union: Union, wire_name: str) -> str | None:
        """The Python name of the field that tells a union's members apart, if it does."""
        models = self._models(union)
        if models is None:
            return None
        drafts = [self._drafts[model] for model in models]
        fields = [
            next((item for item in draft.fields if item.wire_name.raw == wire_name), None)
            for draft in drafts
        ]
        names = {draft.names.get(wire_name) for draft in drafts}
        values = [self._values(item.type) if item is not None else () for item in fields]
        every = [value for those in values for value in those]
        if not all(values) or len(names) > 1 or len(set(every)) < len(every):
            return None
        self._other_tags |= {
            (model, wire_name)
            for model, those in zip(models, values, strict=True)
            if not all(isinstance(value, str) for value in those)
        }
        return names.pop()

    def _values(self, type_: Type) -> tuple[str | int, ...]:
        """The tags that a field may have; none where it has others than strings and integers."""
        while isinstance(type_, Named) and type_.name in self._aliases:
            type_ = self._aliases[type_.name].type
        if not isinstance(type_, Values):
            return ()
        tags = tuple(
            value
            for value in type_.values
            if isinstance(value, str | int) and not isinstance(value, bool)
        )
        return tags if len(tags) == len(type_.values) else ()

    def _admits_null(self, type_: Type) -> bool:
        return any(item in (NONE, JSON_VALUE) for item in self._alternatives(type_))

    # --- classes ----------------------------------------------------------------------------------

    def _class(self, draft: Draft) -> PlannedClass:
        part = draft.document.part
        if part not in self._tags:
            self._tags[part] = frozenset(tags_in(draft.document.schema))
        tags = self._tags[part]
        fields = tuple(
            PlannedField(
                draft.names[item.wire_name.raw],
                item.wire_name,
                *self._field(item, draft, is_tag=item.wire_name.raw in tags),
                item.description,
                deprecated=(as_object(item.schema) or {}).get("deprecated") is True,
            )
            for item in draft.fields
        )
        return PlannedClass(draft.name, draft.sent, draft.extras, fields, draft.description)

    def _field(self, item: DraftField, draft: Draft, *, is_tag: bool) -> tuple[Type, str | None]:
        """A field's type and default."""
        type_ = item.type
        if (draft.name, item.wire_name.raw) in self._other_tags:
            type_ = Wrapped("Tag", type_)
        constant = self._constant(type_)
        if item.is_required:
            return type_, (None if constant is None else f"constant({constant})")
        if "default" in (as_object(item.schema) or {}):
            found = self._defaults.of(draft.document, item.schema, item.pointer)
            place = pointer_to(item.pointer, "default")
            if found is None:
                draft.document.say(place, "the default is none of the type's values")
            elif self._group[draft.name] in {self._group[name] for name in self._defaults.used}:
                draft.document.say(
                    place, f"the default holds a {draft.name} itself; it is left to the server"
                )
            elif found != "None":
                return type_, found
            elif not (draft.sent and is_of_tool(draft.document.part)):
                return type_ if self._admits_null(type_) else union_of([type_, NONE]), found
            # Many servers say null of a tool's argument that may be left out, and refuse a null.
        if is_tag and constant is not None:
            return type_, constant  # a tag has to be there, and can be nothing else
        # A field that is neither required nor has a default comes of a default_factory, which
        # schemas don't show: for a container that means an empty one, not null.
        resolved = self._resolved(type_)
        if isinstance(resolved, ListOf | MapOf):
            return type_, "[]" if isinstance(resolved, ListOf) else "{}"
        return (type_ if self._admits_null(type_) else Wrapped("Omittable", type_)), "None"

    def _resolved(self, type_: Type) -> Type:
        while isinstance(type_, Named) and type_.name in self._aliases:
            type_ = self._aliases[type_.name].type
        return type_

    def _constant(self, type_: Type) -> str | None:
        return constant_of(self._resolved(type_))


def _direct(type_: Type) -> tuple[Type, ...]:
    """The types of which one is the value of ``type_`` itself."""
    return type_.members if isinstance(type_, Union) else (type_,)


__all__ = ["Draft", "DraftAlias", "DraftField", "Finisher"]
