"""The part of a manager's API that the swarm provider uses: services, their tasks, and nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..docker.engine import Credentials, Engine, translated

_STARTING = frozenset(
    {"new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting"}
)
_FAILED = frozenset({"failed", "rejected"})


@dataclass(frozen=True)
class Node:
    """A machine of the swarm; ``address`` is where its published ports are reached."""

    name: str
    address: str
    is_up: bool


@dataclass(frozen=True)
class Task:
    """A replica's container, present or past.

    Attributes:
        node_id: the machine that runs it; empty before it is assigned to one.
        state: the manager's word for its state, such as ``running``.
        should_run: whether the manager wants it to run.
        message: the error, if it failed.
        exit_code: its container's exit code, if it has exited.
        port: its published port on the node; None if it has none.
    """

    id: str
    node_id: str
    state: str
    should_run: bool
    message: str
    exit_code: int | None
    port: int | None

    @property
    def is_starting(self) -> bool:
        """Whether it is still being started."""
        return self.state in _STARTING

    @property
    def has_failed(self) -> bool:
        """Whether it failed, or its node refused it."""
        return self.state in _FAILED


class Swarm:
    """A swarm, as one of its managers sees it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def is_active(self) -> bool:
        """Whether the engine is a manager of a swarm."""
        with translated("the engine can't be asked about its swarm"):
            swarm: Mapping[str, Any] = self._engine.api.info().get("Swarm") or {}
        return bool(swarm.get("ControlAvailable"))

    def init(self) -> None:
        """Make the engine the manager of a swarm of its own."""
        with translated("a swarm can't be created"):
            self._engine.api.init_swarm(advertise_addr="127.0.0.1")

    def leave_if_empty(self) -> None:
        """Leave the swarm that ``init`` made, unless it has services."""
        with translated("the swarm can't be left"):
            if not self._engine.api.services():
                self._engine.api.leave_swarm(force=True)

    def create(
        self, name: str, spec: Mapping[str, Any], credentials: Credentials | None, image: str
    ) -> None:
        """Create a service of ``image``, whose registry's credentials are passed on to the nodes.

        ``spec`` has ``labels``, ``mode``, ``endpoint_spec`` and ``task_template`` of the Engine
        API.
        """
        with translated(f"the service {name} can't be created"):
            if credentials is not None:
                registry = image.partition("/")[0]
                self._engine.api.login(
                    credentials.username, credentials.password, registry=registry
                )
            self._engine.api.create_service(name=name, **spec)

    def scale(self, name: str, replicas: int) -> None:
        """Change how many replicas a service has."""
        with translated(f"the service {name} can't be scaled"):
            found = self._engine.api.inspect_service(name)
            spec = found["Spec"]
            self._engine.api.update_service(
                found["ID"],
                found["Version"]["Index"],
                name=name,
                labels=spec.get("Labels"),
                task_template=spec["TaskTemplate"],
                endpoint_spec=spec.get("EndpointSpec"),
                mode={"Replicated": {"Replicas": replicas}},
            )

    def remove(self, name: str) -> bool:
        """Remove a service; False if there is none."""
        with translated(f"the service {name} can't be removed", missing_ok=True):
            self._engine.api.remove_service(name)
            return True
        return False

    def services(self, label: str) -> list[dict[str, Any]]:
        """The services with a label."""
        with translated("the engine can't list its services"):
            found: list[dict[str, Any]] = self._engine.api.services(filters={"label": label})
        return found

    def tasks(self, service: str) -> list[Task]:
        """The tasks of a service, present and past; empty if there is no such service."""
        with translated(f"the tasks of {service} can't be listed", missing_ok=True):
            return list(map(_task, self._engine.api.tasks(filters={"service": service})))
        return []

    def nodes(self) -> dict[str, Node]:
        """The machines of the swarm, by their ids."""
        with translated("the swarm's nodes can't be listed"):
            found = self._engine.api.nodes()
        return {entry["ID"]: self._node(entry) for entry in found}

    def logs(self, service: str, tail: int | None) -> str:
        """The output of a service's replicas."""
        lines = "all" if tail is None else tail
        with translated(f"the log of {service} can't be read"):
            stream = self._engine.api.service_logs(
                service, stdout=True, stderr=True, tail=lines, is_tty=False
            )
            return b"".join(stream).decode("utf-8", errors="replace")

    def _node(self, entry: Mapping[str, Any]) -> Node:
        address = entry["Status"].get("Addr", "")
        if address in ("", "0.0.0.0"):  # noqa: S104 - a manager may report this as its own address
            manager: Mapping[str, Any] = entry.get("ManagerStatus") or {}
            address = str(manager.get("Addr", "")).rpartition(":")[0] or self._engine.host
        return Node(
            name=entry["Description"]["Hostname"],
            address=address,
            is_up=entry["Status"]["State"] == "ready",
        )


def _task(entry: Mapping[str, Any]) -> Task:
    status: Mapping[str, Any] = entry["Status"]
    published: Mapping[str, Any] = status.get("PortStatus") or {}
    ports: list[Mapping[str, Any]] = published.get("Ports") or []
    container: Mapping[str, Any] = status.get("ContainerStatus") or {}
    return Task(
        id=entry["ID"],
        node_id=entry.get("NodeID", ""),
        state=status["State"],
        should_run=entry["DesiredState"] == "running",
        message=status.get("Err", ""),
        exit_code=container.get("ExitCode"),
        port=next((port["PublishedPort"] for port in ports), None),
    )
