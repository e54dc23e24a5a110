"""From a model's tool call to the action that ``step`` takes, or the tool that is called."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import (
    Annotated,
    Any,
    Generic,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypeAliasType, get_original_bases

from ..json_value import same_json
from .advice import (
    invalid,
    model_faults,
    no_such_tool,
    under_arguments,
    violation_faults,
    wrong_arguments,
)
from .calls import read_call
from .catalogue import Catalogue, Kind, ModelTool, catalogue
from .strict import without_nulls

ActT = TypeVar("ActT")
ObsT_co = TypeVar("ObsT_co", covariant=True)


class Outcome(Protocol[ObsT_co]):
    """What a dispatched call returns: the result of a step, or of a tool."""

    @property
    def observation(self) -> ObsT_co:
        """What the environment shows."""
        ...

    @property
    def reward(self) -> float | None:
        """The reward of the call."""
        ...

    @property
    def done(self) -> bool:
        """Whether the episode has ended."""
        ...


@dataclass(frozen=True, slots=True)
class ToolCall(Generic[ActT]):
    """A model's tool call, validated.

    Attributes:
        name: the tool's name in the contract; an action's tag or title.
        kind: whether it is an action or a tool.
        arguments: what the tool takes, by the contract's names; of an action, its fields.
        action: what ``step`` takes; None for a tool that isn't called by a step.
        id: the call's id, for the answer to the model; None if it had none.
    """

    name: str
    kind: Kind
    arguments: dict[str, Any]
    action: ActT | None
    id: str | None


def parse_call(client: type, call: object, *, strict: bool = False) -> ToolCall[Any]:
    """Return a model's tool call, validated against the contract of a generated client.

    Args:
        client: a generated client's class.
        call: as ``read_call`` takes it; what this has returned is returned again.
        strict: the call answers specifications that were made with ``strict=True``: there, null
            means that an optional parameter isn't given.

    Raises:
        InvalidCall: it can't be read, there is no such tool, or it doesn't take these arguments.
        MissingExtra: it calls a tool, and the library that validates its arguments isn't installed.
        ContractMissing: the client was written by hand.
    """
    if isinstance(call, ToolCall):
        return call  # pyright: ignore[reportUnknownVariableType]
    given = read_call(call)
    known = catalogue(client)
    tool = known.by_name.get(given.name)
    if tool is None:
        raise invalid(no_such_tool(given.name, known), tool=given.name)
    arguments = _by_wire_names(given.arguments, tool)
    misplaced = [name for name in given.beside if name in tool.properties]
    if misplaced:
        raise invalid(under_arguments(misplaced[0], tool), tool=given.name)
    if strict:
        arguments = without_nulls(arguments, tool.schema, tool.schema)
    if tool.kind == "action":
        arguments = _with_tags(arguments, tool)
    else:
        _check_arguments(arguments, tool)
    action = typed_action(client, tool, arguments)
    return ToolCall(tool.wire_name, tool.kind, arguments, action, given.id)


def typed_action(client: type, tool: ModelTool, arguments: Any) -> Any:
    """The action that ``step`` takes, of what an action or a tool takes, tags included.

    None for a tool that isn't called by a step. Raises InvalidCall if there is no such action.
    """
    if tool.kind == "action":
        return _action(client, arguments, tool)
    return _step_of_tool(client, arguments, tool, catalogue(client))


def action_of(call: ToolCall[ActT]) -> ActT:
    """The action that makes a call. Raises InvalidCall if no step calls this tool."""
    if call.action is None:
        raise invalid(f"{call.name} isn't called by a step of this environment", tool=call.name)
    return call.action


def _by_wire_names(arguments: dict[str, Any], tool: ModelTool) -> dict[str, Any]:
    wire = {shown: name for name, shown in tool.parameter_names.items() if name != shown}
    if not wire.keys() & arguments.keys():
        return arguments
    return {wire.get(name, name): value for name, value in arguments.items()}


def _with_tags(arguments: dict[str, Any], tool: ModelTool) -> dict[str, Any]:
    """The arguments with the constants that tell the action apart, which models may leave out."""
    for name, value in tool.tags.items():
        if name in arguments and not same_json(arguments[name], value):
            text = f"must be {value!r}, or be left out: it is what {tool.name} is called by"
            raise wrong_arguments(tool, [((name,), text)])
    return {**tool.tags, **arguments}


def _check_arguments(arguments: dict[str, Any], tool: ModelTool) -> None:
    violations = list(tool.validator.errors(arguments))
    if violations:
        raise wrong_arguments(tool, violation_faults(violations, arguments, tool))


# --- actions --------------------------------------------------------------------------------------


def _action(client: type, arguments: dict[str, Any], tool: ModelTool) -> Any:
    """The action with these fields."""
    try:
        return _reader(client, *tool.member).validate_python(arguments)
    except ValidationError as error:
        raise wrong_arguments(tool, model_faults(error, arguments, tool)) from error


def _step_of_tool(
    client: type, arguments: dict[str, Any], tool: ModelTool, known: Catalogue
) -> Any:
    """The action that calls a tool, in an environment whose steps do that."""
    if not known.steps_tools:
        return None
    fields = {"type": "call_tool", "tool_name": tool.wire_name, "arguments": arguments}
    try:
        return _reader(client, 0, 0).validate_python(fields)
    except ValidationError as error:
        message = f"no action of this environment calls {tool.name} by its name and arguments alone"
        raise invalid(message, tool=tool.name) from error


@cache
def _reader(client: type, index: int, count: int) -> TypeAdapter[Any]:
    """What reads an action's fields: the class of a member of the union, where that can be told."""
    action = _action_type(client)
    members = _members(action)
    return TypeAdapter(members[index] if len(members) == count else action)


def _members(action: Any) -> list[Any]:
    """The members of a union, and of unions in it; of another type, itself."""
    if isinstance(action, TypeAliasType):
        return _members(action.__value__)
    origin = get_origin(action)
    if origin is Annotated:
        return _members(get_args(action)[0])
    if origin in (Union, UnionType):
        return [inner for member in get_args(action) for inner in _members(member)]
    return [action]


def _action_type(client: type) -> Any:
    """The type of the actions that a generated client's ``step`` takes."""
    for base in client.__mro__:
        for parent in get_original_bases(base):
            arguments = get_args(parent)
            is_codec = hasattr(get_origin(parent), "_step_payload")
            if arguments and is_codec and not isinstance(arguments[0], TypeVar):
                return arguments[0]
    raise TypeError(f"{client.__qualname__} doesn't say which actions it takes")
