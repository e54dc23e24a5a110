"""The parts of a contract: the one list that generator and runtime read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ..json_value import as_object

Part = Literal["action", "observation", "reset_observation", "state", "reset_parameters"]

PARTS: tuple[Part, ...] = (
    "action",
    "observation",
    "reset_observation",
    "state",
    "reset_parameters",
)
REQUIRED_PARTS: tuple[Part, ...] = ("action", "observation", "state")
REQUESTS: frozenset[Part] = frozenset({"action", "reset_parameters"})
"""The parts that clients send. Servers send the others."""

CONTRACT_FILE = "contract.json"
"""The file in a package that has its contract."""

UNPUBLISHED = "unpublished"
"""The key under which ``contract.json`` lists what its environment doesn't publish in this form:
``name`` or ``state`` where the user gave it, ``tools`` where they are not known. A server's own is
no change of it."""

_BASE_STATE = frozenset({"episode_id", "step_count"})


def is_base_state(schema: Mapping[str, Any]) -> bool:
    """Whether a state has the base fields alone, as servers publish it that don't say more."""
    return (as_object(schema.get("properties")) or {}).keys() == _BASE_STATE
