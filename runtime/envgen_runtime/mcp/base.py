"""What the sync and the async client of an MCP server share."""

# No `from __future__ import annotations`: the options' annotations are data, read at run time.

from collections.abc import Mapping, Sequence
from os import PathLike
from threading import Lock
from typing import Annotated, Any, ClassVar, Self, Unpack, get_args

from typing_extensions import TypedDict

from .. import forks
from ..calling.for_models import ToolsForModels
from ..contract.contract import package_contract
from ..contract.drift import OnDrift
from ..documented import complete, documented
from ..json_value import JsonValue, as_object
from ..wire.limits import refused_limit
from .config import server_of
from .connection import Connection
from .servers import HttpServer, Server, StdioServer
from .session import Session


class ToolsOptions(TypedDict, total=False):
    """The options of a client of an MCP server.

    Attributes:
        request_timeout_s: time limit for a call, in seconds. The server may have one of its own.
        connect_timeout_s: time limit for opening a session, in seconds; for a server that is
            started, with all that its command does before, such as an installation.
        max_message_bytes: the largest reply over HTTP that is accepted.
        on_drift: what happens if the tools that the server lists differ from the contract that the
            client was generated from: the first typed call on a server logs it as a warning
            (``check``), the first one of each session raises ContractDrift (``error``), or nothing
            is asked (``ignore``).
    """

    request_timeout_s: Annotated[float, 60.0]
    connect_timeout_s: Annotated[float, 60.0]
    max_message_bytes: Annotated[int, 100 * 1024 * 1024]
    on_drift: Annotated[OnDrift, "check"]


class ToolsClientBase(ToolsForModels[None]):
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
        if known["on_drift"] not in get_args(OnDrift):
            choices = ", ".join(map(repr, get_args(OnDrift)))
            raise ValueError(f"on_drift must be one of {choices}, not {known['on_drift']!r}")
        self._server: Server = HttpServer.at(url, headers, token) if isinstance(url, str) else url
        self._options = known
        self._connection = self._new_connection()
        self._connecting = Lock()  # threads share a sync client
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

    @property
    def _session(self) -> Session | None:
        return self._connection.session

    def after_fork(self) -> None:
        """Leave the session to the parent, in a forked child. See ``forks``."""
        self._connection.after_fork()

    def __repr__(self) -> str:
        return repr(self._connection)

    def _new_connection(self) -> Connection:
        return Connection(self._server, type(self), self._options)
