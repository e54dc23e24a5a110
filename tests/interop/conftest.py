"""Running servers, one per release, and the client that is generated for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from envgen.build import build_package
from envgen.sources import read_contract
from tests.interop.running import Release, serving
from tests.support import ROOT, load

RELEASES = (
    Release("openenv-core", "0.1.1"),
    Release("openenv-core", "0.3.0"),
    Release("openenv", "0.10.0"),
)
MODERN = tuple(release for release in RELEASES if not release.is_seed)

StartServer = Callable[..., str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "interop" in Path(item.path).parts:
            item.add_marker(pytest.mark.interop)


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start a server by release and variables; one that runs already is given again."""
    folder = tmp_path_factory.mktemp("servers")
    running: dict[Any, str] = {}
    with ExitStack() as stack:

        def start(release: Release, *, fresh: bool = False, **variables: str) -> str:
            key = (release, tuple(sorted(variables.items())))
            if fresh or key not in running:
                log = folder / f"{release}-{len(running)}-{len(list(folder.iterdir()))}.log"
                url = stack.enter_context(serving(release, log, **variables))
                if fresh:
                    return url
                running[key] = url
            return running[key]

        yield start


@pytest.fixture(params=RELEASES, ids=str)
def release(request: pytest.FixtureRequest) -> Release:
    return request.param


@pytest.fixture(params=MODERN, ids=str)
def modern(request: pytest.FixtureRequest) -> Release:
    return request.param


@pytest.fixture(scope="session")
def coding(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The client for the coding environment, generated from its file."""
    contract = read_contract(str(ROOT / "schemas" / "coding_env.json"))
    return load(build_package(contract, tmp_path_factory.mktemp("coding")).folder)
