"""Watching a client: what it asks, what is answered, what is tried again.

Everything is logged under ``envgen_runtime`` at DEBUG (retries at INFO). An ``Observer`` sees the
same, with the data.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass, field

from ..json_value import JsonValue
from ..wire.protocol import Operation

logger = logging.getLogger("envgen_runtime")


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """A request that is about to be sent.

    Attributes:
        env_name: the environment's name.
        url: the server's HTTP address.
        operation: ``reset``, ``step`` or ``state``.
        request_id: identifies the request.
        data: the action's fields, or the reset parameters, as they will be sent.
        headers: add headers here: they are sent with this request over HTTP, and with the
            handshake if this request opens a WebSocket (an open one carries no headers).
    """

    env_name: str
    url: str
    operation: Operation
    request_id: str
    data: dict[str, JsonValue]
    headers: MutableMapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class ReplyEvent:
    """How a request ended.

    Attributes:
        request: the event that began it; the same object.
        elapsed_s: how long it took, retries included, in seconds.
        payload: what the server answered; None where it didn't, or with an error.
        error: what the caller is about to get instead of a result.
    """

    request: RequestEvent
    elapsed_s: float
    payload: dict[str, JsonValue] | None
    error: BaseException | None


@dataclass(frozen=True, slots=True)
class RetryEvent:
    """A request that failed and will be made again.

    Attributes:
        request: the event that began it.
        attempt: how many attempts have failed, this one included.
        delay_s: how long the client will wait now, in seconds.
        error: why.
    """

    request: RequestEvent
    attempt: int
    delay_s: float
    error: BaseException


class Observer:
    """What watches a client: override what you want to see.

    The methods are called in the thread or task that made the request, and have to be quick. What
    they raise is logged, and changes nothing for the caller.
    """

    def on_request(self, event: RequestEvent) -> None:
        """A request is about to be sent."""

    def on_reply(self, event: ReplyEvent) -> None:
        """A request has ended, well or badly. Called once for every ``on_request``."""

    def on_retry(self, event: RetryEvent) -> None:
        """A request has failed and will be made again."""


class Notifier:
    """Tells the log and the observers."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = tuple(observers)

    @property
    def is_on(self) -> bool:
        """Whether anybody looks: most of the time nobody does, and events aren't even made."""
        return bool(self._observers) or logger.isEnabledFor(logging.DEBUG)

    def request(self, event: RequestEvent) -> None:
        """Tell of a request."""
        logger.debug("%s %s to %s", event.request_id, event.operation, event.url)
        for observer in self._observers:
            try:
                observer.on_request(event)
            except Exception:
                logger.exception("%r failed on a request", observer)

    def reply(self, event: ReplyEvent) -> None:
        """Tell how a request ended."""
        request = event.request
        how = type(event.error).__name__ if event.error is not None else "answered"
        logger.debug(
            "%s %s %s after %.1f ms",
            request.request_id,
            request.operation,
            how,
            event.elapsed_s * 1e3,
        )
        for observer in self._observers:
            try:
                observer.on_reply(event)
            except Exception:
                logger.exception("%r failed on a reply", observer)

    def retry(self, event: RetryEvent) -> None:
        """Tell of an attempt that failed."""
        logger.info(
            "%s %s failed (%s), attempt %d; again in %.2f s",
            event.request.request_id,
            event.request.operation,
            type(event.error).__name__,
            event.attempt,
            event.delay_s,
        )
        for observer in self._observers:
            try:
                observer.on_retry(event)
            except Exception:
                logger.exception("%r failed on a retry", observer)
