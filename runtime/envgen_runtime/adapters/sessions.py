"""Episodes of a server that trainers call: one for each session, begun, played, scored and ended.

No trainer is imported here. What can't be known is said, never guessed: an episode that was lost
has a failure instead of a reward.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

from ..calling.dispatch import ToolCall
from ..errors import EnvError, InvalidRequest, NotReset, SessionLost
from .connecting import CAPACITY_WAIT_S, Server, client_of
from .episode import AsyncClient, AsyncEpisode, Read, Turn
from .losses import EpisodeLost, Losses
from .text import observation_to_text

IDLE_S = 3600.0
"""How long a session may be unused by default, in seconds. Trainers that fail close none."""

_NOT_BEGUN = "no episode was begun in this session"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an episode came to.

    Attributes:
        score: the sum of its rewards; None if it is unknown.
        failure: why it is unknown; None if it isn't.
    """

    score: float | None
    failure: EnvError | None = None


@dataclass
class _Session:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    episode: AsyncEpisode | None = None
    owner: Hashable = None
    told: str = ""
    unread: str = ""
    outcome: Outcome | None = None
    used_at: float = 0.0


class SessionOptions(TypedDict, total=False):
    """How sessions are played.

    Attributes:
        read: makes what the model reads of a result.
        columns: as for ``reset_arguments``.
        capacity_wait_s: how long a reset waits for a free session of a full server, in seconds.
        idle_s: a session that is unused for so long, in seconds, is ended by the next ``begin``,
            and its outcome is forgotten after as long again; that a session was closed, after as
            long.
    """

    read: Read
    columns: Collection[str]
    capacity_wait_s: float
    idle_s: float


class Sessions:
    """The episodes of a server's sessions, by their ids. They belong to one event loop.

    A session is played by one call at a time; others wait their turn.

    Args:
        client: the generated client's class, the async one.
        server: the environment's server: its address, or what makes a client.
        clock: seconds that only grow.
        options: those of ``SessionOptions``.

    Attributes:
        client: the generated client's class.
        losses: the episodes that were lost.
    """

    def __init__(
        self,
        client: type[AsyncClient],
        server: Server[AsyncClient],
        *,
        clock: Callable[[], float] = time.monotonic,
        **options: Unpack[SessionOptions],
    ) -> None:
        self.losses = Losses(client.env_name)
        self.client = client
        self._server = server
        self._read = options.get("read", observation_to_text)
        self._columns = options.get("columns", ())
        self._capacity_wait_s = options.get("capacity_wait_s", CAPACITY_WAIT_S)
        self._idle_s = options.get("idle_s", IDLE_S)
        self._clock = clock
        self._sessions: dict[str, _Session] = {}
        self._closed: dict[str, float] = {}

    async def begin(self, name: str, row: Mapping[str, Any], owner: Hashable = None) -> str:
        """Begin an episode for a row, and return what the model reads of it.

        Args:
            name: the session's id.
            row: the row of a data set.
            owner: whose episode it is. Asked again for the same, an episode stays as it is; without
                an owner, a new one begins.

        Raises:
            InvalidRequest: the session was closed, or is of another owner.
            EnvError: no episode could be begun.
        """
        await self._end_idle()
        session = self._sessions.setdefault(name, _Session())
        async with session.lock:
            if name in self._closed:
                self._sessions.pop(name, None)
                raise InvalidRequest(f"the session {name!r} was closed")
            if session.owner != owner and session.owner is not None:
                raise InvalidRequest(f"the session {name!r} is of another episode")
            if owner is not None and session.owner == owner:
                return session.told
            if session.episode is None:
                client = client_of(self.client, self._server, capacity_wait_s=self._capacity_wait_s)
                session.episode = AsyncEpisode(
                    client, self.losses, read=self._read, columns=self._columns
                )
            session.outcome = None
            session.used_at = self._clock()
            try:
                session.told = await session.episode.reset(row)
            except BaseException as error:
                await self._end(session)
                if isinstance(error, EnvError):
                    session.outcome = Outcome(None, error)
                raise
            session.owner = owner
            session.unread = session.told
            session.used_at = self._clock()
            return session.told

    async def call(self, name: str, call: ToolCall[Any] | Mapping[str, Any]) -> Turn:
        """Make a model's call. Raises EpisodeLost if the session's episode was lost, or is none."""
        return await self.play(name, lambda episode: episode.call(call))

    async def play(self, name: str, play: Callable[[AsyncEpisode], Awaitable[Turn]]) -> Turn:
        """Play a turn of a session's episode. Raises EpisodeLost as ``call``."""
        session = self._sessions.get(name)
        if session is None:
            raise EpisodeLost
        async with session.lock:
            if session.episode is None:
                raise EpisodeLost
            session.used_at = self._clock()
            try:
                turn = await play(session.episode)
            except EpisodeLost:
                await self._settle(session)
                raise
            session.used_at = self._clock()
            return turn

    def take_unread(self, name: str) -> str:
        """What ``begin`` returned, once: for trainers that show models nothing but replies."""
        session = self._sessions.get(name, _Session())
        text, session.unread = session.unread, ""
        return text

    async def outcome(self, name: str) -> Outcome:
        """What a session's episode came to. Its environment ends; the answer stays."""
        session = self._sessions.get(name)
        if session is None:
            return Outcome(None, NotReset(_NOT_BEGUN))
        async with session.lock:
            return await self._settle(session)

    async def end(self, name: str) -> None:
        """End a session; another may begin under its id."""
        session = self._sessions.pop(name, None)
        if session is not None:
            async with session.lock:
                await self._end(session)

    async def close(self, name: str) -> None:
        """End a session for good, whether it is known or not."""
        self._closed[name] = self._clock()
        session = self._sessions.get(name)
        if session is None:
            return
        async with session.lock:
            await self._end(session)
        self._sessions.pop(name, None)

    async def close_all(self) -> None:
        """End all sessions."""
        for session in [*self._sessions.values()]:
            await self._end(session)

    async def _settle(self, session: _Session) -> Outcome:
        if session.outcome is None:
            session.outcome = self._found(session)
            session.used_at = self._clock()
            await self._end(session)
        return session.outcome

    def _found(self, session: _Session) -> Outcome:
        if session.episode is None:
            return Outcome(None, NotReset(_NOT_BEGUN))
        score = session.episode.score
        try:
            return Outcome(score.final())
        except EpisodeLost:
            return Outcome(None, score.loss)

    async def _end(self, session: _Session) -> None:
        episode, session.episode = session.episode, None
        if episode is not None:
            await episode.close()

    async def _end_idle(self) -> None:
        now = self._clock()
        for name, closed_at in [*self._closed.items()]:
            if now - closed_at > self._idle_s:
                del self._closed[name]
        for name, session in [*self._sessions.items()]:
            is_idle = now - session.used_at > self._idle_s and not session.lock.locked()
            if not is_idle:
                continue
            if session.episode is None:  # its outcome was there to be asked for as long
                if self._sessions.get(name) is session:  # others may have ended it meanwhile
                    del self._sessions[name]
                continue
            if not session.episode.score.done:
                idle = SessionLost(f"the session was unused for {self._idle_s:g} s")
                session.episode.score.lost(idle)
            session.used_at = now
            await self._settle(session)
