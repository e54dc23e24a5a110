"""What every provider promises, and the part of it that they share."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self, runtime_checkable

from ..errors import ProviderError, ReadyTimeout, StartError
from . import readiness

LOG_LINES = 20
"""How many of the server's last lines an error carries."""

_LONGEST_PROBE_S = 2.0


@runtime_checkable
class ContainerProvider(Protocol):
    """Starts a container from an image. The method names are the seed contract's.

    A client that was given a provider owns it: ``close()`` stops the container, once.
    """

    def start_container(self, image: str, /, *args: Any, **kwargs: Any) -> str:
        """Start a container and return its base URL. The options are the provider's own."""
        ...

    def wait_for_ready(self, base_url: str, timeout_s: float = 30.0) -> None:
        """Return when the server answers; raise when it has not after ``timeout_s`` seconds."""
        ...

    def stop_container(self) -> None:
        """Stop and remove the container. Does nothing the second time."""
        ...


@dataclass(frozen=True)
class Ended:
    """How a server ended.

    Attributes:
        reason: what happened, to be read by a person.
        exit_code: what it exited with, where that is known.
    """

    reason: str
    exit_code: int | None = None


class Provider(ABC):
    """Starts one environment server, watches over it, and stops it.

    A provider serves one server at a time; another start after a stop is fine. Starting, waiting
    and stopping block, and may be called from any thread: ``stop()`` also ends a start or a wait
    that goes on in another thread. As a context manager it stops what it has started.
    """

    def __init__(self) -> None:
        self._base_url: str | None = None
        self._stopping = threading.Event()

    @property
    def base_url(self) -> str:
        """The running server's address.

        Raises:
            ProviderError: nothing was started.
        """
        if self._base_url is None:
            raise ProviderError(f"{type(self).__name__} has not started a server")
        return self._base_url

    def wait_for_ready(
        self,
        base_url: str | None = None,
        timeout_s: float = 60.0,
    ) -> None:
        """Return as soon as ``GET /health`` answers 200.

        Args:
            base_url: the address; by default what the start returned.
            timeout_s: the time limit, in seconds.

        Raises:
            StartError: the server has ended; the error has its exit code and its last lines.
            ReadyTimeout: it runs, and is not healthy in time.
        """
        url = base_url or self.base_url
        deadline = time.monotonic() + timeout_s
        answer = "nothing"
        for pause_s in readiness.pauses():
            # Asked before the probe: whoever answers after an end is somebody else.
            if ended := self._ended():
                raise StartError(
                    f"{self._describe()} {ended.reason} before it was ready",
                    log=self._last_lines(),
                    exit_code=ended.exit_code,
                )
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                break
            answer = self._probe(url, min(left_s, _LONGEST_PROBE_S))
            if answer == readiness.READY:
                return
            if self._stopping.wait(min(pause_s, left_s)):
                raise StartError(f"{self._describe()} was stopped before it was ready")
        raise ReadyTimeout(
            f"{self._describe()} runs, but {url}/health was not answered with 200 within "
            f"{timeout_s:g} s (last answer: {answer})",
            log=self._last_lines(),
        )

    @abstractmethod
    def logs(self, tail: int | None = None) -> str:
        """What the server has written, standard output and standard error together.

        Args:
            tail: only the last so many lines.
        """

    @abstractmethod
    def follow_logs(self) -> Iterator[str]:
        """What the server has written and writes, line by line, until it ends."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the server and remove all that was made for it. Does nothing the second time.

        Raises:
            EngineError: it can't be known whether the server is gone. Another call tries again.
        """

    def stop_container(self) -> None:
        """The seed contract's name of ``stop``."""
        self.stop()

    def diagnosis(self, within_s: float = 1.0) -> str | None:
        """How the server ended, and its last lines; None where it runs, or was stopped by us.

        Args:
            within_s: how long to wait for its end, in seconds: a connection breaks some time
                before the end of the process is known.
        """
        deadline = time.monotonic() + within_s
        for pause_s in readiness.pauses():
            if self._base_url is None:
                return None
            try:
                ended = self._ended()
            except ProviderError as error:
                return str(error)
            if ended is not None:
                what = f"{self._describe()} {ended.reason}"
                return str(ProviderError(what, log=self._last_lines()))
            if time.monotonic() > deadline or self._stopping.wait(pause_s):
                return None
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _probe(self, url: str, timeout_s: float) -> str:
        return readiness.probe(url, timeout_s=timeout_s)

    @abstractmethod
    def _ended(self) -> Ended | None:
        """How the server ended; None while it runs."""

    @abstractmethod
    def _describe(self) -> str:
        """The server, as a sentence names it."""

    def _last_lines(self) -> str:
        try:
            return self.logs(tail=LOG_LINES).rstrip()
        except ProviderError:
            return ""  # there is an error to report already


AnyProvider = ContainerProvider | Provider
"""What a client can be given: ours, or what follows the seed contract."""
