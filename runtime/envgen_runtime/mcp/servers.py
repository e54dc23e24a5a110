"""What a client needs to know of an MCP server: where it is, or how it is started. No I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from shlex import quote

from ..wire.address import endpoint
from ..wire.redaction import (
    checked_headers,
    command_without_secrets,
    is_secret_name,
    scrub,
    secrets_in,
    secrets_in_command,
    split_credentials,
    without_secrets,
)


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server that is reached over streamable HTTP.

    Attributes:
        url: the address of its endpoint, without user and password.
        headers: sent with every request.
        secrets: what must not be shown.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def at(
        cls, url: str, headers: Mapping[str, str] | None = None, token: str | None = None
    ) -> HttpServer:
        """A server by its address.

        Args:
            url: its endpoint, mostly ``http://HOST/mcp``. ``user:password@`` and ``?query`` go with
                every request, and are shown nowhere.
            headers: sent with every request.
            token: sent as ``Authorization: Bearer``.

        Raises:
            ValueError: the URL or a header can't be used.
        """
        address, authorization = split_credentials(url)
        endpoint(address)
        if not address.lower().startswith(("http://", "https://")):
            raise ValueError(
                f"MCP uses HTTP: write http:// or https://, not {without_secrets(url)!r}"
            )
        own = checked_headers(headers or {})
        if token is not None:
            authorization = f"Bearer {token}"
        if authorization is not None:
            own = {
                "Authorization": authorization,
                **{name: value for name, value in own.items() if name.lower() != "authorization"},
            }
            checked_headers(own)
        return cls(address, own, secrets_in(own, url))

    @property
    def credentials(self) -> tuple[str, ...]:
        """The secrets that no text holds by chance."""
        return self.secrets

    @property
    def label(self) -> str:
        """The server as it may be shown."""
        shown: str = scrub(without_secrets(self.url), self.secrets)
        return shown

    @property
    def source(self) -> str:
        """What ``envgen build`` is given for the server, as it may be shown."""
        return f"mcp+{self.label}"


@dataclass(frozen=True, slots=True)
class StdioServer:
    """A server that the client starts, and that speaks over its standard input and output.

    Attributes:
        command: the program and its arguments; no shell reads them.
        env: its environment variables, beside those that find programs and the network.
        cwd: the folder that it runs in; None for the current one.
        secrets: what must not be shown.
    """

    command: tuple[str, ...] = field(repr=False)
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    cwd: str | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    @classmethod
    def run(
        cls,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: str | PathLike[str] | None = None,
    ) -> StdioServer:
        """A server by its command.

        Raises:
            ValueError: there is no program in it.
            TypeError: it is a single text.
        """
        if isinstance(command, str):
            raise TypeError('a command is a list: ["python", "server.py"]; no shell splits a text')
        if not command or not command[0]:
            raise ValueError("the command names no program")
        variables = dict(env or {})
        folder = None if cwd is None else fspath(cwd)
        hidden = {*secrets_in(variables), *secrets_in_command(command)}
        return cls(tuple(command), variables, folder, tuple(sorted(hidden, key=len, reverse=True)))

    @property
    def credentials(self) -> tuple[str, ...]:
        """The secrets that no text holds by chance: not a time zone or a level of a log."""
        named = {name: value for name, value in self.env.items() if is_secret_name(name)}
        return (*secrets_in(named), *secrets_in_command(self.command))

    @property
    def label(self) -> str:
        """The server as it may be shown."""
        shown: str = scrub(command_without_secrets(self.command), self.secrets)
        return shown

    @property
    def source(self) -> str:
        """What ``envgen build`` is given for the server, as it may be shown."""
        return quote(f"mcp+stdio:{self.label}")


Server = HttpServer | StdioServer
