"""The envelope around an observation: the fields that servers move out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ..errors import ReplyMismatch
from ..json_value import as_object

_NUMBER = (int, float)


class Envelope(NamedTuple):
    """An observation on the wire, without the fields that stand beside it.

    Attributes:
        reward: null, bool, int or float, as sent.
        metadata: from beside the observation or from inside it; empty if the server sends none.
        beside: the fields beside the observation, as sent.
    """

    observation: dict[str, Any]
    reward: float | None
    done: bool
    metadata: dict[str, Any]
    beside: dict[str, Any]

    @classmethod
    def read(cls, payload: Mapping[str, Any]) -> Envelope:
        """Take the reply to a reset or step apart.

        Raises ReplyMismatch if ``observation`` or ``done`` is missing or of another type, or
        ``reward`` is not a number.
        """
        observation = as_object(payload.get("observation"))
        if observation is None:
            raise _mismatch(payload, "observation", "an object")
        beside = dict(payload)
        del beside["observation"]
        if beside.get("metadata") is None:  # over HTTP, 0.4 says null for none
            beside.pop("metadata", None)
        done = beside.get("done", observation.get("done"))
        reward = beside.get("reward", observation.get("reward"))
        if not isinstance(done, bool):
            raise _mismatch({**observation, **beside}, "done", "a boolean")
        if reward is not None and not isinstance(reward, _NUMBER):
            raise _mismatch({**observation, **beside}, "reward", "a number or null")
        metadata = as_object(beside.get("metadata")) or as_object(observation.get("metadata"))
        return cls(observation, reward, done, metadata or {}, beside)

    def with_lifted(self, *names: str) -> dict[str, Any]:
        """The observation's fields, with ``names`` put back if the server moved them out.

        A field that the server left in the observation, or didn't send, stays as it is.
        """
        fields = self.observation.copy()
        for name in names:
            if name in self.beside:
                fields[name] = self.beside[name]
        return fields


def _mismatch(payload: Mapping[str, Any], key: str, wanted: str) -> ReplyMismatch:
    found = type(payload[key]).__name__ if key in payload else "missing"
    return ReplyMismatch(f"$.{key} should be {wanted} and is {found}", path=f"$.{key}")
