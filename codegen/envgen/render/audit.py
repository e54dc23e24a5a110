"""Check rendered modules: anything that envgen does not emit refuses the build.

The audit knows nothing of contracts. It reads the bytes that will be written, as Python would, and
accepts only the imports, statements and definitions that the templates and the models use; what
may stand in them, ``audit_grammar`` says. It stops text that escapes its literal, and imports that
a contract chose, before anything is written.

A name means what the audit takes it for only if nothing else is bound to it. So a module defines
each name once, and never one that it may import or that Python has; fields, parameters and
variables never have a name that types or calls are written with.
"""

from __future__ import annotations

import ast
import builtins
import io
import tokenize
from collections.abc import Iterable, Mapping

from ..errors import AuditError
from ..naming import LIBRARY, TYPE_NAMES, is_method_name, is_reserved_field
from .audit_grammar import Grammar, NotEmitted, are_texts, is_text

_SIBLINGS: Mapping[str, frozenset[str]] = {
    "__init__.py": frozenset({".client", ".models", ".tools"}),
    "client.py": frozenset({".models", ".tools"}),
    "gymnasium.py": frozenset({".client"}),
    "models.py": frozenset(),
    "tools.py": frozenset({".models"}),
    "trl.py": frozenset({".client"}),
}

_TRUSTED = LIBRARY.keys() | TYPE_NAMES
"""The names that types and calls are written with. Fields, parameters and variables have others."""

_NEVER_DEFINED = LIBRARY.keys() | frozenset(dir(builtins))
"""The names that a module doesn't define."""

_EXTRAS = "__pydantic_extra__"
_CONSTANTS = frozenset(
    {
        *("default_transport", "env_name", "fingerprint", "hints", "model_config", "server_name"),
        "wire",
    }
)
_CODEC_METHODS = frozenset({"_parse_reset", "_parse_result", "_parse_state", "_step_payload"})
_METHOD_NAMES = _CODEC_METHODS | {"reset", "state", "step", "tools"}
_MODEL_BASES = frozenset({"ReplyModel", "RequestModel"})
_CLIENT_BASES = frozenset({"AsyncEnvClient", "Codec", "EnvClient"})
_TOOLS_BASES = frozenset({"AsyncToolsClient", "AsyncToolset", "ToolsClient", "Toolset"})
_ADAPTER_BASES = frozenset({"GymnasiumEnv", "TRLEnvironment", "TRLTools"})
_WITH_TOOLS = frozenset({"AsyncToolset", "TRLEnvironment", "TRLTools", "Toolset"})
"""Bases of classes whose methods are named after tools."""

_FIELDS = frozenset(
    {
        "annotation", "arg", "args", "asname", "attr", "bases", "body", "ctx", "decorator_list",
        "defaults", "elts", "func", "id", "keys", "keywords", "kind", "kw_defaults", "kwarg",
        "kwonlyargs", "left", "level", "module", "name", "names", "op", "operand", "orelse",
        "posonlyargs", "returns", "right", "simple", "slice", "target", "targets", "test",
        "type_comment", "type_ignores", "value", "values", "vararg",
    }
)  # fmt: skip
"""The parts of syntax that are looked at. A later Python's, such as type parameters, aren't."""


def audit(file: str, source: str, *, has_own_methods: bool = False) -> None:
    """Accept a rendered module.

    Args:
        file: its name, which decides what it may import.
        source: the module.
        has_own_methods: whether classes may have methods that only a project's templates add. The
            rules for their bodies are the same.

    Raises:
        AuditError: the module has something that envgen does not emit.
    """
    content, tree = _read(file, source)
    try:
        _Auditor(file, tree, has_own_methods).module(tree)
        compile(content, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _not_python(file, error) from error
    except NotEmitted as error:
        raise AuditError(
            f"the rendered {file} has something on line {error.line} that envgen doesn't emit "
            f"({error.kind}); nothing was written",
            hint="the contract may be hostile; if it isn't, this is a fault in envgen",
        ) from error


def _read(file: str, source: str) -> tuple[bytes, ast.Module]:
    """The module's bytes, and what Python reads in them: their first lines choose an encoding."""
    for number, line in enumerate(source.split("\n"), start=1):
        if not line.replace("\t", "").isprintable():
            raise AuditError(f"the rendered {file} has a control character on line {number}")
    try:
        content = source.encode()
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        if encoding != "utf-8":
            raise AuditError(f"the rendered {file} chooses another encoding than UTF-8: {encoding}")
        return content, ast.parse(content, file)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _not_python(file, error) from error


def _not_python(file: str, error: Exception) -> AuditError:
    return AuditError(f"the rendered {file} is not Python: {error}")


class _Auditor:
    def __init__(self, file: str, tree: ast.Module, has_own_methods: bool) -> None:
        self._siblings = _SIBLINGS.get(file, frozenset())
        self._has_own_methods = has_own_methods
        self._defined = {name: node for node in tree.body for name in _defined(node)}
        self._grammar = Grammar(TYPE_NAMES | self._defined.keys())

    def module(self, tree: ast.Module) -> None:
        for node in ast.walk(tree):
            for field in node._fields:
                if field not in _FIELDS and getattr(node, field, None):
                    raise NotEmitted(node)
        passed: set[str] = set()
        for statement in tree.body:
            self._statement(statement)
            for name in _defined(statement):
                if name in passed:
                    raise NotEmitted(statement)
                passed.add(name)

    def _statement(self, statement: ast.stmt) -> None:
        match statement:
            case ast.ImportFrom():
                self._import(statement)
            case ast.ClassDef():
                self._class(statement)
            case ast.Expr(value=value) if is_text(value):
                pass
            case ast.Assign(targets=[ast.Name(id="__all__")], value=ast.List(elts=exports)):
                if not all(map(is_text, exports)):
                    raise NotEmitted(statement)
            case ast.If(
                test=ast.Name(id="TYPE_CHECKING"),
                body=[
                    ast.AnnAssign(
                        target=ast.Name(id=shown),
                        annotation=ast.Name(id="TypeAlias"),
                        value=ast.Constant(value=str(shown_alias)),
                    ),
                    *texts,
                ],
                orelse=[
                    ast.Assign(
                        targets=[ast.Name(id=name)],
                        value=ast.Call(
                            func=ast.Name(id="TypeAliasType"),
                            args=[ast.Constant(value=called), ast.Constant(value=str(alias))],
                            keywords=[],
                        ),
                    )
                ],
            ) if name == called == shown and alias == shown_alias and are_texts(texts):
                self._definition(name, statement)
                self._grammar.quoted_type(alias, statement)
            case ast.AnnAssign(
                target=ast.Name(id=name), annotation=ast.Name(id="TypeAlias"), value=ast.expr()
            ):
                self._definition(name, statement)
                self._grammar.type(statement.value)
            case ast.Assign(
                targets=[ast.Name(id=name)],
                value=ast.Call(
                    func=ast.Subscript(
                        value=ast.Name(id="Tool"), slice=ast.Tuple(elts=[_, _])
                    ) as of,
                    args=[wire_name],
                    keywords=options,
                ),
            ) if is_text(wire_name) and all(map(_is_wrapped, options)):
                self._definition(name, statement)
                self._grammar.type(of)
            case ast.AnnAssign(
                target=ast.Name(id=name),
                annotation=ast.Subscript(value=ast.Name(id="TypeAdapter"), slice=adapted),
                value=ast.Call(
                    func=ast.Name(id="TypeAdapter"), args=[ast.Name(id=model)], keywords=[]
                ),
            ) if isinstance(adapted, ast.Name) and adapted.id == model and model in self._defined:
                self._definition(name, statement)
            case _:
                raise NotEmitted(statement)

    def _definition(self, name: str, statement: ast.stmt) -> None:
        if name in _NEVER_DEFINED or name.startswith("__"):
            raise NotEmitted(statement)

    def _import(self, statement: ast.ImportFrom) -> None:
        module = "." * statement.level + (statement.module or "")
        for alias in statement.names:
            name = alias.name
            is_ours = module in self._siblings and name.isidentifier() and name[0] != "_"
            if alias.asname is not None or not (
                (is_ours and name not in _NEVER_DEFINED)
                or LIBRARY.get(name) == module
                or (module, name) == _FUTURE
            ):
                raise NotEmitted(statement)

    def _class(self, definition: ast.ClassDef) -> None:
        self._definition(definition.name, definition)
        if definition.decorator_list or definition.keywords or definition.name.startswith("_"):
            raise NotEmitted(definition)
        for base in definition.bases:
            self._base(base)
        are_tools = any(
            isinstance(base, ast.Name) and base.id in _WITH_TOOLS for base in definition.bases
        )
        fields = {name for node in definition.body for name in _bound_in_class(node)}
        grammar = self._grammar.without(fields)
        for statement in definition.body:
            match statement:
                case ast.Expr(value=value) if is_text(value):
                    pass
                case ast.Pass():
                    pass
                case ast.AnnAssign(target=ast.Name(id=name), simple=1) if (
                    name == _EXTRAS and statement.value is None
                ) or not is_reserved_field(name):
                    grammar.type(statement.annotation)
                    if statement.value is not None:
                        grammar.default(statement.value)
                case ast.Assign(targets=[ast.Name(id=name)]):
                    self._constant(name, statement.value, grammar)
                case ast.FunctionDef() | ast.AsyncFunctionDef():
                    self._method(statement, grammar, is_tool=are_tools)
                case _:
                    raise NotEmitted(statement)

    def _constant(self, name: str, value: ast.expr, grammar: Grammar) -> None:
        """Accept a constant of a class."""
        match value:
            case ast.Name(id=client) if name == "client_class" and self._is_sibling(client):
                grammar.known(client, value)
            case _ if name in _CONSTANTS:
                grammar.constant(value)
            case _:
                raise NotEmitted(value)

    def _is_sibling(self, name: str) -> bool:
        """Whether a name is imported from another module of the package."""
        definition = self._defined.get(name)
        return isinstance(definition, ast.ImportFrom) and definition.level == 1

    def _base(self, base: ast.expr) -> None:
        """Accept the runtime's models and clients, and the classes of the package."""
        match base:
            case ast.Name(id=name) if name in _TOOLS_BASES | _ADAPTER_BASES:
                self._grammar.known(name, base)
            case ast.Name(id=name) if name in _MODEL_BASES or (
                name in self._defined and name not in LIBRARY
            ):
                pass
            case ast.Subscript(value=ast.Name(id=name)) if name in _CLIENT_BASES:
                self._grammar.type(base)
            case _:
                raise NotEmitted(base)

    def _method(
        self,
        method: ast.FunctionDef | ast.AsyncFunctionDef,
        grammar: Grammar,
        *,
        is_tool: bool,
    ) -> None:
        arguments = method.args
        is_own = self._has_own_methods and not is_reserved_field(method.name)
        if is_tool:
            if not is_method_name(method.name):
                raise NotEmitted(method)
        elif not (is_own or method.name in _METHOD_NAMES):
            raise NotEmitted(method)
        self._decorators(method)
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        named += [argument for argument in (arguments.vararg, arguments.kwarg) if argument]
        local = {argument.arg for argument in named}
        local.update(name for statement in method.body for name in _defined(statement))
        if any(name in _TRUSTED or name.startswith("__") for name in local):
            raise NotEmitted(method)
        annotations = [*(argument.annotation for argument in named), method.returns]
        for annotation in annotations:
            if annotation is not None:
                grammar.type(annotation)
        for default in (*arguments.defaults, *arguments.kw_defaults):
            if is_tool and isinstance(default, ast.Name) and default.id == "OMITTED":
                grammar.known("OMITTED", default)
            elif default is not None and not _is_ellipsis(default):
                self._grammar.data(default)
        self._body(method, frozenset(local))

    def _body(self, method: ast.FunctionDef | ast.AsyncFunctionDef, local: frozenset[str]) -> None:
        for statement in method.body:
            match statement:
                case ast.Expr(value=value) if is_text(value) or _is_ellipsis(value):
                    pass
                case ast.Assign(targets=[ast.Name()]) | ast.Return(value=ast.expr()):
                    self._grammar.value(statement.value, local)
                case _:
                    raise NotEmitted(statement)

    def _decorators(self, method: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Accept ``overload`` on a signature without a body, and ``accepts_fields`` of a class."""
        match method.decorator_list, method.body:
            case [[], _]:
                pass
            case [[ast.Name(id="property")], _] if method.name == "tools":
                pass
            case [[ast.Name(id="overload")], [ast.Expr(value=value)]] if is_text(
                value
            ) or _is_ellipsis(value):
                self._grammar.known("overload", method)
            case [
                [
                    ast.Call(
                        func=ast.Name(id="accepts_fields"), args=[ast.Name(id=model)], keywords=[]
                    )
                ],
                _,
            ]:
                self._grammar.known("accepts_fields", method)
                self._grammar.known(model, method)
            case _:
                raise NotEmitted(method)


def _is_wrapped(option: ast.keyword) -> bool:
    """Whether a keyword says that a tool's data is wrapped."""
    value = option.value
    return option.arg == "wrapped" and isinstance(value, ast.Constant) and value.value is True


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _defined(statement: ast.stmt) -> list[str]:
    """The names that a statement of a module defines, each once for the ways of a condition."""
    match statement:
        case ast.ImportFrom():
            return [alias.name for alias in statement.names]
        case ast.ClassDef():
            return [statement.name]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=[ast.Name(id=name)]):
            return [name]
        case ast.If(body=[ast.AnnAssign(target=ast.Name(id=name)), *_]):
            return [name]
        case _:
            return []


def _bound_in_class(statement: ast.stmt) -> Iterable[str]:
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return [statement.name]
        case _:
            return _defined(statement)


_FUTURE = ("__future__", "annotations")
