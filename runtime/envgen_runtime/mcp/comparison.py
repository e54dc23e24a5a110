"""When a client compares the tools that a server lists with its contract. No I/O."""

from __future__ import annotations

import logging
from typing import Any

from ..contract.contract import has_contract, package_contract
from ..contract.drift import OnDrift, told_drift, tool_differences
from ..errors import ContractDrift
from ..json_value import as_array, as_object
from ..printable import printable
from ..tools.errors import ToolResultMismatch
from ..wire.mismatch import explain_drift
from ..wire.redaction import scrub
from .servers import Server

_LOGGER = logging.getLogger("envgen_runtime")

_compared: set[tuple[str, str]] = set()  # the servers and contracts that this process has compared


class Comparison:
    """Compares what a server lists with the contract that a client was built from, in a session.

    Args:
        client: the client's class.
        server: the server.
        on_drift: what a difference does, as the client's option says.
    """

    def __init__(self, client: type, server: Server, on_drift: OnDrift) -> None:
        self._client = client
        self._server = server
        self._key = (server.label, str(getattr(client, "fingerprint", "")))
        self._listed: list[Any] | None = None  # what the server has listed; None until it was asked
        self._explains = on_drift == "check" and has_contract(client)
        self._is_due = on_drift != "ignore" and has_contract(client)
        self.is_strict = on_drift == "error"

    @property
    def is_due(self) -> bool:
        """Whether the server's list is wanted before a typed call.

        That is once per process and server; where a difference is refused, once in a session.
        """
        return self._is_due and (self.is_strict or self._key not in _compared)

    def begin(self) -> None:
        """The server is about to be asked. Calls wait for the answer only if it may refuse them."""
        _compared.add(self._key)

    def give_up(self) -> None:
        """The server doesn't list its tools, so there is nothing to compare."""
        self._is_due = False

    def end(self, listed: list[Any]) -> None:
        """Compare what the server has listed with the contract.

        Raises:
            ContractDrift: they differ, and ``on_drift`` is ``error``.
        """
        self._listed = listed
        ours = package_contract(self._client).get("tools")
        drift = self._differences(ours, listed, all_of_them=self.is_strict)
        if drift and self.is_strict:
            raise ContractDrift(self._told(drift), drift=drift)
        self._is_due = False
        if drift:
            _LOGGER.warning("%s", self._told(drift))

    def look(self, listed: list[Any]) -> None:
        """Take note of what the server has listed, for errors to come."""
        self._listed = listed

    @property
    def wants_a_look(self) -> bool:
        """Whether the server's list is wanted to say why a result doesn't fit."""
        return self._explains and self._listed is None

    def explain(self, error: ToolResultMismatch) -> None:
        """Add to an error what the server lists of the tool that the contract doesn't have so."""
        if not self._explains:
            return
        drift: list[str] | None = None
        if self._listed is not None:  # of this tool alone: of many differences, some are left out
            ours = _of_tool(package_contract(self._client).get("tools"), error.tool)
            drift = self._differences(ours, _of_tool(self._listed, error.tool))
        explain_drift(error, drift, url=self._server.source)

    def _differences(self, ours: Any, listed: list[Any], *, all_of_them: bool = True) -> list[str]:
        """The differences as lines that may be shown."""
        found = tool_differences({"tools": ours}, listed, all_of_them=all_of_them)
        return [printable(scrub(line, self._server.secrets)) for line in found]

    def _told(self, drift: list[str]) -> str:
        name = str(getattr(self._client, "server_name", "")) or self._client.__name__
        server = self._server
        return told_drift(drift, server=server.label, name=name, source=server.source)


def _of_tool(tools: Any, name: str) -> list[Any]:
    return [tool for tool in as_array(tools) or [] if (as_object(tool) or {}).get("name") == name]
