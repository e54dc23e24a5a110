"""Episodes that were lost, logged and counted; the first that had no reward is logged, too."""

from __future__ import annotations

import logging
from collections import Counter
from threading import Lock
from typing import Any, ClassVar

from ..errors import EnvError

_log = logging.getLogger(__name__)


class EpisodeLost(EnvError):
    """The episode was lost, and its score is unknown. ``__cause__`` is what ended it.

    The message is the same for every loss: a trainer may show it to the model.
    """

    episode_lost = True
    MESSAGE: ClassVar[str] = "The environment was lost, so this episode doesn't count: stop here."

    def __init__(self, message: str = MESSAGE) -> None:
        super().__init__(message)


class Losses:
    """Counts lost episodes, in one process; its threads may share it.

    Attributes:
        env_name: whose episodes they are.
        by_error: how many there were, by the name of the error's class.
    """

    def __init__(self, env_name: str) -> None:
        self.env_name = env_name
        self.by_error: Counter[str] = Counter()
        self._has_told_unrewarded = False
        self._lock = Lock()

    def __reduce__(self) -> Any:  # another process counts its own
        return type(self), (self.env_name,)

    @property
    def count(self) -> int:
        """How many there were in all."""
        with self._lock:
            return self.by_error.total()

    def add(self, error: EnvError, *, steps: int) -> None:
        """Count an episode that ``error`` ended after so many steps, and log a warning."""
        with self._lock:
            self.by_error[type(error).__name__] += 1
        name = type(error).__name__
        _log.warning(
            "%s: an episode was lost after %d steps: %s: %s", self.env_name, steps, name, error
        )

    def unrewarded(self) -> None:
        """Log a warning, the first time, that an episode ended without a reward."""
        with self._lock:
            was_told, self._has_told_unrewarded = self._has_told_unrewarded, True
        if not was_told:
            _log.warning(
                "%s: an episode ended without any reward, so its score is 0; a reward that is NaN "
                "arrives as none. Others like it are not told",
                self.env_name,
            )
