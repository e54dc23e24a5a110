"""What every generated client can do with its contract for models that call tools. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:  # imported by the first client that needs them
    from .dispatch import ToolCall
    from .specs import Format, ToolSpecs

ActT = TypeVar("ActT")


class ToolsForModels(Generic[ActT]):
    """Describes what the contract of a client lets models call, and reads their calls."""

    @classmethod
    def tool_specs(
        cls,
        format: Format,  # noqa: A002 - what people call it
        *,
        only: Collection[str] | None = None,
        strict: bool = False,
        max_description: int | None = None,
    ) -> ToolSpecs:
        """What a model can call: for the parameter ``tools`` of its client.

        That is each tool of the contract; in an environment also the action, or each variant of
        it. The specifications accept and refuse what the contract does; ``findings`` of what is
        returned says what a consumer loses.

        Args:
            format: ``"openai"`` (Chat Completions, vllm), ``"anthropic"`` (Messages), ``"mcp"``
                (``tools/list``), or ``"json-schema"`` (a schema with a ``title`` for each).
            only: the names of those that are wanted; by default all.
            strict: for OpenAI's strict mode. Where that can't say what the contract does, the tool
                isn't strict, or has no such optional parameter, and a finding says so.
            max_description: the longest description of a tool, in characters; by default 1,024 for
                OpenAI, and no limit for others.

        Raises:
            InvalidRequest: there is no such format, or no tool of a name in ``only``; or ``strict``
                is given with another format than ``"openai"``.
            ContractMissing: the client was written by hand.
        """
        from .specs import tool_specs

        return tool_specs(cls, format, only=only, strict=strict, max_description=max_description)

    @classmethod
    def parse_call(cls, call: object, *, strict: bool = False) -> ToolCall[ActT]:
        """Read a model's tool call, and validate it; nothing is sent.

        Args:
            call: an OpenAI ``tool_call``, an Anthropic ``tool_use`` block, an MCP ``tools/call``,
                or ``{"name": ..., "arguments": ...}``: an object of the SDK, a mapping, or JSON
                text, in a fence of Markdown or not. Arguments may be JSON text.
            strict: the call answers specifications made with ``strict=True``: null means that an
                optional parameter isn't given.

        Raises:
            InvalidCall: it can't be read, there is no such tool, or it doesn't take these
                arguments. ``str(error)`` says to the model what is wrong where, and what is
                allowed.
            MissingExtra: it calls a tool, and the extra ``exact`` isn't installed, which validates
                arguments.
            ContractMissing: the client was written by hand.
        """
        from .dispatch import parse_call

        return parse_call(cls, call, strict=strict)
