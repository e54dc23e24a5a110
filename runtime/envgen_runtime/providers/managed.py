"""Servers that envgen started on this machine, and the removal of those without an owner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from . import owner
from .docker import labels
from .docker.engine import Engine
from .process.processes import kill_marked
from .process.records import Record, records
from .swarm.api import Swarm


@dataclass(frozen=True)
class ManagedServer:
    """A server that some process started through envgen.

    Attributes:
        kind: ``container``, ``process`` or ``service``.
        what: the image or the project that it serves.
        status: its status, as the engine gives it.
        owner_is_alive: whether the process that started it is alive; None if unknown, as for a
            process on another machine.
    """

    kind: str
    name: str
    what: str
    status: str
    owner_is_alive: bool | None
    _remove: Callable[[], object] = field(repr=False)

    def remove(self) -> None:
        """Stop and remove it. Raises EngineError if the engine refuses or doesn't answer."""
        self._remove()


def managed_servers(engine: Engine | None) -> list[ManagedServer]:
    """Find every server that this machine's processes started; without an engine, processes.

    Raises EngineError if the engine doesn't answer.
    """
    found = [_process(record) for record in records()]
    if engine is not None:
        found += [_container(engine, entry) for entry in engine.containers(labels.MANAGED)]
        swarm = Swarm(engine)
        if swarm.is_active():
            found += [_service(swarm, entry) for entry in swarm.services(labels.MANAGED)]
    return found


def orphans(servers: Sequence[ManagedServer]) -> list[ManagedServer]:
    """Those whose owner is known to be gone."""
    return [server for server in servers if server.owner_is_alive is False]


def _process(record: Record) -> ManagedServer:
    def remove() -> None:
        kill_marked(record.name)
        record.remove()

    alive = owner.is_alive(record.owner)
    return ManagedServer("process", record.name, record.what, "", alive, remove)


def _container(engine: Engine, entry: dict[str, Any]) -> ManagedServer:
    return ManagedServer(
        kind="container",
        name=entry["Names"][0].removeprefix("/") if entry["Names"] else entry["Id"][:12],
        what=entry["Labels"].get(labels.IMAGE, entry["Image"]),
        status=entry["Status"],
        owner_is_alive=owner.is_alive(entry["Labels"].get(labels.OWNER, "")),
        _remove=partial(engine.remove, entry["Id"]),
    )


def _service(swarm: Swarm, entry: dict[str, Any]) -> ManagedServer:
    spec = entry["Spec"]
    return ManagedServer(
        kind="service",
        name=spec["Name"],
        what=spec["Labels"].get(labels.IMAGE, ""),
        status=f"{spec['Mode']['Replicated']['Replicas']} replicas",
        owner_is_alive=owner.is_alive(spec["Labels"].get(labels.OWNER, "")),
        _remove=partial(swarm.remove, spec["Name"]),
    )
