"""What envgen started on this machine, and the removal of what nobody owns any more."""

from __future__ import annotations

import shutil
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
class Started:
    """Something that a process started through envgen.

    Attributes:
        kind: ``container``, ``process`` or ``service``.
        name: what to call it.
        what: the image or the project that it serves.
        status: how it is, as the engine says it.
        owner_lives: whether the process that started it lives; None where nobody can say, as on
            another machine.
    """

    kind: str
    name: str
    what: str
    status: str
    owner_lives: bool | None
    _remove: Callable[[], object] = field(repr=False)

    def remove(self) -> None:
        """Stop and remove it.

        Raises:
            EngineError: the engine doesn't answer, or refuses.
        """
        self._remove()


def started(engine: Engine | None) -> list[Started]:
    """All that was started, by any process of this machine.

    Args:
        engine: where to look for containers and services; None to look for processes alone.

    Raises:
        EngineError: the engine doesn't answer.
    """
    found = [_process(record) for record in records()]
    if engine is not None:
        found += [_container(engine, entry) for entry in engine.containers(labels.MANAGED)]
        swarm = Swarm(engine)
        if swarm.is_active():
            found += [_service(swarm, entry) for entry in swarm.services(labels.MANAGED)]
    return found


def orphans(found: Sequence[Started]) -> list[Started]:
    """Those whose owner is known to be gone."""
    return [one for one in found if one.owner_lives is False]


def _process(record: Record) -> Started:
    def remove() -> None:
        kill_marked(record.name)
        shutil.rmtree(record.folder, ignore_errors=True)
        record.forget()

    return Started(
        "process", record.name, record.what, "", owner.lives(record.owner), _remove=remove
    )


def _container(engine: Engine, entry: dict[str, Any]) -> Started:
    return Started(
        kind="container",
        name=entry["Names"][0].removeprefix("/") if entry["Names"] else entry["Id"][:12],
        what=entry["Labels"].get(labels.IMAGE, entry["Image"]),
        status=entry["Status"],
        owner_lives=owner.lives(entry["Labels"].get(labels.OWNER, "")),
        _remove=partial(engine.remove, entry["Id"]),
    )


def _service(swarm: Swarm, entry: dict[str, Any]) -> Started:
    spec = entry["Spec"]
    return Started(
        kind="service",
        name=spec["Name"],
        what=spec["Labels"].get(labels.IMAGE, ""),
        status=f"{spec['Mode']['Replicated']['Replicas']} replicas",
        owner_lives=owner.lives(spec["Labels"].get(labels.OWNER, "")),
        _remove=partial(swarm.remove, spec["Name"]),
    )
