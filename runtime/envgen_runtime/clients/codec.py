"""The three hooks that make a client an environment's: all that generated code has to supply."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, cast

from typing_extensions import TypeVar

from ..result import StepResult
from ..transports import TransportName

ActT = TypeVar("ActT")
ObsT = TypeVar("ObsT")
StateT = TypeVar("StateT")
ResetT = TypeVar("ResetT", default=ObsT)


class EnvHooks(ABC, Generic[ActT, ObsT, StateT, ResetT]):
    """How one environment's models travel. The sync and the async client share one subclass.

    The fourth parameter is the type of the observation that ``reset`` gives, for environments
    where it differs from the one that ``step`` gives.
    """

    env_name: ClassVar[str] = ""
    """The environment's name, as its contract gives it."""

    fingerprint: ClassVar[str] = ""
    """Identifies the structure of the contract that the client was generated from."""

    default_transport: ClassVar[TransportName] = "auto"
    """The transport of clients that aren't told one."""

    @abstractmethod
    def _step_payload(self, action: ActT) -> dict[str, Any]:
        """The action's fields under their wire names.

        Raises:
            InvalidRequest: ``action`` is not one of this environment's actions.
        """

    @abstractmethod
    def _parse_result(self, payload: dict[str, Any]) -> StepResult[ObsT]:
        """Read the answer to a step.

        Raises:
            pydantic.ValidationError: the observation doesn't fit the contract.
            ReplyMismatch: what stands around it doesn't.
        """

    @abstractmethod
    def _parse_state(self, payload: dict[str, Any]) -> StateT:
        """Read the environment's state.

        Raises:
            pydantic.ValidationError: it doesn't fit the contract.
        """

    def _parse_reset(self, payload: dict[str, Any]) -> StepResult[ResetT]:
        """Read the answer to a reset: as a step's, unless the contract gives it another type."""
        return cast("StepResult[ResetT]", self._parse_result(payload))
