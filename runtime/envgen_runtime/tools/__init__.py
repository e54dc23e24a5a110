"""Typed calls of tools: of an environment's over its steps, or of any MCP server's.

A package's namespace of tools is a ``Toolset`` with a method for each tool. It hands a call's name
and arguments to a caller, which is an environment's client or an MCP session, and reads the reply.
"""

from __future__ import annotations

from ..wire.nemo_gym import NemoGymWire
from ..wire.open_reward import OpenRewardWire
from .content import (
    AudioContent,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    UnknownContent,
)
from .errors import (
    ToolArgumentsInvalid,
    ToolError,
    ToolExecutionFailed,
    ToolNotFound,
    ToolResultMismatch,
    ToolTimeout,
    ToolTransportFailed,
)
from .result import ToolReply, ToolResult, read_result
from .toolset import OMITTED, AsyncToolCaller, AsyncToolset, Tool, ToolCaller, Toolset

__all__ = [
    "OMITTED", "AsyncToolCaller", "AsyncToolset", "AudioContent", "ContentBlock",
    "EmbeddedResource", "ImageContent", "NemoGymWire", "OpenRewardWire", "ResourceLink",
    "TextContent", "Tool",
    "ToolArgumentsInvalid", "ToolCaller", "ToolError", "ToolExecutionFailed", "ToolNotFound",
    "ToolReply", "ToolResult", "ToolResultMismatch", "ToolTimeout", "ToolTransportFailed",
    "Toolset", "UnknownContent", "read_result",
]  # fmt: skip
