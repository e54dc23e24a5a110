"""Sessions with MCP servers, over streamable HTTP or stdio, on the transports of the official SDK.

The SDK (``mcp``) is an extra, and is imported with the first connection.
"""

from __future__ import annotations

from .asyncio import AsyncToolsClient
from .sync import ToolsClient

__all__ = ["AsyncToolsClient", "ToolsClient"]
