"""The tools that a server lists at run time, and a check of calls against their schemas."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from ..contract.contract import has_contract, package_contract
from ..contract.exact import ExactValidator
from ..json_value import JsonValue, as_array, as_object, json_path, same_json
from .errors import ToolArgumentsInvalid
from .result import ToolReply, ToolResult, read_result

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "array": (list, tuple),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


class LiveTools:
    """The tools of a server, by name."""

    def __init__(self, listed: Iterable[Mapping[str, Any]], *, is_exact: bool) -> None:
        """Keep what the server listed.

        Args:
            listed: its tools, as MCP describes them.
            is_exact: whether arguments are checked against the whole schema, or only for the names
                and types at its top.
        """
        self._tools = {str(tool.get("name")): tool for tool in listed}
        self._is_exact = is_exact

    def has(self, name: str) -> bool:
        """Whether the server has listed a tool."""
        return name in self._tools

    def is_wrapped(self, name: str) -> bool:
        """Whether a tool sends its data as ``{"result": ...}``."""
        schema = as_object(self._tools.get(name, {}).get("outputSchema")) or {}
        fields = as_object(schema.get("properties")) or {}
        return fields.keys() == {"result"} and schema.get("required") == ["result"]

    def check(self, name: str, arguments: Mapping[str, JsonValue]) -> None:
        """Check the arguments of a call; the server alone checks those of a tool it doesn't list.

        Raises:
            ToolArgumentsInvalid: they don't fit the tool's input schema.
            MissingExtra: the check is exact, and the extra ``exact`` isn't installed.
        """
        schema = as_object(self._tools.get(name, {}).get("inputSchema"))
        if schema is None:
            return
        found = _exact_faults(schema, arguments) if self._is_exact else _faults(schema, arguments)
        for path, message in found:
            raise ToolArgumentsInvalid(
                f"these are not the arguments of {name}: {path}: {message}; nothing was sent",
                tool=name,
                path=path,
            )


@cache
def contract_tools(client: type) -> LiveTools:
    """The tools of the contract that a client was generated from, for exact checks."""
    contract = package_contract(client) if has_contract(client) else {}
    return LiveTools(as_array(contract.get("tools")) or [], is_exact=True)


def contract_result(client: type, tool: str, reply: ToolReply) -> ToolResult[JsonValue]:
    """Read the reply to a call of a tool of a client's contract, as plain JSON.

    Raises:
        ToolError: the call failed.
    """
    return read_result(reply, tool=tool, is_wrapped=contract_tools(client).is_wrapped(tool))


def _exact_faults(
    schema: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Iterable[tuple[str, str]]:
    try:
        validator = ExactValidator(schema)
    except ValueError:  # the server's own matter
        return
    for violation in validator.errors(dict(arguments)):
        yield violation.path, violation.message


def _faults(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Yield what is missing, unknown, or of another type or value than the schema names."""
    fields = as_object(schema.get("properties")) or {}
    for name in as_array(schema.get("required")) or []:
        if name not in arguments:
            yield json_path((str(name),)), "it is required"
    for name, value in arguments.items():
        path = json_path((name,))
        if name not in fields and schema.get("additionalProperties") is False:
            yield path, f"there is no such parameter; there are {', '.join(fields) or 'none'}"
        field = as_object(fields.get(name)) or {}
        types = as_array(field.get("type")) or [field.get("type")]
        if all(isinstance(type_, str) for type_ in types) and not any(
            _is_of_type(value, type_) for type_ in types
        ):
            yield path, f"it should be of type {' or '.join(types)}, not {type(value).__name__}"
        allowed = as_array(field.get("enum"))
        if allowed is not None and not any(same_json(value, item) for item in allowed):
            yield path, f"it should be one of {', '.join(map(repr, allowed))}"


def _is_of_type(value: Any, type_: str) -> bool:
    if type_ == "integer":
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        return is_whole and not isinstance(value, bool)
    wanted = _PYTHON_TYPES.get(type_, (object,))
    return isinstance(value, wanted) and (type_ != "number" or not isinstance(value, bool))
