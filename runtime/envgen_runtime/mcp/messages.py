"""What MCP's messages say, and how they are told. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import EnvError, ProtocolError, ServerError
from ..json_value import JsonValue, as_object
from ..printable import printable
from ..tools.errors import ToolArgumentsInvalid, ToolNotFound
from ..tools.toolset import json_arguments
from .sdk import PROTOCOL_VERSION, SPOKEN_VERSIONS
from .servers import Server

_MAX_DIGITS = 18
_PARSE_ERROR = -32700
_OF_PYDANTIC = "validation error"
_SDKS_WORDS = ("Failed to parse JSON response", "Failed to parse SSE message")


def introduction() -> dict[str, JsonValue]:
    """The parameters of ``initialize``."""
    from .. import __version__

    about: dict[str, JsonValue] = {"name": "envgen", "version": __version__}
    return {"protocolVersion": PROTOCOL_VERSION, "capabilities": {}, "clientInfo": about}


def agreed_version(server: Server, greeting: Mapping[str, Any]) -> str:
    """The version of the protocol that a server's reply to ``initialize`` names.

    Raises:
        ProtocolError: this client doesn't speak it.
    """
    version = greeting.get("protocolVersion")
    if isinstance(version, str) and version in SPOKEN_VERSIONS:
        return version
    raise ProtocolError(
        f"{server.label} speaks version {printable(str(version), 40)} of MCP, and this client "
        f"{PROTOCOL_VERSION} and older"
    )


def checked_call(params: Mapping[str, Any]) -> dict[str, JsonValue]:
    """The parameters of ``tools/call`` as JSON: what JSON doesn't have would end the session.

    Raises:
        ToolArgumentsInvalid: there is such an argument.
        ToolNotFound: the name is no text that can be sent.
    """
    name = params["name"]
    try:
        json_arguments(str(name), {"name": name})
    except ToolArgumentsInvalid as error:
        missing = ToolNotFound(f"there is no such tool: {error}", tool=str(name))
        missing.sent = False
        raise missing from error
    return {**params, "arguments": json_arguments(name, params["arguments"])}


def shown_request(method: str, params: Mapping[str, JsonValue]) -> str:
    """A request as a message may call it."""
    return f"the call of {params.get('name')!r}" if method == "tools/call" else method


def request_number(value: Any) -> int:
    """A request's number, also where a server sends it as a text; -1 for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value) if len(value) <= _MAX_DIGITS else -1
    return value if isinstance(value, int) else -1


def server_error(code: Any, message: Any, data: Any) -> EnvError:
    """The error that a server answers with, or that the SDK puts in place of a reply over HTTP."""
    text = str(message) or "no message"
    if code == _PARSE_ERROR and text.startswith(_SDKS_WORDS):
        _, _, why = text.partition(": ")
        return _unreadable() if _OF_PYDANTIC in why else _unreadable(f"reply can't be read: {why}")
    return ServerError(
        f"the server answered with error {code}: {text}",
        code=f"JSON_RPC {code}",
        data=as_object(data) or ({} if data is None else {"data": data}),
        server_text=text,
        maybe_applied=True,
    )


def refused_texts(error: Exception) -> list[str]:
    """The texts that the SDK could not read as messages."""
    return [item for item in _refused_inputs(error)[:1] if isinstance(item, str)]


def refused_reply(error: Exception) -> tuple[int, ProtocolError]:
    """The number of the request that was answered by what the SDK could not read; -1 for none."""
    for item in _refused_inputs(error):
        message = as_object(item) or {}
        if "id" in message and "method" not in message:
            problem = no_result() if "result" in message else _unreadable()
            return request_number(message["id"]), problem
    return -1, _unreadable()


def no_result() -> ProtocolError:
    """The error of a reply whose result is none of MCP's."""
    return _unreadable("result is not an object")


def _refused_inputs(error: Exception) -> list[Any]:
    """What pydantic was given at each place where it found something wrong."""
    described: Any = getattr(error, "errors", None)
    if not callable(described):
        return []
    details: Any = described(include_url=False, include_context=False)
    return [detail.get("input") for detail in details]


def _unreadable(what: str = "reply is not JSON-RPC") -> ProtocolError:
    return ProtocolError(f"the server's {what}", maybe_applied=True)
