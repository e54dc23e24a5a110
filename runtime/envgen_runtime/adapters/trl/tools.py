"""The tools of an MCP server in TRL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...calling.advice import InvalidCall
from ...errors import EnvError, InvalidRequest, RequestTimeout, ServerError
from ...tools import ToolError
from ..connecting import Server
from ..losses import EpisodeLost, Losses
from ..rows import Rows
from .functions import PROMPT, Functions, ToolFailed
from .rewards import RewardFunc, lost_environments, masked
from .spec import Settings, TRLSpec


class TRLTools(Functions):
    """Base of the generated classes of MCP servers: tools, without episodes or rewards.

    Each rollout has a session of its own, which its first call opens.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._client: Any = None
        self._calls = 0
        self._loss: EnvError | None = None

    @classmethod
    def spec(
        cls,
        server: Server[Any],
        rows: Rows,
        reward_funcs: Iterable[RewardFunc],
        *,
        prompt: str = PROMPT,
        system: str | None = None,
    ) -> TRLSpec:
        """Return what ``GRPOTrainer`` is given: data set, factory and reward functions.

        Args:
            server: the server's address, or what makes a client; for async GRPO something that can
                be pickled.
            rows: a row for each rollout; a ``prompt`` of its own takes the place of the next two.
            reward_funcs: functions that score rollouts, as TRL takes them. Rollouts that lost their
                session have no reward, whatever these return.
            prompt: what the user says.
            system: the system's message; None for none.
        """
        settings = Settings(server, Losses(cls.client_class.server_name))
        rewards = [*map(masked, reward_funcs), lost_environments]
        return cls._spec(settings, rows, prompt=prompt, system=system, rewards=rewards)

    def reset(self, /, **_row: Any) -> None:
        """Begin a rollout: the session of the last one ends."""
        client, self._client = self._client, None
        self._calls, self._loss = 0, None
        if client is not None:
            client.close()

    def _call(self, name: str, arguments: Mapping[str, Any]) -> str:
        if self._loss is not None:
            raise EpisodeLost from self._loss
        try:
            if self._client is None:
                server = self._settings.server
                self._client = self.client_class(server) if isinstance(server, str) else server()
            self._calls += 1
            call = {"name": name, "arguments": self._arguments(arguments)}
            return self._settings.read(self._client.dispatch(call))
        except EnvError as error:
            if error.episode_lost or not _goes_on(error):
                self._loss = error
                self._settings.losses.add(error, steps=self._calls)
                raise EpisodeLost from error
            raise ToolFailed(_for_model(error)) from error


def _goes_on(error: EnvError) -> bool:
    """Whether a rollout goes on: the call has failed, and not the server as a whole."""
    if isinstance(error, ServerError):
        return not error.code.startswith("HTTP_")  # of a proxy, or of a server that is overloaded
    return isinstance(error, InvalidRequest | ToolError | RequestTimeout)


def _for_model(error: EnvError) -> str:
    match error:
        case ToolError() | InvalidCall():
            return error.for_model()
        case RequestTimeout():
            return "The tool did not answer in time."
        case _:
            return error.server_text or str(error)
