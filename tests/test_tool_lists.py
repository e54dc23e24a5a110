"""Tool lists of real servers: all build and import, typed as well as their schemas allow."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import get_type_hints

import pytest

from envgen.build import build_package
from envgen.sources import read_contract
from tests.support import CPU_LIMIT_S, contract_cases, contracts, load
from tests.test_generated import check_types, tree
from tests.tool_lists import measure


@pytest.mark.slow
@pytest.mark.parametrize("file", contract_cases("mcp"))
def test_a_list_is_built_and_typed(file: Path, tmp_path: Path) -> None:
    found = measure(file, tmp_path / "one")
    assert found.weak == []
    assert not [item for item in found.package.findings if "is not typed" in item.message]
    assert found.cpu_s < CPU_LIMIT_S
    again = build_package(read_contract(str(file)), tmp_path / "two")
    assert tree(again.folder) == tree(found.package.folder)
    module = load(found.package.folder)
    client = getattr(module, found.package.class_name)
    toolset = get_type_hints(client.tools.fget)["return"]
    methods = inspect.getmembers(toolset, inspect.isfunction)
    public = [(name, method) for name, method in methods if not name.startswith("_")]
    assert len(public) == found.tools
    for _, method in public:
        assert method.__doc__
        assert get_type_hints(method, include_extras=True)["return"]


def test_the_largest_list_is_there_or_the_copies_are() -> None:
    assert len(contracts("mcp")) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_clients_of_real_lists_type_check(checker: str, tmp_path: Path) -> None:
    for file in contracts("mcp"):
        build_package(read_contract(str(file)), tmp_path / "lists")
    check_types(checker, tmp_path)
