"""Calls that Python itself would refuse, with a TypeError: ``InvalidRequest``, and what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import wraps
from inspect import Parameter, iscoroutinefunction, isfunction, signature
from operator import index
from types import UnionType
from typing import Annotated, Any, ParamSpec, TypeVar, Union, cast, get_args, get_origin

from typing_extensions import get_original_bases

from ..errors import InvalidRequest
from ..printable import printable
from .stock import check_limit

P = ParamSpec("P")
R = TypeVar("R")

_CALLS = ("reset", "step", "state")
_CHECKS = "_checks_arguments"
_BY_POSITION = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)


def checks_arguments(method: Callable[P, R]) -> Callable[P, R]:
    """Have a client's method raise InvalidRequest for arguments that its signature refuses."""
    call: Callable[..., Any] = method

    @wraps(method)
    def checked(self: Any, /, *args: Any, **keywords: Any) -> Any:
        try:
            return call(self, *args, **keywords)
        except TypeError as error:
            refusal = _refusal(error, self, call, args, keywords)
        raise refusal

    @wraps(method)
    async def checked_async(self: Any, /, *args: Any, **keywords: Any) -> Any:
        try:
            begun: Awaitable[Any] = call(self, *args, **keywords)  # which only binds the arguments
        except TypeError as error:
            refusal = _refusal(error, self, call, args, keywords)
        else:
            return await begun
        raise refusal

    wrapper = checked_async if iscoroutinefunction(method) else checked
    return cast("Callable[P, R]", mark_checked(wrapper))


def mark_checked(method: Callable[P, R]) -> Callable[P, R]:
    """Note that a method refuses wrong arguments itself."""
    setattr(method, _CHECKS, True)
    return method


def needs_address(init: Callable[P, None]) -> Callable[P, None]:
    """Have a client that is made without an address say how to give it."""
    call: Callable[..., None] = init

    @wraps(init)
    def checked(self: object, /, *args: Any, **keywords: Any) -> None:
        if not args and "base_url" not in keywords:
            told = f"{type(self).__name__}() takes the server's address first, or as base_url"
            instead = next((f", not as {name}" for name in _ADDRESSES if name in keywords), "")
            raise TypeError(f"{told}{instead}")
        call(self, *args, **keywords)

    return cast("Callable[P, None]", checked)


_ADDRESSES = ("url", "uri", "address", "server_url", "host")


def check_calls(client: type) -> None:
    """Have the calls that a subclass defines anew check their arguments, too."""
    for name in _CALLS:
        method = client.__dict__.get(name)
        if isfunction(method) and not hasattr(method, _CHECKS):
            setattr(client, name, checks_arguments(method))


def checked_seed(seed: Any) -> int | None:
    """The seed of a reset as an integer: one of numpy's too, or 7.0, which JSON calls an integer.

    Raises:
        InvalidRequest: it is none.
    """
    if seed is None or type(seed) is int:
        return seed
    if isinstance(seed, float) and seed.is_integer():
        return int(seed)
    if not isinstance(seed, bool | float):
        with suppress(TypeError):
            return index(seed)
    raise InvalidRequest(
        f"reset() takes an integer as seed, not {printable(repr(seed), 60)}", path="$.seed"
    )


def checked_episode_id(episode_id: Any) -> str | None:
    """The name of an episode. InvalidRequest: it is not a string."""
    if episode_id is None or isinstance(episode_id, str):
        return episode_id
    raise InvalidRequest(
        f"reset() takes a string as episode_id, not {printable(repr(episode_id), 60)}",
        path="$.episode_id",
    )


def check_fields(action: object, sent: object) -> None:
    """Raise InvalidRequest if a client that was written by hand sends an action without fields."""
    if not isinstance(sent, dict):
        raise InvalidRequest(
            f"step() takes an action with fields; {type(action).__name__} has none"
        )


def check_request_id(request_id: Any) -> None:
    """Raise InvalidRequest for an id that HTTP can't carry as a header."""
    is_text = isinstance(request_id, str) and request_id.isascii() and request_id.isprintable()
    if not is_text or request_id != request_id.strip():
        raise InvalidRequest(f"step() takes a line of ASCII as request_id, not {request_id!r}")


def _refusal(
    error: TypeError,
    client: object,
    method: Callable[..., Any],
    args: Sequence[object],
    keywords: Mapping[str, object],
) -> Exception:
    """The error for a call that Python refused; ``error`` itself if the method's body raised it."""
    traceback = error.__traceback__
    if traceback is None or traceback.tb_next is not None:
        return error
    name = method.__name__
    _, *known = signature(method).parameters.values()  # without self
    by_name = [parameter.name for parameter in known if parameter.kind in _BY_NAME]
    check_limit(name, keywords, by_name)
    by_position = [parameter.name for parameter in known if parameter.kind in _BY_POSITION]
    takes_more = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in known)
    wrong = [f"{key}=" for key in keywords if key not in by_name and not takes_more]
    if len(args) > len(by_position):
        wrong.insert(0, f"{len(args)} value{'s' * (len(args) > 1)} by position")
    missing = [
        parameter.name
        for parameter in known[len(args) :]
        if parameter.default is Parameter.empty
        and parameter.kind in (*_BY_POSITION, Parameter.KEYWORD_ONLY)
        and parameter.name not in keywords
    ]
    given = f", not {' and '.join(wrong)}" if wrong else ""
    needed = f", and needs {', '.join(missing)}" if missing and not by_position else ""
    by_name = [key for key in by_name if key not in by_position]
    kinds = {"by position": by_position, "by name": by_name}
    takes = [f"{', '.join(names)} {kind}" for kind, names in kinds.items() if names]
    told = f"{name}() takes {' and '.join(takes) or 'nothing'}{given}{needed}"
    if name == "reset" and len(args) == 1 and isinstance(args[0], int):
        told += (
            f": write reset({', '.join([f'seed={args[0]}', *(f'{key}=...' for key in missing)])})"
        )
    if name == "step":
        told += f": make the action and pass it, as in step({_example(type(client))})"
    return InvalidRequest(told)


def _example(client: type) -> str:
    """An action of a client, by the first class that its type allows."""
    action: Any = next((found for base in client.__mro__ if (found := _action_type(base))), None)
    while get_origin(action) in (Annotated, Union, UnionType) or hasattr(action, "__value__"):
        action = action.__value__ if hasattr(action, "__value__") else get_args(action)[0]
    is_class = isinstance(action, type) and action is not Any
    return f"{action.__name__}(...)" if is_class else "action"


def _action_type(client: type) -> Any:
    """The first argument of a generic base, as in ``EnvClient[Action, Observation, State]``."""
    if "__orig_bases__" not in client.__dict__:
        return None
    arguments = (get_args(base) for base in get_original_bases(client))
    return next((some[0] for some in arguments if some and not isinstance(some[0], TypeVar)), None)
