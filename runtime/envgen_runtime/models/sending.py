"""What of a model is sent, as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from enum import Enum
from functools import partial
from typing import Any, cast

from pydantic import BaseModel, ValidationError
from pydantic_core import SchemaSerializer, core_schema, to_json

from ..errors import InvalidRequest
from ..json_value import (
    Inner,
    JsonFields,
    first_not_json,
    from_numpy,
    is_json_scalar,
    is_numpys,
    is_refused,
    violations,
)
from .base import JsonModel, RequestModel, is_closed
from .plain import is_plain, plain_fields, sent_fields_of


def sent_fields(model: BaseModel) -> JsonFields:
    """What its author said with a model, under the wire names, as JSON values.

    That is the fields that were set, or changed since, and tags (fields whose only value is a
    constant; servers tell the members of a union by them). Fields left alone are left out, so that
    the *server's* default applies: the contract's schema does not tell what a ``default_factory``
    makes, and a server's newer default should win over the one that this client was generated
    with. So are the unknown fields that a closed model was received with.

    Raises:
        InvalidRequest: JSON doesn't have a value, or the model's class doesn't take it: one that
            was made or changed without validation.
    """
    if (plain := plain_fields(model)) is not None:
        return JsonFields(plain)
    sent = _written(model, model.model_dump)
    if _is_unvalidated(model, sent) and (misfit := _misfit(model, sent)) is not None:
        shown, path = misfit
        raise InvalidRequest(shown, path=path)
    return sent


def sent_parameters(values: Mapping[str, Any]) -> JsonFields:
    """Values by wire name, as ``sent_fields`` sends those of a field that takes anything.

    Raises:
        InvalidRequest: JSON doesn't have one.
    """
    if (found := first_not_json(values, _fields_of)) is not None:
        raise InvalidRequest(str(found), path=found.path)
    return _written(values, partial(_ANYTHING.to_python, values))


def check_texts(fields: JsonFields) -> None:
    """Refuse a text that UTF-8 doesn't have, which ``sent_fields`` leaves to the writer.

    Raises:
        InvalidRequest: there is one.
    """
    try:
        to_json(fields)  # quicker than looking at each of them
    except ValueError as error:
        found = first_not_json(fields)
        raise InvalidRequest(str(found or error), path=found.path if found else None) from error


def _written(value: Any, dump: Callable[..., Any]) -> JsonFields:
    try:
        dumped = dump(mode="json", by_alias=True, warnings="error", fallback=_from_numpy)
        _leave_out(value, dumped, True)
    except (TypeError, ValueError, RecursionError, _NotJson) as error:  # as of a list in itself
        found = first_not_json(value, _fields_of)
        if found is not None:
            raise InvalidRequest(str(found), path=found.path) from error
        shown, path = _undumped_misfit(value) or (f"this can't be sent: {error}", None)
        raise InvalidRequest(shown, path=path) from error
    return JsonFields(dumped)


_ANYTHING = SchemaSerializer(core_schema.any_schema())


def _leave_out(value: Any, dumped: Any, is_free: bool) -> None:
    """Drop from ``dumped`` what isn't sent of ``value``.

    Args:
        value: a value that pydantic has dumped.
        dumped: what it has made of it.
        is_free: whether the schema has no type for it: then JSON has to have it as it is.

    Raises:
        TypeError: it holds a key that is no text.
        _NotJson: it holds another value that JSON doesn't have.
    """
    if isinstance(value, dict):
        fields, inners = cast("dict[str, Any]", value), dumped.values()
        if is_free:
            "".join(fields)  # the quickest way to tell that the keys are texts
        items: Collection[Any] = fields.values()
    elif isinstance(value, list | tuple):
        if _are_numbers(dumped):
            return
        items, inners = cast("list[Any]", value), dumped
    else:
        _leave_out_of_other(value, dumped, is_free)
        return
    for item, inner in zip(items, inners, strict=True):
        kind = type(item)  # pyright: ignore[reportUnknownVariableType]
        if kind is float:
            if not math.isfinite(item):
                raise _NotJson
        elif kind not in _PLAIN:
            _leave_out(item, inner, is_free)


def _leave_out_of_other(value: Any, dumped: Any, is_free: bool) -> None:
    """``_leave_out`` for what is no list and no dict."""
    if isinstance(value, JsonModel):
        _leave_out_of_model(value, dumped)
    elif is_refused(value):
        raise _NotJson
    elif is_free and not isinstance(value, float):
        _check_free(value, dumped)


_PLAIN = frozenset({str, int, bool, type(None)})


def _leave_out_of_model(model: JsonModel, dumped: dict[str, Any]) -> None:
    values, was_set = model.__dict__, model.model_fields_set
    for name, alias, may_be_left_out, default, _, _, is_free in sent_fields_of(type(model)):
        value = values.get(name)
        if may_be_left_out and name not in was_set and value == default:
            dumped.pop(alias, None)
        elif type(value) not in _PLAIN:
            _leave_out(value, dumped.get(alias), is_free)
    for name, value in (model.__pydantic_extra__ or {}).items():
        if is_closed(model):
            dumped.pop(name, None)
        else:
            _leave_out(value, dumped[name], True)


# --- JSON's rule ----------------------------------------------------------------------------------


class _NotJson(Exception):
    """JSON doesn't have a value, whatever pydantic made of it: null of NaN, text of a fraction."""


def _check_free(value: Any, dumped: Any) -> None:
    if isinstance(value, BaseModel):  # of the user's own, whose fields have types
        for item in value.__dict__.values():
            if is_refused(item):
                raise _NotJson
    elif isinstance(value, Enum):
        _leave_out(value.value, dumped, True)
    elif not is_json_scalar(value) and not is_numpys(value):
        raise _NotJson


def _is_unvalidated(model: BaseModel, sent: Mapping[str, Any]) -> bool:
    """Whether a value may be none that its field takes, though pydantic has dumped it.

    It doesn't look whether a choice is one, and takes None, or no value, for anything.
    """
    return any(
        field.types
        and (field.alias in sent or not field.may_be_left_out)
        and not is_plain(model.__dict__.get(field.name), field.types, field.choices)
        for field in sent_fields_of(type(model))
    )


def _misfit(model: BaseModel, sent: Mapping[str, Any]) -> tuple[str, str] | None:
    """Where, and with its path, the class of a model refuses what would be sent of it."""
    try:
        type(model).model_validate(sent)
    except ValidationError as error:
        return violations(error, "$")
    return None


def _undumped_misfit(value: Any) -> tuple[str, str] | None:
    """``_misfit`` of what pydantic has refused to dump, if it is a model."""
    if not isinstance(value, BaseModel):
        return None
    try:
        dumped = value.model_dump(mode="json", by_alias=True, warnings=False, fallback=str)
        _leave_out(value, dumped, True)
    except (TypeError, ValueError, _NotJson):
        return None
    return _misfit(value, dumped)


def _are_numbers(dumped: list[Any]) -> bool:
    """Whether all are numbers that JSON has; adding them up is the quickest way to tell.

    What pydantic has made of other values is none, as the text of a fraction.
    """
    if dumped and type(dumped[0]) in _NO_NUMBERS:
        return False
    try:
        return math.isfinite(sum(dumped))
    except (TypeError, OverflowError):
        return False


_NO_NUMBERS = frozenset({str, dict, list})


def _from_numpy(value: Any) -> Any:
    """What pydantic dumps in place of a value that it doesn't know."""
    plain = from_numpy(value)
    if plain is value or is_numpys(plain) or first_not_json(plain, _fields_of) is not None:
        raise _NotJson
    return plain


def _fields_of(value: Any) -> Inner | None:
    if isinstance(value, JsonModel):
        values = value.__dict__
        known = [
            (field.alias, values[field.name], field.is_free)
            for field in sent_fields_of(type(value))
            if field.name in values
        ]
        extra = {} if is_closed(value) else value.__pydantic_extra__ or {}
        return [*known, *((name, item, True) for name, item in extra.items())]
    if isinstance(value, BaseModel):
        return [(name, item, False) for name, item in value.__dict__.items()]
    return None


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
        shown, path = violations(error, "$")
        message = f"reset() doesn't take these parameters: {shown}"
        raise InvalidRequest(message, path=path) from error
