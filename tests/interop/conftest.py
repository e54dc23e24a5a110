"""Running servers, one per release, and the client that is generated for them."""

from __future__ import annotations

import itertools
import os
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import pytest

from tests.interop.running import Release, RunningServer, running_server
from tests.interop.venvs import ROOT, VenvUnavailable

RELEASES = (
    Release("openenv-core", "0.1.1"),
    Release("openenv-core", "0.2.1"),
    Release("openenv-core", "0.3.0"),
    Release("openenv", "0.4.2"),
    Release("openenv", "0.10.0"),
)
MODERN = tuple(release for release in RELEASES if not release.is_seed)


class Serve(Protocol):
    """Serve an environment with a release; a server that runs already is given again.

    ``fresh`` asks for a server that no other test has seen or will see.
    """

    def __call__(
        self, release: Release, env_name: str, *, fresh: bool = False, **variables: str
    ) -> RunningServer: ...


class StartServer(Protocol):
    """``Serve`` for those who want a base URL and, mostly, the environment of words."""

    def __call__(
        self, release: Release, env_name: str = "words", *, fresh: bool = False, **variables: str
    ) -> str: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "interop" in Path(item.path).parts:
            item.add_marker(pytest.mark.interop)


@contextmanager
def skip_without_venv() -> Generator[None]:
    """Skip where nobody can make a venv, unless that is what the machine is for."""
    try:
        yield
    except VenvUnavailable as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


_unavailable: dict[Release, VenvUnavailable] = {}


def need_venv(release: Release) -> None:
    """Skip where nobody can make the release's venv. As ``skip_without_venv``.

    Asked once for each release: finding out that nobody answers takes long.
    """
    with skip_without_venv():
        if error := _unavailable.get(release):
            raise error
        try:
            release.python()
        except VenvUnavailable as error:
            _unavailable[release] = error
            raise


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Start servers, each when it is first asked for; all end with the session."""
    folder = tmp_path_factory.mktemp("servers")
    running: dict[Any, RunningServer] = {}
    numbers = itertools.count()
    with ExitStack() as stack:

        def start(
            release: Release, env_name: str, *, fresh: bool = False, **variables: str
        ) -> RunningServer:
            key = (release, env_name, tuple(sorted(variables.items())))
            if not fresh and key in running:
                return running[key]
            log = folder / f"{release}-{env_name}-{next(numbers)}.log"
            need_venv(release)
            server = stack.enter_context(running_server(release, env_name, log, **variables))
            if not fresh:
                running[key] = server
            return server

        yield start


@pytest.fixture(scope="session")
def start_server(serve: Serve) -> StartServer:
    """``serve``, giving base URLs."""

    def start(
        release: Release, env_name: str = "words", *, fresh: bool = False, **variables: str
    ) -> str:
        env_name = variables.pop("ENV_NAME", env_name)
        return serve(release, env_name, fresh=fresh, **variables).base_url

    return start


@pytest.fixture(params=RELEASES, ids=str)
def release(request: pytest.FixtureRequest) -> Release:
    """Every release in turn."""
    given: Release = request.param
    return given


@pytest.fixture(params=MODERN, ids=str)
def modern(request: pytest.FixtureRequest) -> Release:
    """Every release that speaks WebSocket in turn."""
    given: Release = request.param
    return given


@pytest.fixture
def fresh_server(
    release: Release, request: pytest.FixtureRequest, tmp_path: Path
) -> Generator[RunningServer]:
    """A server for this test alone, which ends with it; ``coding``, or what the parameter says.

    For what changes or kills a server; and for the first servers, whose state all share.
    """
    need_venv(release)
    env_name = getattr(request, "param", "coding")
    with running_server(release, env_name, tmp_path / "server.log") as server:
        yield server


@pytest.fixture(scope="session")
def coding(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The client for the coding environment, generated from its file."""
    # Imported here: what tests servers alone needs no envgen.
    from envgen.build import build_package
    from envgen.sources import read_contract
    from tests.support import load

    contract = read_contract(str(ROOT / "schemas" / "coding_env.json"))
    return load(build_package(contract, tmp_path_factory.mktemp("coding")).folder)
