"""Reward functions for TRL, and what they say of rollouts that lost their environment."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from ...json_value import as_array, as_object
from ..losses import EpisodeLost

RewardFunc: TypeAlias = Callable[..., Any]
"""A reward function as TRL takes it, sync or async."""

_METRIC = "environments/lost"


def lost_environments(
    completions: Sequence[Any],
    log_metric: Callable[[str, float], None] | None = None,
    **_others: Any,
) -> list[float | None]:
    """Reward nothing, and log how many rollouts of a step were lost, as ``environments/lost``.

    Async GRPO takes no metrics of reward functions.
    """
    if log_metric is not None:
        log_metric(_METRIC, float(sum(map(is_lost, completions))))
    return [None] * len(completions)


def is_lost(completion: Any) -> bool:
    """Whether a tool has told a model that its environment was lost."""
    messages = map(as_object, as_array(completion) or [])
    return any(
        message is not None
        and message.get("role") == "tool"
        and EpisodeLost.MESSAGE in str(message.get("content"))
        for message in messages
    )


def masked(function: RewardFunc) -> RewardFunc:
    """A reward function that leaves lost rollouts without a reward.

    Raises:
        TypeError: it is no function: what a reward model scores can't be left out.
    """
    if not callable(function) or isinstance(function, type) or hasattr(function, "forward"):
        raise TypeError(f"reward_funcs are functions, not {type(function).__name__}")
    is_async = inspect.iscoroutinefunction(function)
    return _AsyncMasked(function) if is_async else _Masked(function)


@dataclass(frozen=True)
class _Masked:
    function: RewardFunc

    @property
    def __name__(self) -> str:
        """What TRL calls its column."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def __call__(self, completions: Sequence[Any], **given: Any) -> Any:
        return _without_lost(self.function(completions=completions, **given), completions)


class _AsyncMasked(_Masked):
    async def __call__(self, completions: Sequence[Any], **given: Any) -> Any:
        return _without_lost(await self.function(completions=completions, **given), completions)


def _without_lost(
    rewards: Iterable[float | None], completions: Sequence[Any]
) -> list[float | None]:
    return [
        None if is_lost(completion) else reward
        for reward, completion in zip(rewards, completions, strict=True)
    ]
