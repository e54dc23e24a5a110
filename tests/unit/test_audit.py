"""Nothing but what envgen emits passes, whatever wrote it."""

from __future__ import annotations

from pathlib import Path

import pytest

from envgen.audit import audit
from envgen.errors import AuditError
from tests.support import ROOT

GENERATED = sorted((ROOT / "generated").glob("*/*.py"))

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
    "not Python": "class A(",
}


@pytest.mark.parametrize("file", GENERATED, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_what_envgen_emits_passes(file: Path) -> None:
    audit(file.name, file.read_text())


@pytest.mark.parametrize("statement", HOSTILE.values(), ids=HOSTILE.keys())
def test_anything_else_does_not(statement: str) -> None:
    with pytest.raises(AuditError):
        audit("models.py", f'"""Models."""\n{statement}\n')
