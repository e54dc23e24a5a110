"""Contracts of servers of tools that aren't OpenEnv's: the parts that all of them have.

A client plays them as an environment of tools: its action calls a tool by name, and its observation
is the reply. See ``envgen_runtime.wire.tool_servers``.
"""

from __future__ import annotations

from typing import Any

from ..schema.keywords import JsonSchema

CALL_ACTION: JsonSchema = {
    "title": "CallToolAction",
    "description": "Calls a tool by its name.",
    "type": "object",
    "properties": {
        "type": {"const": "call_tool", "default": "call_tool"},
        "tool_name": {"type": "string", "description": "The tool's name."},
        "arguments": {
            "type": "object",
            "additionalProperties": True,
            "description": "Its arguments, by name.",
        },
    },
    "required": ["tool_name"],
    "additionalProperties": False,
}

CALL_OBSERVATION: JsonSchema = {
    "title": "CallToolObservation",
    "description": "The reply to a call of a tool.",
    "type": "object",
    "properties": {
        "tool_name": {"type": "string", "description": "The tool's name."},
        "result": {"default": None, "description": "The result, as MCP describes one."},
        "error": {
            "anyOf": [{"$ref": "#/$defs/ToolFailure"}, {"type": "null"}],
            "default": None,
            "description": "Why the call failed; null if it didn't.",
        },
        "done": {"type": "boolean", "default": False},
        "reward": {"anyOf": [{"type": "number"}, {"type": "null"}], "default": None},
        "metadata": {"type": "object", "additionalProperties": True},
    },
    "required": ["tool_name"],
    "$defs": {
        "ToolFailure": {
            "type": "object",
            "properties": {
                "error_type": {"enum": ["tool_not_found", "invalid_args", "execution_error"]},
                "message": {"type": "string"},
            },
            "required": ["error_type", "message"],
        }
    },
}


def contract_of(
    *, tools: list[Any], reset: JsonSchema, parameters: JsonSchema | None, wire: dict[str, Any]
) -> dict[str, Any]:
    """The contract of a server of tools.

    Args:
        tools: its tools, as MCP describes them.
        reset: the schema of what a reset gives.
        parameters: the schema of what a reset is given; None if that isn't known.
        wire: the standard that it follows.
    """
    return {
        "action": CALL_ACTION,
        "observation": CALL_OBSERVATION,
        "reset_observation": reset,
        **({"reset_parameters": parameters} if parameters is not None else {}),
        "tools": tools,
        "wire": wire,
    }
