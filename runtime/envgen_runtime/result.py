"""What ``reset`` and ``step`` return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

ObsT = TypeVar("ObsT")


@dataclass(slots=True)
class StepResult(Generic[ObsT]):
    """One transition: the observation, and what the server says beside it.

    Attributes:
        observation: the typed observation.
        reward: the reward as the server sent it (bool, int or float), or None where it gave
            none. NaN and infinities arrive as None: JSON has no word for them.
        done: whether the episode has ended.
        metadata: what the environment attached; empty where the server's version drops it.
    """

    observation: ObsT
    reward: float | None = None
    done: bool = False
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
