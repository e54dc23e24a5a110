"""Errors get their place by a copy; an error that was raised is never changed."""

from __future__ import annotations

import ast

from envgen.errors import ContractError, Unreachable
from tests.support import ROOT


def test_a_copy_has_the_place_that_the_original_lacks() -> None:
    error = ContractError("no such type", pointer="/a", hint="look")
    placed = error.with_context(source="x.json", pointer="/state/a")
    assert str(placed) == "x.json#/state/a: no such type"
    assert (type(placed), placed.hint, placed.exit_code) == (ContractError, "look", 1)
    assert str(error) == "#/a: no such type"
    assert Unreachable("gone").with_context(source="http://x").exit_code == 3


def test_an_error_is_never_changed_after_it_was_made() -> None:
    patched = [
        f"{file.name}:{node.lineno}"
        for file in (ROOT / "codegen").rglob("*.py")
        for handler in ast.walk(ast.parse(file.read_text()))
        if isinstance(handler, ast.ExceptHandler) and handler.name is not None
        for node in ast.walk(handler)
        if isinstance(node, ast.Assign | ast.AugAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute) and ast.unparse(target.value) == handler.name
    ]
    assert patched == []
