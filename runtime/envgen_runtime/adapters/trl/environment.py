"""An environment that TRL plays: one episode after the other, each in a session of its own."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from threading import get_ident
from typing import Any

from ...errors import CapacityReached, NotReset, SessionLost
from ..connecting import CAPACITY_WAIT_S, SHORT_WAIT_S, Server, client_of
from ..episode import OVER, Episode, Read
from ..losses import EpisodeLost, Losses
from ..rows import Rows
from ..text import observation_to_text
from .functions import PROMPT, Functions, ToolFailed
from .rewards import lost_environments
from .spec import Settings, TRLSpec


class TRLEnvironment(Functions):
    """Base of generated environments. A public function is a tool of the model."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._made_in = get_ident()
        self._episode: Episode | None = None
        self._is_open = False

    @classmethod
    def spec(
        cls,
        server: Server[Any],
        rows: Rows,
        *,
        prompt: str = PROMPT,
        system: str | None = None,
        score: Callable[[Sequence[float]], float] = sum,
        columns: Collection[str] = (),
        read: Read = observation_to_text,
    ) -> TRLSpec:
        """Return what ``GRPOTrainer`` is given: data set, factory and reward functions.

        Args:
            server: the server's address, or what makes a client; for async GRPO something that can
                be pickled, such as ``functools.partial(CodingEnv, url, token=...)``.
            rows: a row for each episode: dictionaries, a ``datasets.Dataset``, or an environment's
                ``tasks``. Their columns that ``reset`` knows are its arguments; a ``prompt`` of
                their own takes the place of the next two.
            prompt: what the user says before the first observation.
            system: the system's message; None for none.
            score: makes the reward of an episode of the rewards of its steps, such as ``max``.
            columns: more columns that are arguments of ``reset``, where the contract doesn't say.
            read: makes what the model reads of a result.
        """
        losses = Losses(cls.client_class.env_name)
        settings = Settings(server, losses, score, tuple(columns), read)
        return cls._spec(settings, rows, prompt=prompt, system=system, rewards=[lost_environments])

    def reset(self, /, **row: Any) -> str | None:
        """Begin an episode for a row, and return what the model reads, for the end of the prompt.

        Raises:
            EnvError: no episode could be begun. TRL stops. ``CapacityReached`` says what to change.
        """
        self._give_back()
        settings = self._settings
        wait_s = CAPACITY_WAIT_S if self._may_wait() else SHORT_WAIT_S
        client = client_of(self.client_class, settings.server, capacity_wait_s=wait_s)
        episode = Episode(client, settings.losses, read=settings.read, columns=settings.columns)
        self._episode, self._is_open = episode, True
        settings.opens(episode)
        try:
            return _after(row.get("prompt"), episode.reset(row))
        except BaseException as error:
            # TRL stops here, and would leave the sessions of this step open.
            for opened in settings.opened():
                opened.score.lost(SessionLost("a reset failed, and TRL stops"))
                opened.close()
            if isinstance(error, CapacityReached):
                raise self._full(error) from error
            raise

    def get_reward(self) -> float | None:
        """The episode's reward; None if it is unknown, which TRL leaves out."""
        if self._episode is None:
            return None
        self._give_back()
        try:
            return self._episode.score.final(self._settings.score)
        except EpisodeLost:
            return None

    def _call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Make a model's call, and return what the model reads.

        Raises:
            EpisodeLost: the episode is lost, with this call or before.
            ToolFailed: the call failed; the message says to the model why.
        """
        if self._episode is None:
            raise NotReset("reset() begins an episode")
        score = self._episode.score
        refusal = score.refusal()
        if refusal is not None or not self._is_open:
            return OVER
        try:
            turn = self._episode.call({"name": name, "arguments": self._arguments(arguments)})
        finally:
            if score.done or score.loss is not None:
                self._give_back()
        if turn.error is not None:
            raise ToolFailed(turn.text) from turn.error
        return turn.text

    def _give_back(self) -> None:
        """Close the session, if there is one: others may be waiting for it."""
        if self._episode is not None and self._is_open:
            self._is_open = False
            self._settings.closes(self._episode)
            self._episode.close()

    def _may_wait(self) -> bool:
        """Whether other rollouts can end while this one waits for a session.

        ``GRPOTrainer`` makes and resets all environments of a step, one after the other, before any
        of them plays. Async GRPO resets them in threads, as others play.
        """
        return get_ident() != self._made_in

    def _full(self, error: CapacityReached) -> CapacityReached:
        """The error that says what to change where the server has too few sessions."""
        count = len(self._settings.made)
        allowed = error.max_sessions
        limit = "fewer" if allowed is None else str(allowed)
        if self._may_wait():
            change = f"max_inflight_tasks of AsyncGRPOConfig to what it allows ({limit})"
        else:
            change = (
                f"num_generations and per_device_train_batch_size of GRPOConfig, so that a step "
                f"needs no more than it allows ({limit})"
            )
        message = (
            f"the server allows {limit} sessions at once, and TRL plays {count} environments, one "
            f"for each generation: raise max_concurrent_envs of the server to {count}, or lower "
            f"{change}. Nothing was scored"
        )
        return CapacityReached(message, code=error.code, data=error.data)


def _after(prompt: Any, text: str) -> str:
    """A text as TRL appends it to the last message of a prompt: in a paragraph of its own."""
    content = prompt[-1].get("content") if prompt and not isinstance(prompt, str) else None
    if isinstance(content, str) and content.strip() and text:
        return f"\n\n{text}"
    return text
