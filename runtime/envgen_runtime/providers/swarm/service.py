"""Environments on more than one machine: a Docker Swarm's service, and its replicas one by one."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ...errors import ProviderError, ReadyTimeout, StartError
from .. import readiness
from ..base import Ended, Provider
from ..cleanup import Held
from ..docker import labels as marks
from ..docker.engine import REMOVAL_LIMIT_S, Credentials, Engine
from ..docker.local import DEFAULT_PORT, exposed_port
from ..docker.options import memory_bytes
from .api import Node, Swarm, Task
from .leases import Endpoint, Lease

_FIRST_REPLICA_S = 120.0
_LONGEST_PAUSE_S = 0.5
_PROBE_S = 1.0
_RESTART_DELAY_NS = 1_000_000_000


class DockerSwarmProvider(Provider):
    """Runs an image as a service of a Docker Swarm, and gives out its replicas.

    A replica publishes a port of its own on its machine (host mode), for a session must stay with
    its replica, and a swarm's routing mesh sends every connection elsewhere. Swarm publishes on
    all addresses of a machine: keep the machines' ports from those who have no business there.

    Sessions are counted in this process: share a provider among the threads of a trainer, and give
    each process a service of its own.

    Args:
        engine: a manager's address, as for ``LocalDockerProvider``.
        init: make the engine a swarm of its own if it is in none, and leave it afterwards.
        credentials: for the image's registry; handed on to the nodes.
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
        super().__init__()
        self._grace_s = grace_s
        self._address = engine
        self._init = init
        self._credentials = credentials
        self._engine: Engine | None = None
        self._held: Held | None = None
        self._name = ""
        self._image = ""
        self._replicas = 0
        self._capacity = 1
        self._forgiven: set[str] = set()
        self._leases: Counter[str] = Counter()
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

        For sessions with all of them see ``lease``.

        Args:
            image: the image's name, which every node can pull or has.
            port: the port that the server listens on; by default the one that the image exposes,
                where the manager has it, else 8000. The nodes choose the ports they publish.
            env_vars: variables of the replicas' environment.
            replicas: how many replicas to run.
            sessions_per_replica: how many sessions a replica takes at once.
            memory: each replica's limit, in bytes or as ``512m``; as much is reserved.
            cpus: how many processors' time each may use.
            constraints: where replicas may run, as ``node.labels.gpu==true``.
            user: who the server runs as.
            read_only: the containers' files can't be written.
            labels: of the service, besides those of envgen.
            command: instead of the image's.

        Raises:
            TypeError: an option that doesn't exist.
            ValueError: an option's value can't be used.
            EngineError: the engine can't be reached, is no manager of a swarm, or refused.
            StartError: a replica failed.
        """
        if self._held is not None:
            raise ProviderError(f"{self._describe()} runs already; stop it first")
        if replicas < 1 or sessions_per_replica < 1:
            raise ValueError("replicas and sessions_per_replica must be at least 1")
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
        self._stopping.clear()
        self._image, self._replicas, self._capacity = image, replicas, sessions_per_replica
        self._name = f"envgen-{uuid.uuid4()}"
        try:
            engine = self._engine = Engine(self._address)
            found = engine.image(image)
            inner = port or (exposed_port(found) if found else DEFAULT_PORT)
            made = self._enter(Swarm(engine))
            remove = partial(_remove, self._address, self._name, leave=made)
            self._held = Held(f"the service {self._name}", remove)
            spec = {
                "labels": {**(labels or {}), **marks.managed(**{marks.IMAGE: image})},
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
            Swarm(engine).create(self._name, spec, self._credentials, image)
            self._base_url = self._first()
        except BaseException:
            self.stop()
            raise
        return self._base_url

    def wait_for_ready(self, base_url: str | None = None, timeout_s: float = 60.0) -> None:
        """Return as soon as every replica answers ``GET /health`` with 200.

        Raises:
            StartError: a replica failed; the error has the service's last lines.
            ReadyTimeout: they are not all healthy in time.
        """
        del base_url  # all of them are waited for
        healthy: set[str] = set()

        def all_ready(endpoints: list[Endpoint]) -> bool:
            for endpoint in endpoints:
                if endpoint.task_id not in healthy and _answers(endpoint):
                    healthy.add(endpoint.task_id)
            return len(healthy & {endpoint.task_id for endpoint in endpoints}) >= self._replicas

        if not self._until(all_ready, timeout_s):
            raise ReadyTimeout(
                f"{len(healthy)} of {self._replicas} replicas of {self._describe()} were ready "
                f"within {timeout_s:g} s",
                log=self._last_lines(),
            )
        self._forgive()

    def endpoints(self) -> list[Endpoint]:
        """The replicas that run now, on machines that the manager hears from."""
        swarm = self._swarm()
        nodes = swarm.nodes()
        return [
            self._endpoint(task, nodes[task.node_id])
            for task in swarm.tasks(self._name)
            if task.is_wanted and task.state == "running" and task.port is not None
            if task.node_id in nodes and nodes[task.node_id].is_up
        ]

    def scale(self, replicas: int) -> None:
        """Change how many replicas there are. Sessions of those that go are lost."""
        if replicas < 1:
            raise ValueError("replicas must be at least 1")
        self._forgive()
        self._swarm().scale(self._name, replicas)
        self._replicas = replicas

    def lease(self) -> Lease:
        """Room for one session, to be had with its ``start``; a client gives it back at its end."""
        return Lease(self)

    def logs(self, tail: int | None = None) -> str:
        """What the replicas have written. As ``Provider.logs``."""
        return self._swarm().logs(self._name, tail) if self._engine else ""

    def follow_logs(self) -> Iterator[str]:
        """What the replicas have written until now, line by line."""
        yield from self.logs().splitlines()

    def stop(self) -> None:
        """Remove the service, and wait until its containers are gone. As ``Provider.stop``."""
        self._stopping.set()
        with self._room:
            self._room.notify_all()
        if self._held is not None:
            self._held.release()
        self._held = None
        self._base_url = None
        self._leases.clear()
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()

    def acquire(self, timeout_s: float) -> Endpoint:
        """Take room on the replica that has most of it, once it answers. For ``Lease``."""
        deadline = time.monotonic() + timeout_s
        while not self._stopping.is_set():
            with self._room:
                free = [one for one in self.endpoints() if one.sessions < one.capacity]
                chosen = max(free, key=lambda one: one.capacity - one.sessions, default=None)
                if chosen is not None:
                    self._leases[chosen.task_id] += 1
                elif time.monotonic() > deadline:
                    break
                else:
                    # Room comes with a release, which says so, or with a replica, which doesn't.
                    self._room.wait(min(_LONGEST_PAUSE_S, max(0, deadline - time.monotonic())))
                    continue
            # Asked, for the manager hears late of a machine that is gone.
            if _answers(chosen):
                return chosen
            self.release(chosen.task_id)
            if time.monotonic() > deadline or self._stopping.wait(_LONGEST_PAUSE_S):
                break
        out = sum(self._leases.values())
        raise ReadyTimeout(
            f"no replica of {self._describe()} had room within {timeout_s:g} s ({out} sessions "
            f"are out, {self._capacity} to a replica)",
            retryable=True,
        )

    def release(self, task_id: str) -> None:
        """Give back room on a replica. For ``Lease``."""
        with self._room:
            if self._leases[task_id] > 0:
                self._leases[task_id] -= 1
            self._room.notify()

    def end_of(self, task_id: str) -> Ended | None:
        """How a replica ended; None while it runs. For ``Lease``."""
        swarm = self._swarm()
        task = next((one for one in swarm.tasks(self._name) if one.id == task_id), None)
        if task is None:
            return Ended("is gone from the swarm")
        node = swarm.nodes().get(task.node_id)
        where = node.name if node else "a machine that has left the swarm"
        if node is None or not node.is_up:
            return Ended(f"was lost with its machine, {where}")
        if task.is_wanted and task.state == "running":
            return None
        why = f": {task.message}" if task.message else ""
        return Ended(f"ended on {where} ({task.state}{why})", task.exit_code)

    def _enter(self, swarm: Swarm) -> bool:
        """See to it that there is a swarm; whether it had to be made."""
        if swarm.is_active():
            return False
        if not self._init:
            raise StartError(
                "the engine is no manager of a swarm: give a manager's address with engine=, or "
                "let it make one with init=True"
            )
        swarm.init()
        return True

    def _first(self) -> str:
        """The address of the first replica that runs."""
        found: list[Endpoint] = []

        def any_running(endpoints: list[Endpoint]) -> bool:
            found.extend(endpoints[:1])
            return bool(found)

        if not self._until(any_running, _FIRST_REPLICA_S):
            raise ReadyTimeout(
                f"no replica of {self._describe()} ran within {_FIRST_REPLICA_S:g} s: "
                f"{self._obstacles() or 'the swarm does not say why'}"
            )
        return found[0].url

    def _until(self, done: Callable[[list[Endpoint]], bool], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        for pause_s in readiness.pauses():
            self._raise_if_broken()
            if done(self.endpoints()):
                return True
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return False
            if self._stopping.wait(min(pause_s, left_s)):
                raise StartError(f"{self._describe()} was stopped before it was ready")
        return False

    def _raise_if_broken(self) -> None:
        for task in self._swarm().tasks(self._name):
            if task.is_broken and task.id not in self._forgiven:
                raise StartError(
                    f"a replica of {self._describe()} {task.state}: {task.message}",
                    log=self._last_lines(),
                    exit_code=task.exit_code,
                )

    def _forgive(self) -> None:
        """What failed until now is replaced by the swarm, and says nothing about a later start."""
        self._forgiven |= {task.id for task in self._swarm().tasks(self._name) if task.is_broken}

    def _obstacles(self) -> str:
        tasks = self._swarm().tasks(self._name)
        return "; ".join({task.message for task in tasks if task.is_on_its_way and task.message})

    def _endpoint(self, task: Task, node: Node) -> Endpoint:
        return Endpoint(
            url=f"http://{node.address}:{task.port}",
            task_id=task.id,
            node=node.name,
            sessions=self._leases[task.id],
            capacity=self._capacity,
        )

    def _swarm(self) -> Swarm:
        if self._engine is None:
            raise ProviderError("the service was stopped, or never started")
        return Swarm(self._engine)

    def _ended(self) -> Ended | None:
        if self._stopping.is_set():
            return Ended("was stopped")
        return None if self._swarm().tasks(self._name) else Ended("was removed by somebody else")

    def _describe(self) -> str:
        return f"the service {self._name} of {self._image}"


def _answers(endpoint: Endpoint) -> bool:
    return readiness.probe(endpoint.url, timeout_s=_PROBE_S) == readiness.READY


def _remove(address: str | None, name: str, *, leave: bool) -> None:
    deadline = time.monotonic() + REMOVAL_LIMIT_S
    with Engine(address, timeout_s=REMOVAL_LIMIT_S) as engine:
        swarm = Swarm(engine)
        swarm.remove(name)
        # The service is gone at once, its containers a moment later.
        while engine.containers(f"com.docker.swarm.service.name={name}"):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        if leave:
            swarm.leave_if_empty()
