"""One rollout's episode in verifiers, in the process that scores it. Knows nothing of verifiers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .connecting import Server, client_of
from .episode import AsyncClient, AsyncEpisode, Read
from .losses import Losses
from .relay import ToolRelay
from .rows import Rows, first_messages
from .text import NOTHING, instructions

Calls = Literal["tools", "text"]


@dataclass(frozen=True)
class World:
    """What ``environment`` was given. The attributes are its arguments."""

    client: type[AsyncClient]
    server: Server[AsyncClient]
    tasks: Rows | Callable[[], Rows]
    calls: Calls
    read: Read
    score: Callable[[Sequence[float]], float]
    capacity_wait_s: float
    losses: Losses

    def rollout(
        self, server: str | None, capacity_wait_s: float | None, columns: Collection[str]
    ) -> Rollout:
        """A rollout, not begun; None stands for what the package says."""
        wait_s = self.capacity_wait_s if capacity_wait_s is None else capacity_wait_s
        made = client_of(self.client, server or self.server, capacity_wait_s=wait_s)
        episode = AsyncEpisode(made, self.losses, read=self.read, columns=columns)
        return Rollout(
            episode, self.score, instructions(self.client) if self.calls == "text" else ""
        )


class Rollout:
    """One rollout's episode: begun once, and closed whatever becomes of it.

    Attributes:
        relay: answers for the tools.
        opening: what the model reads first.
    """

    def __init__(
        self,
        episode: AsyncEpisode,
        score: Callable[[Sequence[float]], float],
        forms: str = "",
    ) -> None:
        """Play an episode.

        Args:
            episode: the episode, not begun.
            score: makes its score of its rewards.
            forms: what the system message says of the forms of an answer; "" if nothing.
        """
        self.relay = ToolRelay(episode)
        self.opening: list[dict[str, Any]] = []
        self._episode = episode
        self._score = score
        self._forms = forms

    @property
    def is_over(self) -> bool:
        """Whether nothing more can be done in it: the environment ended it, or it was lost."""
        return self._episode.score.done or self._episode.score.loss is not None

    @property
    def steps(self) -> int:
        """How many calls the environment has taken."""
        return self._episode.score.steps

    @property
    def is_done(self) -> bool:
        """Whether the environment has ended the episode."""
        return self._episode.score.done

    async def begin(self, row: Mapping[str, Any]) -> None:
        """Reset, and answer for the tools. Raises EnvError; then nothing is left to close."""
        try:
            observation = await self._episode.reset(row)
            self.opening = first_messages(row.get("prompt"), observation, self._forms)
            await self.relay.open()
        except BaseException:
            await self.close()
            raise

    async def say(self, text: str) -> str:
        """Make the call, or take the action, that a model's text is, and answer as a user does.

        Raises:
            EpisodeLost: the episode was lost, with this call or before.
        """
        turn = await self._episode.say(text)
        return turn.text or NOTHING

    def value(self) -> float:
        """The episode's score, at its end. Raises EpisodeLost if it is unknown."""
        return self._episode.score.final(self._score)

    async def close(self) -> None:
        """End the session. A call in flight loses the episode."""
        await self.relay.close()
        await self._episode.close()
