"""A server of tools, as people write them with the SDK: started by tests with either version."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

try:
    from mcp.server.mcpserver import Context, Image, MCPServer
except ImportError:
    from mcp.server.fastmcp import Context, Image
    from mcp.server.fastmcp import FastMCP as MCPServer

server: Any = MCPServer(
    "Weather station", instructions="Ask for one city at a time.", log_level="ERROR"
)
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8cfc000000301010018dd8db40000000049454e44ae426082"
)


class Forecast(BaseModel):
    """The weather of a day."""

    city: str
    celsius: Annotated[float, Field(ge=-90, le=60)]
    sky: Literal["clear", "clouds", "rain"] = "clear"


@server.tool()
def forecast(city: str, days: int = 1) -> list[Forecast]:
    """The forecast for a city."""
    return [Forecast(city=city, celsius=20 + day) for day in range(days)]


@server.tool(name="get-weather")
def get_weather(city: str, unit: Literal["celsius", "kelvin"] = "celsius") -> Forecast:
    """The weather now."""
    return Forecast(city=city, celsius=21.5)


@server.tool()
def radar() -> Image:
    """A picture."""
    return Image(data=_PIXEL, format="png")


@server.tool()
def storm(message: str) -> str:
    """Always fails."""
    raise ValueError(message)


@server.tool()
def echo(value: Any) -> str:
    """The argument as JSON."""
    return json.dumps(value)


@server.tool()
async def measure(steps: int, context: Context) -> int:
    """Report progress."""
    for step in range(steps):
        await context.report_progress(step + 1, steps)
    return steps


_cancelled: list[str] = []


@server.tool()
async def wait_forever(name: str, context: Context) -> str:
    """Never answer; report once that it has begun."""
    await context.report_progress(0, 1)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        _cancelled.append(name)
        raise
    return ""


@server.tool()
def cancelled() -> list[str]:
    """The calls of wait_forever that were cancelled."""
    return _cancelled


@server.tool()
def variable(name: str) -> str | None:
    """An environment variable of the server."""
    return os.environ.get(name)


@server.tool()
def die(status: int) -> None:
    """End the server."""
    print("the last words", file=sys.stderr, flush=True)
    os._exit(status)


if __name__ == "__main__":
    transport = sys.argv[1] if sys.argv[1:] else "stdio"
    if transport == "stdio":
        print("not JSON: a banner", flush=True)
        server.run("stdio")
    else:
        import socket

        import uvicorn

        config = uvicorn.Config(server.streamable_http_app(), log_level="error")
        uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[2]))])
