"""What of a model is sent, as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from enum import Enum
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticSerializationError

from ..errors import InvalidRequest
from ..json_value import JsonFields, as_object, json_path
from .base import JsonModel, RequestModel, is_closed
from .plain import plain_fields, sent_fields_of


def sent_fields(model: BaseModel) -> JsonFields:
    """What its author said with a model, under the wire names, as JSON values.

    That is the fields that were set, or changed since, and tags (fields whose only value is a
    constant; servers tell the members of a union by them). Fields left alone are left out, so that
    the *server's* default applies: the contract's schema does not tell what a ``default_factory``
    makes, and a server's newer default should win over the one that this client was generated
    with. So are the unknown fields that a closed model was received with.
    """
    if (plain := plain_fields(model)) is not None:
        return JsonFields(plain)
    try:
        dumped = model.model_dump(mode="json", by_alias=True, warnings="error", fallback=_plain)
        _leave_out(model, dumped)
    except (PydanticSerializationError, UnicodeDecodeError, _NotJson) as error:
        raise InvalidRequest(_not_json(model) or f"this can't be sent: {error}") from error
    return JsonFields(dumped)


def _leave_out(value: Any, dumped: Any) -> None:
    """Drop from ``dumped`` what isn't sent of ``value``. _NotJson: it holds what JSON doesn't."""
    if isinstance(value, JsonModel):
        _leave_out_of_model(value, dumped)
    elif (fields := as_object(value)) is not None:
        for item, inner in zip(fields.values(), dumped.values(), strict=True):
            if type(item) not in _PLAIN:
                _leave_out(item, inner)
    elif isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        if not _are_numbers(items):
            for item, inner in zip(items, dumped, strict=True):
                if type(item) not in _PLAIN:
                    _leave_out(item, inner)
    elif _is_not_json(value):
        raise _NotJson


_PLAIN = frozenset({str, int, bool, type(None)})


def _leave_out_of_model(model: JsonModel, dumped: dict[str, Any]) -> None:
    values, was_set = model.__dict__, model.model_fields_set
    for name, alias, may_be_left_out, default, *_ in sent_fields_of(type(model)):
        value = values.get(name)
        if may_be_left_out and name not in was_set and value == default:
            dumped.pop(alias, None)
        elif type(value) not in _PLAIN:
            _leave_out(value, dumped.get(alias))
    for name, value in (model.__pydantic_extra__ or {}).items():
        if is_closed(model):
            dumped.pop(name, None)
        else:
            _leave_out(value, dumped[name])


# --- JSON's rule ----------------------------------------------------------------------------------


class _NotJson(Exception):
    """pydantic has dumped a value that JSON doesn't have: NaN as null, bytes as text."""


def _is_not_json(value: Any) -> bool:
    if isinstance(value, float):
        return not math.isfinite(value)
    return isinstance(value, _NOT_JSON)


_NOT_JSON = (bytes, bytearray, set, frozenset)


def _are_numbers(items: list[Any]) -> bool:
    """Whether all are numbers that JSON has; adding them up is the quickest way to tell."""
    try:
        return math.isfinite(sum(items))
    except (TypeError, OverflowError):
        return False


def _plain(value: Any) -> Any:
    """A numpy scalar or array as a number or a list; numpy is not imported for it."""
    if type(value).__module__ != "numpy":
        raise _NotJson
    plain = value.tolist()
    if _bad_value(plain, ()) is not None:
        raise _NotJson
    return plain


def _not_json(model: BaseModel) -> str | None:
    """What is wrong with the first value that JSON doesn't have, and where it stands."""
    found = _bad_value(model, ())
    if found is None:
        return None
    path, value = found
    shown = f"{value!r}" if isinstance(value, float) else f"a value of type {type(value).__name__}"
    return f"{json_path(path)}: {shown} can't be sent as JSON"


def _bad_value(value: Any, path: tuple[str | int, ...]) -> tuple[tuple[str | int, ...], Any] | None:
    items: Iterable[tuple[str | int, Any]]
    if isinstance(value, BaseModel):
        items = {**value.__dict__, **(value.__pydantic_extra__ or {})}.items()
    elif (fields := as_object(value)) is not None:
        items = fields.items()
    elif isinstance(value, list | tuple):
        items = enumerate(cast("list[Any]", value))
    elif type(value).__module__ == "numpy":
        return _bad_value(value.tolist(), path)
    else:
        return (path, value) if _is_not_json(value) or not isinstance(value, _JSON) else None
    return next(filter(None, (_bad_value(item, (*path, key)) for key, item in items)), None)


_JSON = (str, int, float, bool, type(None), date, time, timedelta, UUID, Enum)


# --- for generated code ---------------------------------------------------------------------------


def wire_fields(action: RequestModel, *models: type[RequestModel]) -> dict[str, Any]:
    """The fields of an action as JSON, by wire name. InvalidRequest: it is none of ``models``."""
    if not isinstance(action, models):
        raise InvalidRequest(_not_an_action(action, models))
    return sent_fields(action)


def _not_an_action(given: Any, models: tuple[type[RequestModel], ...]) -> str:
    wanted = " or ".join(model.__name__ for model in models)
    if isinstance(given, dict):
        how = "pass its fields, step(**fields)"
        if len(models) > 1:  # each has fields of its own
            how = f"make one of them, as in step({models[0].__name__}(**fields))"
        return f"step() takes {wanted}, not a dict: {how}"
    if type(given).__name__ in (model.__name__ for model in models):
        return (
            f"step() takes {wanted}, and this {type(given).__name__} is of another class: "
            f"{type(given).__module__} was reloaded or imported twice. Import the client again"
        )
    return f"step() takes {wanted}, not {type(given).__name__}"


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
