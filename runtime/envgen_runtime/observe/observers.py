"""Observe a client: its requests, their replies, its retries.

Everything is logged under ``envgen_runtime`` at DEBUG, retries at INFO. An ``Observer`` gets the
same, with the data.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field

from ..json_value import JsonValue
from ..wire.protocol import Operation, Request

logger = logging.getLogger("envgen_runtime")


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """A request, about to be sent, with the action's fields or the reset parameters.

    Attributes:
        url: the server's HTTP address.
        operation: ``reset``, ``step`` or ``state``.
        headers: add headers here: they are sent with this request over HTTP, and with the
            handshake if this request opens a WebSocket (an open one carries no headers).
        secrets: the tokens and passwords of the client, which a server may echo in its replies:
            an observer that writes what it gets leaves them out (``EpisodeTrace`` does).
    """

    env_name: str
    url: str
    operation: Operation
    request_id: str
    data: dict[str, JsonValue]
    headers: MutableMapping[str, str] = field(default_factory=dict[str, str])
    secrets: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ReplyEvent:
    """The end of a request.

    Attributes:
        request: the event of its beginning; the same object.
        elapsed_s: the time it took, retries included, in seconds.
        payload: the server's answer; None if there was none, or an error.
        error: the error that the caller is about to get; None if there is a result.
    """

    request: RequestEvent
    elapsed_s: float
    payload: dict[str, JsonValue] | None
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class RetryEvent:
    """A request that failed and will be made again.

    Attributes:
        request: the event of its beginning.
        attempt: the number of attempts that have failed so far.
        delay_s: the wait before the next attempt, in seconds.
        error: the error of this attempt.
    """

    request: RequestEvent
    attempt: int
    delay_s: float
    error: BaseException


class Observer:
    """Observes clients: override the methods you need.

    They are called in the thread or task that makes the request, so keep them quick. An exception
    that they raise is logged, and changes nothing for the caller.
    """

    def on_request(self, event: RequestEvent) -> None:
        """A request is about to be sent."""

    def on_reply(self, event: ReplyEvent) -> None:
        """A request has ended, well or badly. Called once for every ``on_request``."""

    def on_retry(self, event: RetryEvent) -> None:
        """A request has failed and will be made again."""


class Notifier:
    """Tells the log and the observers about one client's requests."""

    def __init__(
        self, observers: Sequence[Observer], *, env_name: str, url: str, secrets: Sequence[str] = ()
    ) -> None:
        self._observers = tuple(observers)
        self._secrets = secrets
        self._env_name = env_name
        self._url = url
        self._began = 0.0  # of the one request in flight

    @property
    def is_on(self) -> bool:
        """Whether anything is observed or logged. If not, no events are made."""
        return bool(self._observers) or logger.isEnabledFor(logging.DEBUG)

    def began(self, request: Request) -> RequestEvent:
        """A request is about to be sent. Returns its event, with the headers observers added."""
        event = RequestEvent(
            self._env_name,
            self._url,
            request.operation,
            request.request_id,
            request.data,
            secrets=self._secrets,
        )
        logger.debug("%s %s to %s", request.request_id, request.operation, self._url)
        self._notify("a request", lambda observer: observer.on_request(event))
        self._began = time.perf_counter()
        return event

    def ended(
        self,
        request: RequestEvent,
        payload: dict[str, JsonValue] | None,
        error: BaseException | None,
    ) -> None:
        """A request has ended."""
        event = ReplyEvent(request, time.perf_counter() - self._began, payload, error)
        logger.debug(
            "%s %s %s after %.1f ms",
            request.request_id,
            request.operation,
            type(error).__name__ if error is not None else "answered",
            event.elapsed_s * 1e3,
        )
        self._notify("a reply", lambda observer: observer.on_reply(event))

    def retry(
        self,
        began: RequestEvent | None,
        request: Request,
        *,
        attempt: int,
        delay_s: float,
        error: BaseException,
    ) -> None:
        """A request has failed and will be made again. Observers see it if they saw it begin."""
        logger.info(
            "%s %s failed (%s), attempt %d; again in %.2f s",
            request.request_id,
            request.operation,
            type(error).__name__,
            attempt,
            delay_s,
        )
        if began is not None:
            event = RetryEvent(began, attempt, delay_s, error)
            self._notify("a retry", lambda observer: observer.on_retry(event))

    def _notify(self, what: str, tell: Callable[[Observer], None]) -> None:
        for observer in self._observers:
            try:
                tell(observer)
            except Exception:
                logger.exception("%r failed on %s", observer, what)
