"""What ``GRPOTrainer`` is given, and what the environments of one training share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any
from weakref import WeakSet

from ..connecting import Server
from ..episode import Episode, Read
from ..losses import Losses
from ..rows import Rows
from ..text import observation_to_text
from .rewards import RewardFunc
from .train_dataset import Message, train_dataset


@dataclass(slots=True)
class Settings:
    """What the environments of a spec share, in one process."""

    server: Server[Any]
    losses: Losses
    score: Callable[[Sequence[float]], float] = sum
    columns: tuple[str, ...] = ()
    read: Read = observation_to_text
    made: WeakSet[Any] = field(default_factory=WeakSet[Any])
    _opened: WeakSet[Episode] = field(default_factory=WeakSet[Episode])
    _lock: Lock = field(default_factory=Lock)

    def opens(self, episode: Episode) -> None:
        """Take note of an episode that has a session from now on."""
        with self._lock:
            self._opened.add(episode)

    def closes(self, episode: Episode) -> None:
        """Take note of an episode whose session ends."""
        with self._lock:
            self._opened.discard(episode)

    def opened(self) -> list[Episode]:
        """The episodes that have a session. Async GRPO's threads open others meanwhile."""
        with self._lock:
            return [*self._opened]

    def __reduce__(self) -> Any:  # another process has environments and losses of its own
        fields = (self.server, self.losses, self.score, self.columns, self.read)
        return type(self), fields


@dataclass(frozen=True, slots=True)
class EnvironmentFactory:
    """Makes an environment for a rollout. It can be pickled, as async GRPO needs."""

    environment: Callable[[Settings], Any]
    settings: Settings

    def __call__(self) -> Any:
        """Make an environment. Nothing is connected yet."""
        return self.environment(self.settings)


class TRLSpec:
    """What ``GRPOTrainer`` is given of an environment.

    Attributes:
        environment_factory: for the parameter of that name; async GRPO takes it, too.
    """

    def __init__(
        self,
        factory: EnvironmentFactory,
        rows: Rows,
        prompt: Sequence[Message],
        reward_funcs: Iterable[RewardFunc],
    ) -> None:
        self.environment_factory = factory
        self._reward_funcs = tuple(reward_funcs)
        self._rows = rows
        self._prompt = prompt

    @property
    def reward_funcs(self) -> list[RewardFunc]:
        """For the parameter of that name.

        The environment's own reward is none of them: TRL asks for that by ``get_reward``.
        """
        return [*self._reward_funcs]  # TRL appends to the list that it is given

    @property
    def losses(self) -> Losses:
        """Counts the episodes that were lost in this process.

        Async GRPO plays in another one, whose log says what was lost.
        """
        return self.environment_factory.settings.losses

    @cached_property
    def train_dataset(self) -> Any:
        """For the parameter of that name: the rows, with a column ``prompt``.

        Raises:
            MissingExtra: ``datasets`` isn't installed.
            ValueError: there are no rows.
        """
        return train_dataset(self._rows, self._prompt)
