"""A server's reply to a call of a tool, and what is read out of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, NoReturn, TypeVar

from pydantic import ValidationError

from ..json_value import JsonValue, as_array, as_object, violations
from ..wire.redaction import redact
from .content import MAX_BLOCKS, ContentBlock, joined_text, read_content
from .errors import (
    ToolArgumentsInvalid,
    ToolError,
    ToolExecutionFailed,
    ToolNotFound,
    ToolResultMismatch,
    ToolTimeout,
    ToolTransportFailed,
)

DataT = TypeVar("DataT")

_BY_TYPE: Mapping[str, type[ToolError]] = {
    "tool_not_found": ToolNotFound,
    "invalid_args": ToolArgumentsInvalid,
    "timeout": ToolTimeout,
    "transport_error": ToolTransportFailed,
}


@dataclass(frozen=True, slots=True)
class ToolReply:
    """What a caller returns: the result on the wire, and the step that the call was.

    Attributes:
        result: MCP's ``CallToolResult`` as a JSON object, or whatever else the server sent.
        error: OpenEnv's error of a call, an object with ``error_type`` and ``message``; None
            where there is none.
        reward: the reward of the step; None where there is none.
        done: whether the episode ended with the step.
        observation: the step's observation; None where there is no environment.
        secrets: the client's, which no error shows, though the server may repeat them.
    """

    result: Any
    error: Any = None
    reward: float | None = None
    done: bool = False
    observation: Any = None
    secrets: Sequence[str] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class ToolResult(Generic[DataT]):
    """The result of a call of a tool.

    Attributes:
        data: the result as the tool's output schema types it, unwrapped where the server wraps it
            as ``{"result": ...}``. Without an output schema it is the JSON that the server sent,
            or else the text. Where the environment replied without the result, as one may that
            ends an episode, reading it raises ToolResultMismatch.
        text: the texts of ``content``, a line break between two.
        content: the content blocks: texts, images, sounds, resources.
        structured: the JSON that the server sent with them; None if it sent none.
        reward: the reward of the step that the call was; None if it had none.
        done: whether the episode has ended with that step.
        observation: the observation of that step, as ``step`` returns it; None where there is
            no environment.
    """

    data: DataT
    text: str = ""
    content: tuple[ContentBlock, ...] = ()
    structured: JsonValue = None
    reward: float | None = None
    done: bool = False
    observation: Any = None


class _WithoutResult(ToolResult[Any]):
    """A step that replied without the call's result, as wrappers do that end an episode.

    Its reward and ``done`` are good; reading ``data`` raises ToolResultMismatch.
    """

    __slots__ = ("_tool",)

    def __init__(self, tool: str, reward: float | None, done: bool, observation: Any) -> None:
        without = ToolResult(None, reward=reward, done=done, observation=observation)
        known = {item.name: getattr(without, item.name) for item in fields(without)}
        del known["data"]
        for name, value in {**known, "_tool": tool}.items():
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        if name != "data":
            raise AttributeError(name)
        raise ToolResultMismatch(
            f"the step replied without the result of {self._tool}, as an environment may that ends "
            "an episode: look at done before data",
            tool=self._tool,
            path="$",
            reward=self.reward,
            done=self.done,
            observation=self.observation,
        )

    def __repr__(self) -> str:
        return f"<ToolResult of {self._tool} without a result, done={self.done}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._tool, self.reward, self.done, self.observation)


def read_result(
    reply: ToolReply,
    *,
    tool: str,
    read: Callable[[Any], DataT] | None = None,
    is_wrapped: bool = False,
) -> ToolResult[DataT]:
    """Read the result of a call.

    Args:
        reply: what the caller returned.
        tool: the tool's name on the wire.
        read: reads the tool's data, and raises pydantic's ``ValidationError`` if it doesn't fit.
            None for a tool without an output schema.
        is_wrapped: whether the data is the member ``result`` of what the server sends.

    Raises:
        ToolError: the call failed, or its result doesn't fit.
    """
    try:
        return _read_result(reply, tool, read, is_wrapped)
    except ToolError as error:
        redact(error, reply.secrets)
        raise


def _read_result(
    reply: ToolReply, tool: str, read: Callable[[Any], DataT] | None, is_wrapped: bool
) -> ToolResult[DataT]:
    if reply.error is not None:
        _raise_error(reply, tool)
    sent = as_object(reply.result)
    if sent is None or not _is_mcps(sent):
        return _plain_result(reply, tool, read)
    content = _content(reply, tool)
    text = joined_text(content)
    if _either(sent, "isError", "is_error"):
        told = text or "the tool says nothing about it"
        raise ToolExecutionFailed(
            f"{tool} failed: {told}", tool=tool, server_text=text, content=content, **_step(reply)
        )
    structured = _either(sent, "structuredContent", "structured_content")
    # OpenEnv's servers send what their own client makes of the result, too: it is not wrapped.
    hydrated = sent.get("data")
    value, place = structured, "$.structuredContent"
    if structured is not None and is_wrapped:
        wrapper = as_object(structured)
        if wrapper is not None and "result" in wrapper:
            value, place = wrapper["result"], f"{place}.result"
    elif structured is None:
        value, place = (text, "$.content") if hydrated is None else (hydrated, "$.data")
    if read is None:
        data: Any = value
    elif place == "$.content":
        data = _read_text(reply, tool, read, text, is_wrapped)
    else:
        data = _read(reply, tool, read, value, place)
    return ToolResult(data, text, content, structured, reply.reward, reply.done, reply.observation)


def _is_mcps(sent: Mapping[str, Any]) -> bool:
    """Whether an object is MCP's, and no value that a server sends instead.

    Some servers leave ``content`` out where there is structured content. A value of a server's own
    may have a list of that name, too, which is not one of blocks.
    """
    if as_object(_either(sent, "structuredContent", "structured_content")) is not None:
        return True
    blocks = as_array(sent.get("content"))
    if not blocks or isinstance(_either(sent, "isError", "is_error"), bool):
        return blocks is not None
    return any(isinstance((as_object(block) or {}).get("type"), str) for block in blocks)


def _plain_result(
    reply: ToolReply, tool: str, read: Callable[[Any], DataT] | None
) -> ToolResult[DataT]:
    """The result of a server that sends a value instead of MCP's object."""
    value = reply.result
    if value is None and read is not None and reply.observation is not None:
        return _WithoutResult(tool, reply.reward, reply.done, reply.observation)
    data: Any = value if read is None else _read(reply, tool, read, value, "$")
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value)
    return ToolResult(data, text, (), value, reply.reward, reply.done, reply.observation)


def _read(
    reply: ToolReply, tool: str, read: Callable[[Any], DataT], value: Any, place: str
) -> DataT:
    try:
        return read(value)
    except ValidationError as error:
        shown, path = violations(error, place)
        raise ToolResultMismatch(
            f"the result of {tool} doesn't fit its output schema: {shown}",
            tool=tool,
            path=path,
            result=reply.result,
            **_step(reply),
        ) from error


def _read_text(
    reply: ToolReply, tool: str, read: Callable[[Any], DataT], text: str, is_wrapped: bool
) -> DataT:
    """Read data that the server sent as text alone, as those before structured content do."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return _read(reply, tool, read, text, "$.content")
    wrapper = as_object(value) if is_wrapped else None
    if wrapper is not None and wrapper.keys() == {"result"}:
        value = wrapper["result"]
    try:
        return read(value)
    except ValidationError:  # a text that happens to be JSON, such as "42", is a text
        return _read(reply, tool, read, text, "$.content")


def _raise_error(reply: ToolReply, tool: str) -> NoReturn:
    """Raise what OpenEnv's ``observation.error`` says."""
    error_fields = as_object(reply.error) or {"message": reply.error}
    kind = _BY_TYPE.get(str(error_fields.get("error_type")), ToolExecutionFailed)
    message = error_fields.get("message")
    text = message if isinstance(message, str) else json.dumps(message)
    content = _content(reply, tool)
    error = kind(
        f"{tool}: {kind.summary}: {text}",
        tool=tool,
        server_text=text,
        content=content,
        **_step(reply),
    )
    error.sent = True
    raise error


def _content(reply: ToolReply, tool: str) -> tuple[ContentBlock, ...]:
    blocks = as_array((as_object(reply.result) or {}).get("content")) or ()
    if len(blocks) > MAX_BLOCKS:
        raise ToolResultMismatch(
            f"the result of {tool} has {len(blocks):,} blocks of content, more than {MAX_BLOCKS:,}",
            tool=tool,
            path="$.content",
            **_step(reply),
        )
    return read_content(blocks)


def _step(reply: ToolReply) -> dict[str, Any]:
    return {"reward": reply.reward, "done": reply.done, "observation": reply.observation}


def _either(fields: Mapping[str, Any], wire_name: str, python_name: str) -> Any:
    """A field by MCP's own name, or by the name that OpenEnv's servers dump it under."""
    value = fields.get(wire_name)
    return fields.get(python_name) if value is None else value
