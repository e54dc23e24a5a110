"""The provider interface, and what every provider of ours shares."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

from .. import forks
from ..errors import ProviderError, ReadyTimeout, StartError
from ..wire.redaction import without_secrets
from . import readiness
from .cleanup import Cleanup

LOG_LINES = 20
"""How many of the server's last lines an error carries."""

_PROBE_LIMIT_S = 2.0


@runtime_checkable
class ContainerProvider(Protocol):
    """Starts a container from an image, with the seed contract's method names.

    A client that is given a provider owns it: ``close()`` stops the container, once.
    """

    def start_container(self, image: str, /, *args: Any, **kwargs: Any) -> str:
        """Start a container and return its base URL. The options are the provider's own."""
        ...

    def wait_for_ready(self, base_url: str, timeout_s: float = 30.0) -> None:
        """Return when the server answers; raise if it has not after ``timeout_s`` seconds."""
        ...

    def stop_container(self) -> None:
        """Stop and remove the container. Does nothing the second time."""
        ...


@dataclass(frozen=True)
class ServerExit:
    """How a server ended: the reason, as ``exited with code 1``, and the exit code if known."""

    reason: str
    exit_code: int | None = None


class Provider(ABC):
    """Starts one environment server, watches it, and stops it.

    A provider runs one server at a time and may start another after a stop. Starting, waiting and
    stopping block, and may be called from any thread: ``stop()`` also ends a start or a wait in
    another thread. As a context manager, a provider stops what it started.

    Attributes:
        has_health: whether the server has ``/health``; servers with routes of their own may not.
    """

    has_health: bool = True

    def __init__(self) -> None:
        self._base_url: str | None = None
        self._stopping = threading.Event()
        self._cleanup: Cleanup | None = None
        self._is_inherited = False
        forks.track(self)

    def after_fork(self) -> None:
        """Leave the server to the parent, in a forked child, which may still connect to it."""
        self._stopping = threading.Event()  # another thread of the parent may have held its lock
        self._cleanup = None
        self._is_inherited = True

    @property
    def base_url(self) -> str:
        """The running server's address. Raises ProviderError if no server was started."""
        if self._base_url is None:
            raise ProviderError(f"{type(self).__name__} has not started a server")
        return self._base_url

    def wait_for_ready(self, base_url: str | None = None, timeout_s: float = 60.0) -> None:
        """Return as soon as ``GET /health`` answers 200.

        A server without that route (``has_health``) is ready as soon as it answers anything.

        Args:
            base_url: the address; by default the one that the start returned.
            timeout_s: the time limit, in seconds.

        Raises:
            StartError: the server ended; the error has its exit code and its last lines.
            ReadyTimeout: the server runs but is not healthy in time.
        """
        url = base_url or self.base_url
        answer = readiness.NO_ANSWER
        for left_s in self._polls(timeout_s):
            # Before the probe: if the server has ended, an answer is another server's.
            self._raise_if_ended()
            latest = self._probe(url, min(left_s, _PROBE_LIMIT_S))
            if latest == readiness.READY:
                return
            if latest != readiness.NO_ANSWER:  # the time limit cuts the last probe short
                answer = latest
        self._raise_if_ended()
        shown = without_secrets(url)
        wanted = (
            f"{shown}/health did not answer 200" if self.has_health else f"{shown} did not answer"
        )
        raise ReadyTimeout(
            f"{self._describe()} runs, but {wanted} within {timeout_s:g} s (last answer: {answer})",
            log=self._last_lines(),
        )

    def logs(self, tail: int | None = None) -> str:  # noqa: ARG002 - for providers with a log
        """Return the server's output, or its last ``tail`` lines; empty if it can't be read.

        Standard output and standard error come together.
        """
        return ""

    def follow_logs(self) -> Iterator[str]:
        """Yield the server's output, past and future, line by line until the server ends."""
        return iter(())

    def stop(self) -> None:
        """Stop the server and remove everything made for it. Does nothing the second time.

        Raises:
            EngineError: the engine can't confirm that the server is gone. Another call, or the end
                of the process, tries again.
        """
        self._stopping.set()
        if self._cleanup is not None:
            self._cleanup.run()
        self._cleanup = None
        self._base_url = None

    def stop_container(self) -> None:
        """The seed contract's name for ``stop``."""
        self.stop()

    def diagnosis(self, within_s: float = 1.0) -> str | None:
        """Say how the server ended, with its last lines.

        None if it runs, if it was stopped by us, and in a forked child, whose server it is not. The
        end is waited for, up to ``within_s`` seconds: a connection breaks before it is known.
        """
        deadline = time.monotonic() + within_s
        for pause_s in readiness.pauses():
            if self._base_url is None or self._is_inherited:
                return None
            try:
                end = self._exit()
            except ProviderError as error:
                return str(error)
            if end is not None:
                what = f"{self._describe()} {end.reason}"
                return str(ProviderError(what, log=self._last_lines()))
            if time.monotonic() > deadline or self._stopping.wait(pause_s):
                return None
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextmanager
    def _starting(self) -> Generator[None]:
        """Run a start; stop again if it fails, or if another thread stopped it meanwhile.

        Raises:
            ProviderError: a server is running already.
            StartError: the start was stopped.
        """
        if self._cleanup is not None:
            raise ProviderError(f"{self._describe()} is already running; stop it first")
        self._stopping.clear()
        self._is_inherited = False
        try:
            yield
            if self._stopping.is_set():
                raise StartError(f"{self._describe()} was stopped while it started")  # noqa: TRY301
        except BaseException:
            self.stop()
            raise

    def _polls(self, timeout_s: float) -> Iterator[float]:
        """Yield the seconds left, with growing pauses, until the time is up.

        Raises StartError if ``stop()`` is called meanwhile.
        """
        deadline = time.monotonic() + timeout_s
        for pause_s in readiness.pauses():
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                return
            yield left_s
            if self._stopping.wait(min(pause_s, max(0.0, deadline - time.monotonic()))):
                raise StartError(f"{self._describe()} was stopped before it was ready")

    def _probe(self, url: str, timeout_s: float) -> str:
        return readiness.probe(url, timeout_s=timeout_s, has_health=self.has_health)

    def _raise_if_ended(self) -> None:
        if self._is_inherited:
            return  # its parent alone knows
        if end := self._exit():
            raise StartError(
                f"{self._describe()} {end.reason} before it was ready",
                log=self._last_lines(),
                exit_code=end.exit_code,
            )

    @abstractmethod
    def _exit(self) -> ServerExit | None:
        """How the server ended; None while it runs."""

    @abstractmethod
    def _describe(self) -> str:
        """A noun phrase for the server, for messages."""

    def _last_lines(self) -> str:
        try:
            return self.logs(tail=LOG_LINES).rstrip()
        except ProviderError:
            return ""  # the caller is reporting an error already


AnyProvider = ContainerProvider | Provider
"""A provider that a client accepts: one of ours, or one that follows the seed contract."""
