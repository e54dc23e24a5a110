"""What models and trainers call: tools, and actions described as tools."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..calling.for_models import ToolsForModels
from ..contract.conformance import check_action
from ..errors import ServerError
from ..json_value import JsonFields, JsonValue, as_object
from ..result import StepResult
from ..wire.tools import ToolPages, list_request, read_page, with_mcp_names
from .base import ClientBase
from .codec import ActT, ObsT, ResetT, StateT
from .effects import Call

if TYPE_CHECKING:  # imported by the first client that needs them
    from ..calling.dispatch import ToolCall
    from ..tools.live import LiveTools
    from ..tools.result import ToolReply, ToolResult


class ToolCalls(ClientBase[ActT, ObsT, StateT, ResetT], ToolsForModels[ActT]):
    """The calls of tools, without the I/O."""

    _live_tools: LiveTools | None = None

    # --- tools --------------------------------------------------------------------------------

    def _tool_call(
        self, name: str, arguments: Mapping[str, JsonValue], timeout_s: float | None
    ) -> Call[ToolReply]:
        """Call a tool by a step: no other route replies with the reward and ``done``."""
        from ..tools.result import ToolReply

        payloads: list[dict[str, Any]] = []

        def parse(payload: dict[str, Any]) -> StepResult[ObsT]:
            payloads.append(payload)
            return self._parse_result(payload)

        fields = {"type": "call_tool", "tool_name": name, "arguments": dict(arguments)}
        # What is JSON already is written by the quicker writer.
        data = JsonFields(fields) if isinstance(arguments, JsonFields) else fields
        if self._exact:
            from ..tools.live import contract_tools

            contract_tools(type(self)).check(name, arguments)
            check_action(type(self), data)
        request = self._request("step", data, timeout_s)
        yield from self._calls.compare_tools(partial(self._tools_call, is_observed=False))
        step = yield from self._calls.exchange(request, parse)
        sent = as_object(payloads[-1].get("observation")) or {}
        return ToolReply(
            sent.get("result"),
            sent.get("error"),
            step.reward,
            step.done,
            step.observation,
            self._calls.secrets,
        )

    def _made_tool_call(
        self, made: ToolCall[ActT], timeout_s: float | None
    ) -> Call[ToolResult[JsonValue]]:
        """Call a tool of the contract as a model did, whose arguments were checked."""
        from ..tools.live import contract_result

        reply = yield from self._tool_call(made.name, made.arguments, timeout_s)
        return contract_result(type(self), made.name, reply)

    def _tools_call(
        self, timeout_s: float | None = None, *, is_observed: bool = True
    ) -> Call[list[dict[str, JsonValue]]]:
        """List the tools that the session has now."""
        pages = ToolPages()
        is_more = True
        while is_more:
            request = self._request("list_tools", list_request(pages), timeout_s)
            read = partial(read_page, pages=pages, request=request)
            is_more = yield from self._calls.exchange(request, read, is_observed=is_observed)
        return [with_mcp_names(tool) for tool in pages.tools]

    def _checked_tool_call(
        self, name: str, arguments: Mapping[str, JsonValue], timeout_s: float | None
    ) -> Call[ToolResult[JsonValue]]:
        """Call a tool that may not be in the contract, checked against the server's list."""
        from ..tools.errors import ToolArgumentsInvalid
        from ..tools.result import read_result

        known = self._live_tools
        is_new = known is None or not known.has(name)
        if known is None or is_new:
            known = yield from self._look_at_tools(timeout_s)
        try:
            known.check(name, arguments)
        except ToolArgumentsInvalid:
            if is_new:
                raise
            known = yield from self._look_at_tools(timeout_s)  # another episode may have others
            known.check(name, arguments)
        reply = yield from self._tool_call(name, arguments, timeout_s)
        return read_result(reply, tool=name, is_wrapped=known.is_wrapped(name))

    def _look_at_tools(self, timeout_s: float | None) -> Call[LiveTools]:
        """Ask for the session's tools. A server that doesn't list them checks calls itself."""
        from ..tools.live import LiveTools

        try:
            listed = yield from self._tools_call(timeout_s)
        except ServerError:
            listed = []
        self._live_tools = LiveTools(listed, is_exact=self._exact)
        return self._live_tools
