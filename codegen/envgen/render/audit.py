"""Check rendered modules: anything that envgen does not emit refuses the build.

The audit knows nothing of contracts. It parses Python and accepts only the imports, statements,
calls and expressions that the templates and the models use. It stops text that escapes its literal,
and imports that a contract chose, before anything is written.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from ..errors import AuditError
from ..naming import LIBRARY

_SIBLINGS = frozenset({".client", ".models"})

# Only these and the methods below may be called.
_CALLABLES = frozenset(
    {
        "ConfigDict", "Field", "HttpRoute", "HttpWire", "JsonTypes", "Linked", "OneOf",
        "StepResult", "TypeAdapter", "TypeAliasType", "UniqueItems", "UUID", "constant",
        "reset_fields", "super", "timedelta", "wire_fields",
    }
)  # fmt: skip
_KEYWORDS: Mapping[str, frozenset[str]] = {
    "ConfigDict": frozenset({"extra"}),
    "Field": frozenset(
        {
            "alias", "default", "deprecated", "discriminator", "ge", "gt", "le", "lt", "max_length",
            "min_length", "multiple_of", "pattern",
        }
    ),
    "JsonTypes": frozenset(),
    "Linked": frozenset(),
    "OneOf": frozenset(),
    "TypeAliasType": frozenset(),
    "timedelta": frozenset({"days", "microseconds", "seconds"}),
    "UniqueItems": frozenset(),
}  # fmt: skip
_METHODS = frozenset(
    {
        "_reset_with",
        "at",
        "fromisoformat",
        "model_validate",
        "read",
        "reset",
        "state",
        "step",
        "validate_python",
        "with_lifted",
    }
)

_EXPRESSIONS = (
    ast.Attribute, ast.Await, ast.BinOp, ast.BitOr, ast.Call, ast.Constant, ast.Dict, ast.List,
    ast.Load, ast.Name, ast.Starred, ast.Store, ast.Subscript, ast.Tuple, ast.UnaryOp, ast.USub,
    ast.keyword,
)  # fmt: skip

# The builtins that generated code uses. All other names are imported or defined in the module.
_BUILTINS = frozenset({"bool", "dict", "float", "int", "list", "object", "str", "super", "tuple"})

_EXTRAS = "__pydantic_extra__"

_CONSTANTS = frozenset({"default_transport", "env_name", "fingerprint", "model_config", "wire"})

_CODEC_METHODS = frozenset({"_parse_reset", "_parse_result", "_parse_state", "_step_payload"})
_METHOD_NAMES = _CODEC_METHODS | {"reset", "state", "step"}


def audit(file: str, source: str, *, has_own_methods: bool = False) -> None:
    """Accept a rendered module.

    Args:
        file: what to call it in errors.
        source: the module.
        has_own_methods: whether classes may have methods that only a project's templates add. The
            rules for their bodies are the same.

    Raises:
        AuditError: the module has something that envgen does not emit.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise AuditError(f"the rendered {file} is not Python: {error}") from error
    _Auditor(file, has_own_methods).module(tree)


class _Auditor:
    def __init__(self, file: str, has_own_methods: bool) -> None:
        self._file = file
        self._has_own_methods = has_own_methods
        self._known: frozenset[str] = frozenset()

    def module(self, tree: ast.Module) -> None:
        self._known = _BUILTINS | {name for node in ast.walk(tree) for name in _defined(node)}
        for statement in tree.body:
            match statement:
                case ast.ImportFrom():
                    self._import(statement)
                case ast.ClassDef():
                    self._class(statement)
                case ast.Expr(value=ast.Constant(value=str())):
                    pass
                case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List() as exports):
                    self._expressions([exports])
                case ast.Assign(
                    targets=[ast.Name(id=name)],
                    value=ast.Call(
                        func=ast.Name(id="TypeAliasType"),
                        args=[ast.Constant(value=called), ast.Constant(value=str(alias))],
                        keywords=[],
                    ),
                ) if name == called:
                    self._annotations([self._parsed(alias, statement)])
                case ast.AnnAssign(
                    target=ast.Name(),
                    annotation=ast.Name(id="TypeAlias"),
                    value=ast.expr() as alias,
                ):
                    self._annotations([alias])
                case ast.AnnAssign(
                    target=ast.Name(),
                    annotation=ast.Subscript(value=ast.Name(id="TypeAdapter")),
                    value=ast.Call() as adapter,
                ):
                    if not all(isinstance(argument, ast.Name) for argument in adapter.args):
                        raise self._error(adapter)
                    self._annotations([statement.annotation])
                    self._expressions([adapter])
                case _:
                    raise self._error(statement)

    def _parsed(self, expression: str, statement: ast.stmt) -> ast.expr:
        """The type that a string in a statement stands for."""
        try:
            return ast.parse(expression, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise self._error(statement) from error

    def _import(self, statement: ast.ImportFrom) -> None:
        module = "." * statement.level + (statement.module or "")
        for alias in statement.names:
            if alias.asname is not None:
                raise self._error(statement)
            known = LIBRARY.get(alias.name) == module
            if not known and module not in _SIBLINGS and (module, alias.name) != _FUTURE:
                raise self._error(statement)

    def _class(self, definition: ast.ClassDef) -> None:
        if definition.decorator_list or definition.keywords:
            raise self._error(definition)
        self._annotations(definition.bases)
        for statement in definition.body:
            match statement:
                case ast.Expr(value=ast.Constant(value=str())) | ast.Pass():
                    pass
                case ast.AnnAssign(target=ast.Name(id=name), simple=1) if (
                    not name.startswith("_") or name == _EXTRAS
                ):
                    values = [statement.value] if statement.value is not None else []
                    self._annotations([statement.annotation])
                    self._expressions(values)
                case ast.Assign(targets=[ast.Name(id=name)]) if name in _CONSTANTS:
                    self._expressions([statement.value])
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._method(statement)
                case _:
                    raise self._error(statement)

    def _method(self, method: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = method.args
        is_own = self._has_own_methods and not method.name.startswith("_")
        if not (is_own or method.name in _METHOD_NAMES):
            raise self._error(method)
        self._decorators(method)
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        named += [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
        defaults = [*arguments.defaults, *(node for node in arguments.kw_defaults if node)]
        annotations = [argument.annotation for argument in named if argument.annotation]
        returns = [method.returns] if method.returns is not None else []
        self._annotations([*annotations, *returns])
        self._expressions(defaults)
        for statement in method.body:
            match statement:
                case ast.Expr(value=ast.Constant(value=str())):
                    pass
                case ast.Expr(value=ast.Constant(value=value)) if value is ...:
                    pass
                case ast.Assign(targets=[ast.Name()]):
                    self._expressions([statement.value])
                case ast.Return(value=ast.expr() as value):
                    self._expressions([value])
                case _:
                    raise self._error(statement)

    def _decorators(self, method: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Accept ``overload`` on a signature without a body, and ``accepts_fields`` of a class."""
        match method.decorator_list, method.body:
            case [[], _]:
                return
            case [
                [ast.Name(id="overload")],
                [ast.Expr(value=ast.Constant(value=value))],
            ] if value is ... or isinstance(value, str):
                return
            case [[ast.Call(func=ast.Name(id="accepts_fields"), args=[ast.Name() as model])], _]:
                self._expressions([model])
            case _:
                raise self._error(method)

    def _annotations(self, annotations: Iterable[ast.expr]) -> None:
        """Accept types. A string in one, outside of ``Literal``, is code: pydantic evaluates it."""
        annotations = list(annotations)
        self._expressions(annotations)
        waiting: list[ast.AST] = list(annotations)
        while waiting:
            match waiting.pop():
                case ast.Subscript(value=ast.Name(id="Literal")):
                    pass
                case ast.Call(
                    func=ast.Name(id="Field" | "JsonTypes" | "Linked" | "OneOf" | "UniqueItems")
                ):
                    pass
                case ast.Call() as call:
                    raise self._error(call)
                case ast.Constant(value=str()) as constant:
                    raise self._error(constant)
                case node:
                    waiting.extend(ast.iter_child_nodes(node))

    def _expressions(self, expressions: Iterable[ast.expr]) -> None:
        for expression in expressions:
            for node in ast.walk(expression):
                if not isinstance(node, _EXPRESSIONS):
                    raise self._error(node)
                if isinstance(node, ast.Call):
                    self._call(node)
                elif isinstance(node, ast.Attribute | ast.Name):
                    name = node.attr if isinstance(node, ast.Attribute) else node.id
                    is_known = isinstance(node, ast.Attribute) or name in self._known
                    if name.startswith("__") or not is_known:
                        raise self._error(node)
                elif not _is_harmless(node):
                    raise self._error(node)

    def _call(self, call: ast.Call) -> None:
        match call.func:
            case ast.Name(id=name) if name in _CALLABLES:
                allowed = _KEYWORDS.get(name)
                if allowed is None or all(argument.arg in allowed for argument in call.keywords):
                    return
                raise self._error(call)
            case ast.Attribute(attr=method) if method in _METHODS:
                return
            case _:
                raise self._error(call)

    def _error(self, node: ast.AST) -> AuditError:
        line = getattr(node, "lineno", 0)
        return AuditError(
            f"the rendered {self._file} has something on line {line} that envgen doesn't emit "
            f"({type(node).__name__}); nothing was written",
            hint="the contract may be hostile; if it isn't, this is a fault in envgen",
        )


def _is_harmless(node: ast.AST) -> bool:
    """Whether an operator is the one of unions, and what is unpacked has a name."""
    match node:
        case ast.BinOp():
            return isinstance(node.op, ast.BitOr)
        case ast.Starred():
            return isinstance(node.value, ast.Name)
        case _:
            return True


def _defined(node: ast.AST) -> list[str]:
    """The names that a statement defines."""
    match node:
        case ast.ImportFrom():
            return [alias.name for alias in node.names]
        case ast.ClassDef():
            return [node.name]
        case ast.arg():
            return [node.arg]
        case ast.Name(ctx=ast.Store()):
            return [node.id]
        case _:
            return []


_FUTURE = ("__future__", "annotations")
