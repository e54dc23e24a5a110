"""What ``reset``, ``step`` and ``episode`` return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from .json_value import JsonValue

ActT = TypeVar("ActT")
ObsT = TypeVar("ObsT")
ResetT = TypeVar("ResetT")


class StepResult(NamedTuple, Generic[ObsT]):
    """One transition: the observation, and the fields that the server sends beside it.

    It unpacks in the order that reinforcement learning is used to, with types:
    ``observation, reward, done, metadata = env.step(action)``.

    Attributes:
        observation: the typed observation.
        reward: the reward as the server sent it (bool, int or float), or None if it sent
            none. NaN and infinities arrive as None, since JSON can't express them; a server that
            writes them all the same breaks the contract, which is a ``ReplyMismatch``.
        done: whether the episode has ended.
        metadata: what the environment attached; empty if the server's version drops it.
    """

    observation: ObsT
    reward: float | None = None
    done: bool = False
    metadata: Mapping[str, JsonValue] = {}


@dataclass(frozen=True, slots=True)
class Transition(Generic[ActT, ObsT, ResetT]):
    """One step of an episode: what the policy saw, the action that it chose, and the result."""

    observation: ObsT | ResetT
    action: ActT
    result: StepResult[ObsT]
