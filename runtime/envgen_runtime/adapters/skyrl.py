"""SkyRL: an environment of ``skyrl_gym``, made from a generated client.

Read and run: skyrl-gym 0.4.0. Read: the generators of skyrl 0.4.0, which make an environment for
each rollout, call ``init`` and ``step`` in the threads of ``environment.skyrl_gym.max_env_workers``
and ``close`` at the end, but not after an exception. An exception ends ``generate`` for the whole
batch: there is no other way to keep one rollout's tokens out of the loss, so a lost episode raises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar, TypeAlias

from ..calling.advice import InvalidCall
from ..errors import CapacityReached, MissingExtra
from .connecting import CAPACITY_WAIT_S, Server, client_of
from .episode import Client, Episode, Read, Turn
from .losses import EpisodeLost, Losses
from .rows import first_messages
from .text import NOTHING, instructions, observation_to_text

Conversation: TypeAlias = list[dict[str, Any]]
"""Messages as of OpenAI's Chat Completions."""

_FULL = (
    "SkyRL: a rollout that waits for a free session holds one of the threads that others need to "
    "end theirs. Set environment.skyrl_gym.max_env_workers to the number of rollouts at once "
    "(train_batch_size times n_samples_per_prompt), or let the server have more sessions"
)


def skyrl_env(
    client: type[Client],
    server: Server[Client],
    *,
    prompt: str | None = None,
    read: Read = observation_to_text,
    columns: Collection[str] = (),
    capacity_wait_s: float = CAPACITY_WAIT_S,
) -> type[Any]:
    """Make the class of a SkyRL environment (``skyrl_gym``'s ``BaseTextEnv``).

    Assign it in a module that all processes can import, and register it by its name there:
    ``skyrl_gym.register(id="coding", entry_point="my_envs:CodingTextEnv")``.

    A row's columns that ``reset`` knows are its arguments. What the model reads of the reset ends
    the prompt. Each answer is one turn, read by ``call_from_text``; what can't be read is told to
    the model, and costs its turn. The reward is the step's, 0 where it has none. A rollout ends
    with the environment's episode, or after ``max_turns``; its session ends with it.

    Args:
        client: the generated client's class (the sync one).
        server: the server's address, or what makes a client.
        prompt: what the system message says of the forms of an answer and of the tools; "" if the
            data set's prompts do. By default ``instructions`` of the client.
        read: makes what the model reads of a result.
        columns: as for ``reset_arguments``.
        capacity_wait_s: how long a rollout waits for a free session of a full server, in seconds.

    Raises:
        MissingExtra: skyrl-gym isn't installed.
        ContractMissing: the client was written by hand.
    """
    try:
        base = import_module("skyrl_gym.envs.base_text_env").BaseTextEnv
    except ImportError as error:
        raise MissingExtra("an environment for SkyRL", extra="skyrl") from error
    settings = _Settings(
        client,
        server,
        instructions(client) if prompt is None else prompt,
        read,
        columns,
        capacity_wait_s,
        Losses(client.env_name),
    )
    name = f"{client.__name__}TextEnv"
    return type(name, (_TextEnv, base), {"_settings": settings, "__doc__": _TextEnv.__doc__})


@dataclass(frozen=True, slots=True)
class _Settings:
    client: type[Client]
    server: Server[Client]
    prompt: str
    read: Read
    columns: Collection[str]
    capacity_wait_s: float
    losses: Losses


class _TextEnv:
    """One rollout: text in, text and a reward out.

    Attributes:
        turns: how many answers the model has given.
        max_turns: the most that it may give; None for no limit.
        episode: the episode; None before ``init``.
    """

    _settings: ClassVar[_Settings]

    def __init__(self, env_config: Any = None, extras: Mapping[str, Any] | None = None) -> None:
        """Take a rollout's settings. Nothing is connected yet.

        Args:
            env_config: SkyRL's settings for environments of this name; there are none.
            extras: the row of the data set, with ``max_turns`` in it.
        """
        del env_config
        super().__init__()
        self._row = dict(extras or {})
        limit = self._row.get("max_turns")
        self.max_turns = None if limit is None else int(limit)
        self.turns = 0
        self.episode: Episode | None = None
        self._counts: Counter[str] = Counter()

    def init(self, prompt: Sequence[Mapping[str, Any]]) -> tuple[Conversation, dict[str, Any]]:
        """Begin the episode, and return the conversation that the model continues.

        Raises:
            EnvError: no episode could be begun.
        """
        self.close()
        known = self._settings
        client = client_of(known.client, known.server, capacity_wait_s=known.capacity_wait_s)
        self.episode = Episode(client, known.losses, read=known.read, columns=known.columns)
        try:
            text = self.episode.reset(self._row)
        except BaseException as error:
            self.close()  # SkyRL doesn't
            if isinstance(error, CapacityReached):
                error.add_note(_FULL)
            raise
        return first_messages(prompt, text, known.prompt), {}

    def step(self, action: str) -> dict[str, Any]:
        """Take what the model said.

        Raises:
            EpisodeLost: the episode was lost, or ends with an unknown reward.
        """
        episode = self._begun()
        self.turns += 1
        try:
            turn = self._turn(episode, action)
            is_over = self.max_turns is not None and self.turns >= self.max_turns
            done = turn.done or is_over
            if done:
                episode.score.final()
        except BaseException:
            self.close()  # SkyRL doesn't
            raise
        return {
            "observations": [{"role": "user", "content": turn.text or NOTHING}],
            "reward": float(turn.reward or 0.0),
            "done": done,
            "metadata": {"error": None if turn.error is None else type(turn.error).__name__},
            "postprocessed_action": None,
        }

    def close(self) -> None:
        """End the session."""
        if self.episode is not None:
            self.episode.close()

    def get_metrics(self) -> dict[str, Any]:
        """What the rollout came to: turns, steps, invalid and failed calls, score, and its end.

        Raises:
            EpisodeLost: as ``step``; SkyRL asks at the end of a rollout that it ends itself.
        """
        episode = self._begun()
        try:
            score = episode.score.final()
        except EpisodeLost:
            self.close()
            raise
        return {
            "turns": self.turns,
            "steps": episode.score.steps,
            "invalid_calls": self._counts["invalid"],
            "failed_calls": self._counts["failed"],
            "score": score,
            "ended_by_env": episode.score.done,
        }

    def _turn(self, episode: Episode, action: str) -> Turn:
        turn = episode.say(action)
        if isinstance(turn.error, InvalidCall):
            self._counts["invalid"] += 1
        elif turn.error is not None:
            self._counts["failed"] += 1
        return turn

    def _begun(self) -> Episode:
        if self.episode is None:
            raise RuntimeError("call init() first: there is no episode yet")
        return self.episode
