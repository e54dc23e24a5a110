"""Room for sessions on servers that several clients share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ...errors import ProviderError
from ..base import Ended, Provider


@dataclass(frozen=True)
class Endpoint:
    """A replica that can be talked to.

    Attributes:
        url: its own address: sessions stay with their replica.
        task_id: the swarm's id of it.
        node: the name of the machine.
        sessions: how many leases on it are out.
        capacity: how many there may be.
    """

    url: str
    task_id: str
    node: str
    sessions: int
    capacity: int


class Fleet(Protocol):
    """What gives out room on its replicas, to clients from any thread."""

    def lease(self) -> Lease:
        """Room for one session, to be had with its ``start``."""
        ...

    def acquire(self, timeout_s: float) -> Endpoint:
        """Take room on the replica that has most of it.

        Raises:
            ReadyTimeout: there was none in time.
        """
        ...

    def release(self, task_id: str) -> None:
        """Give back room on a replica."""
        ...

    def end_of(self, task_id: str) -> Ended | None:
        """How a replica ended; None while it runs."""
        ...

    def logs(self, tail: int | None = None) -> str:
        """What the replicas have written."""
        ...

    def follow_logs(self) -> Iterator[str]:
        """What the replicas have written until now, line by line."""
        ...


class Lease(Provider):
    """Room for one session on a replica. A client that owns it gives it back when it is closed."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__()
        self._fleet = fleet
        self._endpoint: Endpoint | None = None

    @property
    def endpoint(self) -> Endpoint:
        """The replica.

        Raises:
            ProviderError: it was not started, or was given back.
        """
        if self._endpoint is None:
            raise ProviderError("the lease holds no replica")
        return self._endpoint

    def start(self, timeout_s: float = 60.0) -> str:
        """Take the room on the replica that has most of it, and return the replica's address.

        Args:
            timeout_s: how long to wait for room, in seconds.

        Raises:
            ReadyTimeout: there was none.
        """
        if self._endpoint is None:
            self._endpoint = self._fleet.acquire(timeout_s)
            self._base_url = self._endpoint.url
        return self._endpoint.url

    def logs(self, tail: int | None = None) -> str:
        """What the service's replicas have written."""
        return self._fleet.logs(tail)

    def follow_logs(self) -> Iterator[str]:
        """What the service's replicas have written until now."""
        return self._fleet.follow_logs()

    def stop(self) -> None:
        """Give the room back. Does nothing the second time."""
        self._stopping.set()
        endpoint, self._endpoint = self._endpoint, None
        self._base_url = None
        if endpoint is not None:
            self._fleet.release(endpoint.task_id)

    def _ended(self) -> Ended | None:
        return self._fleet.end_of(self.endpoint.task_id)

    def _describe(self) -> str:
        endpoint = self._endpoint
        if endpoint is None:
            return "a replica"
        return f"the replica {endpoint.task_id} at {endpoint.url}"

    def _last_lines(self) -> str:
        return ""  # a replica's own lines can't be told from the others'
