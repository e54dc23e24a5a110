"""What LocalDockerProvider makes of its options, and what it tells of a container."""

from __future__ import annotations

import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import pytest
from docker import DockerClient

from envgen_runtime import ContainerProvider, ProviderError, StartError
from envgen_runtime.providers import LocalDockerProvider
from tests.docker.conftest import Left
from tests.support import PATIENCE_S


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE_S) as response:
        return str(response.read().decode())


def test_it_is_what_the_seed_contract_calls_a_provider() -> None:
    assert isinstance(LocalDockerProvider(), ContainerProvider)


def test_the_port_is_published_on_loopback_only(
    engine: DockerClient, plain: str, provider: LocalDockerProvider
) -> None:
    url = provider.start_container(plain)
    provider.wait_for_ready(url)
    container = engine.containers.get(provider.container_name)
    bindings = container.attrs["NetworkSettings"]["Ports"]["8000/tcp"]
    assert bindings == [{"HostIp": "127.0.0.1", "HostPort": url.rpartition(":")[2]}]


def test_the_image_says_the_containers_port(openenv: str, provider: LocalDockerProvider) -> None:
    provider.wait_for_ready(provider.start_container(openenv))  # it exposes 7860 and nothing else


def test_the_argument_says_the_containers_port(plain: str, provider: LocalDockerProvider) -> None:
    url = provider.start_container(plain, env_vars={"PORT": "9001"}, container_port=9001)
    provider.wait_for_ready(url)


def test_limits_and_the_rest_reach_the_engine(
    engine: DockerClient, plain: str, provider: LocalDockerProvider, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("from outside")
    url = provider.start_container(
        plain,
        env_vars={"COLOUR": "red"},
        memory="128m",
        cpus=0.5,
        shm_size="32m",
        user="1234:1234",
        read_only=True,
        volumes=[f"{tmp_path}:/data:ro"],
        labels={"team": "blue"},
    )
    provider.wait_for_ready(url)
    container = engine.containers.get(provider.container_name)
    host = container.attrs["HostConfig"]
    assert (host["Memory"], host["MemorySwap"]) == (128 * 2**20, 128 * 2**20)
    assert (host["NanoCpus"], host["ShmSize"]) == (500_000_000, 32 * 2**20)
    assert container.labels["team"] == "blue"
    said = get(url)
    assert said.startswith("1234 ")
    assert "'COLOUR': 'red'" in said
    assert container.exec_run("touch /new", user="root").exit_code != 0
    assert container.exec_run("cat /data/data", user="root").output == b"from outside"
    assert b"Read-only" in container.exec_run("touch /data/new", user="root").output
    assert container.exec_run("touch /tmp/x").exit_code == 0


def test_gpus_that_the_engine_has_not_are_not_ignored(
    plain: str, provider: LocalDockerProvider
) -> None:
    with pytest.raises(StartError, match="gpu"):
        provider.start_container(plain, gpus="all")


def test_unknown_options_are_refused(plain: str, provider: LocalDockerProvider) -> None:
    with pytest.raises(TypeError, match="memroy"):
        provider.start_container(plain, memroy="1g")  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="not a size"):
        provider.start_container(plain, memory="lots")


def test_a_network_of_the_host(plain: str, provider: LocalDockerProvider, free_port: int) -> None:
    url = provider.start_container(
        plain, network="host", container_port=free_port, env_vars={"PORT": str(free_port)}
    )
    provider.wait_for_ready(url)
    assert url == f"http://127.0.0.1:{free_port}"


def test_one_container_at_a_time_and_another_after(
    plain: str, provider: LocalDockerProvider
) -> None:
    provider.start_container(plain)
    first = provider.container_name
    with pytest.raises(ProviderError, match="already running"):
        provider.start_container(plain)
    provider.stop()
    provider.stop()
    provider.wait_for_ready(provider.start_container(plain))
    assert provider.container_name != first


def test_logs(plain: str, provider: LocalDockerProvider) -> None:
    url = provider.start_container(plain)
    provider.wait_for_ready(url)
    assert provider.logs() == "the plain server starts\n"
    assert next(provider.follow_logs()) == "the plain server starts"


def test_a_log_that_is_followed_ends_with_the_container(
    plain: str, provider: LocalDockerProvider
) -> None:
    provider.wait_for_ready(provider.start_container(plain))
    seen: list[str] = []
    reader = threading.Thread(target=lambda: seen.extend(islice(provider.follow_logs(), 5)))
    reader.start()
    provider.stop()
    reader.join(20)
    assert not reader.is_alive()


def test_a_stop_ends_a_wait_in_another_thread(plain: str, provider: LocalDockerProvider) -> None:
    provider.start_container(plain, env_vars={"SICK": "1"})
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(provider.wait_for_ready, timeout_s=PATIENCE_S)
        provider.stop()
        with pytest.raises(StartError):
            waiting.result(20)


def test_many_side_by_side(plain: str, left: Left) -> None:
    def episode(_: int) -> str:
        with LocalDockerProvider() as provider:
            provider.wait_for_ready(provider.start_container(plain))
            return provider.base_url

    with ThreadPoolExecutor(10) as pool:
        urls = list(pool.map(episode, range(20)))
    assert len(urls) == 20
    assert left() == []
