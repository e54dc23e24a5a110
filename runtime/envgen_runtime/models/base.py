"""Base classes of generated models: strict about what is sent, tolerant of what is received.

A request that the server would refuse should fail where it is written, so unknown fields are
forbidden there. A reply may come from a newer server that has more fields than the contract
(even one that says ``additionalProperties: false``), so they are kept and readable.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    SerializationInfo,
    ValidationError,
    model_serializer,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema
from pydantic_core.core_schema import SerializerFunctionWrapHandler

from ..errors import InvalidRequest
from .json_types import exact_types


class _JsonModel(BaseModel):
    """Base of both: fields have the types that JSON Schema means."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return exact_types(handler(source))


class RequestModel(_JsonModel):
    """Base of actions and what they are made of.

    Dumping one gives what its author said: fields that were set, or changed since, and tags
    (fields whose only value is a constant; servers tell the members of a union by them). Fields
    left alone are left out, so that the *server's* default applies: the contract's schema does
    not tell what a ``default_factory`` makes, and a server's newer default should win over the
    one that this client was generated with.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True, validate_assignment=True)

    @model_serializer(mode="wrap")
    def _leave_out_untouched(
        self, handler: SerializerFunctionWrapHandler, info: SerializationInfo
    ) -> dict[str, Any]:
        dumped: dict[str, Any] = handler(self)
        for field in _omittable(type(self)):
            if (
                field.name not in self.model_fields_set
                and getattr(self, field.name) == field.default
            ):
                dumped.pop(field.alias if info.by_alias else field.name, None)
        return dumped


class _Omittable(NamedTuple):
    """A field that may be left out of a request while it is untouched."""

    name: str
    alias: str
    default: Any


@cache
def _omittable(model: type[RequestModel]) -> tuple[_Omittable, ...]:
    return tuple(
        _Omittable(
            name,
            name if info.serialization_alias is None else info.serialization_alias,
            info.get_default(call_default_factory=True, validated_data={}),
        )
        for name, info in model.model_fields.items()
        if not info.is_required() and not _is_tag(info)
    )


def _is_tag(info: FieldInfo) -> bool:
    return get_origin(info.annotation) is Literal and len(get_args(info.annotation)) == 1


class ReplyModel(_JsonModel):
    """Base of observations and states. Fields the contract doesn't know are kept as attributes."""

    model_config = ConfigDict(extra="allow", populate_by_name=True)


def wire_fields(action: RequestModel, *models: type[RequestModel]) -> dict[str, Any]:
    """The fields of an action as JSON, by wire name. InvalidRequest: it is none of ``models``."""
    if not isinstance(action, models):
        wanted = " or ".join(model.__name__ for model in models)
        raise InvalidRequest(f"step() takes {wanted}, not {type(action).__name__}")
    return action.model_dump(mode="json", by_alias=True)


def reset_fields(model: type[RequestModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """An environment's own reset parameters under their wire names, as JSON values.

    Args:
        model: what the environment takes at reset.
        values: by the model's field names. None for one that isn't required means not given:
            the server's default applies.

    Raises:
        InvalidRequest: a value is not one that the environment takes.
    """
    given = {
        name: value
        for name, value in values.items()
        if value is not None or model.model_fields[name].is_required()
    }
    try:
        return model.model_validate(given, by_name=True).model_dump(mode="json", by_alias=True)
    except ValidationError as error:
        raise InvalidRequest(f"reset() doesn't take these parameters: {error}") from error
