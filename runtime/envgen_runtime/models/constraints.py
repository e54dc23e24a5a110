"""Constraints of JSON Schema that pydantic has no word for, as metadata of ``Annotated``."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Annotated, Any, TypeAlias, TypeVar, cast

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, PydanticKnownError, core_schema

T = TypeVar("T")


class _NotNull:
    """Refuses null, which the type has for a field that was left out."""

    __slots__ = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_check_not_null, handler(source))


def _check_not_null(value: Any) -> Any:
    if value is None:
        raise PydanticCustomError("null", "The field may be left out, but not be null")
    return value


Omittable: TypeAlias = Annotated[T | None, _NotNull()]
"""The type of a field that may be left out: it reads as None then, but null is refused."""


class OneOf:
    """The value is one of these: ``enum`` and ``const``, for what ``Literal`` can't say."""

    __slots__ = ("_allowed", "_shown")

    def __init__(self, *values: Any) -> None:
        self._allowed = {_comparable(value): value for value in values}
        self._shown = " or ".join(repr(value) for value in values)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.check, handler(source))

    def check(self, value: Any) -> Any:
        """``value``, if it is allowed; raises pydantic's ``literal_error`` if not.

        A number comes back as it stands among the allowed ones: 1.0 as 1.
        """
        key = _comparable(value)
        if key not in self._allowed:
            raise PydanticKnownError("literal_error", {"expected": self._shown})
        return self._allowed[key] if isinstance(value, int | float) else value


class UniqueItems:
    """No item of the list is equal to another: ``uniqueItems``."""

    __slots__ = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_check_unique, handler(source))


def _check_unique(items: list[Any]) -> list[Any]:
    if len({_comparable(item) for item in items}) < len(items):
        raise PydanticCustomError("unique_items", "Items should be different from each other")
    return items


def _comparable(value: Any) -> Hashable:
    """Equal for values that are equal as JSON: 1 is 1.0, and isn't true."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list | tuple):
        return ("list", tuple(_comparable(item) for item in cast("list[Any]", value)))
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        return ("dict", frozenset((key, _comparable(item)) for key, item in fields.items()))
    if isinstance(value, BaseModel):
        return _comparable(value.model_dump(by_alias=True, exclude_unset=True))
    return cast("Hashable", value)


__all__ = ["Omittable", "OneOf", "UniqueItems"]
