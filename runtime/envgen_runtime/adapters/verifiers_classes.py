"""verifiers' classes for environments. Importing this imports verifiers, which starts it, too.

verifiers runs this module in a process of its own to serve the tools of all rollouts.
"""

# verifiers isn't installed where types are checked, so its classes are of type Any there.
# mypy: disable-error-code="misc,untyped-decorator"
# pyright: reportInvalidTypeForm=false, reportUnknownMemberType=false
# pyright: reportUnknownParameterType=false

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from ..errors import EnvError
from .losses import EpisodeLost
from .relay import call_relayed, list_relayed
from .rows import row_of
from .verifiers_rollout import Rollout, World

vf: Any = import_module("verifiers.v1")
_null: Any = import_module("verifiers.v1.harnesses.null")
_mcp: Any = import_module("mcp.types")

_live: dict[str, Rollout] = {}
"""The rollouts of this process, by the ids of their traces."""


class EnvironmentLost(vf.RolloutError):
    """The environment was lost, or could not be reached."""

    @classmethod
    def by(cls, cause: BaseException | None) -> EnvironmentLost:
        """What to raise for a cause."""
        return cls(f"{type(cause).__name__}: {cause}")


class RolloutState(vf.State):
    """Where the process that plays a rollout answers for its tools."""

    address: str = ""
    token: str = ""


class EnvironmentTools(vf.Toolset[vf.SharedToolsetConfig, RolloutState]):
    """Serves the tools of all rollouts, and relays their calls."""

    TOOL_PREFIX = None

    def register(self, mcp: Any) -> None:
        """Answer for the server, whose handlers call these two: as verifiers' NeMoGymToolset."""
        mcp.list_tools = self._with_state(self.list_tools)
        mcp.call_tool = self._with_state(self.call_tool)

    async def list_tools(self) -> list[Any]:
        """List the tools of the rollout that asks."""
        listed = await list_relayed(self.state.address, self.state.token)
        return [_mcp.Tool.model_validate(tool) for tool in listed]

    async def call_tool(self, name: str, arguments: dict[str, Any], context: Any = None) -> Any:
        """Call a tool. Harnesses repeat a call that raises, so every failure is a result."""
        del context
        result = await call_relayed(self.state.address, self.state.token, name, arguments)
        return _mcp.CallToolResult.model_validate(result)


class EnvironmentData(vf.TaskData):
    """A row, and which of its columns are arguments besides those that the contract knows."""

    row: dict[str, Any]
    columns: tuple[str, ...] = ()


class EnvironmentTaskConfig(vf.TaskConfig):
    """Where the environment is, under ``--env.taskset.task``."""

    server: str | None = None
    """The address of the environment's server, in place of the package's."""
    capacity_wait_s: float | None = None
    """How long a rollout waits for a free session of a full server, in seconds."""


class EnvironmentTask(vf.Task[EnvironmentData, RolloutState, EnvironmentTaskConfig]):
    """Begins an episode for a row, and scores it."""

    world: World

    async def setup(self, trace: vf.Trace, runtime: vf.Runtime) -> None:
        """Open a session, and reset: it waits while the server is full."""
        del runtime
        config = self.config
        rollout = self.world.rollout(config.server, config.capacity_wait_s, self.data.columns)
        try:
            await rollout.begin(self.data.row)
        except EnvError as error:
            if error.retryable or error.episode_lost:
                raise EnvironmentLost.by(error) from error
            raise
        _live[trace.id] = rollout
        trace.state.address, trace.state.token = rollout.relay.address, rollout.relay.token

    @vf.stop
    async def environment_over(self, trace: vf.Trace) -> bool:
        """Don't ask the model again behind the end of the episode."""
        return trace.id in _live and _live[trace.id].is_over

    async def finalize(self, trace: vf.Trace, runtime: vf.Runtime) -> None:
        """Fail the rollout if the episode's score is unknown, before anything scores it."""
        del runtime
        rollout = _live[trace.id]
        await rollout.relay.close()  # a call that a time limit has cut off is in flight there
        try:
            rollout.value()
        except EpisodeLost as error:
            raise EnvironmentLost.by(error.__cause__) from error

    @vf.reward
    async def environment_reward(self, trace: vf.Trace) -> float:
        """The episode's score."""
        return _live[trace.id].value()

    @vf.metric
    async def environment_steps(self, trace: vf.Trace) -> float:
        """How many calls the environment took."""
        return float(_live[trace.id].steps)

    @vf.metric
    async def environment_done(self, trace: vf.Trace) -> float:
        """Whether the environment ended the episode: 1 or 0."""
        return float(_live[trace.id].is_done)


class EnvironmentTasksetConfig(vf.TasksetConfig):
    """Settings of a taskset, under ``--env.taskset``."""

    task: EnvironmentTaskConfig = EnvironmentTaskConfig()
    tools: vf.SharedToolsetConfig = vf.SharedToolsetConfig()


class EnvironmentEnvConfig(vf.EnvConfig):
    """The model's seat: by default it has the environment's tools alone."""

    agent: vf.AgentConfig = vf.AgentConfig(
        harness=_null.NullHarnessConfig(id="null"), runtime=vf.SubprocessConfig()
    )


class EnvironmentEnv(vf.Env[EnvironmentEnvConfig]):
    """Plays an episode: the environment speaks first, and ends what it has begun."""

    world: World

    async def run(self, task: Any, agents: Any) -> None:
        """Play, and close the session on every way out."""
        traces: list[Any] = []
        try:
            async with agents.agent.interaction(task, on_trace=traces.append) as talk:
                await self._play(_live[talk.trace.id], talk)
        finally:
            for trace in traces:
                rollout = _live.pop(trace.id, None)
                if rollout is not None:
                    await asyncio.shield(rollout.close())  # a run may be cancelled twice

    async def _play(self, rollout: Rollout, talk: Any) -> None:
        said: Any = rollout.opening
        while not rollout.is_over:
            segment = await talk.turn(said)
            if segment.terminated or self.world.calls == "tools":  # the harness made the calls
                return
            said = await rollout.say(segment.last_reply)


def made(name: str, world: World) -> tuple[type, type]:
    """The classes that a package exports."""
    task: Any = type(f"{name}Task", (EnvironmentTask,), {"world": world})

    class Taskset(vf.Taskset[task, EnvironmentTasksetConfig]):
        """The rows."""

        @classmethod
        def toolsets(cls, config: EnvironmentTasksetConfig) -> list[Any]:
            """The server of the tools, which all rollouts share."""
            return [EnvironmentTools(config.tools)] if world.calls == "tools" else []

        def load(self) -> Iterable[Any]:
            """A task for each row."""
            rows = world.tasks() if callable(world.tasks) else world.tasks
            columns = tuple(getattr(rows, "columns", ()))
            for number, row in enumerate(rows):
                name = f"{world.client.env_name}:{number}"
                data = EnvironmentData(name=name, row=row_of(row), columns=columns)
                yield task(data, self.config.task)

    Taskset.__name__ = Taskset.__qualname__ = f"{name}Taskset"
    return Taskset, type(f"{name}Rollout", (EnvironmentEnv,), {"world": world})


if __name__ == "__main__":
    EnvironmentTools.run()
