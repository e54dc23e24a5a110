"""A service on a real swarm of three machines: its replicas, its sessions, and lost machines."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from types import ModuleType

import pytest
from docker import DockerClient

from envgen_runtime import (
    ConnectionLost,
    ContainerProvider,
    EngineError,
    EnvError,
    ReadyTimeout,
    RequestTimeout,
    StartError,
)
from envgen_runtime.providers import DockerSwarmProvider, LocalDockerProvider, managed
from envgen_runtime.providers.docker.engine import Engine
from tests.docker import engine as engines
from tests.docker.registry import running_registry
from tests.docker.swarm_nodes import SwarmNode, swarm
from tests.support import PATIENCE_S


@dataclass
class Cluster:
    """Three machines in a swarm, one in none, and the images that all of them can pull."""

    nodes: list[SwarmNode]
    spare: SwarmNode
    plain: str
    openenv: str

    @property
    def manager(self) -> str:
        return self.nodes[0].engine.address


@pytest.fixture(scope="module")
def cluster(
    engine: DockerClient, plain: str, openenv: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    if not engines.in_ci() and not engines.may_make_networks():
        pytest.skip("machines of one's own need root")
    with swarm(3, spare=1) as nodes:
        folder = tmp_path_factory.mktemp("registry")
        with running_registry(folder, host="0.0.0.0") as registry:
            for image, name in ((plain, "plain:1"), (openenv, "openenv:1")):
                registry.push(engine, image, name)
            there = f"{nodes[0].gateway}:{registry.port}"
            yield Cluster(nodes[:3], nodes[3], f"{there}/plain:1", f"{there}/openenv:1")


@pytest.fixture
def fleet(cluster: Cluster) -> Iterator[DockerSwarmProvider]:
    with DockerSwarmProvider(engine=cluster.manager) as provider:
        yield provider
    with Engine(cluster.manager) as engine:
        mine = [one for one in managed.managed_servers(engine) if one.kind == "service"]
    assert mine == []


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_is_what_the_seed_contract_calls_a_provider() -> None:
    assert isinstance(DockerSwarmProvider(), ContainerProvider)


def test_every_replica_has_an_address_of_its_own(
    cluster: Cluster, fleet: DockerSwarmProvider
) -> None:
    fleet.start_container(cluster.plain, replicas=3, memory="64m", cpus=0.25, labels={"a": "b"})
    fleet.wait_for_ready(timeout_s=PATIENCE_S)
    replicas = fleet.replicas()
    hosts = {replica.url.rpartition(":")[0] for replica in replicas}
    assert hosts == {f"http://{node.address}" for node in cluster.nodes}
    with Engine(cluster.manager) as engine:
        (service,) = engine.api.services()
    limits = service["Spec"]["TaskTemplate"]["Resources"]["Limits"]
    assert (limits["MemoryBytes"], limits["NanoCPUs"]) == (64 * 2**20, 250_000_000)
    assert service["Spec"]["Labels"]["a"] == "b"
    assert "the plain server starts" in fleet.logs()


def test_constraints_say_where(cluster: Cluster, fleet: DockerSwarmProvider) -> None:
    fleet.start_container(cluster.plain, replicas=2, constraints=["node.role==manager"])
    fleet.wait_for_ready(timeout_s=PATIENCE_S)
    hosts = [replica.url.rpartition(":")[0] for replica in fleet.replicas()]
    assert hosts == [f"http://{cluster.nodes[0].address}"] * 2


def test_leases_go_where_there_is_most_room(cluster: Cluster, fleet: DockerSwarmProvider) -> None:
    fleet.start_container(cluster.plain, replicas=3, sessions_per_replica=2)
    fleet.wait_for_ready(timeout_s=PATIENCE_S)
    leases = [fleet.lease() for _ in range(6)]
    urls = [lease.start(PATIENCE_S) for lease in leases]
    assert sorted(Counter(urls[:3]).values()) == [1, 1, 1]
    assert sorted(Counter(urls).values()) == [2, 2, 2]
    late = fleet.lease()
    with pytest.raises(ReadyTimeout, match="6 sessions in use, 2 per replica"):
        late.start(0.2)
    threading.Timer(0.3, leases[4].stop).start()
    assert late.start(PATIENCE_S) == urls[4]
    for lease in (*leases, late, late):
        lease.stop()
    assert sum(replica.sessions for replica in fleet.replicas()) == 0


def test_replicas_that_come_and_go_are_noticed(
    cluster: Cluster, fleet: DockerSwarmProvider
) -> None:
    fleet.start_container(cluster.plain, replicas=1)
    fleet.wait_for_ready(timeout_s=PATIENCE_S)
    first, second = fleet.lease(), fleet.lease()
    first.start(PATIENCE_S)
    fleet.scale(2)
    assert second.start(PATIENCE_S) != first.base_url
    # A replica that dies is replaced, at another address.
    dead = second.replica.task_id
    node = next(node for node in cluster.nodes if node.address in second.base_url)
    client = node.client()
    client.containers.list(filters={"label": f"com.docker.swarm.task.id={dead}"})[0].kill()
    client.close()
    eventually(lambda: second.diagnosis(0) is not None)
    why = second.diagnosis(0)
    assert why is not None
    assert "137" in why
    eventually(lambda: {dead} & {one.task_id for one in fleet.replicas()} == set())
    third = fleet.lease()
    third.start(PATIENCE_S)
    assert third.replica.task_id not in {first.replica.task_id, dead}


def test_a_replica_that_exits_at_once(cluster: Cluster, fleet: DockerSwarmProvider) -> None:
    def start() -> None:
        fleet.start_container(cluster.plain, env_vars={"EXIT_CODE": "78"})
        fleet.wait_for_ready()

    with pytest.raises(StartError, match="non-zero exit") as caught:
        start()
    assert caught.value.exit_code == 78


def test_an_image_that_no_node_has(cluster: Cluster, fleet: DockerSwarmProvider) -> None:
    with pytest.raises(StartError, match="No such image"):
        fleet.start_container(cluster.plain.replace("plain", "nowhere"))


def test_room_that_nobody_has(cluster: Cluster, fleet: DockerSwarmProvider) -> None:
    fleet.start_container(cluster.plain)
    with pytest.raises(TypeError, match="memroy"):
        DockerSwarmProvider().start_container(cluster.plain, memroy="1g")  # type: ignore[call-arg]


def test_no_swarm_is_made_unless_told(cluster: Cluster) -> None:
    address = cluster.spare.engine.address
    with pytest.raises(StartError, match="init=True"):
        DockerSwarmProvider(engine=address).start_container(cluster.plain)
    with DockerSwarmProvider(engine=address, init=True) as provider:
        provider.start_container(cluster.plain)
        with Engine(address) as engine:
            assert engine.api.info()["Swarm"]["LocalNodeState"] == "active"
    with Engine(address) as engine:
        assert engine.api.info()["Swarm"]["LocalNodeState"] == "inactive"
        assert engine.api.containers(all=True) == []


def test_clients_share_a_fleet(
    cluster: Cluster, fleet: DockerSwarmProvider, faults: ModuleType
) -> None:
    fleet.start_container(cluster.openenv, port=7860, replicas=2)

    async def episode() -> str:
        async with await faults.AsyncFaultsEnv.from_fleet(fleet, timeout_s=PATIENCE_S) as env:
            await env.reset()
            for steps in range(1, 4):
                assert (await env.step(faults.DoAction())).observation.steps == steps
            return str(env.base_url)

    async def play() -> list[str]:
        return await asyncio.gather(*(episode() for _ in range(6)))

    assert len(set(asyncio.run(play()))) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_engine_that_stops_and_starts_again(cluster: Cluster) -> None:
    node = cluster.spare
    provider = LocalDockerProvider(engine=node.engine.address)
    url = provider.start_container(cluster.plain, host=node.address, connect_host=node.address)
    provider.wait_for_ready(url)
    node.engine.stop()
    why = provider.diagnosis(0)
    assert why is not None
    assert "engine" in why
    node.engine.start()
    why = provider.diagnosis(0)
    assert why is not None
    assert "exited with code" in why
    node.engine.stop()
    with pytest.raises(EngineError, match="can't be reached"):
        provider.stop()
    gc.collect()  # the SDK leaves the sockets that it could not connect to the collector
    node.engine.start()
    provider.stop()
    with Engine(node.engine.address) as engine:
        assert engine.api.containers(all=True) == []


def test_a_machine_that_is_lost(
    cluster: Cluster, fleet: DockerSwarmProvider, faults: ModuleType
) -> None:
    """The last test: the machine doesn't come back."""
    fleet.start_container(cluster.openenv, port=7860, replicas=3)
    fleet.wait_for_ready(timeout_s=PATIENCE_S)
    options = {"request_timeout_s": 5}
    lost = cluster.nodes[2]
    with ExitStack() as stack:
        envs = [
            stack.enter_context(faults.FaultsEnv.from_fleet(fleet, client_options=options))
            for _ in range(3)
        ]
        for env in envs:
            env.reset()
        (there,) = [env for env in envs if lost.address in env.base_url]
        others = [env for env in envs if env is not there]

        lost.pull_the_plug()
        for env in others:
            assert env.step(faults.DoAction()).observation.steps == 1
        with pytest.raises((RequestTimeout, ConnectionLost)) as caught:
            there.step(faults.DoAction())
        assert "was lost with its machine" in caught.value.__notes__[0]
        with pytest.raises(EnvError):
            there.step(faults.DoAction())
        there.close()

        with faults.FaultsEnv.from_fleet(fleet, client_options=options) as new:
            assert lost.address not in new.base_url
            new.reset()
            assert new.step(faults.DoAction()).observation.steps == 1
        for env in others:
            assert env.step(faults.DoAction()).observation.steps == 2
