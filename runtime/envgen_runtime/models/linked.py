"""References that are looked up when a value reaches them.

pydantic builds a class together with all that it refers to. For long chains and large rings of
classes that takes too much of Python's stack, and time that grows with the square of their number.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, GetCoreSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema
from pydantic_core.core_schema import ValidatorFunctionWrapHandler
from typing_extensions import TypeAliasType

from .json_types import JsonTypes, described_as

_UNKNOWN_FIELD = {"": None}


class Linked:
    """Marks a reference as linked; it is typed and validated like any other."""

    __slots__ = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        del handler  # it would build what is referred to
        if isinstance(source, type) and issubclass(source, BaseModel) and _is_complete(source):
            # pydantic-core takes the validator that the class already has.
            return core_schema.model_schema(
                source,
                core_schema.model_fields_schema({}),
                metadata=described_as(source.__pydantic_core_schema__),
            )
        return core_schema.no_info_wrap_validator_function(
            _Target(source).validate,
            core_schema.typed_dict_schema({}, extra_behavior="forbid"),
            serialization=core_schema.simple_ser_schema("any"),
            metadata=described_as(core_schema.any_schema()),
        )


def _is_complete(model: type[BaseModel]) -> bool:
    return model.__pydantic_complete__ or bool(model.model_rebuild(raise_errors=False))


class _Target:
    """What a reference leads to, once there is a value for it."""

    def __init__(self, source: Any) -> None:
        self._source = source

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        source = self._source
        if isinstance(source, TypeAliasType) and isinstance(source.__value__, str):
            known = vars(sys.modules[str(source.__module__)]).get(source.__value__)
            source = source if known is None else known
        exact: Any = Annotated[source, JsonTypes()]
        return TypeAdapter(exact)

    def validate(self, value: Any, closed: ValidatorFunctionWrapHandler) -> Any:
        """Validate ``value``; ``closed`` tells whether the call takes unknown fields."""
        try:
            closed(_UNKNOWN_FIELD)
        except ValidationError:
            return self._adapter.validate_python(value)
        return self._adapter.validate_python(value, extra="allow")


__all__ = ["Linked"]
