"""Images from a real registry: pulled when missing, and refused without a token."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from types import ModuleType
from typing import Any

import pytest
from docker import DockerClient
from docker.errors import ImageNotFound

from envgen_runtime import FetchError
from envgen_runtime.providers import Credentials, Hub, LocalDockerProvider, PullProgress
from tests.docker.registry import Registry, running_registry

TOKEN = "sesame"


@pytest.fixture(scope="module")
def registry(
    engine: DockerClient, plain: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Registry]:
    """A private registry that holds the image of the Space Some.Team/My_Env."""
    with running_registry(tmp_path_factory.mktemp("registry"), password=TOKEN) as registry:
        registry.push(engine, plain, "some-team-my-env:latest")
        registry.push(engine, plain, "some-team-my-env:v2")
        yield registry


@pytest.fixture
def image(engine: DockerClient, registry: Registry) -> Iterator[str]:
    """An image that only the registry has."""
    full = f"{registry.address}/some-team-my-env:latest"
    yield full
    for tag in (full, full.replace("latest", "v2")):
        with suppress(ImageNotFound):
            engine.images.remove(tag, force=True)


def credentials(password: str = TOKEN) -> Credentials:
    return Credentials("somebody", password)


def test_a_missing_image_is_pulled(engine: DockerClient, image: str) -> None:
    with LocalDockerProvider(credentials=credentials()) as provider:
        provider.wait_for_ready(provider.start_container(image))
        repository = image.rpartition(":")[0]
        assert provider.image_digest.startswith(f"{repository}@sha256:")
        labels = engine.containers.get(provider.container_name).labels
        assert labels["envgen.image-digest"] == provider.image_digest


def test_a_registry_that_refuses(image: str) -> None:
    for wrong in (None, credentials("open")):
        provider = LocalDockerProvider(credentials=wrong)
        with pytest.raises(FetchError, match=r"can't be pulled: .*(unauthorized|no basic auth)"):
            provider.start_container(image)
    with pytest.raises(FetchError, match="can't be pulled"):
        LocalDockerProvider(credentials=credentials()).start_container(image + "-other")


def test_a_registry_that_is_not_there(image: str) -> None:
    with pytest.raises(FetchError, match=r"can't be pulled: .*connection refused"):
        LocalDockerProvider().start_container("127.0.0.1:9/nobody/nothing")


def test_a_private_space_from_its_image(registry: Registry, image: str, faults: ModuleType) -> None:
    hub = Hub(endpoint="http://127.0.0.1:9", registry=registry.address)
    start: Any = faults.FaultsEnv.from_hub
    with pytest.raises(FetchError, match="pass token= or set HF_TOKEN"):
        start("Some.Team/My_Env", use_docker=True, hub=hub, token="")
    # Registries of Spaces take a token with any user's name; this one knows one user.
    provider = LocalDockerProvider(credentials=credentials())
    with start(
        "Some.Team/My_Env", use_docker=True, hub=hub, provider=provider, tag="v2", memory="64m"
    ):
        assert provider.image_digest.startswith(f"{registry.address}/some-team-my-env@sha256:")


def test_the_progress_of_a_pull(image: str, caplog: pytest.LogCaptureFixture) -> None:
    seen: list[PullProgress] = []
    caplog.set_level(logging.INFO, "envgen_runtime")
    with LocalDockerProvider(credentials=credentials(), on_pull=seen.append) as provider:
        provider.start_container(image)
    assert {progress.image for progress in seen} == {image}
    assert seen[0].total_bytes == 0, "the registry was asked, and nothing is downloaded yet"
    assert [progress.is_done for progress in seen].index(True) == len(seen) - 1
    assert f"pulling {image}" in caplog.messages
    assert f"pulled {image} ({provider.image_digest})" in caplog.messages
