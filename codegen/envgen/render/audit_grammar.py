"""What may stand where in a rendered module: the grammars of types, data, defaults and methods.

A string is data where one of these grammars says so, and nowhere else: pydantic evaluates strings
that stand for types, wherever they are handed to it. Every function raises ``NotEmitted`` for what
its grammar doesn't have.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from typing import NoReturn

# Types that take others.
_GENERICS = frozenset(
    {
        "AsyncEnvClient", "Codec", "EnvClient", "Omittable", "StepResult", "Tag", "Tool",
        "ToolResult", "Unpack", "dict", "list", "tuple",
    }
)  # fmt: skip

_LIMITS = frozenset(
    {
        "alias", "default", "deprecated", "discriminator", "ge", "gt", "le", "lt", "max_length",
        "min_length", "multiple_of", "pattern",
    }
)  # fmt: skip

# What may be called beside a type, each with its keywords. All arguments are data.
_METADATA: Mapping[str, frozenset[str]] = {
    "Field": _LIMITS,
    "JsonTypes": frozenset(),
    "Linked": frozenset(),
    "OneOf": frozenset(),
    "UniqueItems": frozenset(),
}
_TAKES_VALUES = frozenset({"OneOf"})

_TIMES = frozenset({"date", "datetime", "time"})
_DURATION = frozenset({"days", "microseconds", "seconds"})
_FACTORIES = frozenset({"dict", "list"})

# What methods may call: functions, methods of anything, and the client's own.
_FUNCTIONS = frozenset(
    {
        "HttpRoute", "HttpWire", "StepResult", "UUID", "constant", "reset_fields", "timedelta",
        "wire_fields",
    }
)  # fmt: skip
_METHODS = frozenset(
    {
        "at", "fromisoformat", "model_validate", "read", "reset", "state", "step",
        "validate_python", "with_lifted",
    }
)  # fmt: skip
_OWN_METHODS = frozenset({"_call", "_reset_with", "_toolset"})


class NotEmitted(Exception):
    """Something that envgen doesn't emit.

    Attributes:
        line: where it stands, from 1.
        kind: the node's class.
    """

    def __init__(self, node: ast.AST, *, line: int = 0) -> None:
        super().__init__(type(node).__name__)
        self.line = line or getattr(node, "lineno", 0)
        self.kind = type(node).__name__


class Grammar:
    """The grammars of a module that may use ``names``."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = frozenset(names)

    def without(self, names: Collection[str]) -> Grammar:
        """The grammars where ``names`` stand for something else."""
        return Grammar(self._names.difference(names)) if names else self

    def known(self, name: str, node: ast.AST) -> None:
        """Accept a name that is imported, defined in the module, or one of Python's types."""
        if name not in self._names:
            raise NotEmitted(node)

    # --- types ------------------------------------------------------------------------------------

    def type(self, expression: ast.expr | None) -> None:
        """Accept a type: names, unions, generics, literals, and metadata of known kinds."""
        waiting: list[ast.expr | None] = [expression]  # not recursive: unions nest to the left
        while waiting:
            match waiting.pop():
                case ast.Name(id=name) as node:
                    self.known(name, node)
                case ast.Constant(value=None):
                    pass
                case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                    waiting += [left, right]
                case ast.Subscript(value=ast.Name(id="Literal" as head) as node, slice=inner):
                    self.known(head, node)
                    for value in _elements(inner):
                        _literal(value)
                case ast.Subscript(
                    value=ast.Name(id="Annotated" as head) as node,
                    slice=ast.Tuple(elts=[annotated, *metadata]),
                ):
                    self.known(head, node)
                    waiting.append(annotated)
                    for call in metadata:
                        self._metadata(call)
                case ast.Subscript(value=ast.Name(id=head) as node, slice=inner) if (
                    head in _GENERICS
                ):
                    self.known(head, node)
                    waiting += _elements(inner)
                case node:
                    _refuse(node)

    def quoted_type(self, text: str, statement: ast.stmt) -> None:
        """Accept the type that a string stands for."""
        if not text.isprintable():
            raise NotEmitted(statement)
        try:
            self.type(ast.parse(text, mode="eval").body)
        except (NotEmitted, SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise NotEmitted(statement) from error

    def _metadata(self, call: ast.expr) -> None:
        match call:
            case ast.Call(func=ast.Name(id=name)) if name in _METADATA:
                self.known(name, call)
                if call.args and name not in _TAKES_VALUES:
                    raise NotEmitted(call)
                for value in call.args:
                    self.data(value)
                for argument in call.keywords:
                    if argument.arg not in _METADATA[name]:
                        raise NotEmitted(call)
                    self.data(argument.value)
            case _:
                raise NotEmitted(call)

    # --- values of class bodies -------------------------------------------------------------------

    def data(self, expression: ast.expr) -> None:
        """Accept a JSON value, also as a tuple."""
        waiting: list[ast.expr | None] = [expression]
        while waiting:
            node = waiting.pop()
            if not _is_scalar(node):
                waiting += _members(node)

    def default(self, expression: ast.expr) -> None:
        """Accept what a field may have as its default."""
        waiting: list[ast.expr | None] = [expression]
        while waiting:
            node = waiting.pop()
            if isinstance(node, ast.Call):
                waiting += self._default_call(node)
            elif not _is_scalar(node):
                waiting += _members(node)

    def _default_call(self, call: ast.Call) -> list[ast.expr]:
        """The defaults within a call that makes one."""
        match call:
            case ast.Call(func=ast.Name(id="Field" as name), args=[]):
                self.known(name, call)
                return [inner for argument in call.keywords for inner in self._setting(argument)]
            case ast.Call(func=ast.Name(id="constant" as name), args=[value], keywords=[]):
                self.known(name, call)
                return [value]
            case ast.Call(
                func=ast.Subscript(value=ast.Name(id=name)) as type_,
                args=[ast.List() | ast.Dict() as value],
                keywords=[],
            ) if name in _FACTORIES:
                self.type(type_)
                return [value]
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="model_validate"),
                args=[value],
                keywords=[],
            ):
                self.known(name, call)
                self.data(value)
            case ast.Call(func=ast.Name(id="timedelta" as name), args=[]) if all(
                argument.arg in _DURATION and _is_scalar(argument.value)
                for argument in call.keywords
            ):
                self.known(name, call)
            case ast.Call(args=[text], keywords=[]) if is_text(text):
                self.known(_parser(call.func), call)
            case _:
                raise NotEmitted(call)
        return []

    def _setting(self, argument: ast.keyword) -> list[ast.expr]:
        """The defaults within an argument of ``Field``."""
        match argument.arg:
            case "default":
                return [argument.value]
            case "default_factory":
                return self._made(argument.value)
            case name if name in _LIMITS:
                self.data(argument.value)
                return []
            case _:
                raise NotEmitted(argument)

    def _made(self, factory: ast.expr) -> list[ast.expr]:
        """The defaults that a ``default_factory`` makes: an empty container's has none."""
        match factory:
            case ast.Name(id=name) if name in _FACTORIES:
                self.known(name, factory)
                return []
            case ast.Lambda(
                args=ast.arguments(posonlyargs=[], args=[], vararg=None, kwonlyargs=[], kwarg=None),
                body=ast.List() | ast.Dict() | ast.Tuple() | ast.Call() as body,
            ):
                return [body]
            case _:
                raise NotEmitted(factory)

    def constant(self, expression: ast.expr) -> None:
        """Accept the value of a class's constant: data, ``ConfigDict`` or a wire."""
        match expression:
            case ast.Call(
                func=ast.Name(id="ConfigDict"),
                args=[],
                keywords=[ast.keyword(arg="extra", value=value)],
            ) if is_text(value):
                self.known("ConfigDict", expression)
            case ast.Call(func=ast.Name(id="NemoGymWire"), args=[], keywords=[]):
                self.known("NemoGymWire", expression)
            case ast.Call(func=ast.Name(id="OpenRewardWire"), args=[name], keywords=[]) if is_text(
                name
            ):
                self.known("OpenRewardWire", expression)
            case ast.Call(func=ast.Name(id="HttpWire"), args=[]):
                self.known("HttpWire", expression)
                for argument in expression.keywords:
                    if argument.arg is None:
                        raise NotEmitted(expression)
                    self._route(argument.value)
            case _:
                self.data(expression)

    def _route(self, expression: ast.expr) -> None:
        match expression:
            case ast.Call(func=ast.Name(id="HttpRoute")) as call:
                self.known("HttpRoute", call)
                for value in [*call.args, *(argument.value for argument in call.keywords)]:
                    self.data(value)
                if any(argument.arg is None for argument in call.keywords):
                    raise NotEmitted(call)
            case _:
                self.data(expression)

    # --- methods ----------------------------------------------------------------------------------

    def value(self, expression: ast.expr | None, local: frozenset[str]) -> None:
        """Accept an expression of a method with the variables ``local``."""
        waiting: list[ast.expr | None] = [expression]
        while waiting:
            match waiting.pop():
                case ast.Name(id=name) as node:
                    if name not in local:
                        self.known(name, node)
                case ast.Call() as call:
                    waiting += self._called(call, local)
                case node if not _is_scalar(node):
                    waiting += _operands(node, local)
                case _:
                    pass

    def _called(self, call: ast.Call, local: frozenset[str]) -> Iterable[ast.expr]:
        """What a call of a method's body consists of, where it may be called."""
        arguments = [*call.args, *(argument.value for argument in call.keywords)]
        match call.func:
            case ast.Name(id="super") if not arguments and "super" not in local:
                return []
            case ast.Name(id=name) if name in _FUNCTIONS and name not in local:
                self.known(name, call)
                return arguments
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if name in _OWN_METHODS:
                return arguments
            case ast.Attribute(value=holder, attr=name) if name in _METHODS:
                return [holder, *arguments]
            case _:
                raise NotEmitted(call)


# --- parts of all grammars ------------------------------------------------------------------------


def is_text(node: ast.AST | None) -> bool:
    """Whether a node is a string: where it is a statement, a docstring."""
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def are_texts(statements: Iterable[ast.stmt]) -> bool:
    """Whether statements are docstrings."""
    return all(isinstance(item, ast.Expr) and is_text(item.value) for item in statements)


def _is_scalar(node: ast.AST | None) -> bool:
    match node:
        case ast.Constant(value=value):
            return value is None or isinstance(value, bool | int | float | str)
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=value)):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case _:
            return False


def _literal(node: ast.expr) -> None:
    if not _is_scalar(node) or (isinstance(node, ast.Constant) and isinstance(node.value, float)):
        raise NotEmitted(node)


def _members(node: ast.expr | None) -> Iterable[ast.expr]:
    match node:
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return elements
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return [*(key for key in keys if key is not None), *values]
        case _:
            return _refuse(node)


def _operands(node: ast.expr | None, local: frozenset[str]) -> Iterable[ast.expr]:
    """What an expression of a method is made of, other than a name or a call."""
    match node:
        case ast.Subscript(value=holder, slice=key) if _root(holder) in local:
            return [holder, key]
        case (
            ast.Await(value=inner)
            | ast.Attribute(value=inner)
            | ast.Starred(value=ast.Name() as inner)
        ) if not getattr(node, "attr", "").startswith("_"):
            return [inner]
        case ast.BinOp(op=ast.BitOr(), left=left, right=right):
            return [left, right]
        case ast.Dict(keys=keys, values=values):
            return [*(key for key in keys if key is not None), *values]
        case _:
            return _members(node)


def _parser(function: ast.expr) -> str:
    """The name of what reads a text: ``UUID``, or ``date`` of ``date.fromisoformat``."""
    match function:
        case ast.Name(id="UUID" as name):
            return name
        case ast.Attribute(value=ast.Name(id=name), attr="fromisoformat") if name in _TIMES:
            return name
        case _:
            return _refuse(function)


def _elements(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _root(node: ast.expr) -> str | None:
    """The name that attributes and items are taken of."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _refuse(node: ast.AST | None) -> NoReturn:
    raise NotEmitted(node if node is not None else ast.Pass())


__all__ = ["Grammar", "NotEmitted", "are_texts", "is_text"]
