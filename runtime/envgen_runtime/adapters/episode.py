"""One episode, as trainers play it: a model's calls or actions go in, texts and a score come out.

What a trainer may be told rests on what is known. While the session stands, a failed call is told
to the model, and the episode goes on. When the session is lost, or a reply can't be read, the
reward is unknown: from then on every turn raises the same short ``EpisodeLost`` without touching
the network, and there is no score. A lost episode is never one of reward 0.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeAlias, TypeVar

from ..calling.advice import InvalidCall
from ..calling.plain import call_from_text
from ..clients.asyncio import AsyncEnvClient
from ..clients.sync import EnvClient
from ..errors import (
    ActionRejected,
    EnvError,
    ExecutionError,
    InvalidRequest,
    NotReset,
    ReplyMismatch,
    SessionLost,
)
from ..tools.errors import ToolError, ToolTimeout, ToolTransportFailed
from ..wire.tool_servers import ToolServerWire
from .losses import EpisodeLost, Losses
from .rows import reset_arguments
from .text import observation_to_text

Client: TypeAlias = EnvClient[Any, Any, Any, Any]
AsyncClient: TypeAlias = AsyncEnvClient[Any, Any, Any, Any]
ClientT = TypeVar("ClientT", bound=Client | AsyncClient)

Read: TypeAlias = Callable[[Any], str]
"""What a model reads of a result. ``observation_to_text`` is the usual one."""

OVER = "The episode is over: nothing was done."


@dataclass(frozen=True, slots=True)
class Turn:
    """What a call or an action came to.

    Attributes:
        text: what the model reads of it.
        reward: the step's reward; None if it had none.
        done: whether the episode has ended.
        result: what the client returned; None where the call failed.
        error: why the call failed; the episode goes on. None if it didn't.
    """

    text: str
    reward: float | None = None
    done: bool = False
    result: Any = None
    error: EnvError | None = None


class Score:
    """The rewards of one episode, whether it is over, and whether they are all known. No I/O.

    Attributes:
        rewards: the rewards of its steps so far, without those that had none.
        steps: how many calls or actions the environment has taken.
        done: whether the environment has ended the episode.
        loss: what lost the episode; None while nothing has.
    """

    def __init__(
        self,
        losses: Losses,
        read: Read = observation_to_text,
        *,
        is_judged_elsewhere: bool = False,
    ) -> None:
        """Begin without an episode.

        Args:
            losses: counts the episodes that are lost.
            read: makes what the model reads of a result.
            is_judged_elsewhere: the rewards come of a call that is the trainer's alone, so that an
                episode without one is none of reward 0.
        """
        self._losses = losses
        self._read = read
        self._is_judged_elsewhere = is_judged_elsewhere
        self.begin()

    def begin(self) -> None:
        """Forget the last episode. There is no score until ``begun``."""
        self.rewards: list[float] = []
        self.steps = 0
        self.done = False
        self.loss: EnvError | None = None
        self._unknown: EnvError | None = NotReset("no episode was begun")

    def value(self, of: Callable[[Sequence[float]], float] = sum) -> float | None:
        """The episode's score; None if it is unknown.

        It is unknown if no episode was begun, if it was lost, if the last that the environment did
        was to fail on a step, which may have counted, or if its reward comes of a call that is the
        trainer's, such as NeMo Gym's ``verify``, which wasn't made.

        Args:
            of: makes the score of the rewards, such as ``max``; of no rewards it is 0.
        """
        if self.loss is not None or self._unknown is not None:
            return None
        if self.rewards:
            return float(of(self.rewards))
        return None if self._is_judged_elsewhere else 0.0

    def final(self, of: Callable[[Sequence[float]], float] = sum) -> float:
        """The score of an episode that has ended; one that is unknown counts as lost.

        Raises:
            EpisodeLost: the score is unknown; ``loss`` is why.
        """
        found = self.value(of)
        if found is None:
            raise self.lost(
                self._unknown or NotReset("the episode was never judged")
            ) from self.loss
        return found

    def begun(self, result: Any) -> str:
        """Take note of a reset's result, and return what the model reads of it."""
        self.done = bool(result.done)
        self._unknown = None
        return self._read(result)

    def unread(self, error: InvalidCall) -> Turn:
        """The turn that a text comes to which can't be read as a call. Raises as ``refusal``."""
        return self.refusal() or self.failed(error)

    def refusal(self) -> Turn | None:
        """The turn that a call comes to without being made; None if it can be made.

        Raises:
            EpisodeLost: the episode was lost.
        """
        if self.loss is not None:
            raise EpisodeLost from self.loss
        return Turn(OVER, done=True) if self.done else None

    def took(self, result: Any) -> Turn:
        """Take note of a step's result."""
        turn = self._counted(Turn("", result.reward, bool(result.done), result))
        return replace(turn, text=self._read(result))  # which may raise: the step counts anyway

    def failed(self, error: EnvError) -> Turn:
        """Take note of a failed call.

        Raises:
            EpisodeLost: the episode was lost with it.
        """
        if error.episode_lost or not isinstance(error, _TOLD):
            raise self.lost(error) from error
        match error:
            case ToolError():
                turn = Turn(error.for_model(), error.reward, error.done, None, error)
                self._counted(turn)
                if isinstance(error, _OUTAGES) and error.reward is None:
                    self._unknown = error
                return turn
            case InvalidCall():
                return Turn(error.for_model(), error=error)
            case ExecutionError():
                self._unknown = error
            case _:
                pass
        return Turn(error.server_text or str(error), error=error)

    def lost(self, error: EnvError) -> EpisodeLost:
        """Take note that the episode was lost, and return what to raise."""
        if self.loss is None:
            self.loss = error
            self._losses.add(error, steps=self.steps)
        return EpisodeLost()

    def interrupted(self, error: BaseException) -> None:
        """Take note that a call was left, as by a cancellation: what came of it isn't known."""
        cause = ": ".join(filter(None, (type(error).__name__, str(error))))
        self.lost(SessionLost(f"a call was left before its end: {cause}"))

    def _counted(self, turn: Turn) -> Turn:
        if turn.reward is not None:
            try:
                self.rewards.append(float(turn.reward))
            except OverflowError:
                mismatch = ReplyMismatch("the reward is larger than any float", path="$.reward")
                raise self.lost(mismatch) from mismatch
        self.steps += 1
        self._unknown = None
        self.done = turn.done
        if self.done and not self.rewards and not self._is_judged_elsewhere:
            self._losses.unrewarded()
        return turn


_TOLD = (InvalidRequest, ToolError, ActionRejected, ExecutionError)
"""The errors that a model is told: the session stands, and the episode goes on."""

_OUTAGES = (ToolTimeout, ToolTransportFailed)
"""The errors of a tool that its environment is to blame for, as it is for ``ExecutionError``."""


class _Played(Generic[ClientT]):
    """What both kinds of episodes have.

    Attributes:
        client: the generated client.
        score: the score of the episode.
    """

    def __init__(
        self,
        client: ClientT,
        losses: Losses,
        *,
        read: Read = observation_to_text,
        columns: Collection[str] = (),
    ) -> None:
        """Play with a client.

        Args:
            client: the client; closing it is up to ``close``.
            losses: counts the episodes that are lost.
            read: makes what the model reads of a result.
            columns: as for ``reset_arguments``.
        """
        self.client = client
        wire = client.wire
        is_judged_elsewhere = isinstance(wire, ToolServerWire) and bool(wire.not_for_models)
        self.score = Score(losses, read, is_judged_elsewhere=is_judged_elsewhere)
        self._columns = columns

    def _arguments(self, row: Mapping[str, Any]) -> dict[str, Any]:
        self.score.begin()
        return reset_arguments(type(self.client), row, self._columns)


class Episode(_Played[Client]):
    """Plays one episode after the other with a client."""

    def reset(self, row: Mapping[str, Any]) -> str:
        """Begin an episode for a row of a data set, and return what the model reads.

        Raises:
            EnvError: no episode could be begun. It counts as lost.
        """
        arguments = self._arguments(row)
        try:
            return self.score.begun(self.client.reset(**arguments))
        except EnvError as error:
            self.score.lost(error)
            raise

    def call(self, call: object) -> Turn:
        """Make a model's tool call, as ``dispatch`` takes it.

        Raises:
            EpisodeLost: the episode was lost, with this call or before.
        """
        return self._play(self.client.dispatch, call)

    def say(self, text: str) -> Turn:
        """Make the call, or take the action, that a model's text is. Raises as ``call``."""
        try:
            call = call_from_text(type(self.client), text)
        except InvalidCall as error:
            return self.score.unread(error)
        return self.call(call)

    def act(self, action: Any) -> Turn:
        """Take a step. Raises as ``call``."""
        return self._play(self.client.step, action)

    def close(self) -> None:
        """Close the client."""
        self.client.close()

    def _play(self, play: Callable[[Any], Any], what: Any) -> Turn:
        refusal = self.score.refusal()
        if refusal is not None:
            return refusal
        try:
            result = play(what)
        except EnvError as error:
            return self.score.failed(error)
        except BaseException as error:
            self.score.interrupted(error)
            raise
        return self.score.took(result)


class AsyncEpisode(_Played[AsyncClient]):
    """``Episode``, awaited."""

    async def reset(self, row: Mapping[str, Any]) -> str:
        """Begin an episode. As ``Episode.reset``."""
        arguments = self._arguments(row)
        try:
            return self.score.begun(await self.client.reset(**arguments))
        except EnvError as error:
            self.score.lost(error)
            raise

    async def call(self, call: object) -> Turn:
        """Make a model's tool call. As ``Episode.call``."""
        return await self._play(self.client.dispatch, call)

    async def say(self, text: str) -> Turn:
        """Make the call, or take the action, that a text is. As ``Episode.say``."""
        try:
            call = call_from_text(type(self.client), text)
        except InvalidCall as error:
            return self.score.unread(error)
        return await self.call(call)

    async def act(self, action: Any) -> Turn:
        """Take a step. As ``Episode.act``."""
        return await self._play(self.client.step, action)

    async def close(self) -> None:
        """Close the client."""
        await self.client.close()

    async def _play(self, play: Callable[[Any], Awaitable[Any]], what: Any) -> Turn:
        refusal = self.score.refusal()
        if refusal is not None:
            return refusal
        try:
            result = await play(what)
        except EnvError as error:
            return self.score.failed(error)
        except BaseException as error:
            self.score.interrupted(error)
            raise
        return self.score.took(result)
