"""An environment of tools, as the MCP half of OpenEnv makes them. TOOLS says which it has."""

from __future__ import annotations

import os
from typing import Any

from fastmcp import FastMCP
from openenv.core.env_server.mcp_environment import MCPEnvironment
from openenv.core.env_server.mcp_types import CallToolAction, CallToolObservation
from openenv.core.env_server.types import Observation, State


class ToolsEnvironment(MCPEnvironment):
    """``add``, and ``look`` or what came after it."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        server: Any = FastMCP("tools")

        @server.tool
        def add(a: int, b: int) -> int:
            """The sum of two numbers."""
            return a + b

        if os.environ.get("TOOLS", "look") == "look":

            @server.tool
            def look(place: str) -> str:
                """What is there."""
                return f"nothing at {place}"

        super().__init__(server)
        self._state = State(episode_id="x", step_count=0)

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, **_: Any
    ) -> Observation:
        self._state = State(episode_id=episode_id or "x", step_count=0)
        return Observation(done=False, reward=0.0)

    def _step_impl(self, action: Any, timeout_s: float | None = None, **_: Any) -> Observation:
        return Observation(done=False, reward=0.0, metadata={"error": f"no {action}"})

    @property
    def state(self) -> State:
        return self._state


SERVED = (ToolsEnvironment, CallToolAction, CallToolObservation, None, Observation)
