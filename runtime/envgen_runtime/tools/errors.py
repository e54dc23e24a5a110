"""What a call of a tool raises beside what every request does.

    EnvError
    └── ToolError                   the tool was not called, or failed
        ├── ToolNotFound            the server has no tool of that name
        ├── ToolArgumentsInvalid    the arguments don't fit: `sent` says who refused them
        ├── ToolExecutionFailed     the tool ran and failed
        ├── ToolTimeout             the server's own time limit for the tool ended the call
        ├── ToolTransportFailed     the server could not reach the tool
        └── ToolResultMismatch      the result doesn't fit the contract this client was built from

The session survives each of them, and an environment's episode goes on: a failed call is a step,
whose reward and ``done`` the error has. ``RequestTimeout`` is another matter: there it was this
client that stopped waiting, and the session is lost.
"""

from __future__ import annotations

from typing import Any, ClassVar, TypedDict, Unpack

from ..errors import EnvError, ReplyMismatch
from ..printable import printable
from .content import ContentBlock

_MAX_FOR_MODEL = 2000  # characters: an error shall not fill a model's context


class _OfCall(TypedDict, total=False):
    """What may be known of a failed call."""

    reward: float | None
    done: bool
    observation: Any
    content: tuple[ContentBlock, ...]
    retryable: bool | None
    maybe_applied: bool | None
    request_id: str | None
    server_text: str | None


class ToolError(EnvError):
    """A call of a tool failed. The session and the episode go on.

    Attributes:
        tool: the tool's name on the wire.
        reward: the reward of the step that the call was; None if it had none.
        done: whether the episode has ended with that step.
        observation: the step's observation; None where there is no environment.
        content: the content blocks of the failed result, if it had any.
    """

    summary: ClassVar[str] = "the call failed"
    """What went wrong, as the first words of a message."""

    sent = True
    reward: float | None = None
    done: bool = False
    observation: Any = None
    content: tuple[ContentBlock, ...] = ()

    def __init__(self, message: str, *, tool: str, **known: Unpack[_OfCall]) -> None:
        EnvError.__init__(self, message)  # a class below is a ReplyMismatch, too
        for name, value in known.items():
            if value is not None:
                setattr(self, name, value)
        self.tool = tool

    def for_model(self) -> str:
        """The error as text for the model that made the call: short, without control characters."""
        told = self.server_text or super().__str__()
        shown = printable(told, _MAX_FOR_MODEL, keep="\n\t")
        return f"Error in {printable(self.tool, 200)}: {self.summary}: {shown}"


class ToolNotFound(ToolError):
    """The server has no tool of that name. Nothing was called."""

    summary = "there is no such tool"


class ToolArgumentsInvalid(ToolError, ValueError):
    """The arguments don't fit the tool. It was not called.

    ``sent`` is False where this client refused them, so that nothing has reached the server.

    Attributes:
        path: the place in the arguments, as a JSON path such as ``$.orders[0].qty``, if known.
    """

    summary = "the arguments are invalid"
    sent = False

    def __init__(
        self, message: str, *, tool: str, path: str | None = None, **known: Unpack[_OfCall]
    ) -> None:
        super().__init__(message, tool=tool, **known)
        self.path = path


class ToolExecutionFailed(ToolError):
    """The tool ran and failed. What it had done until then stays done."""

    summary = "the tool failed"
    maybe_applied = True


class ToolTimeout(ToolError):
    """The tool took longer than the server allows, which a client can't change.

    OpenEnv's servers give a tool 30 s. Where this client's own limit ends a call, it raises
    ``RequestTimeout``.
    """

    summary = "the tool took too long"
    maybe_applied = True


class ToolTransportFailed(ToolError):
    """The server could not reach the tool, which runs elsewhere."""

    summary = "the tool could not be reached"
    retryable = True
    maybe_applied = True


class ToolResultMismatch(ToolError, ReplyMismatch):
    """The tool's result doesn't fit the output schema that this client was built from.

    Attributes:
        path: the place in the result, as a JSON path such as ``$.structuredContent.total``.
        result: the result as the server sent it.
    """

    summary = "the result is not what the tool promises"
    maybe_applied = True

    def __init__(
        self,
        message: str,
        *,
        tool: str,
        path: str,
        result: Any = None,
        **known: Unpack[_OfCall],
    ) -> None:
        ToolError.__init__(self, message, tool=tool, **known)
        self.path = path
        self.result = result
