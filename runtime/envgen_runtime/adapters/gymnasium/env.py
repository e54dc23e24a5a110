"""``gymnasium.Env`` for a generated client."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from ...errors import EnvError, InvalidRequest, MissingExtra

try:
    import gymnasium
except ImportError as error:
    raise MissingExtra("an environment of Gymnasium", extra="gymnasium") from error

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from pydantic import BaseModel

from ...calling.dispatch import typed_action
from ...contract.contract import package_contract
from ...json_value import as_object
from ..connecting import SHORT_WAIT_S, Server, client_of
from ..episode import Client
from ..rows import reset_arguments
from ..text import observation_to_text
from .acting import chosen, to_value
from .checks import Outside, below
from .errors import EnvFailed, OutsideSpace
from .fields import Field
from .kinds import ContractOneOf
from .observing import to_element
from .reading import Interface, read_interface
from .spaces import space_of

_TRUNCATED = ("truncated", "TimeLimit.truncated")
"""What says of a last step that a limit ended the episode: true, in the observation or in the
metadata. The second is Gymnasium's own name for it."""


class GymnasiumEnv(gymnasium.Env[Any, Any]):
    """An environment of Gymnasium that plays with a generated client.

    Its spaces come from the client's contract, and from hints for what that can't say. Nothing is
    connected before the first ``reset``. ``envgen build --adapter gymnasium`` writes subclasses.

    Attributes:
        client_class: the generated client.
        hints: what the contract doesn't say, by places such as ``action.code``, as ``Hint``
            describes it.
        interface: what the spaces are made of.
    """

    client_class: ClassVar[type[Client]]
    hints: ClassVar[Mapping[str, Any]] = {}

    metadata: dict[str, Any] = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012

    def __init__(self, server: Server[Client], *, render_mode: str | None = None) -> None:
        """Make an environment.

        Args:
            server: the server's address, or what makes a client.
            render_mode: "ansi": ``render`` returns the last observation as text.

        Raises:
            NoSpace: no space can say all that the contract allows; the message says which hints
                would help.
            HintError: a hint can't be.
            ContractMissing: the client was written by hand.
        """
        if render_mode is not None and render_mode not in self.metadata["render_modes"]:
            raise ValueError(f"render_mode is 'ansi' or None, not {render_mode!r}")
        self.interface = _interface(self.client_class, json.dumps(self.hints, default=repr))
        self.action_space: spaces.Space[Any] = _action_space(self.interface)
        self.observation_space: spaces.Space[Any] = space_of(
            self.interface.observed, is_action=False
        )
        self.render_mode = render_mode
        self._server = server
        self._session: Client | None = None
        self._over: str | None = "reset() begins an episode"
        self._loss: EnvFailed | None = None
        self._shown: str | None = None
        self._draws_seeds = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode, in a new session if there is none or the last one was lost.

        Args:
            seed: for the environment, too. After a reset that had one, resets without one draw the
                environment's seed from ``np_random``, so a seed settles all that follows.
            options: the environment's own reset parameters.

        Raises:
            InvalidRequest: there is no such parameter, or it has no such value.
            EnvFailed: no episode could be begun.
        """
        super().reset(seed=seed)
        self._over, self._loss, self._shown = "reset() failed", None, None
        arguments = self._reset_arguments(options or {})
        self._draws_seeds = self._draws_seeds or seed is not None
        if "seed" not in arguments and self._draws_seeds:
            drawn = int(self.np_random.integers(2**31)) if seed is None else seed
            arguments["seed"] = drawn
        elif seed is not None:
            raise InvalidRequest("seed is given twice: as seed, and among the options")
        if self._session is None:
            # Vectors keep the sessions of all their environments: none is given back.
            self._session = client_of(self.client_class, self._server, capacity_wait_s=SHORT_WAIT_S)
        try:
            result = self._session.reset(**arguments)
        except InvalidRequest:
            raise
        except EnvError as error:
            raise EnvFailed.of(error) from error
        observation = self._observed(result, self.interface.reset_observation, 0)
        self._over = _DONE_AT_RESET if result.done else None
        return observation, {"result": result}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take a step.

        Args:
            action: an element of ``action_space``.

        Returns:
            The observation, the reward, whether the episode was terminated, whether it was
            truncated, and what else is known: ``info["result"]`` is the client's result, typed, and
            ``info["reward_given"]`` says whether it has a reward; without one, the reward is 0.0.

        Raises:
            InvalidRequest: it is no element of ``action_space``. Nothing was sent.
            ResetNeeded: the episode is over, or none was begun.
            EnvFailed: the step failed. If anything was sent, the episode is lost.
        """
        if self._loss is not None:
            raise EnvFailed(self._loss) from self._loss.__cause__
        if self._over is not None or self._session is None:
            raise ResetNeeded(f"no step can be taken: {self._over}")
        typed = self._typed(action)
        try:
            result = self._session.step(typed)
        except InvalidRequest:
            raise
        except EnvError as error:
            failed = EnvFailed.of(error)
            if error.sent or error.maybe_applied or error.episode_lost:
                failed.episode_lost = True
                self._loss = failed
            raise failed from error
        observation = self._observed(result, self.interface.observation, 1)
        is_done = bool(result.done)
        is_truncated = is_done and _says(result, _TRUNCATED)
        is_terminated = is_done and (not is_truncated or _says(result, ("terminated",)))
        self._over = _DONE if is_done else None
        info = {"result": result, "reward_given": result.reward is not None}
        reward = self._number(result.reward)
        return observation, reward, is_terminated, is_truncated, info

    def render(self) -> Any:
        """The last observation as text, as a model reads it; None without ``render_mode``."""
        return self._shown if self.render_mode == "ansi" else None

    def close(self) -> None:
        """End the session, and what the client started."""
        session, self._session = self._session, None
        self._over = "the environment is closed"
        if session is not None:
            session.close()

    # --- the contract's values and the spaces' elements -------------------------------------------

    def _typed(self, action: Any) -> Any:
        """The typed action for an element of ``action_space``."""
        members = self.interface.actions
        try:
            index, element = (0, action) if len(members) == 1 else chosen(action, len(members))
            tool, field = members[index].tool, members[index].field
            place = "action" if len(members) == 1 else f"action({tool.wire_name})"
            value = below(place, to_value, field, element)
        except Outside as error:
            place = error.place or "action"
            raise InvalidRequest(f"{place} {error.why}: it is outside of action_space") from error
        fields = as_object(value)
        if fields is not None and tool.kind == "action":
            value = {**tool.tags, **fields}
        return typed_action(self.client_class, tool, value)

    def _observed(self, result: Any, field: Field, index: int) -> Any:
        is_one = self.interface.has_one_observation
        part = "observation" if index or is_one else "reset_observation"
        try:
            element = to_element(field, _dumped(result.observation))
        except Outside as error:
            hint = f": the hint {error.hint} decides it" if error.hint else ""
            self._loss = OutsideSpace(f"{part}{error.place} {error.why}{hint}")
            raise self._loss from error
        if self.render_mode == "ansi":
            self._shown = observation_to_text(result)
        return element if is_one else (np.int64(index), element)

    def _number(self, reward: float | None) -> float:
        try:
            return 0.0 if reward is None else float(reward)
        except OverflowError as error:
            self._loss = OutsideSpace("the reward is larger than any float")
            raise self._loss from error

    def _reset_arguments(self, options: Mapping[str, Any]) -> dict[str, Any]:
        columns = options.keys() if _takes_any_option(self.client_class) else ()
        unknown = [
            name
            for name in options
            if not reset_arguments(self.client_class, {name: True}, columns)
        ]
        if unknown:
            names = ", ".join(sorted(unknown))
            raise InvalidRequest(f"reset() has no parameter of this name: {names}")
        return reset_arguments(self.client_class, options, columns)


_DONE = "the episode is over, and reset() begins another"
_DONE_AT_RESET = 'the reset ended the episode at once, as its info["result"].done says'


@cache
def _interface(client: type, hints: str) -> Interface:
    return read_interface(package_contract(client), json.loads(hints))


@cache
def _takes_any_option(client: type) -> bool:
    """Whether a contract doesn't say which parameters a reset has."""
    return "reset_parameters" not in package_contract(client)


def _action_space(interface: Interface) -> spaces.Space[Any]:
    found = [space_of(member.field, is_action=True) for member in interface.actions]
    return found[0] if len(found) == 1 else ContractOneOf(found)


def _dumped(observation: Any) -> Any:
    """What the server sent of an observation."""
    if isinstance(observation, BaseModel):
        return observation.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return observation


def _says(result: Any, names: Sequence[str]) -> bool:
    """Whether the observation or the metadata of a result has one of these, and it is true."""
    return any(
        getattr(result.observation, name, None) is True or result.metadata.get(name) is True
        for name in names
    )
