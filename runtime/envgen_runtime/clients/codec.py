"""What makes a client an environment's: how its messages become Python objects, and back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, cast

from typing_extensions import TypeVar

from ..result import StepResult
from ..transports import TransportName
from ..wire.http_exchange import HttpRoutes

ActT = TypeVar("ActT")
ObsT = TypeVar("ObsT")
StateT = TypeVar("StateT")
ResetT = TypeVar("ResetT", default=ObsT)


class Codec(ABC, Generic[ActT, ObsT, StateT, ResetT]):
    """Writes one environment's actions as JSON, and reads its replies.

    The sync and the async client of an environment share one subclass. The fourth parameter is the
    type of the observation that ``reset`` returns, where it differs from that of ``step``.
    """

    env_name: ClassVar[str] = ""
    """The environment's name in its contract."""

    fingerprint: ClassVar[str] = ""
    """Identifies the structure of the contract that the client was generated from."""

    default_transport: ClassVar[TransportName] = "auto"
    """The transport of clients that are not given one."""

    wire: ClassVar[HttpRoutes | None] = None
    """The server's own routes; None for OpenEnv's."""

    @abstractmethod
    def _step_payload(self, action: ActT) -> dict[str, Any]:
        """Return the action's fields under their wire names: as the body that ``wire`` sends.

        Raises:
            InvalidRequest: ``action`` is not one of this environment's actions.
        """

    @abstractmethod
    def _parse_result(self, payload: dict[str, Any]) -> StepResult[ObsT]:
        """Read the reply to a step.

        Raises:
            pydantic.ValidationError: the observation does not match the contract.
            ReplyMismatch: the fields around the observation do not match.
        """

    @abstractmethod
    def _parse_state(self, payload: dict[str, Any]) -> StateT:
        """Read the environment's state.

        Raises:
            pydantic.ValidationError: the state does not match the contract.
        """

    def _parse_reset(self, payload: dict[str, Any]) -> StepResult[ResetT]:
        """Read the reply to a reset: like a step's, unless the contract types it differently."""
        return cast("StepResult[ResetT]", self._parse_result(payload))


EnvHooks = Codec
"""The name of ``Codec`` in 0.1."""
