"""What MCP's messages say, and how they are told. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import ProtocolError, ServerError
from ..json_value import JsonValue, as_object
from ..printable import printable
from ..tools.errors import ToolArgumentsInvalid, ToolNotFound
from ..tools.toolset import json_arguments
from .sdk import PROTOCOL_VERSION, SPOKEN_VERSIONS
from .servers import Server

_MAX_DIGITS = 18


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


def server_error(code: Any, message: Any, data: Any) -> ServerError:
    """The error that a server answers with."""
    text = str(message) or "no message"
    return ServerError(
        f"the server answered with error {code}: {text}",
        code=f"JSON_RPC {code}",
        data=as_object(data) or ({} if data is None else {"data": data}),
        server_text=text,
        maybe_applied=True,
    )


def refused_inputs(error: Exception) -> Iterator[str]:
    """The texts that the SDK could not read as messages."""
    described: Any = getattr(error, "errors", None)
    if callable(described):
        items: Any = described(include_url=False)
        for item in items[:1]:
            text = (as_object(item) or {}).get("input")
            if isinstance(text, str):
                yield text
