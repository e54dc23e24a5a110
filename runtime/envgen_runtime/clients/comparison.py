"""When and how a client compares the server's contract with its own. No I/O but a thread's."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from time import monotonic
from typing import Any

from ..contract.contract import has_contract, package_contract
from ..contract.drift import Contracts, OnDrift, told_drift, tool_differences
from ..errors import (
    ActionRejected,
    ContractDrift,
    EnvError,
    ProtocolError,
    ReplyMismatch,
    ServerError,
)
from ..json_value import JsonValue
from ..printable import printable
from ..transports import ConnectionOptions
from ..wire.mismatch import explain_drift
from ..wire.protocol import Request
from ..wire.redaction import scrub
from .codec import Codec
from .effects import Ask, Call, LookAtContract

_LOOK_TIMEOUT_S = 5.0  # neither an error nor the thread waits longer for the server's contract
_MAX_CONTRACT_BYTES = 8 * 1024 * 1024
_LOGGER = logging.getLogger("envgen_runtime")

_compared: set[tuple[str, str]] = set()  # the servers and contracts that this process has compared

_EXIT_WAIT_S = 3.0
_looking: set[threading.Thread] = set()


def server_schema(request: Request) -> Call[dict[str, JsonValue]]:
    """Ask for the server's contract."""
    request = request._replace(operation="schema")
    response = yield Ask("/schema", request)
    schema: dict[str, JsonValue] = response.payload(request)
    return schema


class Comparison:
    """Compares the server's contract with the one that a client was built from.

    Args:
        client: the client's class.
        url: the server's address.
        on_drift: when to compare, as the client's option says.
        secrets: what a server may echo, and a log must not show.
        has_own_http: whether HTTP goes through the user's own client, which may belong to an event
            loop: then nothing is looked at in the background.
    """

    def __init__(
        self,
        client: type[Codec[Any, Any, Any, Any]],
        url: str,
        on_drift: OnDrift,
        secrets: tuple[str, ...],
        *,
        has_own_http: bool,
    ) -> None:
        self._has_own_http = has_own_http
        self._client = client
        self._url = url
        self._on_drift = on_drift
        self._secrets = secrets
        self._drift: list[str] | None = None  # None until both contracts were compared
        self._has_looked = False
        self._has_compared_tools = False

    def before_opening(self, request: Request) -> Call[None]:
        """Refuse a server with another contract, if the client wants that.

        Raises:
            ContractDrift: the contracts differ.
            EnvError: the server didn't answer.
        """
        if self._on_drift != "error" or self._drift == []:
            return
        self._drift = yield from self._differences(request)
        if self._drift:
            raise ContractDrift(self._told(self._drift), drift=self._drift)

    def in_background(self, request: Request) -> LookAtContract | None:
        """What to do when a session is opened: look once per process and server, or nothing."""
        if self._on_drift != "check" or self._client.wire or not has_contract(self._client):
            return None
        if self._has_own_http:  # so a later client without one still looks
            return None
        server = (self._url, self._client.fingerprint)
        if server in _compared:
            return None
        _compared.add(server)
        deadline = monotonic() + _LOOK_TIMEOUT_S  # its own: nothing waits for it
        looking = request._replace(timeout_s=_LOOK_TIMEOUT_S, deadline=deadline)
        return LookAtContract(self.warn, looking)

    def before_tool(self, ask: Callable[[], Call[list[Any]]]) -> Call[None]:
        """Compare the server's tools before the first call of one, as ``on_drift`` says.

        The session is asked: over HTTP, a server makes an environment for the question. One that
        doesn't list its tools has none to compare.

        Args:
            ask: lists the tools.

        Raises:
            ContractDrift: they differ, and ``on_drift`` is ``error``.
        """
        if self._on_drift == "ignore" or self._has_compared_tools:
            return
        self._has_compared_tools = True
        server = (self._url, f"tools of {self._client.fingerprint}")
        if self._on_drift == "check" and server in _compared:
            return
        contract = package_contract(self._client) if has_contract(self._client) else {}
        if not contract.get("tools"):
            return
        _compared.add(server)
        try:
            listed = yield from ask()
        except ServerError:
            return
        except ProtocolError:
            if self._on_drift == "error":
                raise
            return  # a call doesn't fail for an answer that nobody needs
        found = tool_differences(contract, listed, all_of_them=self._on_drift == "error")
        if self._on_drift == "error" and found:
            self._has_compared_tools = False
            raise ContractDrift(self._told(found), drift=found)
        if found:
            self._log(found)

    def explain(self, error: BaseException, request: Request) -> Call[None]:
        """Add to ``error`` what has changed in the server's contract, asked for once per client.

        Only a mismatch and a refusal can come of a change.
        """
        if not isinstance(error, ReplyMismatch | ActionRejected):
            return
        if self._on_drift != "check" or not has_contract(self._client):
            return
        if not self._has_looked and self._client.wire is None:
            self._has_looked = True
            with suppress(EnvError):
                looking = request.within(_LOOK_TIMEOUT_S)
                self._drift = yield from self._differences(looking)
        explain_drift(error, self._drift, url=self._url)

    def warn(self, request: Request) -> Call[None]:
        """Log what differs and matters to this client. An unanswered question is no difference."""
        with suppress(EnvError):
            found = yield from self._differences(request, all_of_them=False)
            if found:
                self._log(found)

    def _log(self, found: list[str]) -> None:
        _LOGGER.warning("%s", printable(scrub(self._told(found), self._secrets)))

    def _differences(self, request: Request, *, all_of_them: bool = True) -> Call[list[str]]:
        server = yield from server_schema(request)
        both = Contracts(package_contract(self._client), server)
        action = both.other_environment()
        if action is None:
            found = both.differences() if all_of_them else both.worth_telling()
            return [printable(line) for line in found]
        name = yield from _server_name(request)
        return [f"it serves another environment, {name or action}"]

    def _told(self, drift: list[str]) -> str:
        name = self._client.env_name
        return told_drift(drift, server=self._url, name=name, source=self._url)


def look_in_background(look: LookAtContract, address: str, options: ConnectionOptions) -> None:
    """Perform ``look`` in a thread that ends within seconds; an exit waits for it shortly."""
    options = replace(options, max_message_bytes=_MAX_CONTRACT_BYTES)

    def run() -> None:
        from ..transports.http import HttpTransport

        call = look.warn(look.request)
        with suppress(Exception), closing(HttpTransport(address, options)) as http:
            effect = next(call)
            while isinstance(effect, Ask):
                try:
                    response = http.ask(effect.path, effect.request)
                except EnvError as error:
                    effect = call.throw(error)
                else:
                    effect = call.send(response)
        _looking.discard(threading.current_thread())

    thread = threading.Thread(target=run, name="envgen-contract", daemon=True)
    _looking.add(thread)
    thread.start()


@atexit.register
def _wait_for_looks() -> None:
    """Let the threads end, for they may be importing.

    A thread that the exit freezes within an import keeps its lock, in which the main thread would
    hang for ever as soon as it imports something, too: to warn of an unclosed client, say.
    """
    deadline = monotonic() + _EXIT_WAIT_S
    for thread in [*_looking]:
        thread.join(max(deadline - monotonic(), 0))


def _server_name(request: Request) -> Call[str | None]:
    """The environment's name in the server's metadata, if it has any."""
    with suppress(EnvError):
        response = yield Ask("/metadata", request)
        name = response.payload(request).get("name")
        return repr(name[:80]) if isinstance(name, str) else None
    return None
