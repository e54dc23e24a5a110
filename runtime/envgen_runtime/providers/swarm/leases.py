"""Leases: the right to one session on a server that several clients share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ProviderError
from ..base import Provider, ServerExit

if TYPE_CHECKING:
    from .service import DockerSwarmProvider


@dataclass(frozen=True)
class Replica:
    """A running replica of a fleet.

    Attributes:
        url: its own address: a session stays on its replica.
        task_id: the swarm's id for it.
        node: the name of its machine.
        sessions: how many leases it has.
        capacity: how many leases it may have.
    """

    url: str
    task_id: str
    node: str
    sessions: int
    capacity: int


class Lease(Provider):
    """One session on a replica. A client that owns the lease gives it back when it closes."""

    def __init__(self, fleet: DockerSwarmProvider) -> None:
        super().__init__()
        self._fleet = fleet
        self._replica: Replica | None = None

    @property
    def replica(self) -> Replica:
        """The replica. Raises ProviderError if the lease was not started, or was given back."""
        if self._replica is None:
            raise ProviderError("the lease holds no replica")
        return self._replica

    endpoint = replica
    """The name of ``replica`` in envgen 0.1."""

    def start(self, timeout_s: float = 60.0) -> str:
        """Take a session on the replica with the most room, and return the replica's address.

        Raises:
            ReadyTimeout: no replica had room within ``timeout_s`` seconds.
        """
        if self._replica is None:
            self._replica = self._fleet.acquire(timeout_s)
            self._base_url = self._replica.url
        return self._replica.url

    def logs(self, tail: int | None = None) -> str:
        """Return the output of all the fleet's replicas."""
        return self._fleet.logs(tail)

    def follow_logs(self) -> Iterator[str]:
        """Yield the output of all the fleet's replicas until now."""
        return self._fleet.follow_logs()

    def stop(self) -> None:
        """Give the session back. Does nothing the second time."""
        super().stop()
        replica, self._replica = self._replica, None
        if replica is not None and not self._is_inherited:
            self._fleet.release(replica.task_id)

    def _exit(self) -> ServerExit | None:
        return self._fleet.end_of(self.replica.task_id)

    def _describe(self) -> str:
        replica = self._replica
        return f"the replica {replica.task_id} at {replica.url}" if replica else "a replica"

    def _last_lines(self) -> str:
        return ""  # the log doesn't tell one replica's lines from another's
