"""What an environment raises. ``AsyncVectorEnv`` carries these errors to its process whole."""

from __future__ import annotations

from typing import Self

from ...errors import EnvError


class EnvFailed(EnvError):
    """A step or a reset failed: there is no observation and no reward of it.

    ``__cause__`` is the client's error, and ``retryable``, ``episode_lost``, ``maybe_applied`` and
    the other attributes are those of it. If the episode is lost, every step raises until
    ``reset()``.
    """

    def __init__(self, message: str | EnvFailed) -> None:
        """Make an error; of another one, a copy.

        Read and run: ``AsyncVectorEnv`` of Gymnasium 1.4.0 raises a worker's error as
        ``type(error)(error)``.
        """
        super().__init__(str(message))
        if isinstance(message, EnvFailed):
            self.__dict__.update(message.__dict__)
            self._take(message)

    @classmethod
    def of(cls, error: EnvError) -> Self:
        """The failure that a client's error is."""
        failed = cls(f"{type(error).__name__}: {error}")
        failed._take(error)
        return failed

    def _take(self, error: EnvError) -> None:
        # A class of errors may say them itself: its instances have none of their own.
        for name in _TAKEN:
            setattr(self, name, getattr(error, name))


_TAKEN = ("retryable", "episode_lost", "maybe_applied", "sent", "request_id", "server_text")


class OutsideSpace(EnvFailed):
    """An observation is outside of the space: a hint is narrower than what the environment shows.

    The step was taken, and its result can't be told. The episode is over.
    """

    episode_lost = True
    maybe_applied = True
    sent = True
