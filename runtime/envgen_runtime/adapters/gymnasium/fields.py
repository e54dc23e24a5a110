"""What a space can say of a contract, as data. Neither Gymnasium nor numpy is needed for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...contract import keywords
from ...json_value import same_json


@dataclass(frozen=True, slots=True)
class Fixed:
    """A value that is always the same: ``Discrete(1)``."""

    value: Any


@dataclass(frozen=True, slots=True)
class Absent:
    """An optional field that isn't given: ``Discrete(1)``."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values, by its index: ``Discrete``."""

    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds, both inclusive; None for no bound.

    An integer with both bounds and no ``dtype`` is ``Discrete``, any other number is a ``Box`` of
    shape (1,).
    """

    is_integer: bool
    low: float | None = None
    high: float | None = None
    dtype: str | None = None

    @property
    def numpy_type(self) -> str:
        """The name of its numpy type."""
        return self.dtype or ("int64" if self.is_integer else "float64")

    @property
    def is_discrete(self) -> bool:
        """Whether its space is ``Discrete``."""
        if not self.is_integer or self.dtype is not None or self.low is None or self.high is None:
            return False
        return self.low >= -(2**63) and self.high < 2**63 and self.high - self.low < 2**63 - 1


@dataclass(frozen=True, slots=True)
class Tensor:
    """Nested arrays of numbers, of one shape: ``Box``.

    Attributes:
        shape: the length of each level.
        parts: what all numbers are; or, in one dimension, what each of them is.
    """

    shape: tuple[int, ...]
    parts: tuple[Number, ...]


@dataclass(frozen=True, slots=True)
class Flags:
    """Nested arrays of booleans, of one shape: ``MultiBinary``."""

    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class String:
    """A string: ``Text``.

    Attributes:
        min_length: in code points.
        max_length: in code points.
        charset: the characters that it may have; None for all of Unicode.
        is_json: it is the JSON of a value of any type.
    """

    min_length: int
    max_length: int
    charset: str | None = None
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class ListOf:
    """An array whose length varies: ``Sequence``. ``max_items`` is None for no limit."""

    item: Field
    min_items: int = 0
    max_items: int | None = None


@dataclass(frozen=True, slots=True)
class TupleOf:
    """An array of a fixed length: ``Tuple``. ``is_uniform``: its items have one schema."""

    items: tuple[Field, ...]
    is_uniform: bool = False


@dataclass(frozen=True, slots=True)
class Property:
    """A field of an object.

    Attributes:
        name: its name in the contract.
        field: what it is.
        has_default: where it isn't given, ``default`` is meant.
        default: the contract's.
    """

    name: str
    field: Field
    has_default: bool = False
    default: Any = None


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """An object: ``Dict``; ``Discrete(1)`` if the contract leaves nothing open.

    Attributes:
        properties: the fields that the space has.
        constants: the fields that have one value, which the space doesn't have.
        is_closed: it can't have other fields.
    """

    properties: tuple[Property, ...]
    constants: tuple[tuple[str, Any], ...] = ()
    is_closed: bool = False

    @property
    def names(self) -> frozenset[str]:
        """The names of its fields."""
        return frozenset(prop.name for prop in self.properties) | dict(self.constants).keys()


@dataclass(frozen=True, slots=True)
class Union:
    """One of some members: ``OneOf``. Each has what names its place among them; "" for none."""

    members: tuple[tuple[str, Field], ...]


Field: TypeAlias = (
    Fixed | Absent | Choice | Number | Tensor | Flags | String | ListOf | TupleOf | ObjectOf | Union
)


def json_type(value: Any) -> str:
    """The JSON type of a value; a number without a fraction is an integer."""
    return "integer" if keywords.is_of_type(value, "integer") else keywords.json_type(value)


def json_types(field: Field) -> frozenset[str]:
    """The JSON types of the values of a field."""
    match field:
        case Fixed() | Choice():
            return frozenset(map(json_type, _values(field)))
        case Number(is_integer):
            return frozenset({"integer"} if is_integer else {"integer", "number"})
        case Union(members):
            return frozenset(name for _, member in members for name in json_types(member))
        case _:
            return _TYPES[type(field)]


_TYPES: Mapping[type, frozenset[str]] = {
    String: frozenset({"string"}),
    ObjectOf: frozenset({"object"}),
    Absent: frozenset(),
    **dict.fromkeys((Tensor, Flags, ListOf, TupleOf), frozenset({"array"})),
}


def are_apart(one: Field, other: Field) -> bool:
    """Whether no value that is sent for one of two fields is a value of the other, for sure."""
    if json_types(one).isdisjoint(json_types(other)):
        return True
    if isinstance(one, Choice | Fixed) and isinstance(other, Choice | Fixed):
        return not any(same_json(value, item) for value in _values(one) for item in _values(other))
    if not isinstance(one, ObjectOf) or not isinstance(other, ObjectOf):
        return False
    constants = dict(other.constants)
    if any(
        key in constants and not same_json(constants[key], value) for key, value in one.constants
    ):
        return True
    return _has_beyond(one, other) and _has_beyond(other, one)


def _has_beyond(one: ObjectOf, other: ObjectOf) -> bool:
    """Whether an object always has a field that another can't have."""
    always = {prop.name for prop in one.properties if not may_be_absent(prop.field)}
    return other.is_closed and bool((always | dict(one.constants).keys()) - other.names)


def may_be_absent(field: Field) -> bool:
    """Whether a field is optional."""
    return isinstance(field, Union) and any(
        isinstance(member, Absent) for _, member in field.members
    )


def _values(field: Choice | Fixed) -> tuple[Any, ...]:
    return (field.value,) if isinstance(field, Fixed) else field.values
