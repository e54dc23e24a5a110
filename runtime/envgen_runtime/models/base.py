"""Base classes of generated models, and what of a model is sent.

A model that can be sent is strict: what the server would refuse should fail where it is written, so
unknown fields are forbidden. One that is only received is open, for a reply may come from a newer
server that has more fields than the contract (even one that says ``additionalProperties: false``).
What one receives can be sent, so a class that serves both is strict, and clients read replies with
``extra="allow"``: unknown fields are kept as attributes, and left out of what is sent.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from ..errors import InvalidRequest
from ..json_value import as_object
from .constraints import is_constant
from .json_types import exact_types, with_open_serialization


class JsonModel(BaseModel):
    """Base of both: fields have the types that JSON Schema means.

    JSON is read by its own names alone. Constructors take the Python names as well.
    """

    if not TYPE_CHECKING:  # type checkers know the fields of each model

        def __init__(self, /, **data: Any) -> None:
            for name, alias, value in _constants(type(self)):
                if name not in data and alias not in data:
                    data[name] = value
            self.__pydantic_validator__.validate_python(data, self_instance=self, by_name=True)

        __init__.__pydantic_base_init__ = True

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return exact_types(handler(source))

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, description in _descriptions(cls).items():
            field = cls.model_fields.get(name)
            known = properties.get(name if field is None else _wire_name(name, field))
            if known is not None:
                known.setdefault("description", description)
        return schema


class RequestModel(JsonModel):
    """Base of actions and what they are made of, whether it is received as well or not."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return with_open_serialization(super().__get_pydantic_core_schema__(source, handler))

    if not TYPE_CHECKING:  # type checkers would take any assignment

        def __setattr__(self, name: str, value: Any) -> None:
            unknown = self.__pydantic_extra__
            super().__setattr__(name, value)
            if unknown and _is_closed(self):  # pydantic drops what a closed model doesn't name
                object.__setattr__(self, "__pydantic_extra__", unknown)


class ReplyModel(JsonModel):
    """Base of observations and states.

    Fields the contract doesn't know are kept as attributes, in what can be sent as well.
    """

    model_config = ConfigDict(extra="allow")

    if not TYPE_CHECKING:  # type checkers know pydantic's own signatures

        @classmethod
        def model_validate(cls, obj: Any, *, extra: Any = "allow", **options: Any) -> Self:
            """As pydantic's, and unknown fields are allowed at every depth."""
            return super().model_validate(obj, extra=extra, **options)

        @classmethod
        def model_validate_json(
            cls, json_data: Any, *, extra: Any = "allow", **options: Any
        ) -> Self:
            """As pydantic's, and unknown fields are allowed at every depth."""
            return super().model_validate_json(json_data, extra=extra, **options)


def _is_closed(model: BaseModel) -> bool:
    return model.model_config.get("extra") == "forbid"


# --- constants and descriptions -----------------------------------------------------------------


def _wire_name(name: str, field: FieldInfo) -> str:
    return name if field.alias is None else field.alias


@cache
def _constants(model: type[BaseModel]) -> tuple[tuple[str, str, Any], ...]:
    """The required fields with one value: Python name, wire name, value."""
    return tuple(
        (name, _wire_name(name, info), info.get_default())
        for name, info in model.model_fields.items()
        if is_constant(info)
    )


def _descriptions(model: type[BaseModel]) -> dict[str, str]:
    """What stands below the fields of a model, inherited fields among them."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        module = sys.modules.get(base.__module__)
        if module is not None and issubclass(base, JsonModel):
            found |= _texts_in(module).get(base.__qualname__, {})
    return found


@cache
def _texts_in(module: ModuleType) -> dict[str, dict[str, str]]:
    """The docstrings of fields, by class: read when a JSON Schema is wanted, not at import."""
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError, SyntaxError):  # there is no source
        return {}
    texts: dict[str, dict[str, str]] = {}
    for definition in tree.body:
        if isinstance(definition, ast.ClassDef):
            texts[definition.name] = fields = {}
            for field, below in zip(definition.body, definition.body[1:], strict=False):
                match field, below:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str(text))),
                    ):
                        fields[name] = inspect.cleandoc(text)
                    case _:
                        pass
    return texts


# --- what is sent -------------------------------------------------------------------------------


class _Field(NamedTuple):
    """A field as it is written into a request."""

    name: str
    alias: str
    may_be_left_out: bool
    default: Any


@cache
def _fields(model: type[BaseModel]) -> tuple[_Field, ...]:
    return tuple(
        _Field(
            name,
            _wire_name(name, info),
            not info.is_required() and not _is_tag(info),
            info.get_default(call_default_factory=True, validated_data={}),
        )
        for name, info in model.model_fields.items()
    )


def _is_tag(info: FieldInfo) -> bool:
    is_one = get_origin(info.annotation) is Literal and len(get_args(info.annotation)) == 1
    return is_one or is_constant(info)


def sent_fields(model: BaseModel) -> dict[str, Any]:
    """What its author said with a model, under the wire names, as JSON values.

    That is the fields that were set, or changed since, and tags (fields whose only value is a
    constant; servers tell the members of a union by them). Fields left alone are left out, so that
    the *server's* default applies: the contract's schema does not tell what a ``default_factory``
    makes, and a server's newer default should win over the one that this client was generated
    with. So are the unknown fields that a closed model was received with.
    """
    dumped = model.model_dump(mode="json", by_alias=True)
    _leave_out(model, dumped)
    return dumped


def _leave_out(value: Any, dumped: Any) -> None:
    if isinstance(value, JsonModel):
        pairs: Iterable[tuple[Any, Any]] = _sent(value, dumped)
    elif (fields := as_object(value)) is not None:
        pairs = zip(fields.values(), dumped.values(), strict=True)
    else:
        pairs = zip(value, dumped, strict=True)
    for item, inner in pairs:
        if isinstance(item, _CONTAINERS):
            _leave_out(item, inner)


_CONTAINERS = (JsonModel, list, tuple, dict)


def _sent(model: JsonModel, dumped: dict[str, Any]) -> Iterator[tuple[Any, Any]]:
    """Drop what isn't sent of a model, and yield the values that are, each as it is dumped."""
    for field in _fields(type(model)):
        value = model.__dict__.get(field.name)
        is_untouched = field.may_be_left_out and field.name not in model.model_fields_set
        if is_untouched and value == field.default:
            dumped.pop(field.alias, None)
        else:
            yield value, dumped.get(field.alias)
    for name, value in (model.__pydantic_extra__ or {}).items():
        if _is_closed(model):
            dumped.pop(name, None)
        else:
            yield value, dumped[name]


def wire_fields(action: RequestModel, *models: type[RequestModel]) -> dict[str, Any]:
    """The fields of an action as JSON, by wire name. InvalidRequest: it is none of ``models``."""
    if not isinstance(action, models):
        wanted = " or ".join(model.__name__ for model in models)
        raise InvalidRequest(f"step() takes {wanted}, not {type(action).__name__}")
    return sent_fields(action)


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
        return sent_fields(model(**given))
    except ValidationError as error:
        raise InvalidRequest(f"reset() doesn't take these parameters: {error}") from error
