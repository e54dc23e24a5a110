"""The example in a client's docstring, with the environment's own reset and action."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..plan.plan import Plan, PlannedAlias, PlannedClass
from ..plan.scalars import FIELD_KEYWORDS, JSON_TYPES, fits
from ..plan.types import (
    JSON_VALUE,
    NONE,
    Constrained,
    ListOf,
    MapOf,
    Named,
    Scalar,
    TupleOf,
    Type,
    Union,
    Values,
    Wrapped,
    value_literal,
)
from ..text import UntrustedText, literal
from .layout import broken

if TYPE_CHECKING:
    from ..contract.wire import ToolServer, Wire

_MAX_DEPTH = 5
_MAX_LENGTH = 40  # of strings
_MAX_ITEMS = 3

_EMPTY = ("None", "[]", "{}")
_STRINGS = ("...", "a", "0", "A", "example", "a0", "2026-01-01", "12:00", "00000000", "a@b.example")


def example(plan: Plan, *, takes_fields: bool, wire: Wire | ToolServer | None = None) -> str:
    """A program that resets the environment and takes one step.

    Args:
        plan: what is rendered.
        takes_fields: whether ``step`` takes the action's fields as keywords.
        wire: how the contract travels, if its server has routes of its own.
    """
    values = _Values(plan)
    reset = plan.parts.get("reset_parameters")
    parameters = values.arguments(plan.classes[reset.name]) if reset is not None else None
    routes = None if wire is None or wire.calls_tools is True else wire
    takes_seed = wire is None or (routes is not None and "seed" in routes.reset.http.names)
    seed = {"seed": "7"} if takes_seed else {}
    needed = f", parameters={_given(routes)}" if routes is not None and routes.arguments else ""
    calls = [
        f"result = env.reset({_joined({**seed, **(parameters or {})})})",
        f"result = env.step({_action(plan, values, takes_fields)})",
    ]
    lines = [
        f'with {plan.client}("http://127.0.0.1:8000"{needed}) as env:',
        *(line for call in calls for line in broken(call, indent=4)),
        "    print(result.observation, result.reward, result.done)",
    ]
    return "\n".join(lines)


def _given(wire: Wire) -> str:
    """The parameters that a client can't do without."""
    return f"{{{', '.join(f'{literal(UntrustedText(name))}: ...' for name in wire.arguments)}}}"


def _action(plan: Plan, values: _Values, takes_fields: bool) -> str:
    """What the example passes to ``step``."""
    for name in plan.parts["action"].models:
        model = plan.classes[name]
        arguments = values.arguments(model)
        if arguments is not None:
            given = _joined(arguments or values.any_argument(model))
            return given if takes_fields and given else f"{name}({given})"
    return "policy(result.observation)"


def _joined(arguments: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in arguments.items())


class _Values:
    """Values of planned types, as Python expressions; None where no simple value is known."""

    def __init__(self, plan: Plan) -> None:
        self._definitions = plan.definitions
        self._depth = 0

    def arguments(self, model: PlannedClass) -> dict[str, str] | None:
        """Values for the required fields of a class."""
        needed = [item for item in model.fields if item.default is None]
        values = {item.name: self._value(item.type) for item in needed}
        found = {name: value for name, value in values.items() if value is not None}
        return found if len(found) == len(values) else None

    def any_argument(self, model: PlannedClass) -> dict[str, str]:
        """A value for one field of a class that requires none, so that an example shows one."""
        values = ((item.name, self._value(item.type)) for item in model.fields)
        shown = [(name, value) for name, value in values if value and value not in _EMPTY]
        return dict(shown[:1])

    def _value(self, type_: Type) -> str | None:
        match type_:
            case Named(name=name):
                value = self._named(name.removeprefix("_"))
            case Values(values=(first, *_)) | Constrained(one_of=(first, *_)):
                value = value_literal(first)
            case Union(members=members):
                value = next(filter(None, map(self._value, members)), None)
            case TupleOf(items=items):
                values = [self._value(item) for item in items]
                value = None if None in values else f"({', '.join(map(str, values))},)"
            case Constrained(type=inner, limits=limits, unique=unique):
                value = self._limited(inner, limits, is_unique=unique)
            case Wrapped(type=inner):
                value = self._value(inner)
            case _:
                value = self._limited(type_, {}, is_unique=False)
        return value

    def _limited(self, type_: Type, limits: Mapping[str, Any], *, is_unique: bool) -> str | None:
        match type_:
            case ListOf() | MapOf():
                return self._container(type_, limits, is_unique=is_unique)
            case Scalar(name=name) if type_ != NONE and name in JSON_TYPES:
                return _scalar(name, limits)
            case Scalar():
                return {JSON_VALUE: '"..."', NONE: "None"}.get(type_)
            case _:
                return self._value(type_)

    def _container(
        self, type_: ListOf | MapOf, limits: Mapping[str, Any], *, is_unique: bool
    ) -> str | None:
        count = int(limits.get("min_length", 0))
        if count == 0:
            return "[]" if isinstance(type_, ListOf) else "{}"
        if isinstance(type_, MapOf) or count > (1 if is_unique else _MAX_ITEMS):
            return None
        value = self._value(type_.item)
        return None if value is None else f"[{', '.join([value] * count)}]"

    def _named(self, name: str) -> str | None:
        if self._depth == _MAX_DEPTH:
            return None
        self._depth += 1
        try:
            definition = self._definitions[name]
            if isinstance(definition, PlannedAlias):
                return self._value(definition.type)
            arguments = self.arguments(definition)
        finally:
            self._depth -= 1
        return f"{name}({_joined(arguments)})" if arguments is not None else None


def _scalar(name: str, limits: Mapping[str, Any]) -> str | None:
    known = {FIELD_KEYWORDS[key]: limits[key] for key in limits if key in FIELD_KEYWORDS}
    candidates = _strings(limits) if name == "str" else _numbers(limits, name)
    fitting = (value for value in candidates if fits(JSON_TYPES[name], known, value))
    return next(map(value_literal, fitting), None)


def _strings(limits: Mapping[str, Any]) -> Iterator[str]:
    least, most = limits.get("min_length", 0), limits.get("max_length", _MAX_LENGTH)
    for text in _STRINGS:
        yield text
        yield text.ljust(min(least, _MAX_LENGTH), text[-1])[:most]


def _numbers(limits: Mapping[str, Any], name: str) -> Iterator[bool | int | float]:
    if name == "bool":
        yield True
        return
    step = limits.get("multiple_of", 1)
    numbers: list[int | float] = [0, 1]
    for limit, sign in (("ge", 1), ("gt", 1), ("le", -1), ("lt", -1)):
        if limit in limits:
            bound = limits[limit]
            numbers += [bound, bound + sign * step, bound // step * step + sign * step]
            numbers += [bound + sign / 1024]
    for number in numbers:
        if name == "float":
            yield float(number)
        elif isinstance(number, int):
            yield number
