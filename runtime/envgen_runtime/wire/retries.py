"""When to try again, and how long to wait first. No I/O."""

from __future__ import annotations

import random
from dataclasses import dataclass
from numbers import Real
from time import monotonic

from ..errors import (
    CapacityReached,
    ConnectError,
    ConnectionLost,
    EnvError,
    ExecutionError,
    FactoryError,
    ProtocolError,
    RequestTimeout,
    ServerError,
    ServerSessionError,
)
from .protocol import Request


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, and for how long, requests are repeated.

    Only these are: connecting; schema, and state over HTTP; a reset of which nothing was sent, or
    which the server turned away. A step never is. All attempts share the time limit of the call:
    no wait begins that wouldn't end before it.

    Attributes:
        attempts: how many attempts to make in all; 1 repeats nothing.
        first_delay_s: the wait before the second attempt, in seconds. Each further wait is twice
            as long as the one before, give or take a quarter.
        max_delay_s: the longest wait, in seconds. If a server asks for a longer one, its error is
            raised instead.
        capacity_wait_s: how long to wait in all for a free session on a full server, in seconds;
            0 raises ``CapacityReached`` at once. A server takes a moment to notice that a session
            was lost. This wait isn't part of the client's time limits, but it is of a ``timeout_s``
            that is given to a call.
    """

    attempts: int = 3
    first_delay_s: float = 0.25
    max_delay_s: float = 8.0
    capacity_wait_s: float = 5.0

    def __post_init__(self) -> None:
        given: tuple[object, ...] = (
            self.attempts, self.first_delay_s, self.max_delay_s, self.capacity_wait_s
        )  # fmt: skip
        if not all(isinstance(value, Real) for value in given):
            raise ValueError(f"attempts must be a number, and waits numbers of seconds: {self}")
        if self.attempts < 1 or min(self.first_delay_s, self.max_delay_s, self.capacity_wait_s) < 0:
            raise ValueError("attempts must be at least 1, and no wait negative")


def may_repeat(error: EnvError, request: Request, *, has_episode: bool, over_http: bool) -> bool:
    """Whether a request that failed can be made again without losing or repeating anything.

    A reset can if nothing of it was sent, or if the server turned it away: the episode that it
    would have ended is gone either way. A state can if there is no episode to lose, or if it is a
    plain GET (``over_http``), as ``/schema`` is. Never ask about a step: a call sends it once.
    """
    if request.operation in SESSIONLESS:
        return error.retryable
    if isinstance(error, CapacityReached):
        return request.operation == "reset" or not has_episode
    if request.operation in _OF_EPISODE and has_episode:  # another session has others
        is_passing = isinstance(error, ServerError) and error.retryable
        return over_http and (is_passing or isinstance(error, ConnectError | ConnectionLost))
    if isinstance(error, ServerError):
        turned_away = request.operation in _OF_EPISODE or error.code in _TURNED_AWAY
        return error.retryable and turned_away
    if isinstance(error, ConnectError):
        return error.retryable
    return isinstance(error, ConnectionLost | ProtocolError) and not error.sent


SESSIONLESS = ("schema", "tasks")
"""Operations in which the session takes no part, and that only read."""

_OF_EPISODE = ("state", "list_tools")
_TURNED_AWAY = ("HTTP_429", "HTTP_503")


def may_succeed_again(error: EnvError) -> bool:
    """Whether a request that failed may succeed when it is made again, and repeats nothing."""
    if "retryable" in vars(error):  # this error knows
        return error.retryable
    return error.retryable or isinstance(error, _MAY_PASS)


_MAY_PASS = (
    ConnectionLost, RequestTimeout, ProtocolError, ServerSessionError, ExecutionError, FactoryError,
)  # fmt: skip


class Attempts:
    """The attempts at one request, counted and timed.

    Attributes:
        request: what to send at the next attempt.
    """

    def __init__(self, policy: RetryPolicy, request: Request) -> None:
        self.request = request
        self._policy = policy
        self._failed = 0
        self._refused = 0
        self._refused_since = 0.0
        self._began = self._uncounted_since = monotonic()

    @property
    def count(self) -> int:
        """How many have failed so far."""
        return self._failed + self._refused

    def delay_after(self, error: EnvError) -> float | None:
        """The wait before the next attempt, in seconds; None if there should be none."""
        now = monotonic()
        is_full = isinstance(error, CapacityReached)
        delay_s = self._wait_for_capacity(now) if is_full else self._wait_after_failure(error)
        is_limited = self.request.holds_capacity_wait or not is_full
        if delay_s is not None and is_limited and now + delay_s >= self.request.deadline:
            error.add_note(
                f"the limit of {self.request.timeout_s:g} s leaves no time for another "
                f"{self.request.operation}: attempt {self.count} was the last"
            )
            return None
        # The first refusal took time like any request; from then on it's the wait for a session.
        self._uncounted_since = self._began if self._refused > 1 else now
        return delay_s

    def resume(self, *, after: EnvError) -> None:
        """Begin another attempt, the wait being over that ``delay_after`` asked for."""
        now = self._began = monotonic()
        if isinstance(after, CapacityReached) and not self.request.holds_capacity_wait:
            waited_s = now - self._uncounted_since
            self.request = self.request._replace(deadline=self.request.deadline + waited_s)

    def _wait_for_capacity(self, now: float) -> float | None:
        if not self._refused:
            self._refused_since = now
        self._refused += 1
        left_s = self._policy.capacity_wait_s - (now - self._refused_since)
        return min(self._backoff(self._refused), left_s) if left_s > 0 else None

    def _wait_after_failure(self, error: EnvError) -> float | None:
        self._failed += 1
        asked: float | None = getattr(error, "retry_after_s", None)
        too_long = asked is not None and asked > self._policy.max_delay_s
        if self._failed >= self._policy.attempts or too_long:
            return None
        return max(self._backoff(self._failed), asked or 0.0)

    def _backoff(self, failures: int) -> float:
        policy = self._policy
        plain: float = min(policy.first_delay_s * 2 ** min(failures - 1, 30), policy.max_delay_s)
        return plain * random.uniform(0.75, 1.25)  # noqa: S311 - to spread load, not to hide
