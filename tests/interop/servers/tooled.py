"""Environments of tools, as the MCP half of OpenEnv makes them. TOOLS says which they have."""

from __future__ import annotations

import os
import time
from typing import Annotated, Any, Literal

from fastmcp import FastMCP
from openenv.core.env_server.interfaces import Environment
from openenv.core.env_server.mcp_environment import MCPEnvironment
from openenv.core.env_server.mcp_types import CallToolAction, CallToolObservation, ListToolsAction
from openenv.core.env_server.types import Action, Observation, State
from pydantic import BaseModel, Field, TypeAdapter


class ToolsEnvironment(MCPEnvironment):
    """``add`` earns a reward, ``finish`` ends the episode, ``look`` is there or was once."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        server: Any = FastMCP("tools")

        @server.tool
        def add(a: int, b: int) -> int:
            """The sum of two numbers."""
            return a + b

        @server.tool
        def finish() -> str:
            """The end."""
            return "finished"

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
        return Observation(done=False, reward=0.0, metadata={"status": "ready"})

    def step(self, action: Any, timeout_s: float | None = None, **others: Any) -> Observation:
        return self._graded(action, super().step(action, timeout_s, **others))

    async def step_async(
        self, action: Any, timeout_s: float | None = None, **others: Any
    ) -> Observation:
        return self._graded(action, await super().step_async(action, timeout_s, **others))

    def _graded(self, action: Any, observation: Any) -> Any:
        observation.reward = {"add": 1.0, "finish": 2.0}.get(getattr(action, "tool_name", ""), 0.0)
        observation.done = getattr(action, "tool_name", "") == "finish"
        return observation

    def _step_impl(self, action: Any, timeout_s: float | None = None, **_: Any) -> Observation:
        return Observation(done=False, reward=0.0, metadata={"error": f"no {action}"})

    @property
    def state(self) -> State:
        return self._state


class WrappedEnvironment(ToolsEnvironment):
    """Its last step replies with the base Observation, as wrappers that end an episode do."""

    def _graded(self, action: Any, observation: Any) -> Any:
        graded = super()._graded(action, observation)
        if not graded.done:
            return graded
        return Observation(done=True, reward=graded.reward, metadata={"reason": "finished"})


class Order(BaseModel):
    """One line of an order."""

    sku: str
    qty: int = Field(ge=1, le=99)


class Receipt(BaseModel):
    """What was ordered."""

    total: int
    speed: str


class ShopEnvironment(ToolsEnvironment):
    """Tools with nested arguments, results of their own, odd names, and faults."""

    def __init__(self) -> None:
        super().__init__()
        server: Any = FastMCP("shop")

        @server.tool
        def place_order(
            orders: Annotated[list[Order], Field(description="What to order.")],
            speed: Literal["slow", "fast"] = "slow",
        ) -> Receipt:
            """Place an order."""
            return Receipt(total=sum(order.qty for order in orders), speed=speed)

        @server.tool(name="get-weather")
        def get_weather(city: str, days: int | None = None) -> str:
            """The weather."""
            return f"{city}: {days}"

        @server.tool
        def list_tools(reason: str) -> dict[str, Any]:
            """A name that clients have, too."""
            return {"reason": reason}

        @server.tool
        def fail() -> int:
            """It raises."""
            raise ValueError("sold out")

        @server.tool
        def wait() -> int:
            """It takes longer than the server allows."""
            time.sleep(float(os.environ["WAIT_S"]))
            return 1

        MCPEnvironment.__init__(self, server)
        self._state = State(episode_id="x", step_count=0)

    def _graded(self, action: Any, observation: Any) -> Any:
        observation.reward = 0.5
        observation.done = getattr(action, "tool_name", "") == "list_tools"
        return observation


class MoveAction(Action):
    type: Literal["move"] = "move"
    to: str


_UNION: TypeAdapter[Any] = TypeAdapter(
    Annotated[ListToolsAction | CallToolAction | MoveAction, Field(discriminator="type")]
)


class DeskAction(Action):
    """A move or a call: how environments publish a union, for which the server takes a class."""

    @classmethod
    def model_validate(cls, obj: Any, **_: Any) -> Any:
        return _UNION.validate_python(obj)

    @classmethod
    def model_json_schema(cls, **options: Any) -> dict[str, Any]:  # type: ignore[override]
        return _UNION.json_schema(**options)


class DeskObservation(Observation):
    place: str


class DeskEnvironment(WrappedEnvironment):
    """Moves beside calls of tools."""

    def reset(  # type: ignore[override]
        self, seed: int | None = None, episode_id: str | None = None, **others: Any
    ) -> Observation:
        super().reset(seed, episode_id, **others)
        return DeskObservation(place="home")

    def _step_impl(self, action: Any, timeout_s: float | None = None, **_: Any) -> Observation:
        return DeskObservation(place=action.to)


class OwnToolsEnvironment(Environment[Any, Any, Any]):
    """Calls of tools without MCP: nothing lists them."""

    SUPPORTS_CONCURRENT_SESSIONS = True

    def __init__(self) -> None:
        super().__init__()
        self._state = State(episode_id="x", step_count=0)

    def reset(
        self, seed: int | None = None, episode_id: str | None = None, **_: Any
    ) -> Observation:
        return Observation(done=False, reward=0.0)

    def step(self, action: Any, timeout_s: float | None = None, **_: Any) -> Observation:
        if action.tool_name != "double":
            fault = {"error_type": "tool_not_found", "message": f"no {action.tool_name}"}
            return CallToolObservation(
                tool_name=action.tool_name, error=fault, reward=-1.0, done=True
            )
        return CallToolObservation(
            tool_name="double", result=2 * action.arguments["n"], reward=1.0, done=False
        )

    @property
    def state(self) -> State:
        return self._state


TOOLED = {
    "tools_own": (OwnToolsEnvironment, CallToolAction, CallToolObservation),
    "tools": (ToolsEnvironment, CallToolAction, CallToolObservation),
    "tools_reset": (ToolsEnvironment, CallToolAction, CallToolObservation, None, Observation),
    "tools_wrapped": (WrappedEnvironment, CallToolAction, CallToolObservation),
    "tools_shop": (ShopEnvironment, CallToolAction, CallToolObservation),
    "tools_mixed": (DeskEnvironment, DeskAction, DeskObservation),
}
