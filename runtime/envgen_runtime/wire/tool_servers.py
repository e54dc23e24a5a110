"""What servers of tools have in common that are not OpenEnv's: their replies in OpenEnv's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..errors import InvalidRequest, ServerError
from ..json_value import as_object
from .protocol import Request, server_error


def tool_call(request: Request) -> tuple[str, dict[str, Any]]:
    """The name and the arguments of the tool that a step calls.

    Raises:
        InvalidRequest: the action is no call of a tool.
    """
    name, arguments = request.data.get("tool_name"), as_object(request.data.get("arguments"))
    if not isinstance(name, str) or arguments is None:
        raise InvalidRequest(
            "a step of this environment calls a tool: use client.tools, or call_tool()",
            request_id=request.request_id,
        )
    return name, arguments


def tool_reply(
    name: str,
    *,
    content: Sequence[Any] = (),
    structured: Any = None,
    error: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    reward: float | None = None,
    done: bool = False,
) -> dict[str, Any]:
    """The payload of the reply to a call, as OpenEnv's servers send it."""
    result: dict[str, Any] = {"content": list(content), "isError": False}
    if structured is not None:
        result["structuredContent"] = structured
    observation = {
        "tool_name": name,
        "result": None if error else result,
        "error": error,
        "metadata": dict(metadata or {}),
    }
    return {"observation": observation, "reward": reward, "done": done}


def failed_call(name: str, kind: str, message: str, *, done: bool = False) -> dict[str, Any]:
    """The payload for a call that failed.

    Args:
        name: the tool's.
        kind: ``tool_not_found``, ``invalid_args`` or ``execution_error``.
        message: what the server says.
        done: whether the episode has ended.
    """
    return tool_reply(name, error={"error_type": kind, "message": message}, done=done)


def session_is_gone(text: str, request: Request) -> ServerError:
    """The error for a request of a session that the server doesn't have any more."""
    error = server_error({"message": text}, code="SESSION_ERROR", request=request)
    error.maybe_applied = False
    return error


class ToolServerWire:
    """What the wires of such servers have in common, as ``HttpRoutes`` asks for it.

    Attributes:
        not_for_models: the tools that models must neither see nor call.
    """

    arguments: ClassVar[Sequence[str]] = ()
    creates_session: ClassVar[bool] = False
    ends_session: ClassVar[bool] = False
    has_state: ClassVar[bool] = False
    not_for_models: ClassVar[frozenset[str]] = frozenset()

    @property
    def tasks_of(self) -> str | None:
        """As ``HttpRoutes.tasks_of``: no such server lists any, but those that say so."""
        return None

    def check_arguments(self, client: str, given: Mapping[str, Any]) -> None:
        """Refuse a client's ``parameters``: the routes have no place for any.

        Raises:
            ValueError: there are some.
        """
        if given:
            raise ValueError(f"{client} takes no parameters; its server's routes have none")
