"""Environments as OpenEnv's own ``ResourceSession``. Needs the extra ``openenv``.

    factory = session_factory(CodingEnv, "http://127.0.0.1:8000")
    rollout_func = build_harness_rollout_func(session_factory=factory, ...)

OpenEnv takes for an episode's reward what its last tool call has as ``metadata["reward"]``, and
raises if ``verify`` says something else. So ``reward`` there is the score so far, and a step's own
is ``step_reward``. An episode that is lost raises ``EpisodeLost``: from the call that lost it, and
from every call and ``verify`` after it. Read and run: openenv 0.10.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any, cast

from ..errors import MissingExtra
from .connecting import CAPACITY_WAIT_S, Server, client_of
from .episode import Client, Episode, Read
from .losses import Losses
from .rows import first_messages
from .shown import listed_tools
from .text import observation_to_text

__all__ = ["session_factory", "shown_schemas"]

_RESERVED = frozenset({"reset", "step", "state", "close"})
"""Names that OpenEnv's harnesses refuse: they are the orchestration's own."""


def session_factory(
    client: type[Client],
    server: Server[Client],
    *,
    read: Read = observation_to_text,
    score: Callable[[Sequence[float]], float] = sum,
    capacity_wait_s: float = CAPACITY_WAIT_S,
) -> Any:
    """Make a ``ResourceSessionFactory``, each of whose sessions plays one episode.

    A task is a row: the columns that ``reset`` takes are its arguments, and ``prompt`` (a text, or
    messages) is what the model reads before the first observation. A task that is no mapping is the
    prompt itself.

    Args:
        client: the generated client's class.
        server: the server's address, or what makes a connected client.
        read: makes what the model reads of a result.
        score: makes the episode's score of its rewards, such as ``max``.
        capacity_wait_s: how long ``create`` waits for a free session of a full server, in seconds.

    Raises:
        MissingExtra: openenv isn't installed.
        ContractMissing: the client was written by hand.
    """
    try:
        harness: Any = import_module("openenv.core.harness")
    except ImportError as error:
        raise MissingExtra("a ResourceSession", extra="openenv") from error
    tools = _tools(client)
    losses = Losses(client.env_name)

    class GeneratedSession(_Session, harness.ResourceSession):  # type: ignore[misc]
        pass

    class GeneratedSessionFactory(harness.ResourceSessionFactory):  # type: ignore[misc]
        def create(
            self, task: Any = None, seed: int | None = None, episode_id: str | None = None
        ) -> GeneratedSession:
            is_row = isinstance(task, Mapping)
            row = {**cast("Mapping[str, Any]", task)} if is_row else {"prompt": task}
            given = {"seed": seed, "episode_id": episode_id}
            row |= {name: value for name, value in given.items() if value is not None}
            connected = client_of(client, server, capacity_wait_s=capacity_wait_s)
            return GeneratedSession(
                Episode(connected, losses, read=read), row, score, tools, harness
            )

    return GeneratedSessionFactory()


def shown_schemas(client: type) -> dict[str, dict[str, Any]]:
    """The JSON Schema of each tool's arguments that a model is shown, by the tool's name."""
    return {name: tool["inputSchema"] for name, (_, tool) in _tools(client).items()}


@cache
def _tools(client: type) -> dict[str, tuple[str, dict[str, Any]]]:
    """The tools by the names that OpenEnv takes, each with the name that a call has."""
    listed = {tool["name"]: tool for tool in listed_tools(client)}
    found: dict[str, tuple[str, dict[str, Any]]] = {}
    for name, tool in listed.items():
        shown = name
        while shown in _RESERVED or (shown != name and shown in listed):
            shown = f"env_{shown}"
        found[shown] = (name, tool)
    return found


class _Session:
    """One episode, from its reset to its end."""

    def __init__(
        self,
        episode: Episode,
        row: Mapping[str, Any],
        score: Callable[[Sequence[float]], float],
        tools: Mapping[str, tuple[str, dict[str, Any]]],
        harness: Any,
    ) -> None:
        self._episode = episode
        self._of = score
        self._tools = tools
        self._harness = harness
        self._tool_type: Any = import_module("openenv.core.env_server.mcp_types").Tool
        try:
            self._messages = first_messages(row.get("prompt"), episode.reset(row))
        except BaseException:
            self.close()
            raise

    def initial_messages(self) -> list[dict[str, Any]]:
        """What the model reads first."""
        return [dict(message) for message in self._messages]

    def list_tools(self) -> list[Any]:
        """The tools, with the contract's exact schemas."""
        return [
            self._tool_type(
                name=name,
                description=tool["description"],
                input_schema=tool["inputSchema"],
            )
            for name, (_, tool) in self._tools.items()
        ]

    def call_tool(self, name: str, arguments: dict[str, Any]) -> Any:
        """Make a model's call. What is wrong with it is told to the model.

        Raises:
            EpisodeLost: the episode was lost, with this call or before.
        """
        if name in _RESERVED:
            text = f"There is no tool {name}: it is none of the model's."
            return self._harness.ToolResult(data=text, error=text)
        called, _ = self._tools.get(name, (name, None))
        turn = self._episode.call({"name": called, "arguments": arguments})
        metadata = {"reward": self._score(), "step_reward": turn.reward}
        return self._harness.ToolResult(
            data=turn.text,
            done=turn.done,
            metadata={key: value for key, value in metadata.items() if value is not None},
            error=None if turn.error is None else turn.text,
        )

    def verify(self, transcript: list[dict[str, Any]], final_state: Any = None) -> Any:
        """The episode's score.

        Raises:
            EpisodeLost: the score is unknown.
        """
        del transcript, final_state
        score = self._episode.score
        found = score.final(self._of)
        metrics = {"steps": score.steps}
        return self._harness.VerifyResult(env_reward=found, done=score.done, metrics=metrics)

    def close(self) -> None:
        """End the session."""
        self._episode.close()

    def _score(self) -> float | None:
        return self._episode.score.value(self._of)
