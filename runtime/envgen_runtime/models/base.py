"""Base classes of generated models.

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
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

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
            known = properties.get(name if field is None else wire_name(name, field))
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
            if unknown and is_closed(self):  # pydantic drops what a closed model doesn't name
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
            if not options:  # as every reply is read
                return cls.__pydantic_validator__.validate_python(obj, extra=extra)
            return super().model_validate(obj, extra=extra, **options)

        @classmethod
        def model_validate_json(
            cls, json_data: Any, *, extra: Any = "allow", **options: Any
        ) -> Self:
            """As pydantic's, and unknown fields are allowed at every depth."""
            return super().model_validate_json(json_data, extra=extra, **options)


def is_closed(model: BaseModel) -> bool:
    """Whether the model has its known fields alone on the wire."""
    return model.model_config.get("extra") == "forbid"


# --- constants and descriptions -----------------------------------------------------------------


def wire_name(name: str, field: FieldInfo) -> str:
    """The name on the wire of a field."""
    return name if field.alias is None else field.alias


@cache
def _constants(model: type[BaseModel]) -> tuple[tuple[str, str, Any], ...]:
    """The required fields with one value: Python name, wire name, value."""
    return tuple(
        (name, wire_name(name, info), info.get_default())
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
