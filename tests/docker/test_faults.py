"""Ways to fail: the error that the user sees, and that nothing is left running."""

from __future__ import annotations

import gc
from http.client import HTTPException
from types import ModuleType

import pytest
from docker import APIClient

from envgen_runtime import EngineError, FetchError, ReadyTimeout, StartError
from envgen_runtime.providers import LocalDockerProvider
from tests.docker.conftest import Left
from tests.docker.test_local_docker import get


def test_an_image_that_nobody_has(provider: LocalDockerProvider) -> None:
    provider = LocalDockerProvider(pull="never")
    with pytest.raises(FetchError, match="has no image envgen-test/nowhere"):
        provider.start_container("envgen-test/nowhere")


def test_a_container_that_exits_at_once(plain: str, faults: ModuleType, left: Left) -> None:
    with pytest.raises(StartError) as caught:
        # An error, not a start that hangs: it doesn't wait for the time to be up.
        faults.FaultsEnv.from_docker_image(plain, env_vars={"EXIT_CODE": "78"}, timeout_s=10**6)
    assert caught.value.exit_code == 78
    assert "exited with code 78" in str(caught.value)
    assert "no licence found in /etc/licence" in caught.value.log
    assert left() == []


def test_a_server_that_is_never_healthy(plain: str, faults: ModuleType, left: Left) -> None:
    with pytest.raises(ReadyTimeout) as caught:
        faults.FaultsEnv.from_docker_image(plain, env_vars={"SICK": "1"}, timeout_s=2)
    assert "last answer: HTTP 503" in str(caught.value)
    assert "the plain server starts" in str(caught.value)
    assert left() == []


def test_a_port_on_which_nothing_listens(plain: str, provider: LocalDockerProvider) -> None:
    url = provider.start_container(plain, container_port=9999)
    with pytest.raises(ReadyTimeout):
        provider.wait_for_ready(url, timeout_s=1)


def test_a_port_that_is_taken(plain: str, taken_port: int, left: Left) -> None:
    with pytest.raises(StartError, match=rf"port {taken_port} of 127\.0\.0\.1 is taken"):
        LocalDockerProvider().start_container(plain, port=taken_port)
    assert left() == []


def test_a_container_that_ignores_sigterm(
    plain: str, left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = LocalDockerProvider(grace_s=1)
    provider.wait_for_ready(provider.start_container(plain, env_vars={"DEAF": "1"}))
    graces: list[float | None] = []
    stop = APIClient.stop

    def noted(self: APIClient, container: str, timeout: float | None = None) -> None:
        graces.append(timeout)
        stop(self, container, timeout)

    monkeypatch.setattr(APIClient, "stop", noted)
    provider.stop()
    assert graces == [1], "it is not given the engine's ten seconds"
    assert left() == []


def test_a_memory_limit_that_is_hit(plain: str, provider: LocalDockerProvider) -> None:
    url = provider.start_container(plain, memory="48m", env_vars={"EAT_MB": "200"})
    provider.wait_for_ready(url)
    with pytest.raises((ConnectionError, HTTPException)):
        get(f"{url}/eat")
    why = provider.diagnosis()
    assert why is not None
    assert "killed at its memory limit of 48 MiB" in why


def test_a_disk_that_is_full(plain: str, provider: LocalDockerProvider) -> None:
    url = provider.start_container(
        plain, read_only=True, env_vars={"WRITE": "/dev/shm/file"}, shm_size="64k"
    )
    provider.wait_for_ready(url)
    assert "No space left on device" in get(f"{url}/write")


def test_a_container_that_somebody_removes(
    engine: object, plain: str, provider: LocalDockerProvider
) -> None:
    provider.wait_for_ready(provider.start_container(plain))
    engine.containers.get(provider.container_name).remove(force=True)  # type: ignore[attr-defined]
    why = provider.diagnosis()
    assert why is not None
    assert "removed by another program" in why
    provider.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_engine_at_all() -> None:
    with pytest.raises(EngineError, match=r"can't be reached at unix:///nowhere.sock"):
        LocalDockerProvider(engine="unix:///nowhere.sock").start_container("any")
    gc.collect()  # the SDK leaves the socket that it could not connect to the collector
