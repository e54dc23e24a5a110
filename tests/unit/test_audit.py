"""Nothing but what envgen emits passes, whatever wrote it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from envgen.errors import AuditError
from envgen.render.audit import audit
from tests import mutants
from tests.support import ROOT

GENERATED = sorted((ROOT / "generated").glob("*/*.py"))

_WIRE = "from envgen_runtime.tools import NemoGymWire, OpenRewardWire\nclass A:\n    wire = "

HOSTILE = {
    "an import": "import os",
    "an import of a stranger": "from os import system",
    "a known name from elsewhere": "from evil import Field",
    "an import under another name": "from pydantic import Field as Literal",
    "a star": "from typing import *",
    "a call": "print(1)",
    "a call that is assigned": "x: TypeAlias = exec('1')",
    "a decorated class": "@evil\nclass A:\n    pass",
    "a metaclass": "class A(metaclass=Evil):\n    pass",
    "a called base": "class A(evil()):\n    pass",
    "a call in a default": "class A:\n    x: int = open('/etc/passwd')",
    "a call in an annotation": "class A:\n    x: evil() = 1",
    "a lambda": "class A:\n    x: int = Field(default_factory=lambda: 1)",
    "a dunder": "class A:\n    x: int = ().__class__",
    "a dunder name": "class A:\n    x: int = __builtins__",
    "a method of another name": "class A:\n    def __init__(self):\n        return 1",
    "a statement in a method": "class A:\n    def step(self):\n        import os",
    "a call in a method": "class A:\n    def step(self):\n        return evil(self)",
    "a comprehension": "class A:\n    x: list[int] = [1 for y in z]",
    "an f-string": "class A:\n    x: str = f'{evil}'",
    "arithmetic": "class A:\n    x: int = 9**9**9",
    "a conditional": "if True:\n    pass",
    "a walrus": "class A:\n    x: int = (y := 1)",
    "a subscript assigned": "__all__[0] = 1",
    "a factory": "class A:\n    x: int = Field(default_factory=int)",
    "a string in a default's type": "class A:\n    x: int = Field(default=list['evil()']([1]))",
    "a default made of a name": "class A:\n    x: int = Field(default=list[int](evil))",
    "a default made by a class": "class A:\n    x: int = Field(default=A[int]([1]))",
    "a name from nowhere": "class A:\n    x: int = Field(alias=input)",
    "a setting of pydantic's": "class A:\n    model_config = ConfigDict(alias_generator=str)",
    "a string as a type": "class A:\n    x: list['evil()'] | None = None",
    "a string in an adapter": "_A: TypeAdapter[int] = TypeAdapter('evil()')",
    "a string as an alias": "A: TypeAlias = 'evil()'",
    "a call in a type": "class A:\n    x: Annotated[int, wire_fields()] = 1",
    "a value in a wire": f"{_WIRE}NemoGymWire(1)",
    "a keyword in a wire": f"{_WIRE}NemoGymWire(x=1)",
    "a call in a wire": f"{_WIRE}OpenRewardWire(evil())",
    "a name in a wire": f"{_WIRE}OpenRewardWire(evil)",
    "a second name in a wire": f"{_WIRE}OpenRewardWire('a', 'b')",
    "a keyword beside a wire's name": f"{_WIRE}OpenRewardWire('a', x=evil())",
    "a wire from nowhere": "class A:\n    wire = NemoGymWire()",
    "another wire from nowhere": "class A:\n    wire = OpenRewardWire('a')",
    "a private name": "class A:\n    __class__: int = 1",
    "not Python": "class A(",
    "a string in an adapter's keyword": "_A: TypeAdapter[int] = TypeAdapter(type='evil()')",
    "an adapter in a default": "class A:\n    env_name = TypeAdapter('evil()')",
    "an adapter in a parameter": "class A:\n    def step(self, x=TypeAdapter('evil()')): ...",
    "an adapter in data": "class A:\n    x: Annotated[int, OneOf(TypeAdapter('evil()'))] = 1",
    "an adapter in a literal": "class A:\n    x: Literal[TypeAdapter('evil()')] = 1",
    "a string in a late alias": "if TYPE_CHECKING:\n    A: TypeAlias = \"list['evil()']\"\nelse:\n"
    "    A = TypeAliasType('A', \"list['evil()']\")",
    "a call in a late alias": "if TYPE_CHECKING:\n    A: TypeAlias = 'evil()'\nelse:\n"
    "    A = TypeAliasType('A', 'evil()')",
    "two lines in a late alias": "if TYPE_CHECKING:\n    A: TypeAlias = 'int\\nevil()'\nelse:\n"
    "    A = TypeAliasType('A', 'int\\nevil()')",
    "a line break in a late alias": "if TYPE_CHECKING:\n    A: TypeAlias = 'int\\n'\nelse:\n"
    "    A = TypeAliasType('A', 'int\\n')",
    "a private parameter": "class A(ReplyModel):\n    def step(self, __x): ...",
    "a string as an argument of a class": "class A(ReplyModel):\n    def step(self):\n"
    "        return A['evil()']",
    "a trusted name as an alias": "Literal: TypeAlias = list\nx: TypeAlias = Literal['evil()']",
    "a trusted name as a class": "class Literal(ReplyModel):\n    pass",
    "a trusted name as a late alias": "if TYPE_CHECKING:\n    Field: TypeAlias = 'int'\nelse:\n"
    "    Field = TypeAliasType('Field', 'int')",
    "a builtin as a class": "class print(ReplyModel):\n    pass",
    "a trusted name as a field": "class A(ReplyModel):\n    Literal: int = 1",
    "a trusted name as a parameter": "class A(ReplyModel):\n    def step(self, Field): ...",
    "a trusted name as a variable": "class A(ReplyModel):\n    def step(self):\n        Field = 1",
    "a name twice": "class A(ReplyModel):\n    pass\nclass A(ReplyModel):\n    pass",
    "a field that is a type beside it": "class M(ReplyModel):\n    pass\nclass A(ReplyModel):\n"
    "    M: int = 1\n    x: M = 1",
    "a base from nowhere": "class A(TypeAdapter):\n    pass",
    "a validator": "class A(ReplyModel):\n    x: Annotated[int, Field(validation_alias='a')] = 1",
    "a lambda that calls": "class A(ReplyModel):\n    x: int = Field(default_factory=lambda: A())",
    "a setting that is called": "class A(ReplyModel):\n    model_config = ConfigDict(extra=evil())",
    "a setting as a field": "class A(ReplyModel):\n    model_config: int = 1",
    "a hook of pydantic's": "class A(ReplyModel):\n    def model_post_init(self, _): ...",
    "a hook of a module": "def __getattr__(name): ...",
    "bytes": "class A(ReplyModel):\n    x: Literal[b'x'] = 1",
    "a decorator of a name": "class A(ReplyModel):\n    @Field\n    def step(self): ...",
    "a spread dictionary": "class A(ReplyModel):\n    x: int = {**evil}",
    "an attribute of a type": "class A(ReplyModel):\n    x: Field.evil = 1",
    "an import of the client": "from .client import DoEnv",
}

ENCODINGS = [
    "# coding: utf-7\n", "# -*- coding: unicode_escape -*-\n", "#!x\n# vim: fileencoding=latin-1\n",
    "\f# coding: utf-7\n", "\ufeff", "\f", "\x00", "x = 1\r", "\u2028", "# coding: nonsense\n",
    "# \ud800\n",
]  # fmt: skip

# What someone would want to put into a module, as statements and as expressions.
STATEMENTS = [
    "import os", "from os import system", "exec('1')", "x = eval", "del Field", "assert print()",
    "for i in (): pass", "while 1: pass", "with open('f'): pass", "try: pass\nexcept E: pass",
    "raise E", "global Field", "def step(self): return exec('1')", "@evil\nclass A: pass",
    "class A(metaclass=E): pass", "x: int = exec('1')", "if 1: pass", "lambda: 0",
    "[f() for f in g]", "__import__('os')", "Field.__globals__", "x += 1",
]  # fmt: skip
EXPRESSIONS = [
    "exec", "print(1)", "(lambda: 1)()", "().__class__", "__import__('os').system('x')",
    "[f for f in g]", "{f for f in g}", "f'{evil}'", "(x := evil)", "evil if evil else evil",
    "9 ** 9", "not evil", "evil < evil", "*evil", "evil[0:1]", "Field(default_factory=print)",
    "open('f').read()", "b'bytes' % evil", "...if evil else ...", "getattr(Field, 'x')",
    "Field.validate()",
]  # fmt: skip


def _is_block(node: ast.AST) -> bool:
    return isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(st.data())
def test_nothing_can_be_put_into_a_module(data: st.DataObject) -> None:
    """Wherever it stands, in code that was fine."""
    file = data.draw(st.sampled_from(GENERATED))
    tree = ast.parse(file.read_text())
    if data.draw(st.booleans()):
        bodies = [
            node.body for node in ast.walk(tree) if isinstance(getattr(node, "body", 0), list)
        ]
        body = data.draw(st.sampled_from(bodies))
        payload = ast.parse(data.draw(st.sampled_from(STATEMENTS))).body[0]
        body.insert(data.draw(st.integers(0, len(body))), payload)
    else:
        slots = [
            (node, name, index)
            for node in ast.walk(tree)
            for name, value in ast.iter_fields(node)
            for index, child in enumerate(value if isinstance(value, list) else [value])
            if isinstance(child, ast.expr)
            and isinstance(getattr(child, "ctx", None), ast.Load | None)
        ]
        node, name, index = data.draw(st.sampled_from(slots))
        payload = ast.parse(f"f({data.draw(st.sampled_from(EXPRESSIONS))})").body[0].value.args[0]
        value = getattr(node, name)
        if isinstance(value, list):
            value[index] = payload
        else:
            setattr(node, name, payload)
    source = ast.unparse(ast.fix_missing_locations(tree))
    note(source)
    with pytest.raises(AuditError):
        audit(file.name, source)


@pytest.mark.parametrize("file", GENERATED, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_what_envgen_emits_passes(file: Path) -> None:
    audit(file.name, file.read_text())


@pytest.mark.parametrize("first", ENCODINGS)
@pytest.mark.parametrize("file", ["__init__.py", "client.py", "models.py"])
def test_python_reads_what_the_audit_reads(file: str, first: str) -> None:
    with pytest.raises(AuditError):
        audit(file, f'{first}"""Text."""\n')


def test_utf_8_may_be_named() -> None:
    audit("models.py", '# coding: utf-8\n"""Models: ümlaut, 模型."""\n')


@pytest.mark.parametrize(
    "factory",
    [
        "list", "dict", "lambda: [1, {'a': 'b'}]", "lambda: {'a': [A.model_validate({})]}",
        "lambda: list[A]([A.model_validate({})])",
    ],
)  # fmt: skip
def test_what_a_default_factory_may_make(factory: str) -> None:
    audit(
        "models.py",
        "from envgen_runtime.generated import ReplyModel\nfrom pydantic import Field\n"
        "class A(ReplyModel):\n    pass\n"
        f"class B(ReplyModel):\n    x: list[A] = Field(default_factory={factory})\n",
    )


PARAMETERS = [
    "class A[T: evil()](ReplyModel):\n    pass", "class A[Literal](ReplyModel):\n    pass",
    "type A = evil()", "class A(ReplyModel):\n    def step[T: evil()](self): ...",
]  # fmt: skip


@pytest.mark.parametrize("statement", PARAMETERS)
def test_type_parameters(statement: str) -> None:
    """They are syntax since Python 3.12; before, they are none."""
    with pytest.raises(AuditError):
        audit("models.py", f"from envgen_runtime.generated import ReplyModel\n{statement}\n")


@pytest.mark.slow
def test_mutants_that_pass_are_harmless() -> None:
    passing = [*mutants.accepted(mutants.mutants(400, seed=7))]
    assert passing
    assert not mutants.effects(passing)


def test_mutants_that_run_code_are_found() -> None:
    """The search itself sees what a mutant does."""
    file = GENERATED[0].parent / "models.py"
    source = f"{file.read_text()}\ncanary()\n"
    assert mutants.effects([mutants.Mutant(file.parent, file.name, source)])


@pytest.mark.parametrize("statement", HOSTILE.values(), ids=HOSTILE.keys())
def test_anything_else_does_not(statement: str) -> None:
    with pytest.raises(AuditError):
        audit("models.py", f'"""Models."""\n{statement}\n')


_TOOLS = (
    '"""Tools."""\nfrom envgen_runtime.tools import OMITTED, Tool, ToolResult, Toolset\n'
    "from .models import A\n"
)
HOSTILE_TOOLS = {
    "a string as a type": "_X = Tool['evil()', int]('x')",
    "a call as a type": "_X = Tool[A, evil()]('x')",
    "one type": "_X = Tool[A]('x')",
    "a call as a name": "_X = Tool[A, int](evil())",
    "another keyword": "_X = Tool[A, int]('x', read=evil)",
    "a call as a keyword": "_X = Tool[A, int]('x', wrapped=evil())",
    "another class": "_X = ToolResult[A, int]('x')",
    "a name of the runtime": "Tool = Tool[A, int]('x')",
    "a generic namespace": "class X(Toolset['evil()']): ...",
    "a private method": "class X(Toolset):\n    def _call(self): return 1",
    "a special method": "class X(Toolset):\n    def __init__(self): return 1",
    "a method called like a type": "class X(Toolset):\n    def list(self): return 1",
    "a decorator": "class X(Toolset):\n    @evil\n    def x(self): return 1",
    "a property": "class X(Toolset):\n    @property\n    def x(self): return 1",
    "a call in a default": "class X(Toolset):\n    def x(self, a=evil()): return 1",
    "a name in a default": "class X(Toolset):\n    def x(self, a=evil): return 1",
    "a call in a body": "class X(Toolset):\n    def x(self): return self._call(evil())",
    "another call": "class X(Toolset):\n    def x(self): return self._caller.call()",
    "a string in an annotation": "class X(Toolset):\n    def x(self) -> ToolResult['evil()']: ...",
}


@pytest.mark.parametrize("statement", HOSTILE_TOOLS.values(), ids=HOSTILE_TOOLS.keys())
def test_nothing_else_stands_in_tools(statement: str) -> None:
    with pytest.raises(AuditError):
        audit("tools.py", f"{_TOOLS}{statement}\n")


def test_a_plain_class_has_no_methods_of_tools() -> None:
    method = "def add(self): return 1"
    audit("tools.py", f"{_TOOLS}class X(Toolset):\n    {method}\n")
    with pytest.raises(AuditError):
        audit("tools.py", f"{_TOOLS}class X(A):\n    {method}\n")
