"""What a server's errors of a call say. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import EnvError, ServerError
from ..tools.content import joined_text, read_content
from ..tools.errors import ToolArgumentsInvalid, ToolNotFound, ToolTimeout

_METHOD_NOT_FOUND = "JSON_RPC -32601"
_INVALID_PARAMS = "JSON_RPC -32602"
_REQUEST_TIMEOUT = "JSON_RPC -32001"
_MISSING = ("unknown tool", "not found", "no such tool")


def may_be_unknown(error: ServerError) -> bool:
    """Whether an error of a call may say that there is no such tool."""
    return error.code in (_INVALID_PARAMS, _METHOD_NOT_FOUND)


def call_error(error: ServerError, name: str, *, is_known: bool) -> EnvError:
    """The error of a call that the server answered with an error of JSON-RPC.

    Args:
        error: the server's.
        name: the tool's.
        is_known: whether the server lists the tool.
    """
    text = error.server_text
    if may_be_unknown(error) and not is_known:
        return ToolNotFound(f"{name}: there is no such tool: {text}", tool=name, server_text=text)
    if error.code == _INVALID_PARAMS:
        refused = ToolArgumentsInvalid(
            f"{name}: the server refuses the arguments: {text}", tool=name, server_text=text
        )
        refused.sent = True
        return refused
    if error.code == _REQUEST_TIMEOUT:
        return ToolTimeout(
            f"{name}: the server's time limit ended the call: {text}", tool=name, server_text=text
        )
    return error


def may_say_missing(sent: Mapping[str, Any]) -> bool:
    """Whether a failed result may say that there is no such tool."""
    text = joined_text(read_content(sent.get("content"))).lower()
    return any(words in text for words in _MISSING)


def not_found(name: str, sent: Mapping[str, Any]) -> ToolNotFound:
    """The error of a call that failed with this result, because the server has no such tool."""
    content = read_content(sent.get("content"))
    text = joined_text(content)
    return ToolNotFound(
        f"{name}: there is no such tool: {text}", tool=name, server_text=text, content=content
    )
