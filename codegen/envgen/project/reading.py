"""Read many sources, or their saved contracts, at the same time: servers are slow to answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Literal

from ..config import refuse_variables
from ..interrupts import in_thread
from ..sources import ReadSource, label, read_source
from ..sources.address import MCP_COMMAND
from .jobs import Job

if TYPE_CHECKING:
    from concurrent.futures import Future

    from envgen_runtime.providers import PullProgress

Stage = Literal["read", "built", "failed"]

Progress = Callable[[str, "Stage | PullProgress"], None]
"""Called from any thread with a source and what it has reached: a stage, or a point in a pull."""

_AT_ONCE = 16


def read_all(jobs: Iterable[Job], progress: Progress) -> list[tuple[Job, Future[ReadSource]]]:
    """Start to read every job's source. Return the jobs in their order, with their contracts."""
    free = BoundedSemaphore(_AT_ONCE)

    def read(job: Job) -> ReadSource:
        with free:
            try:
                return _read(job, progress)
            finally:
                progress(job.source, "read")

    return [(job, in_thread(partial(read, job))) for job in jobs]


def _read(job: Job, progress: Progress) -> ReadSource:
    if job.saved is not None:
        return job.saved.read(name=job.name, state=job.settings.state)
    if not job.is_named and job.source.startswith(MCP_COMMAND):
        refuse_variables({label(job.source): job.source})
    if not job.has_own_headers:
        refuse_variables(
            {f"header {name[:60]!r}": value for name, value in job.settings.headers.items()}
        )
    on_pull = partial(progress, job.source)
    return read_source(job.source, name=job.name, settings=job.settings, on_pull=on_pull)
