"""The envelope around an observation: what servers move out of it, and where they put it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import ReplyMismatch
from ..json_value import as_object

# What servers move out of an observation.
_MOVED = ("done", "reward", "metadata")


class Envelope(NamedTuple):
    """An observation as it travels, and what servers move out of it.

    Attributes:
        observation: the observation's fields, without those that stand beside it.
        reward: null, bool, int or float, as sent.
        done: whether the episode has ended.
        metadata: from beside the observation or from inside it; empty where the server sends none.
        beside: what stood beside the observation, as it was sent.
    """

    observation: dict[str, Any]
    reward: float | None
    done: bool
    metadata: dict[str, Any]
    beside: dict[str, Any]

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Envelope:
        """Take an answer to reset or step apart.

        Raises:
            ReplyMismatch: ``observation`` or ``done`` is missing or of another type, or
                ``reward`` is not a number.
        """
        observation = as_object(payload.get("observation"))
        if observation is None:
            raise _mismatch(payload, "observation", "an object")
        beside = {key: payload[key] for key in _MOVED if key in payload}
        if beside.get("metadata") is None:  # over HTTP, 0.4 says null for none
            beside.pop("metadata", None)
        told = {**observation, **beside}
        done, reward = told.get("done"), told.get("reward")
        if not isinstance(done, bool):
            raise _mismatch(told, "done", "a boolean")
        if reward is not None and not isinstance(reward, int | float):
            raise _mismatch(told, "reward", "a number or null")
        metadata = as_object(beside.get("metadata")) or as_object(observation.get("metadata"))
        return cls(observation, reward, done, metadata or {}, beside)

    def with_lifted(self, *names: str) -> dict[str, Any]:
        """The observation's fields, with those of ``names`` that servers moved out of it put back.

        What a server left in the observation, or didn't send, stays as it is.
        """
        beside = self.beside
        return {**self.observation, **{name: beside[name] for name in names if name in beside}}


def _mismatch(payload: Mapping[str, Any], key: str, wanted: str) -> ReplyMismatch:
    found = type(payload[key]).__name__ if key in payload else "missing"
    return ReplyMismatch(f"$.{key} should be {wanted} and is {found}", path=f"$.{key}")
