"""Models whose values are JSON as they stand, so that pydantic doesn't have to dump them.

Most actions are: some texts, numbers and choices. Asking pydantic to dump one, and to refuse values
of other types, is a tenth of a step's CPU time.
"""

from __future__ import annotations

import math
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .base import wire_name
from .constraints import is_constant

_PLAIN = frozenset({str, int, float, bool, NoneType})
_TEXT: frozenset[type] = frozenset({str})
_NOTHING: frozenset[type] = frozenset()


class SentField(NamedTuple):
    """A field as it is written into a request.

    Attributes:
        name: its name in Python.
        alias: its name on the wire.
        may_be_left_out: whether it is not sent unless it was set.
        default: its default.
        types: the types of the values that are written as they are; pydantic dumps others.
        choices: the values that are, where the field is a choice.
        is_free: whether it takes anything that JSON has: its schema has no type for what is in it.
    """

    name: str
    alias: str
    may_be_left_out: bool
    default: Any
    types: frozenset[type]
    choices: frozenset[Any] | None
    is_free: bool


@cache
def sent_fields_of(model: type[BaseModel]) -> tuple[SentField, ...]:
    """The fields of a model as they are written."""
    is_plain = not _has_own_ways(model)
    fields: list[SentField] = []
    for name, info in model.model_fields.items():
        alias = wire_name(name, info)
        types, choices = _NOTHING, None
        if is_plain and not _is_dumped_otherwise(info, alias):
            types, choices = _plain_types(info.annotation)
        fields.append(
            SentField(
                name,
                alias,
                not info.is_required() and not _is_tag(info),
                info.get_default(call_default_factory=True, validated_data={}),
                types,
                choices,
                _is_free(info.annotation),
            )
        )
    return tuple(fields)


def plain_fields(model: BaseModel) -> dict[str, Any] | None:
    """What is sent of a model, by wire name; None if one of its values has to be dumped."""
    if model.__pydantic_extra__:
        return None
    values, was_set = model.__dict__, model.__pydantic_fields_set__
    sent: dict[str, Any] = {}
    for name, alias, may_be_left_out, default, types, choices, _ in sent_fields_of(type(model)):
        value: Any = values.get(name)
        if may_be_left_out and name not in was_set and value == default:
            continue
        if not is_plain(value, types, choices):
            return None
        sent[alias] = value
    return sent


def is_plain(value: Any, types: frozenset[type], choices: frozenset[Any] | None) -> bool:
    """Whether a value is written as it stands. The arguments are as in ``SentField``."""
    if type(value) not in types or (choices is not None and value not in choices):
        return False
    return not isinstance(value, float) or math.isfinite(value)


def _plain_types(annotation: Any) -> tuple[frozenset[type], frozenset[Any] | None]:
    """The types of an annotation, if JSON has them all, and its values, if they are given."""
    if get_origin(annotation) is Literal:
        values = get_args(annotation)
        if all(type(value) is str for value in values):  # not 1, which True would pass for
            return _TEXT, frozenset(values)
        return _NOTHING, None
    is_union = get_origin(annotation) in (Union, UnionType)
    types = frozenset(get_args(annotation) if is_union else (annotation,))
    return (types if types <= _PLAIN else _NOTHING), None


def _is_free(annotation: Any) -> bool:
    """Whether anything is among the types of an annotation, and no key but strings."""
    waiting, seen = [annotation], set[int]()
    is_free = False
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        inner = get_args(one)
        if get_origin(one) is dict and inner[0] is not str:
            return False
        waiting += [one.__value__] if hasattr(one, "__value__") else inner
        is_free = is_free or one in (Any, object, dict, list)
    return is_free


def _is_tag(info: FieldInfo) -> bool:
    is_one = get_origin(info.annotation) is Literal and len(get_args(info.annotation)) == 1
    return is_one or is_constant(info)


# --- what makes pydantic dump something else -----------------------------------------------------


def _has_own_ways(model: type[BaseModel]) -> bool:
    """Whether a model says itself how it is dumped, as a subclass in a user's code may."""
    decorators = model.__pydantic_decorators__
    return bool(
        decorators.field_serializers
        or decorators.model_serializers
        or decorators.computed_fields
        or model.model_config.get("json_encoders")
        or model.model_dump is not BaseModel.model_dump
    )


def _is_dumped_otherwise(info: FieldInfo, alias: str) -> bool:
    """Whether a field is left out, written under another name, or has a serializer."""
    has_hook = any(hasattr(item, "__get_pydantic_core_schema__") for item in info.metadata)
    return bool(
        info.exclude
        or getattr(info, "exclude_if", None)
        or info.serialization_alias not in (None, alias)
        or (has_hook and not is_constant(info))
    )
