"""The namespaces of typed tools: what generated classes derive from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Annotated, Any, Generic, Protocol, TypeVar, get_args

from pydantic import TypeAdapter, ValidationError

from ..errors import InvalidRequest
from ..json_value import JsonValue, violations
from ..models.base import RequestModel
from ..models.json_types import JsonTypes
from ..models.sending import check_texts, sent_fields, sent_parameters
from .errors import ToolArgumentsInvalid, ToolResultMismatch
from .result import ToolReply, ToolResult, read_result

ArgumentsT = TypeVar("ArgumentsT")
DataT = TypeVar("DataT")


class _Omitted:
    """The type of ``OMITTED``."""

    def __repr__(self) -> str:
        return "..."  # as signatures show a default that is the server's

    def __reduce__(self) -> str:
        return "OMITTED"


OMITTED: Any = _Omitted()
"""The default of a tool's optional parameters: it isn't sent, so the server's default applies."""


class ToolCaller(Protocol):
    """Makes the calls of a ``Toolset``."""

    def call(
        self, name: str, arguments: Mapping[str, JsonValue], *, timeout_s: float | None
    ) -> ToolReply:
        """Call a tool.

        Args:
            name: the tool's name on the wire.
            arguments: its arguments, as JSON values by their names on the wire.
            timeout_s: time limit in seconds; None for the caller's own.

        Raises:
            EnvError: there is no reply.
        """
        ...

    def explain(self, error: ToolResultMismatch) -> None:
        """Add to an error, which is about to be raised, what the caller knows of its cause."""
        ...


class AsyncToolCaller(Protocol):
    """Makes the calls of an ``AsyncToolset``."""

    async def call(
        self, name: str, arguments: Mapping[str, JsonValue], *, timeout_s: float | None
    ) -> ToolReply:
        """Call a tool. As ``ToolCaller.call``."""
        ...

    async def explain(self, error: ToolResultMismatch) -> None:
        """Add to an error what the caller knows of its cause. As ``ToolCaller.explain``."""
        ...


class Tool(Generic[ArgumentsT, DataT]):
    """A tool, as its contract types it: ``Tool[AddArguments, int]("add")``.

    The first parameter is the class of its arguments, or a union of classes. The second is the
    type of its result's data: ``Any`` or ``JsonValue`` for a tool without an output schema. Both
    are looked at when the tool is first called.
    """

    def __init__(self, name: str, *, wrapped: bool = False) -> None:
        """Describe a tool.

        Args:
            name: its name on the wire.
            wrapped: whether the server sends its data as ``{"result": ...}``.
        """
        self.name = name
        self.is_wrapped = wrapped

    def __repr__(self) -> str:
        return f"<Tool {self.name}>"

    @cached_property
    def _types(self) -> tuple[Any, Any]:
        arguments, data = get_args(vars(self)["__orig_class__"])
        return arguments, data

    @cached_property
    def read(self) -> Callable[[Any], DataT] | None:
        """Reads the data of a result; None where its type is anything."""
        _, data = self._types
        if data is Any:
            return None
        exact: Any = Annotated[data, JsonTypes()]
        validate = TypeAdapter[Any](exact).validator.validate_python

        def read(value: Any) -> DataT:
            found: DataT = validate(value, extra="allow")
            return found

        return read

    def arguments(self, given: RequestModel | Mapping[str, Any]) -> dict[str, JsonValue]:
        """Check the arguments of a call, and return them as JSON by their names on the wire.

        Args:
            given: an instance of the arguments' class, or its fields by their Python names.
                ``OMITTED`` is left out.

        Raises:
            ToolArgumentsInvalid: they don't fit the input schema, or are not JSON.
        """
        try:
            sent = sent_fields(self._instance(given))
            check_texts(sent)
        except ValidationError as error:
            shown, path = violations(error, "$")
            raise _refusal(self.name, shown, path) from error
        except InvalidRequest as error:
            raise _refusal(self.name, str(error), error.path) from error
        return sent

    def _instance(self, given: RequestModel | Mapping[str, Any]) -> RequestModel:
        wanted, _ = self._types
        if isinstance(given, Mapping):
            made: RequestModel = wanted(
                **{name: item for name, item in given.items() if item is not OMITTED}
            )
            return made
        if not isinstance(given, RequestModel):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InvalidRequest(f"expected {wanted}, not {type(given).__name__}")
        return given

    def result(self, reply: ToolReply) -> ToolResult[DataT]:
        """Read the reply to a call.

        Raises:
            ToolError: the call failed, or its result doesn't fit the output schema.
        """
        return read_result(reply, tool=self.name, read=self.read, is_wrapped=self.is_wrapped)


def json_arguments(name: str, given: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Check arguments that have no types of their own, and return them as JSON.

    Args:
        name: the tool's name on the wire.
        given: its arguments, by their names on the wire.

    Raises:
        ToolArgumentsInvalid: JSON doesn't have one.
    """
    try:
        return sent_parameters(given)
    except InvalidRequest as error:
        raise _refusal(name, str(error), error.path) from error


def _refusal(name: str, shown: str, path: str | None) -> ToolArgumentsInvalid:
    return ToolArgumentsInvalid(
        f"these are not the arguments of {name}: {shown}; nothing was sent", tool=name, path=path
    )


class Toolset:
    """Base of a package's namespace of tools, whose methods call them.

    Every public name of a subclass is a tool's, so that no tool can hide a method of the client.
    """

    def __init__(self, caller: ToolCaller) -> None:
        """Call tools through ``caller``."""
        self._caller = caller

    def _call(
        self,
        tool: Tool[Any, DataT],
        arguments: RequestModel | Mapping[str, Any],
        *,
        timeout_s: float | None = None,
    ) -> ToolResult[DataT]:
        """Call a tool.

        Args:
            tool: the tool.
            arguments: as for ``Tool.arguments``.
            timeout_s: time limit in seconds, instead of the client's.

        Raises:
            ToolError: the call failed.
            EnvError: there is no reply.
        """
        sent = tool.arguments(arguments)
        reply = self._caller.call(tool.name, sent, timeout_s=timeout_s)
        try:
            return tool.result(reply)
        except ToolResultMismatch as error:
            self._caller.explain(error)
            raise


class AsyncToolset:
    """``Toolset``, awaited."""

    def __init__(self, caller: AsyncToolCaller) -> None:
        """Call tools through ``caller``."""
        self._caller = caller

    async def _call(
        self,
        tool: Tool[Any, DataT],
        arguments: RequestModel | Mapping[str, Any],
        *,
        timeout_s: float | None = None,
    ) -> ToolResult[DataT]:
        """Call a tool. As ``Toolset._call``."""
        sent = tool.arguments(arguments)
        reply = await self._caller.call(tool.name, sent, timeout_s=timeout_s)
        try:
            return tool.result(reply)
        except ToolResultMismatch as error:
            await self._caller.explain(error)
            raise


__all__ = [
    "OMITTED", "AsyncToolCaller", "AsyncToolset", "Tool", "ToolCaller", "Toolset",
]  # fmt: skip
