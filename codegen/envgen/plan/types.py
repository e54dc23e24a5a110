"""Types as data. ``render()`` writes one as a Python expression; that is the last step.

A type that has a name in the package is a ``Named``, whatever it stands for. Which definitions a
type uses, whether it has one value only, whether it admits null: questions to these classes, and
never to the text that they render.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias, cast

from typing_extensions import override

from envgen_runtime.json_value import as_array, as_object, comparable

from ..text import UntrustedText, literal


class Node:
    """Base of all types."""

    __slots__ = ()

    def render(self) -> str:
        """The type as a Python expression."""
        raise NotImplementedError

    def children(self) -> tuple[Type, ...]:
        """The types directly within this one."""
        return ()

    def map_children(self, change: Callable[[Type], Type]) -> Type:
        """The same type with ``change`` applied to the types directly within it."""
        del change
        return cast("Type", self)


@dataclass(frozen=True, slots=True)
class Scalar(Node):
    """A type that is written as one name: ``int``, ``datetime``, ``None``, ``JsonValue``."""

    name: str

    @override
    def render(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Named(Node):
    """A class or an alias of the package.

    Attributes:
        name: its name.
        is_linked: whether validation looks it up when a value arrives, rather than building it in.
    """

    name: str
    is_linked: bool = False

    @override
    def render(self) -> str:
        return f"Annotated[{self.name}, Linked()]" if self.is_linked else self.name


@dataclass(frozen=True, slots=True, eq=False)
class Values(Node):
    """An enumeration or a constant that ``Literal`` can say."""

    values: tuple[str | int | bool | None, ...]

    def __eq__(self, other: object) -> bool:  # 1 is not true
        return isinstance(other, Values) and comparable(self.values) == comparable(other.values)

    def __hash__(self) -> int:
        return hash(comparable(self.values))

    @override
    def render(self) -> str:
        return f"Literal[{', '.join(map(value_literal, self.values))}]"


@dataclass(frozen=True, slots=True, eq=False)
class Constrained(Node):
    """A type under limits.

    Attributes:
        type: the type.
        limits: arguments of pydantic's ``Field``.
        one_of: the only values that are allowed; None for all.
        unique: whether no two items may be equal.
    """

    type: Type
    limits: Mapping[str, Any]
    one_of: tuple[Any, ...] | None = None
    unique: bool = False

    @override
    def render(self) -> str:
        metadata = [_field(self.limits)] if self.limits else []
        if self.one_of is not None:
            metadata.append(f"OneOf({', '.join(map(value_literal, self.one_of))})")
        if self.unique:
            metadata.append("UniqueItems()")
        return f"Annotated[{self.type.render()}, {', '.join(metadata)}]"

    @override
    def children(self) -> tuple[Type, ...]:
        return (self.type,)

    @override
    def map_children(self, change: Callable[[Type], Type]) -> Type:
        return replace(self, type=change(self.type))

    def _key(self) -> Any:
        return self.type, comparable(dict(self.limits)), comparable(self.one_of), self.unique

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constrained) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class ListOf(Node):
    """A list of any length."""

    item: Type

    @override
    def render(self) -> str:
        return f"list[{self.item.render()}]"

    @override
    def children(self) -> tuple[Type, ...]:
        return (self.item,)

    @override
    def map_children(self, change: Callable[[Type], Type]) -> Type:
        return ListOf(change(self.item))


@dataclass(frozen=True, slots=True)
class TupleOf(Node):
    """A list with a type for each place."""

    items: tuple[Type, ...]

    @override
    def render(self) -> str:
        return f"tuple[{', '.join(item.render() for item in self.items)}]"

    @override
    def children(self) -> tuple[Type, ...]:
        return self.items

    @override
    def map_children(self, change: Callable[[Type], Type]) -> Type:
        return TupleOf(tuple(map(change, self.items)))


@dataclass(frozen=True, slots=True)
class MapOf(Node):
    """An object without named fields."""

    key: Type
    value: Type

    @override
    def render(self) -> str:
        return f"dict[{self.key.render()}, {self.value.render()}]"

    @override
    def children(self) -> tuple[Type, ...]:
        return (self.key, self.value)

    @override
    def map_children(self, change: Callable[[Type], Type]) -> Type:
        return MapOf(change(self.key), change(self.value))


@dataclass(frozen=True, slots=True)
class Union(Node):
    """One of several types; ``None`` stands last.

    Attributes:
        members: the types, two or more, none of them a union itself unless it is tagged.
        tag: the field that tells the members apart, by its Python name (by its wire name while
            types are planned).
        place: where the contract names the tag.
    """

    members: tuple[Type, ...]
    tag: str | None = None
    place: str = field(default="", compare=False)

    @override
    def render(self) -> str:
        union = " | ".join(member.render() for member in self.members)
        if self.tag is None:
            return union
        return f"Annotated[{union}, {_field({'discriminator': self.tag})}]"

    @override
    def children(self) -> tuple[Type, ...]:
        return self.members

    @override
    def map_children(self, change: Callable[[Type], Type]) -> Type:
        return replace(self, members=tuple(map(change, self.members)))


@dataclass(frozen=True, slots=True)
class Wrapped(Node):
    """A type in one of the runtime's generic aliases: ``Omittable`` or ``Tag``."""

    alias: str
    type: Type

    @override
    def render(self) -> str:
        return f"{self.alias}[{self.type.render()}]"

    @override
    def children(self) -> tuple[Type, ...]:
        return (self.type,)

    @override
    def map_children(self, change: Callable[[Type], Type]) -> Type:
        return Wrapped(self.alias, change(self.type))


Type: TypeAlias = Scalar | Named | Values | Constrained | ListOf | TupleOf | MapOf | Union | Wrapped

JSON_VALUE = Scalar("JsonValue")
NONE = Scalar("None")
STR = Scalar("str")
ANY_LIST = ListOf(JSON_VALUE)
ANY_MAP = MapOf(STR, JSON_VALUE)


def union_of(members: Iterable[Type]) -> Type:
    """The union of ``members``, each once, ``None`` last; any JSON value where one is that."""
    unique: dict[Type, None] = {}
    for member in members:
        is_plain = isinstance(member, Union) and member.tag is None
        unique.update(dict.fromkeys(member.children() if is_plain else (member,)))
    if JSON_VALUE in unique or not unique:
        return JSON_VALUE
    if NONE in unique:
        del unique[NONE]
        unique[NONE] = None
    types = tuple(unique)
    return types[0] if len(types) == 1 else Union(types)


def without_constraints(type_: Type) -> Type:
    """A type as a signature shows it to people."""
    if isinstance(type_, Constrained):
        return without_constraints(type_.type)
    if isinstance(type_, Named):
        return Named(type_.name)
    if isinstance(type_, Wrapped) and type_.alias != "Omittable":
        return without_constraints(type_.type)
    plain = type_.map_children(without_constraints)
    if isinstance(plain, Union):
        return union_of(plain.members)
    return plain


def named_in(type_: Type) -> Iterator[Named]:
    """Yield the classes and aliases that a type uses, in order."""
    if isinstance(type_, Named):
        yield type_
    for child in type_.children():
        yield from named_in(child)


def size(type_: Type) -> int:
    """How many types a type is made of."""
    return 1 + sum(map(size, type_.children()))


def constant_of(type_: Type) -> str | None:
    """The one value of a type that has no other, as an expression; null is none."""
    match type_:
        case Values(values=(value,)) | Constrained(one_of=(value,)):
            return value_literal(value)
        case Wrapped(type=inner):
            return constant_of(inner)
        case _:
            return None


def _field(arguments: Mapping[str, Any]) -> str:
    given = (f"{name}={value_literal(value)}" for name, value in arguments.items())
    return f"Field({', '.join(given)})"


def value_literal(value: Any) -> str:
    """The Python literal for a JSON value."""
    if isinstance(value, str):
        return literal(UntrustedText(value))
    fields, items = as_object(value), as_array(value)
    if fields is not None:
        pairs = (f"{value_literal(key)}: {value_literal(item)}" for key, item in fields.items())
        return f"{{{', '.join(pairs)}}}"
    if items is not None:
        return f"[{', '.join(map(value_literal, items))}]"
    return repr(value)


__all__ = [
    "ANY_LIST", "ANY_MAP", "JSON_VALUE", "NONE", "STR", "Constrained", "ListOf", "MapOf", "Named",
    "Scalar", "TupleOf", "Type", "Union", "Values", "Wrapped", "constant_of", "named_in", "size",
    "union_of", "value_literal", "without_constraints",
]  # fmt: skip
