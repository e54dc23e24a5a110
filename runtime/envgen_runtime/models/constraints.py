"""Constraints of JSON Schema that pydantic doesn't have, as metadata of ``Annotated``."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, TypeVar, cast

from pydantic import BeforeValidator, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

from ..json_value import comparable

T = TypeVar("T")


def _check_not_null(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("null", "The field may be left out, but not be null")
    return value


Omittable: TypeAlias = Annotated[T | None, BeforeValidator(_check_not_null)]
"""The type of a field that may be left out: it reads as None then, but null is refused."""


CONSTANT = "envgen_constant"
"""The key in a schema's metadata that marks a ``constant``."""

AS_TAG = "envgen_tag"
"""The key in a schema's metadata that marks a ``Tag``."""


class _Marked:
    """Marks a schema for the rewriting of the model that it is in."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        self.key = key

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        schema = cast("dict[str, Any]", handler(source))
        metadata = {**schema.get("metadata", {}), self.key: True}
        return cast("CoreSchema", {**schema, "metadata": metadata})


def constant(value: T) -> T:
    """The default of a field that is required and has one value: constructors fill it in."""
    field = FieldInfo(default=value)
    field.metadata.append(_Marked(CONSTANT))
    return cast("T", field)


Tag: TypeAlias = Annotated[T, _Marked(AS_TAG)]
"""The type of a field whose integers tell the members of a union apart."""


def is_constant(field: FieldInfo) -> bool:
    """Whether a field is a ``constant``."""
    return any(isinstance(item, _Marked) and item.key == CONSTANT for item in field.metadata)


class OneOf:
    """The value is one of these: ``enum`` and ``const`` where ``Literal`` can't express them."""

    __slots__ = ("_allowed", "_shown")

    def __init__(self, *values: Any) -> None:
        self._allowed = {comparable(value): value for value in values}
        self._shown = " or ".join(repr(value) for value in values)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def check(self, value: Any) -> Any:
        """Return ``value`` if it is allowed, else raise; a number as the one that it equals."""
        key = comparable(value)
        if key not in self._allowed:
            raise PydanticKnownError("literal_error", {"expected": self._shown})
        return self._allowed[key] if isinstance(value, int | float) else value


class UniqueItems:
    """No two items of the list are equal as JSON: ``uniqueItems``."""

    __slots__ = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_check_unique, handler(source))


def _check_unique(items: list[Any]) -> list[Any]:
    if len({comparable(item) for item in items}) < len(items):
        raise PydanticCustomError("unique_items", "Items should be different from each other")
    return items


__all__ = [
    "AS_TAG", "CONSTANT", "Omittable", "OneOf", "Tag", "UniqueItems", "constant", "is_constant",
]  # fmt: skip
