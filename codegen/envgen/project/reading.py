"""Read many sources, or their saved contracts, at the same time: servers are slow to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Literal

from ..sources import ReadSource, read_source
from .jobs import Job

if TYPE_CHECKING:
    from envgen_runtime.providers import PullProgress

Stage = Literal["read", "built", "failed"]

Progress = Callable[[str, "Stage | PullProgress"], None]
"""Called from any thread with a source and what it has reached: a stage, or a point in a pull."""

_THREADS = 16


def read_all(jobs: Iterable[Job], progress: Progress) -> Iterator[tuple[Job, Future[ReadSource]]]:
    """Start to read every job's source. Yield the jobs in their order, with their contracts."""
    readings: list[tuple[Job, Future[ReadSource]]] = [(job, Future()) for job in jobs]
    pending: SimpleQueue[tuple[Job, Future[ReadSource]]] = SimpleQueue()
    for reading in readings:
        pending.put(reading)
    for _ in readings[:_THREADS]:
        # Daemons, unlike an executor's threads: an interrupted build doesn't wait for a server.
        Thread(target=_read_pending, args=(pending, progress), daemon=True).start()
    return iter(readings)


def _read_pending(pending: SimpleQueue[tuple[Job, Future[ReadSource]]], progress: Progress) -> None:
    with suppress(Empty):
        while True:
            job, future = pending.get_nowait()
            try:
                read = _read(job, progress)
            except BaseException as error:  # noqa: BLE001 - future.result() raises it
                future.set_exception(error)
            else:
                future.set_result(read)
            progress(job.source, "read")


def _read(job: Job, progress: Progress) -> ReadSource:
    if job.saved is not None:
        return job.saved.read(name=job.name, state=job.settings.state)
    on_pull = partial(progress, job.source)
    return read_source(job.source, name=job.name, settings=job.settings, on_pull=on_pull)
