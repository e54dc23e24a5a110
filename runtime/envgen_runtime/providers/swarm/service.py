"""Environments on several machines: a Docker Swarm service and its replicas."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ...errors import ProviderError, ReadyTimeout, StartError
from .. import readiness
from ..base import ServerExit
from ..cleanup import Cleanup
from ..docker import labels as own_labels
from ..docker.engine import DEFAULT_PORT, REMOVAL_LIMIT_S, Credentials, Engine, memory_bytes
from ..docker.provider import EngineProvider
from ..owner import new_name
from .api import Swarm
from .leases import Lease, Replica

_FIRST_REPLICA_S = 120.0
_MAX_PAUSE_S = 0.5
_PROBE_S = 1.0
_RESTART_DELAY_NS = 1_000_000_000
_POLL_S = 0.05


class DockerSwarmProvider(EngineProvider):
    """Runs an image as a Docker Swarm service and leases sessions on its replicas.

    Each replica publishes a port of its own on its machine (host mode): a session must stay on its
    replica, and a swarm's routing mesh would send each connection to another one. Swarm publishes
    on all addresses of a machine, so protect the machines' ports with a firewall.

    Sessions are counted in this process: share a provider among the threads of a trainer, and give
    each process a service of its own.

    Args:
        engine: a manager's address, as for ``LocalDockerProvider``.
        init: if the engine is in no swarm, make one of it, and leave it afterwards.
        credentials: for the image's registry; passed on to the nodes.
        grace_s: how long a replica may take to end by itself before it is killed, in seconds.
    """

    def __init__(
        self,
        *,
        engine: str | None = None,
        init: bool = False,
        credentials: Credentials | None = None,
        grace_s: float = 0.0,
    ) -> None:
        super().__init__(engine=engine, credentials=credentials, grace_s=grace_s)
        self._init = init
        self._replicas = 0
        self._capacity = 1
        self._known_failures: set[str] = set()
        self._leases: Counter[str] = Counter()
        self._room = threading.Condition()

    def after_fork(self) -> None:
        """Leave the service, and the sessions leased here, to the parent, in a forked child."""
        super().after_fork()
        self._leases.clear()
        self._room = threading.Condition()

    def start_container(
        self,
        image: str,
        port: int | None = None,
        env_vars: Mapping[str, str] | None = None,
        *,
        replicas: int = 1,
        sessions_per_replica: int = 1,
        memory: str | int | None = None,
        cpus: float | None = None,
        constraints: Sequence[str] = (),
        user: str | None = None,
        read_only: bool = False,
        labels: Mapping[str, str] | None = None,
        command: Sequence[str] | None = None,
    ) -> str:
        """Start a service, wait until a replica runs, and return that replica's base URL.

        ``lease`` gives sessions on all of them.

        Args:
            image: the image's name; each node must have it or be able to pull it.
            port: the port that the server listens on; by default the one that the image exposes,
                if the manager has the image, else 8000. The nodes choose the published ports.
            env_vars: environment variables of the replicas.
            replicas: the number of replicas.
            sessions_per_replica: how many sessions a replica takes at once.
            memory: each replica's limit, in bytes or as ``512m``; the same amount is reserved.
            cpus: each replica's limit, in processors.
            constraints: restrict the nodes, such as ``node.labels.gpu==true``.
            user: the user that the server runs as.
            read_only: make the containers' files read-only.
            labels: labels of the service, added to those of envgen.
            command: replaces the image's command.

        Raises:
            TypeError: an unknown option.
            ValueError: an option has a value that can't be used.
            EngineError: the engine refused or can't be reached.
            StartError: a replica failed, or the engine is not a swarm manager.
        """
        if replicas < 1 or sessions_per_replica < 1:
            raise ValueError("replicas and sessions_per_replica must be at least 1")
        with self._starting():
            limits = {"MemoryBytes": memory_bytes(memory), "NanoCPUs": round((cpus or 0) * 1e9)}
            container: dict[str, Any] = {
                "Image": image,
                "Env": [f"{name}={value}" for name, value in (env_vars or {}).items()],
                "ReadOnly": read_only,
                "StopGracePeriod": round(self._grace_s * 1e9),
            }
            if user is not None:
                container["User"] = user
            if command is not None:
                container["Command"] = list(command)
            self._image, self._replicas, self._capacity = image, replicas, sessions_per_replica
            self._name = new_name()
            engine = self._engine = Engine(self._address)
            found = engine.image(image)
            inner = port or (found.server_port if found else DEFAULT_PORT)
            swarm = Swarm(engine)
            remove = partial(_remove, self._address, self._name, leave=self._join(swarm))
            self._cleanup = Cleanup(f"the service {self._name}", remove)
            spec = {
                "labels": {**(labels or {}), **own_labels.managed(**{own_labels.IMAGE: image})},
                "mode": {"Replicated": {"Replicas": replicas}},
                "task_template": {
                    "ContainerSpec": container,
                    "Resources": {
                        "Limits": limits,
                        "Reservations": {"MemoryBytes": limits["MemoryBytes"]},
                    },
                    "RestartPolicy": {"Condition": "any", "Delay": _RESTART_DELAY_NS},
                    "Placement": {"Constraints": list(constraints)},
                },
                "endpoint_spec": {
                    "Mode": "dnsrr",
                    "Ports": [{"Protocol": "tcp", "TargetPort": inner, "PublishMode": "host"}],
                },
            }
            swarm.create(self._name, spec, self._credentials, image)
            self._base_url = self._first_replica().url
        return self._base_url

    def wait_for_ready(self, base_url: str | None = None, timeout_s: float = 60.0) -> None:
        """Return as soon as every replica answers ``GET /health`` with 200.

        Raises:
            StartError: a replica failed; the error has the service's last lines.
            ReadyTimeout: not all replicas are healthy in time.
        """
        del base_url  # every replica is waited for
        healthy: set[str] = set()
        for _ in self._polls(timeout_s):
            self._raise_if_failed()
            running = self.replicas()
            healthy &= {replica.task_id for replica in running}
            healthy |= {
                replica.task_id
                for replica in running
                if replica.task_id not in healthy and _is_healthy(replica)
            }
            if len(healthy) >= self._replicas:
                self._accept_failures()
                return
        raise ReadyTimeout(
            f"{len(healthy)} of {self._replicas} replicas of {self._describe()} were ready "
            f"within {timeout_s:g} s",
            log=self._last_lines(),
        )

    def replicas(self) -> list[Replica]:
        """The replicas that run now, on machines that the manager is in contact with."""
        swarm = self._swarm()
        nodes = swarm.nodes()
        return [
            Replica(
                url=f"http://{nodes[task.node_id].address}:{task.port}",
                task_id=task.id,
                node=nodes[task.node_id].name,
                sessions=self._leases[task.id],
                capacity=self._capacity,
            )
            for task in swarm.tasks(self._name)
            if task.should_run and task.state == "running" and task.port is not None
            if task.node_id in nodes and nodes[task.node_id].is_up
        ]

    endpoints = replicas
    """The name of ``replicas`` in envgen 0.1."""

    def scale(self, replicas: int) -> None:
        """Change the number of replicas. Sessions on removed replicas are lost."""
        if replicas < 1:
            raise ValueError("replicas must be at least 1")
        self._accept_failures()
        self._swarm().scale(self._name, replicas)
        self._replicas = replicas

    def lease(self) -> Lease:
        """A lease of one session, which begins with its ``start`` and ends with its client."""
        return Lease(self)

    def logs(self, tail: int | None = None) -> str:
        """Return the output of all replicas. As ``Provider.logs``."""
        return self._swarm().logs(self._name, tail) if self._engine else ""

    def follow_logs(self) -> Iterator[str]:
        """Yield the output of all replicas until now, line by line."""
        yield from self.logs().splitlines()

    def stop(self) -> None:
        """Remove the service, and wait until its containers are gone. As ``Provider.stop``."""
        self._stopping.set()
        with self._room:
            self._room.notify_all()
        super().stop()
        self._leases.clear()

    def acquire(self, timeout_s: float) -> Replica:
        """Take a session on the healthy replica with the most room. For ``Lease``."""
        deadline = time.monotonic() + timeout_s
        while not self._stopping.is_set():
            with self._room:
                free = [one for one in self.replicas() if one.sessions < one.capacity]
                chosen = max(free, key=lambda one: one.capacity - one.sessions, default=None)
                if chosen is not None:
                    self._leases[chosen.task_id] += 1
                elif time.monotonic() > deadline:
                    break
                else:
                    # A release notifies; a new replica does not, so the wait is short.
                    self._room.wait(min(_MAX_PAUSE_S, max(0, deadline - time.monotonic())))
                    continue
            # The manager notices late that a machine is gone.
            if _is_healthy(chosen):
                return chosen
            self.release(chosen.task_id)
            if time.monotonic() > deadline or self._stopping.wait(_MAX_PAUSE_S):
                break
        leases = sum(self._leases.values())
        raise ReadyTimeout(
            f"no replica of {self._describe()} had room within {timeout_s:g} s "
            f"({leases} sessions in use, {self._capacity} per replica)",
            retryable=True,
        )

    def release(self, task_id: str) -> None:
        """Give back a session on a replica. For ``Lease``."""
        with self._room:
            if self._leases[task_id] > 0:
                self._leases[task_id] -= 1
            self._room.notify()

    def end_of(self, task_id: str) -> ServerExit | None:
        """How a replica ended; None while it runs. For ``Lease``."""
        swarm = self._swarm()
        task = next((one for one in swarm.tasks(self._name) if one.id == task_id), None)
        if task is None:
            return ServerExit("is gone from the swarm")
        node = swarm.nodes().get(task.node_id)
        where = node.name if node else "a machine that has left the swarm"
        if node is None or not node.is_up:
            return ServerExit(f"was lost with its machine, {where}")
        if task.should_run and task.state == "running":
            return None
        detail = f": {task.message}" if task.message else ""
        return ServerExit(f"ended on {where} ({task.state}{detail})", task.exit_code)

    def _join(self, swarm: Swarm) -> bool:
        """Make sure that the engine manages a swarm; return whether one had to be created."""
        if swarm.is_active():
            return False
        if not self._init:
            raise StartError(
                "the engine is not a swarm manager: pass a manager's address with engine=, or "
                "create a swarm with init=True"
            )
        swarm.init()
        return True

    def _first_replica(self) -> Replica:
        for _ in self._polls(_FIRST_REPLICA_S):
            self._raise_if_failed()
            for replica in self.replicas():
                return replica
        tasks = self._swarm().tasks(self._name)
        reasons = "; ".join({task.message for task in tasks if task.is_starting and task.message})
        raise ReadyTimeout(
            f"no replica of {self._describe()} ran within {_FIRST_REPLICA_S:g} s: "
            f"{reasons or 'the swarm gives no reason'}"
        )

    def _raise_if_failed(self) -> None:
        for task in self._swarm().tasks(self._name):
            if task.has_failed and task.id not in self._known_failures:
                raise StartError(
                    f"a replica of {self._describe()} {task.state}: {task.message}",
                    log=self._last_lines(),
                    exit_code=task.exit_code,
                )

    def _accept_failures(self) -> None:
        """Ignore past failures: the swarm replaced those replicas."""
        tasks = self._swarm().tasks(self._name)
        self._known_failures |= {task.id for task in tasks if task.has_failed}

    def _swarm(self) -> Swarm:
        if self._engine is None:
            raise ProviderError("the service was stopped or never started")
        return Swarm(self._engine)

    def _exit(self) -> ServerExit | None:
        if self._stopping.is_set():
            return ServerExit("was stopped")
        if self._swarm().tasks(self._name):
            return None
        return ServerExit("was removed by another program")

    def _describe(self) -> str:
        return f"the service {self._name} of {self._image}"


def _is_healthy(replica: Replica) -> bool:
    return readiness.probe(replica.url, timeout_s=_PROBE_S) == readiness.READY


def _remove(address: str | None, name: str, *, leave: bool) -> None:
    deadline = time.monotonic() + REMOVAL_LIMIT_S
    with Engine(address, timeout_s=REMOVAL_LIMIT_S) as engine:
        swarm = Swarm(engine)
        swarm.remove(name)
        # The service is gone at once, its containers a moment later.
        while engine.containers(f"com.docker.swarm.service.name={name}"):
            if time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
        if leave:
            swarm.leave_if_empty()
