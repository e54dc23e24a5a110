"""The keyword form of ``step``: an action's fields in place of an action."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from inspect import Parameter, Signature, iscoroutinefunction
from typing import Any, TypedDict, TypeVar, cast, get_type_hints

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from ..errors import InvalidRequest
from ..models.base import RequestModel
from ..wire.mismatch import invalid_fields
from .misuse import mark_checked
from .stock import check_limit

R = TypeVar("R")


class StepOptions(TypedDict, total=False):
    """The options of every ``step``."""

    request_id: str | None
    """Names the request in the server's log, where the server takes a name (HTTP)."""

    timeout_s: float | None
    """Time limit in seconds, instead of the client's."""


STEP_OPTIONS = get_type_hints(StepOptions)
"""The type of each option by its name. All are None unless they are given."""


def accepts_fields(
    model: type[RequestModel],
) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Let a ``step(action, **options)`` take the fields of ``model`` as keywords instead.

    A field named like an option takes the keyword: the option can then be given beside an action
    object only. ``step(action=...)`` is the action, unless ``model`` has a field of that name. The
    decorated function's signature shows the fields.

    Args:
        model: the class of the action.
    """
    names = frozenset(model.model_fields)
    options_beside_fields = STEP_OPTIONS.keys() - names

    def action_of(args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[tuple[Any, ...], Any]:
        """The positional arguments and the options for the decorated function."""
        if not args and "action" in keywords and "action" not in names:
            args = (keywords.pop("action"),)
        _check_arguments(args, keywords, names)
        if args:
            return args, keywords
        options = {name: keywords.pop(name) for name in options_beside_fields if name in keywords}
        return (_validated(model, keywords),), options

    def decorate(step: Callable[..., R]) -> Callable[..., R]:
        awaitable = cast("Callable[..., Awaitable[Any]]", step)

        @wraps(step)
        def with_fields(self: Any, /, *args: Any, **keywords: Any) -> R:
            if len(args) == 1 and not keywords:  # the common call, without a detour
                return step(self, *args)
            actions, options = action_of(args, keywords)
            return step(self, *actions, **options)

        @wraps(step)
        async def with_fields_async(self: Any, /, *args: Any, **keywords: Any) -> Any:
            if len(args) == 1 and not keywords:
                return await awaitable(self, *args)
            actions, options = action_of(args, keywords)
            return await awaitable(self, *actions, **options)

        wrapper: Any = with_fields_async if iscoroutinefunction(step) else with_fields
        wrapper.__signature__ = _signature(step, model)
        return cast("Callable[..., R]", mark_checked(wrapper))

    return decorate


def _check_arguments(
    args: tuple[Any, ...], keywords: Mapping[str, Any], names: frozenset[str]
) -> None:
    """Raise InvalidRequest, with the thing to do, for arguments that no ``step`` takes."""
    check_limit("step", keywords, names)
    if len(args) > 1:
        example = next(iter(names), "field")
        raise InvalidRequest(
            f"step() takes one action by position, not {len(args)} values: give an action's fields "
            f"by name, as in step({example}=...)"
        )
    if args and (others := sorted(keywords.keys() - STEP_OPTIONS.keys())):
        raise InvalidRequest(
            "step() takes an action or an action's fields, not both. Beside an action it takes "
            f"{' and '.join(STEP_OPTIONS)}, not {', '.join(others)}"
        )


def _validated(model: type[RequestModel], fields: Mapping[str, object]) -> RequestModel:
    try:
        return model(**fields)
    except ValidationError as error:
        if any(detail["loc"] == ("timeout",) for detail in error.errors()):
            check_limit("step", fields, model.model_fields)
        raise invalid_fields(error, model) from error


def _has_default(item: tuple[str, FieldInfo]) -> bool:
    return not item[1].is_required()


class _StepSignature(Signature):
    """Shows the fields as ``step`` needs them; what it binds may be an action instead.

    ``mock.create_autospec`` binds every call to the signature.
    """

    bind = Signature.bind_partial


def _signature(step: Callable[..., object], model: type[RequestModel]) -> Signature:
    fields = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.is_required() else field.get_default(),
            annotation=field.annotation,
        )
        for name, field in sorted(model.model_fields.items(), key=_has_default)
    ]
    options = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in STEP_OPTIONS.items()
        if name not in model.model_fields
    ]
    # A field named "action" is a parameter of its own: two can't have one name, and no field's name
    # begins with an underscore.
    name, kind = (
        ("_action", Parameter.POSITIONAL_ONLY)
        if "action" in model.model_fields
        else ("action", Parameter.POSITIONAL_OR_KEYWORD)
    )
    positional = [
        Parameter("self", Parameter.POSITIONAL_ONLY),
        Parameter(name, kind, default=None, annotation=model | None),
    ]
    return _StepSignature(
        [*positional, *fields, *options],
        return_annotation=step.__annotations__.get("return", Signature.empty),
    )


__all__ = ["StepOptions", "accepts_fields"]
