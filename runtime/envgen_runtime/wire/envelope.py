"""The envelope around an observation: the fields that servers move out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

from ..errors import ReplyMismatch
from ..json_value import as_object, at_pointer, is_refused, json_path, pointer_keys, pointer_to


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
        ``reward`` is not a finite number.
        """
        beside = dict(payload)
        observation = as_object(beside.pop("observation", None))
        if observation is None:
            raise _mismatch(payload, "observation", "an object")
        metadata: Any = beside.get("metadata")
        if not metadata or as_object(metadata) is None:
            if metadata is None and "metadata" in beside:  # over HTTP, 0.4 says so
                del beside["metadata"]
            metadata = observation.get("metadata")
            if metadata is None or as_object(metadata) is None:
                metadata = {}
        done = beside["done"] if "done" in beside else observation.get("done")
        if done is not True and done is not False:
            raise _mismatch({**observation, **beside}, "done", "a boolean")
        reward = beside["reward"] if "reward" in beside else observation.get("reward")
        if not (reward is None or _is_number(reward)):
            raise _mismatch({**observation, **beside}, "reward", "a number or null")
        return cls(observation, reward, done, metadata, beside)

    @classmethod
    def at(
        cls,
        payload: dict[str, Any],
        *,
        observation: str = "",
        reward: str | None = None,
        done: Sequence[str] = (),
        metadata: str | None = None,
        optional: Sequence[str] = (),
    ) -> Self:
        """Take a reply apart whose fields stand where a contract says. Places are JSON pointers.

        Args:
            payload: the reply.
            observation: the observation; empty if the reply itself is.
            reward: the reward; None if there is none.
            done: flags, each of which ends the episode. Without any, ``done`` is False.
            metadata: an object that becomes ``metadata``, with all other fields beside the
                observation.
            optional: places among ``reward`` and ``done`` that may be absent or null.

        Raises:
            ReplyMismatch: a field is missing, or of another type.
        """
        found = as_object(_at(payload, observation))
        if found is None:
            raise _misplaced(payload, observation, "an object")
        number = None
        if reward is not None:
            number = _at(payload, reward, None if reward in optional else _MISSING)
            if number is not None and not _is_number(number):
                raise _misplaced(payload, reward, "a number or null")
        flags = [_flag(payload, place, is_optional=place in optional) for place in done]
        folder = observation.rpartition("/")[0]
        taken = {observation, reward, *done, metadata}
        around = as_object(_at(payload, folder)) if observation else None
        beside = {
            name: value
            for name, value in (around or {}).items()
            if pointer_to(folder, name) != observation
        }
        others = {
            name: value for name, value in beside.items() if pointer_to(folder, name) not in taken
        }
        attached = as_object(_at(payload, metadata)) if metadata is not None else None
        return cls(found, number, any(flags), {**others, **(attached or {})}, beside)

    def with_lifted(self, *names: str) -> dict[str, Any]:
        """The observation's fields, with ``names`` put back if the server moved them out.

        A field that the server left in the observation, or didn't send, stays as it is.
        """
        fields = self.observation.copy()
        for name in names:
            if name in self.beside:
                fields[name] = self.beside[name]
        return fields


_MISSING = object()


def _is_number(value: Any) -> bool:
    """Whether JSON has it as a number: Python's own writer and reader know NaN and infinities."""
    return isinstance(value, int | float) and not is_refused(value)


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, float) else type(value).__name__


def _at(payload: dict[str, Any], place: str, default: object = None) -> Any:
    """The value at a place, or ``default`` if there is none."""
    try:
        return at_pointer(payload, place)
    except LookupError:
        return default


def _flag(payload: dict[str, Any], place: str, *, is_optional: bool) -> bool:
    value = _at(payload, place)
    if value is None and is_optional:
        return False
    if not isinstance(value, int):  # a bool is one, and some servers send 0 and 1
        raise _misplaced(payload, place, "a boolean")
    return bool(value)


def _misplaced(payload: dict[str, Any], place: str, wanted: str) -> ReplyMismatch:
    value = _at(payload, place, _MISSING)
    found = "missing" if value is _MISSING else _shown(value)
    path = json_path(pointer_keys(place))
    return ReplyMismatch(f"{path} should be {wanted} and is {found}", path=path)


def _mismatch(payload: Mapping[str, Any], key: str, wanted: str) -> ReplyMismatch:
    found = _shown(payload[key]) if key in payload else "missing"
    return ReplyMismatch(f"$.{key} should be {wanted} and is {found}", path=f"$.{key}")
