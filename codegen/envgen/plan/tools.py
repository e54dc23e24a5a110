"""The tools of a plan: the method of each, its parameters, and the type of its result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..contract.contract import EnvContract
from ..contract.tools import ANYTHING, Tool, ToolSchema
from ..naming import method_names
from ..schema.document import PartDocument
from ..text import UntrustedText
from .finishing import Finisher
from .plan import PlannedAlias, PlannedClass, PlannedTool
from .types import JSON_VALUE, Named, Type, Union, named_in

_MAX_INLINE = 60  # characters of a type that needs no name of its own in a signature


@dataclass(slots=True)
class ToolDocuments:
    """The schemas of a contract's tools that are planned.

    Attributes:
        untyped: the parts that are read as any object, since they can't be planned.
    """

    contract: EnvContract
    untyped: set[str] = field(default_factory=set[str])

    def documents(self) -> dict[str, PartDocument]:
        """Return the schemas by part, prepared for planning."""
        found: dict[str, PartDocument] = {}
        for tool in self.tools:
            arguments = tool.part("inputSchema")
            schema = tool.arguments_schema()
            if arguments in self.untyped:
                schema = {**ANYTHING, "title": schema["title"]}
            found[arguments] = PartDocument(arguments, schema)
            result, data = tool.part("outputSchema"), tool.result_schema()
            if data is not None and result not in self.untyped:
                found[result] = PartDocument(result, data)
        return found

    @property
    def tools(self) -> tuple[Tool, ...]:
        """The tools that clients get methods for."""
        return self.contract.tools if self.contract.has_typed_tools else ()


def planned_tools(
    known: ToolDocuments,
    documents: Mapping[str, PartDocument],
    roots: Mapping[str, str],
    definitions: dict[str, PlannedClass | PlannedAlias],
    finisher: Finisher,
) -> tuple[PlannedTool, ...]:
    """Plan the methods.

    Args:
        known: the tools.
        documents: their schemas, by part.
        roots: the name of each schema's definition, by part.
        definitions: all definitions. Those that stand for a result that is short enough to be
            written out, and for nothing else, are taken out.
        finisher: settles what arguments are.

    Raises:
        ContractError: the arguments of a tool are no object.
    """
    results = {
        tool.name: roots[part]
        for tool in known.tools
        if (part := tool.part("outputSchema")) in documents
    }
    inlined = _inlined({*results.values()}, definitions)
    names = method_names(
        [UntrustedText(tool.name) for tool in known.tools], taken=frozenset(definitions)
    )
    found: list[PlannedTool] = []
    for tool in known.tools:
        part = tool.part("inputSchema")
        result = results.get(tool.name)
        data: Type = JSON_VALUE if result is None else inlined.get(result, Named(result))
        found.append(
            PlannedTool(
                names[tool.name],
                UntrustedText(tool.name),
                finisher.part(documents[part], roots[part]),
                data,
                tool.wraps_result and result is not None,
                UntrustedText(tool.description or tool.title),
                tool.annotations or {},
            )
        )
    return tuple(found)


def _inlined(
    results: set[str], definitions: dict[str, PlannedClass | PlannedAlias]
) -> dict[str, Type]:
    """Take out the aliases of results that need no name, and return their types."""
    used = {
        item.name
        for definition in definitions.values()
        for type_ in definition.types()
        for item in named_in(type_)
    }
    found: dict[str, Type] = {}
    for name in results - used:
        definition = definitions[name]
        if not isinstance(definition, PlannedAlias):
            continue
        is_tagged = isinstance(definition.type, Union) and definition.type.tag is not None
        if not is_tagged and len(definition.type.render()) <= _MAX_INLINE:
            found[name] = definition.type
            del definitions[name]
    return found


def unplannable(error_pointer: str, known: ToolDocuments) -> str | None:
    """The part of a tool that an error of planning is about; None if it is about no tool."""
    keys: tuple[ToolSchema, ...] = ("inputSchema", "outputSchema")
    for tool in known.tools:
        for key in keys:
            place = f"/{tool.part(key)}"
            if error_pointer == place or error_pointer.startswith(f"{place}/"):
                return tool.part(key)
    return None
