"""Mutants of generated modules, and what those that pass the audit do.

``python -m tests.mutants 50000`` makes that many from a seed. Each that the audit accepts is
imported in a process of its own batch, where all of its types are evaluated. None may run what a
mutation put in, or bind a name that the audit trusts to something else.
"""

# ruff: noqa: E501  (each payload on a line, as the table that it is)

from __future__ import annotations

import ast
import copy
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from envgen.errors import AuditError
from envgen.naming import LIBRARY
from envgen.render.audit import audit
from tests.support import ROOT

_CANARY = "__import__('builtins').canary()"

PACKAGES = [
    *sorted(path.parent for path in (ROOT / "generated").glob("*/models.py")),
    *sorted(path.parent for path in (ROOT / "tests/golden").glob("*/expected/models.py")),
]
_FILES = (
    "models.py", "models.py", "client.py", "client.py", "tools.py", "tools.py", "gymnasium.py",
    "trl.py", "__init__.py",
)  # fmt: skip

_NAMES = sorted({*LIBRARY, "list", "dict", "str", "int", "super", "object", "type", "print"})
_SPECIAL = [
    "__getattr__", "__class_getitem__", "__init_subclass__", "__pydantic_init_subclass__",
    "__get_pydantic_core_schema__", "__annotations__", "__builtins__", "__path__", "__all__",
    "model_config", "model_post_init", "model_fields", "model_validate", "_private", "__slots__",
]  # fmt: skip

_EXPRESSIONS = [
    _CANARY, f'"{_CANARY}"', f'TypeAdapter("{_CANARY}")', f'TypeAdapter(type="{_CANARY}")',
    f'Literal["{_CANARY}"]', f'Annotated["{_CANARY}", Linked()]', f'list["{_CANARY}"]',
    f'Annotated[int, "{_CANARY}"]', f"Annotated[int, {_CANARY}]", f"list[{_CANARY}]",
    f'TypeAliasType("A", "{_CANARY}")', f'TypeAliasType("A", {_CANARY})', f"lambda: {_CANARY}",
    f"(lambda: {_CANARY})()", f"[{_CANARY} for _ in (1,)]", f"{{{_CANARY} for _ in (1,)}}",
    f'f"{{{_CANARY}}}"', f"(Literal := {_CANARY})", f"{_CANARY} if 1 else 0", f"1 or {_CANARY}",
    f"Field(default_factory=lambda: {_CANARY})", f"Field(default_factory=lambda: [{_CANARY}])",
    "Field(default_factory=canary)", f'Field(validation_alias="{_CANARY}")', f"Field({_CANARY})",
    f"OneOf({_CANARY})", f'OneOf("{_CANARY}")', f"constant({_CANARY})", f'UUID("{_CANARY}")',
    f'datetime.fromisoformat("{_CANARY}")', f"super().__init__({_CANARY})", f"*{_CANARY}",
    f"wire_fields({_CANARY})", f'Envelope.read("{_CANARY}")', f"StepResult({_CANARY})",
    f'Codec["{_CANARY}"]', f'ConfigDict(alias_generator="{_CANARY}")', "canary", "canary()",
    "().__class__", "print.__self__", f"{{**{_CANARY}}}", f"{{{_CANARY}: 1}}", f"-{_CANARY}",
    f"int | {_CANARY}", f'int | "{_CANARY}"', "b'x'", "1j", "...", "None", "int", "Literal", "Field",
    f'Tool["{_CANARY}", int]("x")', f'Tool[int, {_CANARY}]("x")', f"Tool[int, int]({_CANARY})",
    f'ToolResult["{_CANARY}"]', f"self._call({_CANARY})", "self._call(canary, {{}})", "OMITTED",
    f'Unpack["{_CANARY}"]', f'Tag["{_CANARY}"]', "1 + 1", "not 1", "1 < 2", f'("{_CANARY}",)',
    "canary.__call__()", "object.__subclasses__()", "type", "globals()", "vars", "eval",
]  # fmt: skip

_STATEMENTS = [
    _CANARY, f"x = {_CANARY}", f"x: int = {_CANARY}", f'x: "{_CANARY}"', f"x: TypeAlias = {_CANARY}",
    f'x: TypeAlias = "{_CANARY}"', f'x: TypeAdapter[int] = TypeAdapter("{_CANARY}")',
    f"del {{name}}\n{_CANARY}", "{name} = list", "{name}: TypeAlias = list", "import os as {name}",
    "from os import path as {name}", "from os import *", "from .models import *", "import {name}",
    "from .models import {name}", "class {name}(list): pass", "def {name}(*a, **k): return canary()",
    "async def {name}(*a): pass", "for {name} in (1,): pass", "with canary() as {name}: pass",
    "try:\n    1/0\nexcept Exception as {name}: canary()", "({name} := list)", "global {name}",
    "match 1:\n    case {name}: canary()", "[0 for {name} in (1,)]", "while canary(): pass",
    f"if TYPE_CHECKING:\n    x: TypeAlias = 'int'\nelse:\n    x = TypeAliasType('x', '{'canary()'}')",
    "if TYPE_CHECKING:\n    {name}: TypeAlias = 'int'\nelse:\n    {name} = TypeAliasType('{name}', 'int')",
    "def {special}(*a, **k): return canary()", "{special} = canary()", "{special}: int = 1",
    "@canary\ndef step(self): return 1", "@canary\nclass A(RequestModel): pass",
    "class A(RequestModel, metaclass=canary): pass", "class A(canary()): pass", "assert canary()",
    "class A(RequestModel, alias_generator=canary): pass", "raise canary()", "__all__ += [canary()]",
    "__all__ = [canary()]", "x[canary()]: int = 1", "(x): int = canary()", "x.y = 1", "x, y = 1, 2",
    "model_config = ConfigDict(extra=canary())", "model_config = {{'extra': canary()}}",
    "def step(self, x=canary()): return 1", "def step(self, x: canary()): return 1",
    "def step(self) -> 'canary()': return 1", "def step(self): yield canary()", "return canary()",
    "class A(RequestModel):\n    {name}: int = 1", "class A(RequestModel):\n    x: Literal['canary()']",
    "class A(RequestModel):\n    x: 'canary()' = 1", "class A(list['canary()']): pass",
    "x = Tool[int, 'canary()']('x')", "x = Tool[canary(), int]('x')", "x = Tool[int, int]('x', wrapped=canary())",
    "x = Tool[int, int](canary())", "class A(Toolset, metaclass=canary): pass", "class A(Toolset[canary()]): pass",
    "class A(Toolset):\n    def x(self, a=canary()): return 1", "class A(Toolset):\n    def _call(self): return canary()",
    "class A(Toolset):\n    def {special}(self): return 1", "@property\ndef step(self): return 1",
    "@property\ndef tools(self): return canary()", "class A(Toolset):\n    @canary\n    def x(self): return 1",
    "class A(RequestModel):\n    x: TypeAdapter['canary()'] = 1", "nonlocal {name}",
    "client_class = canary", "client_class = {name}", "client_class = canary()", "def reset(self): return 1",
    "class A(TRLEnvironment):\n    client_class = {name}", "class A(TRLEnvironment[canary()]): pass",
    "hints = canary", "hints = {{'a': canary()}}", "class A(GymnasiumEnv[canary()]): pass",
    "class A(TRLTools):\n    def {special}(self): return 1", "def get_reward(self): return 1.0",
]  # fmt: skip
if sys.version_info >= (3, 12):
    _STATEMENTS += [
        "type {name} = canary()", "type A[T: canary()] = T", "class A[{name}](RequestModel): pass",
        "class A[T: canary()](RequestModel): pass", "def step[T: (canary(), int)](self): return 1",
    ]  # fmt: skip

_FIRST_LINES = [
    "# coding: utf-7\n", "# -*- coding: unicode_escape -*-\n", "\ufeff", "\f", "\f# coding: latin-1\n",
    "#!/usr/bin/python\n# vim: set fileencoding=utf-7 :\n", "# coding: utf-8\n", "\\\n", "\t\n", "\v\n",
    "# coding=raw_unicode_escape\n#", "\r", "x = 1\r", "\x00", "\u2028", "# coding: utf-8-sig\n",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module of a package, changed."""

    package: Path
    file: str
    source: str


def mutants(count: int, *, seed: int) -> Iterator[Mutant]:
    """Yield ``count`` mutants, the same for a seed."""
    chance = random.Random(seed)
    sources: dict[Path, str] = {}
    for _ in range(count):
        package = chance.choice(PACKAGES)
        path = package / chance.choice([file for file in _FILES if (package / file).is_file()])
        if path not in sources:
            sources[path] = path.read_text()
        tree = ast.parse(sources[path])
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            chance.choice(_MUTATIONS)(tree, chance)
        try:
            source = ast.unparse(ast.fix_missing_locations(tree))
        except (ValueError, TypeError, AttributeError):  # no Python is written that way
            source = sources[path]
        if chance.random() < 0.05:
            source = chance.choice(_FIRST_LINES) + source
        yield Mutant(path.parent, path.name, source)


def accepted(found: Iterator[Mutant]) -> Iterator[Mutant]:
    """Yield the mutants that the audit accepts, also with methods that templates add."""
    for number, mutant in enumerate(found):
        try:
            audit(mutant.file, mutant.source, has_own_methods=bool(number % 2))
        except AuditError:
            continue
        yield mutant


# --- mutations ------------------------------------------------------------------------------------


def _slots(tree: ast.Module) -> list[tuple[ast.AST, str, int | None]]:
    return [
        (node, name, index if isinstance(value, list) else None)
        for node in ast.walk(tree)
        for name, value in ast.iter_fields(node)
        for index, child in enumerate(value if isinstance(value, list) else [value])
        if isinstance(child, ast.expr) and isinstance(getattr(child, "ctx", None), ast.Load | None)
    ]


def _get(slot: tuple[ast.AST, str, int | None]) -> ast.expr:
    holder, name, index = slot
    value = getattr(holder, name)
    return value if index is None else value[index]


def _set(slot: tuple[ast.AST, str, int | None], expression: ast.expr) -> None:
    holder, name, index = slot
    if index is None:
        setattr(holder, name, expression)
    else:
        getattr(holder, name)[index] = expression


def _expression(chance: random.Random) -> ast.expr:
    text = chance.choice(_EXPRESSIONS)
    if text.startswith("*"):
        return ast.Starred(ast.parse(text[1:], mode="eval").body, ast.Load())
    return ast.parse(text, mode="eval").body


def _statement(chance: random.Random) -> list[ast.stmt]:
    text = chance.choice(_STATEMENTS)
    names = {"name": chance.choice(_NAMES), "special": chance.choice(_SPECIAL)}
    for key, value in names.items():
        text = text.replace(f"{{{key}}}", value)
    return ast.parse(text.replace("{{", "{").replace("}}", "}")).body


def _replace(tree: ast.Module, chance: random.Random) -> None:
    if slots := _slots(tree):
        _set(chance.choice(slots), _expression(chance))


def _wrap(tree: ast.Module, chance: random.Random) -> None:
    if slots := _slots(tree):
        slot = chance.choice(slots)
        called = ast.Name(chance.choice([*_NAMES, "canary"]), ast.Load())
        kept = _get(slot)
        _set(
            slot,
            chance.choice(
                (
                    ast.Call(called, [kept], []),
                    ast.Subscript(called, kept, ast.Load()),
                    ast.Call(kept, [_expression(chance)], []),
                    ast.Attribute(kept, chance.choice(_SPECIAL), ast.Load()),
                    ast.BinOp(kept, ast.BitOr(), _expression(chance)),
                )
            ),
        )


def _swap(tree: ast.Module, chance: random.Random) -> None:
    if slots := _slots(tree):
        one, other = chance.choice(slots), chance.choice(slots)
        mine, theirs = copy.deepcopy(_get(one)), copy.deepcopy(_get(other))
        _set(one, theirs)
        _set(other, mine)


def _insert(tree: ast.Module, chance: random.Random) -> None:
    bodies = [
        value
        for node in ast.walk(tree)
        for name in ("body", "orelse")
        if isinstance(value := getattr(node, name, None), list)
    ]
    body = chance.choice(bodies)
    place = chance.randint(0, len(body))
    body[place:place] = _statement(chance)


def _move(tree: ast.Module, chance: random.Random) -> None:
    bodies = [node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", None), list)]
    moved = copy.deepcopy(chance.choice(chance.choice([body for body in bodies if body])))
    body = chance.choice(bodies)
    body.insert(chance.randint(0, len(body)), moved)


def _rename(tree: ast.Module, chance: random.Random) -> None:
    name = chance.choice([*_NAMES, *_SPECIAL, "canary"])
    nodes = [
        node
        for node in ast.walk(tree)
        if isinstance(
            node,
            ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.arg | ast.alias
            | ast.keyword | ast.Name | ast.Attribute,
        )
    ]  # fmt: skip
    match chance.choice(nodes):
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef() as node:
            node.name = name
        case ast.arg() | ast.keyword() as node:
            node.arg = name
        case ast.alias() as node if chance.random() < 0.5:
            node.asname = name
        case ast.alias() as node:
            node.name = name
        case ast.Attribute() as node:
            node.attr = name
        case ast.Name() as node:
            node.id = name


def _retext(tree: ast.Module, chance: random.Random) -> None:
    texts = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    if texts:
        chance.choice(texts).value = chance.choice(
            (_CANARY, f"list[{_CANARY}]", f"Annotated[int, {_CANARY}]", f"Literal['{_CANARY}']",
             f"list['{_CANARY}']", "canary()", f"TypeAdapter('{_CANARY}')", "int\ncanary()")
        )  # fmt: skip


def _decorate(tree: ast.Module, chance: random.Random) -> None:
    nodes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Call)
    ]
    if nodes:
        node = chance.choice(nodes)
        if isinstance(node, ast.Call | ast.ClassDef) and chance.random() < 0.7:
            names = ["metaclass", "default_factory", "validator", "extra", "type", "default", None]
            node.keywords.append(ast.keyword(chance.choice(names), _expression(chance)))
        elif isinstance(node, ast.Call):
            node.args.append(_expression(chance))
        else:
            node.decorator_list.insert(0, _expression(chance))


_MUTATIONS = (
    _replace, _replace, _replace, _wrap, _swap, _insert, _insert, _move, _rename, _rename, _retext,
    _decorate,
)  # fmt: skip


# --- what accepted mutants do ---------------------------------------------------------------------

_IMPORTER = """
import asyncio, builtins, importlib, inspect, json, sys, typing, warnings
warnings.simplefilter("ignore")
from pydantic import BaseModel, TypeAdapter
from envgen.naming import LIBRARY
from envgen_runtime.tools import Tool
ran = []
builtin_names = set(dir(builtins))
builtins.canary = lambda *args, **kwargs: ran.append(1)
known = {}
for name, module in LIBRARY.items():
    known[name] = getattr(importlib.import_module(module), name)
result = {}
def evaluate(module):
    for name, value in list(vars(module).items()):
        if inspect.isclass(value) and value.__module__ == module.__name__:
            if issubclass(value, BaseModel):
                value.model_rebuild(force=True, raise_errors=False)
            for method in list(vars(value).values()):
                if inspect.isfunction(method):
                    try: typing.get_type_hints(method)
                    except Exception: pass
        elif isinstance(value, Tool):
            try: value.arguments({}), value.read
            except Exception: pass
        elif not name.startswith("__") and name not in known:
            try: TypeAdapter(value)
            except Exception: pass
for number in range(int(sys.argv[1])):
    ran.clear()
    bound = []
    for part in ("models", "tools", "client", "gymnasium", "trl", None):
        name = f"mutant{number}" + (f".{part}" if part else "")
        try:
            module = importlib.import_module(name)
            evaluate(module)
            bound += [n for n, v in vars(module).items()
                      if (n in known and v is not known[n])
                      or (n in builtin_names and not n.startswith("__"))]
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt): raise
    if ran or bound:
        result[number] = [len(ran), bound]
print(json.dumps(result))
"""


def effects(batch: Sequence[Mutant]) -> list[tuple[Mutant, object]]:
    """Import accepted mutants; return those that ran a canary or bound a trusted name."""
    with tempfile.TemporaryDirectory() as folder:
        for number, mutant in enumerate(batch):
            package = Path(folder, f"mutant{number}")
            package.mkdir()
            for file in (name for name in set(_FILES) if (mutant.package / name).is_file()):
                source = (mutant.package / file).read_text()
                (package / file).write_text(mutant.source if file == mutant.file else source)
        finished = subprocess.run(
            [sys.executable, "-c", _IMPORTER, str(len(batch))],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
    found: dict[str, object] = json.loads(finished.stdout)
    return [(batch[int(number)], effect) for number, effect in found.items()]


def main(count: int, seed: int) -> int:
    """Make mutants and import those that pass; print what is found, and return how many."""
    passing = list(accepted(mutants(count, seed=seed)))
    found = []
    for start in range(0, len(passing), 200):
        found += effects(passing[start : start + 200])
    for mutant, effect in found[:20]:
        print(f"--- {mutant.package.name}/{mutant.file}: {effect}\n{mutant.source}")
    print(
        f"{count} mutants of seed {seed}: {len(passing)} accepted, {len(found)} ran code or bound a name"
    )
    return len(found)


if __name__ == "__main__":
    raise SystemExit(bool(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)))
