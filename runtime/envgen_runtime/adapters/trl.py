"""Environments in TRL: ``GRPOTrainer(environment_factory=...)``. Read and run: TRL 1.16.

The trainer reads the tools off a class that ``envgen build --adapter trl`` writes, with one of the
bases here. It keeps instances in a pool, resets them for reuse, and never closes them. So an
environment opens its session in ``reset``, and gives it back where a rollout shows that it is over:
the environment says so, ``get_reward`` is asked, or the next ``reset`` begins.

TRL turns whatever a tool raises into text for the model, and takes a reward of None for one that is
unknown. So a lost episode has no reward, in any case, and its tools raise the same short sentence.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, wraps
from importlib import import_module
from threading import get_ident
from typing import Any, ClassVar
from weakref import WeakSet

from ..calling.advice import InvalidCall
from ..errors import (
    CapacityReached,
    EnvError,
    InvalidRequest,
    MissingExtra,
    NotReset,
    RequestTimeout,
    ServerError,
)
from ..tools import OMITTED, ToolError
from .connecting import CAPACITY_WAIT_S, Server, client_of
from .episode import OVER, Episode, Read
from .losses import EpisodeLost, Losses
from .text import observation_to_text
from .train_dataset import Message, Rows, train_dataset
from .trl_rewards import RewardFunc, lost_environments, masked

PROMPT = "Act in the environment by calling its tools."
"""What the user says by default, before the first observation."""

_SHORT_WAIT_S = 5.0
"""How long a full server is asked again where nothing else can end meanwhile, in seconds: it takes
a moment to notice that a session was closed."""

_OWN = frozenset({"get_reward", "reset"})


class ToolFailed(EnvError):
    """A call failed, and the episode goes on. The message is what the model reads."""


@dataclass(slots=True)
class _Settings:
    """What the environments of a spec share, in one process."""

    server: Server[Any]
    losses: Losses
    score: Callable[[Sequence[float]], float] = sum
    columns: tuple[str, ...] = ()
    read: Read = observation_to_text
    made: WeakSet[Any] = field(default_factory=WeakSet[Any])
    opened: WeakSet[Episode] = field(default_factory=WeakSet[Episode])

    def __reduce__(self) -> Any:  # another process has environments and losses of its own
        fields = (self.server, self.losses, self.score, self.columns, self.read)
        return type(self), fields


@dataclass(frozen=True, slots=True)
class EnvironmentFactory:
    """Makes an environment for a rollout. It can be pickled, as async GRPO needs."""

    environment: type[_Functions]
    settings: _Settings

    def __call__(self) -> Any:
        """Make an environment. Nothing is connected yet."""
        return self.environment(self.settings)


class TRLSpec:
    """What ``GRPOTrainer`` is given of an environment.

    Attributes:
        environment_factory: for the parameter of that name; async GRPO takes it, too.
        reward_funcs: for the parameter of that name. The environment's own reward is none of them:
            TRL asks for that by ``get_reward``.
        losses: counts the episodes that were lost in this process. Async GRPO plays in another one,
            whose log says what was lost.
    """

    def __init__(
        self,
        factory: EnvironmentFactory,
        rows: Rows,
        prompt: Sequence[Message],
        reward_funcs: Iterable[RewardFunc],
    ) -> None:
        self.environment_factory = factory
        self.reward_funcs: list[RewardFunc] = [*reward_funcs]
        self._rows = rows
        self._prompt = prompt

    @property
    def losses(self) -> Losses:
        """The lost episodes of this process."""
        return self.environment_factory.settings.losses

    @cached_property
    def train_dataset(self) -> Any:
        """For the parameter of that name: the rows, with a column ``prompt``.

        Raises:
            MissingExtra: ``datasets`` isn't installed.
            ValueError: there are no rows.
        """
        return train_dataset(self._rows, self._prompt, extra="trl")


class _Functions:
    """What both kinds of environments have.

    Attributes:
        client_class: the generated client.
    """

    client_class: ClassVar[type[Any]]
    _beside: Mapping[str, Any]

    def __init__(self, settings: _Settings) -> None:
        self._settings = settings
        self._beside = {}
        settings.made.add(self)

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for name, function in [*vars(cls).items()]:
            if inspect.isfunction(function) and not name.startswith("_") and name not in _OWN:
                setattr(cls, name, _tolerant(function))

    def _arguments(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What a model has given, by the contract's names."""
        given = {name: value for name, value in arguments.items() if value is not OMITTED}
        return {**given, **self._beside}

    @classmethod
    def _spec(
        cls, settings: _Settings, rows: Rows, *, prompt: str, system: str | None, rewards: Any
    ) -> TRLSpec:
        settings.columns = (*settings.columns, *getattr(rows, "columns", ()))
        messages = [{"role": "system", "content": system}] if system is not None else []
        messages.append({"role": "user", "content": prompt})
        return TRLSpec(EnvironmentFactory(cls, settings), rows, messages, rewards)


def _tolerant(function: Callable[..., str]) -> Callable[..., str]:
    """A tool that takes any arguments: what is missing or unknown is for the contract to refuse.

    TRL calls tools with whatever the model writes. Python's own refusal would name a class and
    say nothing of what is expected.
    """
    names = [*inspect.signature(function).parameters][1:]

    @wraps(function)
    def call(self: _Functions, /, *positional: Any, **arguments: Any) -> str:
        given = {**dict(zip(names, positional, strict=False)), **arguments}
        known = {name: given.pop(name, OMITTED) for name in names}
        self._beside = given  # pyright: ignore[reportPrivateUsage]
        return function(self, **known)

    return call


def function_schemas(environment: type[_Functions]) -> list[dict[str, Any]]:
    """Return the schemas of an environment's tools, as TRL shows them to a model.

    Raises:
        MissingExtra: transformers isn't installed.
    """
    try:
        library: Any = import_module("transformers.utils")
    except ImportError as error:
        raise MissingExtra("reading schemas as TRL does", extra="trl") from error
    return [
        library.get_json_schema(function)
        for name, function in inspect.getmembers(environment, inspect.isfunction)
        if not name.startswith("_") and name not in _OWN
    ]


class TRLEnvironment(_Functions):
    """Base of generated environments. A public function is a tool of the model."""

    def __init__(self, settings: _Settings) -> None:
        super().__init__(settings)
        self._made_in = get_ident()
        self._episode: Episode | None = None
        self._is_open = False

    @classmethod
    def spec(
        cls,
        server: Server[Any],
        rows: Rows,
        *,
        prompt: str = PROMPT,
        system: str | None = None,
        score: Callable[[Sequence[float]], float] = sum,
        columns: Collection[str] = (),
        read: Read = observation_to_text,
    ) -> TRLSpec:
        """Return what ``GRPOTrainer`` is given: data set, factory and reward functions.

        Args:
            server: the server's address, or what makes a client; for async GRPO something that can
                be pickled, such as ``functools.partial(CodingEnv, url, token=...)``.
            rows: a row for each episode: dictionaries, a ``datasets.Dataset``, or an environment's
                ``tasks``. Their columns that ``reset`` knows are its arguments; a ``prompt`` of
                their own takes the place of the next two.
            prompt: what the user says before the first observation.
            system: the system's message; None for none.
            score: makes the reward of an episode of the rewards of its steps, such as ``max``.
            columns: more columns that are arguments of ``reset``, where the contract doesn't say.
            read: makes what the model reads of a result.
        """
        losses = Losses(cls.client_class.env_name)
        settings = _Settings(server, losses, score, tuple(columns), read)
        return cls._spec(settings, rows, prompt=prompt, system=system, rewards=[lost_environments])

    def reset(self, /, **row: Any) -> str | None:
        """Begin an episode for a row, and return what the model reads, for the end of the prompt.

        Raises:
            EnvError: no episode could be begun. TRL stops. ``CapacityReached`` says what to change.
        """
        self._give_back()
        settings = self._settings
        wait_s = CAPACITY_WAIT_S if self._may_wait() else _SHORT_WAIT_S
        client = client_of(self.client_class, settings.server, capacity_wait_s=wait_s)
        episode = Episode(client, settings.losses, read=settings.read, columns=settings.columns)
        self._episode, self._is_open = episode, True
        settings.opened.add(episode)
        try:
            return _after(row.get("prompt"), episode.reset(row))
        except BaseException as error:
            # TRL stops here, and nobody would give back the sessions of this step.
            for opened in [*settings.opened]:
                opened.close()
            if isinstance(error, CapacityReached):
                raise self._full(error) from error
            raise

    def get_reward(self) -> float | None:
        """The episode's reward; None if it is unknown, which TRL leaves out."""
        if self._episode is None:
            return None
        self._give_back()
        return self._episode.score.value(self._settings.score)

    def _call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Make a model's call, and return what the model reads.

        Raises:
            EpisodeLost: the episode is lost, with this call or before.
            ToolFailed: the call failed; the message says to the model why.
        """
        if self._episode is None:
            raise NotReset("reset() begins an episode")
        score = self._episode.score
        refusal = score.refusal()
        if refusal is not None or not self._is_open:
            return OVER
        try:
            turn = self._episode.call({"name": name, "arguments": self._arguments(arguments)})
        finally:
            if score.done or score.loss is not None:
                self._give_back()
        if turn.error is not None:
            raise ToolFailed(turn.text) from turn.error
        return turn.text

    def _give_back(self) -> None:
        """Close the session, if there is one: others may be waiting for it."""
        if self._episode is not None and self._is_open:
            self._is_open = False
            self._settings.opened.discard(self._episode)
            self._episode.close()

    def _may_wait(self) -> bool:
        """Whether other rollouts can end while this one waits for a session.

        ``GRPOTrainer`` makes and resets all environments of a step, one after the other, before any
        of them plays. Async GRPO resets them in threads, as others play.
        """
        return get_ident() != self._made_in

    def _full(self, error: CapacityReached) -> CapacityReached:
        """The error that says what to change where the server has too few sessions."""
        count = len(self._settings.made)
        allowed = error.max_sessions
        limit = "fewer" if allowed is None else str(allowed)
        if self._may_wait():
            change = f"max_inflight_tasks of AsyncGRPOConfig to what it allows ({limit})"
        else:
            change = (
                f"num_generations and per_device_train_batch_size of GRPOConfig, so that a step "
                f"needs no more than it allows ({limit})"
            )
        message = (
            f"the server allows {limit} sessions at once, and TRL plays {count} environments, one "
            f"for each generation: raise max_concurrent_envs of the server to {count}, or lower "
            f"{change}. Nothing was scored"
        )
        return CapacityReached(message, code=error.code, data=error.data)


def _after(prompt: Any, text: str) -> str:
    """A text as TRL appends it to the last message of a prompt: in a paragraph of its own."""
    content = prompt[-1].get("content") if prompt and not isinstance(prompt, str) else None
    if isinstance(content, str) and content.strip() and text:
        return f"\n\n{text}"
    return text


class TRLTools(_Functions):
    """Base of the generated classes of MCP servers: tools, without episodes or rewards.

    Each rollout has a session of its own, which its first call opens.
    """

    def __init__(self, settings: _Settings) -> None:
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
        settings = _Settings(server, Losses(cls.client_class.server_name))
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
            if error.episode_lost or not isinstance(error, _GOES_ON):
                self._loss = error
                self._settings.losses.add(error, steps=self._calls)
                raise EpisodeLost from error
            raise ToolFailed(_for_model(error)) from error


_GOES_ON = (InvalidRequest, ToolError, RequestTimeout, ServerError)
"""The errors after which a session of MCP goes on."""


def _for_model(error: EnvError) -> str:
    match error:
        case ToolError() | InvalidCall():
            return error.for_model()
        case RequestTimeout():
            return "The tool did not answer in time."
        case _:
            return error.server_text or str(error)


__all__ = [
    "EnvironmentFactory", "TRLEnvironment", "TRLSpec", "TRLTools", "function_schemas",
    "lost_environments",
]  # fmt: skip
