"""The example in a client's docstring, with the environment's own reset and action."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..plan.expressions import FIELD_KEYWORDS, JSON_TYPES, fits, value_literal
from ..plan.plan import Plan, PlannedClass
from ..text import UntrustedText, literal
from .layout import broken

if TYPE_CHECKING:
    from ..contract.wire import Wire

_MAX_DEPTH = 5
_MAX_LENGTH = 40  # of strings
_MAX_ITEMS = 3

_EMPTY = ("None", "[]", "{}")
_STRINGS = ("...", "a", "0", "A", "example", "a0", "2026-01-01", "12:00", "00000000", "a@b.example")


def example(plan: Plan, *, takes_fields: bool, wire: Wire | None = None) -> str:
    """A program that resets the environment and takes one step.

    Args:
        plan: what is rendered.
        takes_fields: whether ``step`` takes the action's fields as keywords.
        wire: how the contract travels, if its server has routes of its own.
    """
    values = _Values(plan)
    reset = plan.parts.get("reset_parameters")
    parameters = values.arguments(plan.classes[reset.name]) if reset is not None else None
    takes_seed = wire is None or "seed" in wire.reset.http.names
    seed = {"seed": "7"} if takes_seed else {}
    needed = f", parameters={_given(wire)}" if wire is not None and wire.arguments else ""
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
        self._classes = plan.classes
        self._depth = 0

    def arguments(self, model: PlannedClass) -> dict[str, str] | None:
        """Values for the required fields of a class."""
        values = {item.name: self._of(item.type) for item in model.fields if item.default is None}
        found = {name: value for name, value in values.items() if value is not None}
        return found if len(found) == len(values) else None

    def any_argument(self, model: PlannedClass) -> dict[str, str]:
        """A value for one field of a class that requires none, so that an example shows one."""
        values = ((item.name, self._of(item.type)) for item in model.fields)
        shown = [(name, value) for name, value in values if value and value not in _EMPTY]
        return dict(shown[:1])

    def _of(self, expression: str) -> str | None:
        return self._value(ast.parse(expression, mode="eval").body, [])

    def _value(self, node: ast.expr, metadata: list[ast.expr]) -> str | None:
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=index):
                items = index.elts if isinstance(index, ast.Tuple) else [index]
                return self._generic(name, items, metadata)
            case ast.BinOp(left=left, right=right):
                return self._value(left, metadata) or self._value(right, metadata)
            case ast.Name(id=name) if name in self._classes:
                return self._instance(name)
            case ast.Name(id=name) if name in JSON_TYPES:
                return _scalar(name, metadata)
            case ast.Name(id="JsonValue"):
                return '"..."'
            case _:
                return "None" if ast.unparse(node) == "None" else None

    def _generic(self, name: str, items: list[ast.expr], metadata: list[ast.expr]) -> str | None:
        match name:
            case "Annotated":
                chosen = _chosen(items[1:])
                return chosen or self._value(items[0], [*metadata, *items[1:]])
            case "Literal":
                return value_literal(ast.literal_eval(items[0]))
            case "Omittable":
                return self._value(items[0], metadata)
            case "tuple":
                values = [self._value(item, []) for item in items]
                return None if None in values else f"({', '.join(map(str, values))},)"
            case "list" | "dict":
                return self._container(name, items[-1], metadata)
            case _:
                return None

    def _container(self, name: str, item: ast.expr, metadata: list[ast.expr]) -> str | None:
        count = int(_limits(metadata).get("min_length", 0))
        if count == 0:
            return "[]" if name == "list" else "{}"
        value = self._value(item, [])
        is_unique = any(ast.unparse(constraint) == "UniqueItems()" for constraint in metadata)
        if value is None or name == "dict" or count > (1 if is_unique else _MAX_ITEMS):
            return None
        return f"[{', '.join([value] * count)}]"

    def _instance(self, name: str) -> str | None:
        if self._depth == _MAX_DEPTH:
            return None
        self._depth += 1
        arguments = self.arguments(self._classes[name])
        self._depth -= 1
        return f"{name}({_joined(arguments)})" if arguments is not None else None


def _chosen(metadata: list[ast.expr]) -> str | None:
    """The first of the values that a ``OneOf`` allows."""
    for constraint in metadata:
        match constraint:
            case ast.Call(func=ast.Name(id="OneOf"), args=[first, *_]):
                return value_literal(ast.literal_eval(first))
            case _:
                pass
    return None


def _limits(metadata: list[ast.expr]) -> dict[str, Any]:
    """The keywords of every ``Field``."""
    calls = (constraint for constraint in metadata if isinstance(constraint, ast.Call))
    return {
        str(keyword.arg): ast.literal_eval(keyword.value)
        for call in calls
        for keyword in call.keywords
    }


def _scalar(name: str, metadata: list[ast.expr]) -> str | None:
    limits = _limits(metadata)
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
