"""Servers that envgen started on this machine, and the removal of those without an owner."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ..json_value import as_array, as_object
from ..printable import printable
from .docker import labels
from .docker.engine import Engine
from .owner import Owner, is_name
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


def managed_servers(
    engine: Engine | None, on_ignored: Callable[[str], None] = lambda _: None
) -> list[ManagedServer]:
    """Find every server that this machine's processes started; without an engine, processes.

    ``on_ignored`` is called with what only looks like one, and why: an image can have labels of its
    own, so a container is ours only if its name and its owner have the form that we write.

    Raises EngineError if the engine doesn't answer.
    """
    found = [_process(record) for record in records(on_ignored)]
    if engine is None:
        return found
    entries = [("container", entry) for entry in engine.containers(labels.MANAGED)]
    swarm = Swarm(engine)
    if swarm.is_active():
        entries += [("service", entry) for entry in swarm.services(labels.MANAGED)]
    for kind, entry in entries:
        server = _container(engine, entry) if kind == "container" else _service(swarm, entry)
        if server is not None:
            found.append(server)
        else:
            name = printable(_name(entry))
            on_ignored(f"the {kind} {name} has labels of envgen's, but envgen didn't start it")
    return found


def orphans(servers: Sequence[ManagedServer]) -> list[ManagedServer]:
    """Those whose owner is known to be gone."""
    return [server for server in servers if server.owner_is_alive is False]


def _process(record: Record) -> ManagedServer:
    owner = Owner.parse(record.owner)

    def remove() -> None:
        kill_marked(record.name, since=owner.start_time if owner else None)
        record.remove()

    alive = owner.is_alive if owner else None
    return ManagedServer("process", record.name, record.what, "", alive, remove)


def _name(entry: dict[str, Any]) -> str:
    """The name of a container or service; empty if it has none."""
    spec, names = as_object(entry.get("Spec")) or {}, as_array(entry.get("Names")) or []
    return str(next(iter(names), spec.get("Name", ""))).removeprefix("/")


def _container(engine: Engine, entry: dict[str, Any]) -> ManagedServer | None:
    marks, name = as_object(entry.get("Labels")) or {}, _name(entry)
    owner = Owner.parse(marks.get(labels.OWNER))
    if owner is None or not is_name(name):
        return None
    return ManagedServer(
        kind="container",
        name=name,
        what=str(marks.get(labels.IMAGE, entry.get("Image"))),
        status=str(entry.get("Status")),
        owner_is_alive=owner.is_alive,
        _remove=partial(engine.remove, entry["Id"]),
    )


def _service(swarm: Swarm, entry: dict[str, Any]) -> ManagedServer | None:
    spec, name = as_object(entry.get("Spec")) or {}, _name(entry)
    marks = as_object(spec.get("Labels")) or {}
    owner = Owner.parse(marks.get(labels.OWNER))
    if owner is None or not is_name(name):
        return None
    mode = as_object(spec.get("Mode")) or {}
    replicas = (as_object(mode.get("Replicated")) or {}).get("Replicas", "no")
    return ManagedServer(
        kind="service",
        name=name,
        what=str(marks.get(labels.IMAGE, "")),
        status=f"{replicas} replicas",
        owner_is_alive=owner.is_alive,
        _remove=partial(swarm.remove, name),
    )
