"""A real engine, real images, and the check that no test leaves anything running."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import ModuleType

import pytest
from docker import DockerClient

from envgen_runtime.providers import LocalDockerProvider, owner
from envgen_runtime.providers.docker import labels
from tests.docker import engine as engines
from tests.interop.venvs import VenvUnavailable

Left = Callable[[], list[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.docker)


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    """An engine. Without one the tests are skipped, except in CI, where they fail."""
    try:
        with engines.running_engine() as client:
            yield client
    except engines.NoEngine as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def plain(engine: DockerClient) -> str:
    """The name of an image whose server starts at once and fails as it is told."""
    return engines.plain_image(engine)


@pytest.fixture(scope="session")
def openenv(engine: DockerClient) -> str:
    """The name of an image of a real environment on OpenEnv 0.10.0."""
    try:
        return engines.openenv_image(engine)
    except VenvUnavailable as reason:
        if engines.in_ci():
            raise
        pytest.skip(str(reason))


@pytest.fixture
def left(engine: DockerClient) -> Left:
    """The names of the containers that this process started and has not removed."""

    def names() -> list[str]:
        mine = f"{labels.OWNER}={owner.this_process()}"
        return [
            container.name or ""
            for container in engine.containers.list(
                all=True, filters={"label": mine}, ignore_removed=True
            )
        ]

    return names


@pytest.fixture(autouse=True)
def nothing_left(left: Left) -> Generator[None]:
    """No test may leave a container behind."""
    yield
    assert left() == []


@pytest.fixture
def provider() -> Iterator[LocalDockerProvider]:
    """A provider that is stopped when the test ends."""
    with LocalDockerProvider() as provider:
        yield provider


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of loopback on which somebody else listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def free_port() -> int:
    """A port of loopback that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def faults(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """The client of the environment that does wrong what its action says."""
    from tests.support import action, build, observation

    document = {
        **action({"fault": {"type": "string"}, "seconds": {"type": "number"}}),
        "observation": observation({"steps": {"type": "integer"}})["observation"],
        "name": "faults_env",
    }
    return build(document, tmp_path_factory.mktemp("faults"))
