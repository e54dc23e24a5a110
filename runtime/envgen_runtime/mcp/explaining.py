"""Namespaces of tools whose errors say what has changed in the server's list."""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol, TypeVar, cast

from ..tools.errors import ToolResultMismatch
from ..tools.result import ToolResult
from ..tools.toolset import AsyncToolCaller, AsyncToolset, Tool, ToolCaller, Toolset

DataT = TypeVar("DataT")


class Explaining(ToolCaller, Protocol):
    """A caller that knows the server's list."""

    def explain(self, error: ToolResultMismatch) -> None:
        """Add to an error how that differs from the contract."""
        ...


class AsyncExplaining(AsyncToolCaller, Protocol):
    """``Explaining``, awaited."""

    async def explain(self, error: ToolResultMismatch) -> None:
        """Add to an error how the server's list differs from the contract."""
        ...


class _Explained(Toolset):
    def _call(
        self,
        tool: Tool[Any, DataT],
        arguments: Any,
        *,
        timeout_s: float | None = None,
    ) -> ToolResult[DataT]:
        try:
            return super()._call(tool, arguments, timeout_s=timeout_s)
        except ToolResultMismatch as error:
            cast("Explaining", self._caller).explain(error)
            raise


class _AsyncExplained(AsyncToolset):
    async def _call(
        self,
        tool: Tool[Any, DataT],
        arguments: Any,
        *,
        timeout_s: float | None = None,
    ) -> ToolResult[DataT]:
        try:
            return await super()._call(tool, arguments, timeout_s=timeout_s)
        except ToolResultMismatch as error:
            await cast("AsyncExplaining", self._caller).explain(error)
            raise


@cache
def explained(toolset: Any) -> Any:
    """A namespace's class, with a ``_call`` that has its caller explain a result that doesn't fit.

    It keeps the name, and what ``help`` shows.
    """
    base = _AsyncExplained if issubclass(toolset, AsyncToolset) else _Explained
    shown = {"__doc__": toolset.__doc__, "__module__": toolset.__module__}
    return type(toolset.__name__, (base, toolset), shown)
