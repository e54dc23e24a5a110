"""What models and trainers call: tools, and actions described as tools."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..calling.for_models import ToolsForModels
from ..contract.conformance import check_action
from ..errors import ProtocolError, ServerError
from ..json_value import JsonFields, JsonValue, as_object
from ..result import StepResult
from ..wire.tools import MAX_PAGES, list_request, read_list
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
        tools: list[dict[str, JsonValue]] = []
        cursor: dict[str, JsonValue] = {}
        for number in range(1, MAX_PAGES + 1):
            data = list_request(number, cursor)
            request = self._request("list_tools", data, timeout_s)
            read = partial(read_list, request=request)
            found, following = yield from self._calls.exchange(
                request, read, is_observed=is_observed
            )
            tools += found
            if following is None:
                return tools
            cursor = {"cursor": following}
        raise ProtocolError("the server's list of tools doesn't end")

    def _checked_tool_call(
        self, name: str, arguments: Mapping[str, JsonValue], timeout_s: float | None
    ) -> Call[ToolResult[JsonValue]]:
        """Call a tool that may not be in the contract, checked against the server's list."""
        from ..tools.live import LiveTools
        from ..tools.result import read_result

        if self._live_tools is None or not self._live_tools.has(name):
            try:
                listed = yield from self._tools_call()
            except ServerError:  # it doesn't list them, and checks them itself
                listed = []
            self._live_tools = LiveTools(listed, is_exact=self._exact)
        self._live_tools.check(name, arguments)
        reply = yield from self._tool_call(name, arguments, timeout_s)
        return read_result(reply, tool=name, is_wrapped=self._live_tools.is_wrapped(name))
