"""What the sync and the async client of an MCP server share."""

# No `from __future__ import annotations`: the options' annotations are data, read at run time.

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Annotated, Any, ClassVar, Self, Unpack

from typing_extensions import TypedDict

from .. import forks
from ..contract.contract import package_contract
from ..documented import complete, documented
from ..errors import EnvError, InvalidRequest, ProtocolError, ServerError
from ..json_value import JsonValue, as_array, as_object
from ..tools.errors import ToolArgumentsInvalid, ToolNotFound, ToolTimeout
from ..wire.limits import refused_limit
from ..wire.tools import MAX_PAGES
from .config import server_of
from .servers import HttpServer, Server, StdioServer
from .session import Session

MAX_TOOLS = 10_000
"""How many tools are read."""

_METHOD_NOT_FOUND = "JSON_RPC -32601"
_INVALID_PARAMS = "JSON_RPC -32602"
_REQUEST_TIMEOUT = "JSON_RPC -32001"


class ToolsOptions(TypedDict, total=False):
    """The options of a client of an MCP server.

    Attributes:
        request_timeout_s: time limit for a call, in seconds. The server may have one of its own.
        connect_timeout_s: time limit for opening a session, in seconds; for a server that is
            started, with all that its command does before, such as an installation.
        max_message_bytes: the largest reply over HTTP that is accepted.
    """

    request_timeout_s: Annotated[float, 60.0]
    connect_timeout_s: Annotated[float, 60.0]
    max_message_bytes: Annotated[int, 100 * 1024 * 1024]


class ToolsClientBase:
    """Everything but the waiting.

    Attributes:
        server_name: what the server is called in generated clients; empty otherwise.
        fingerprint: the contract's that the client was generated from; empty otherwise.
    """

    server_name: ClassVar[str] = ""
    fingerprint: ClassVar[str] = ""

    @documented(ToolsOptions)
    def __init__(
        self,
        url: str | HttpServer | StdioServer,
        *,
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
        **options: Unpack[ToolsOptions],
    ) -> None:
        """Describe a session with a server over streamable HTTP; nothing is connected yet.

        Args:
            url: the server's endpoint, mostly ``http://HOST/mcp``. ``user:password@`` and
                ``?query`` go with every request, and are shown nowhere.
            headers: sent with every request.
            token: sent as ``Authorization: Bearer``.
            options: by keyword:

        Raises:
            TypeError: an option that doesn't exist.
            ValueError: the URL, a header or a limit can't be used.
        """
        known = complete(ToolsOptions, {**options}, of=type(self).__name__)
        for name in ("request_timeout_s", "connect_timeout_s"):
            if (refusal := refused_limit(name, known[name])) is not None:
                raise ValueError(refusal)
        self._server: Server = HttpServer.at(url, headers, token) if isinstance(url, str) else url
        self._options = known
        self._session: Session | None = None
        forks.track(self)

    @classmethod
    @documented(ToolsOptions)
    def from_command(
        cls,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | PathLike[str] | None = None,
        **options: Unpack[ToolsOptions],
    ) -> Self:
        """Describe a session with a server that is started for it, and speaks over stdio.

        The server gets the variables that find programs and the network, and those in ``env``: no
        other secret of this process.

        Args:
            command: the program and its arguments, as ``["npx", "-y", "a-server"]``; no shell
                reads them.
            env: its environment variables.
            cwd: the folder that it runs in.
            options: by keyword:

        Raises:
            TypeError: an option that doesn't exist, or a command that is one text.
            ValueError: the command or a limit can't be used.
        """
        return cls(StdioServer.run(command, env, cwd), **options)

    @classmethod
    @documented(ToolsOptions)
    def from_config(cls, entry: Mapping[str, Any], **options: Unpack[ToolsOptions]) -> Self:
        """Describe a session with a server as the settings of Claude, Cursor and VS Code do.

        Args:
            entry: one server of ``mcpServers`` or ``servers``: an object with ``command``,
                ``args``, ``env`` and ``cwd``, or with ``url`` and ``headers``. ``${NAME}`` in it
                stands for a variable that ``ENVGEN_ALLOW_VARS`` lists.
            options: by keyword:

        Raises:
            TypeError: an option that doesn't exist.
            ValueError: the entry, a variable in it or a limit can't be used.
        """
        return cls(server_of(entry), **options)

    @property
    def contract(self) -> dict[str, JsonValue]:
        """The contract that this client was generated from, as a copy.

        Raises:
            ContractMissing: the client was written by hand.
        """
        return package_contract(type(self))

    @property
    def server_info(self) -> dict[str, JsonValue]:
        """What the server says about itself: ``name``, ``version`` and maybe ``title``.

        Empty before the first connection, or if it says nothing.
        """
        return dict(as_object(self._greeting.get("serverInfo")) or {})

    @property
    def instructions(self) -> str | None:
        """How the server wants to be used, as text for a model; None if it doesn't say."""
        told = self._greeting.get("instructions")
        return told if isinstance(told, str) else None

    @property
    def _greeting(self) -> dict[str, Any]:
        return {} if self._session is None else self._session.greeting

    def after_fork(self) -> None:
        """Leave the session to the parent, in a forked child. See ``forks``."""
        if self._session is not None:
            self._session.after_fork()

    def __repr__(self) -> str:
        state = "new" if self._session is None else "open" if self._session.is_open else "ended"
        return f"<{type(self).__name__} {self._server.label} ({state})>"

    def _limit(self, timeout_s: float | None) -> float:
        if timeout_s is None:
            return float(self._options["request_timeout_s"])
        if (refusal := refused_limit("timeout_s", timeout_s)) is not None:
            raise InvalidRequest(refusal)
        return float(timeout_s)

    def _new_session(self) -> Session:
        return Session(self._server, max_message_bytes=self._options["max_message_bytes"])


class ToolPages:
    """The pages of ``tools/list``, read one after the other.

    Attributes:
        tools: the tools so far, as the server sent them.
    """

    def __init__(self) -> None:
        self.tools: list[dict[str, JsonValue]] = []
        self._cursors: list[str] = []

    @property
    def params(self) -> dict[str, JsonValue]:
        """The parameters of the next request."""
        return {"cursor": self._cursors[-1]} if self._cursors else {}

    def add(self, result: Mapping[str, Any]) -> bool:
        """Take a page. True if another follows.

        Raises:
            ProtocolError: it is no page, or there is no end to them.
        """
        tools = as_array(result.get("tools"))
        if tools is None:
            raise ProtocolError("the server's list of tools has no tools")
        self.tools += [fields for tool in tools if (fields := as_object(tool)) is not None]
        cursor = result.get("nextCursor")
        if not isinstance(cursor, str) or not cursor:
            return False
        if cursor in self._cursors or len(self._cursors) + 1 >= MAX_PAGES:
            raise ProtocolError("the server's list of tools doesn't end")
        if len(self.tools) > MAX_TOOLS:
            raise ProtocolError(f"the server has more than {MAX_TOOLS} tools")
        self._cursors.append(cursor)
        return True


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
