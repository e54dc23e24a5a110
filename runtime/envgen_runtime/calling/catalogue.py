"""What a model can call in an environment: each action, or each variant of one, and each tool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from itertools import chain, count
from typing import Any, Literal

from ..contract.contract import package_contract
from ..contract.exact import ExactValidator
from ..contract.inlining import Inlined, inlined
from ..contract.keywords import DEFINITIONS, DESCRIBING, NAMING, JsonSchema
from ..contract.normal_form import normal_form
from ..contract.references import References, reference_of
from ..errors import MissingExtra
from ..json_value import (
    as_array,
    as_object,
    at_pointer,
    comparable,
    pointer_keys,
    pointer_of,
    pointer_to,
)
from ..wire.nemo_gym import NemoGymWire
from .names import PARAMETER_NAME, TOOL_NAME, shown_names

Kind = Literal["action", "tool"]

_BESIDE_A_UNION = frozenset({*DESCRIBING, *DEFINITIONS, *NAMING, "$schema", "discriminator"})
_TOLD: tuple[str, ...] = ("title", "outputSchema", "annotations")
_NOT_FOR_MODELS: Mapping[str, frozenset[str]] = {"nemo-gym": NemoGymWire.not_for_models}
"""The tools that are the trainer's, by the standard that a contract's server follows."""

_OF_TOOLS = frozenset({"call_tool", "list_tools"})
"""The tags of OpenEnv's actions that call and list tools."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a consumer of a specification loses, or has to know.

    Attributes:
        tool: the tool's or the action's name in the contract.
        pointer: the place in the contract, as a JSON pointer.
        message: what is otherwise there.
        consumers: for whom; empty if for all.
    """

    tool: str
    pointer: str
    message: str
    consumers: tuple[str, ...] = ()

    def __str__(self) -> str:
        concerned = f" ({', '.join(self.consumers)})" if self.consumers else ""
        return f"{self.pointer}: {self.message}{concerned}"


@dataclass(frozen=True)
class ModelTool:
    """Something that a model can call.

    Attributes:
        wire_name: the tool's own name; an action's is the tag of the variant, or its title.
        name: what models know it by.
        kind: an action is taken by ``step``; a tool is called.
        description: the contract's, "" if it has none.
        document: the schema that says what it takes, in normal form, or holds that.
        pointer: the place of what it takes, in ``document``.
        place: the place of ``document`` in the contract, as a JSON pointer.
        tags: constants of an action, those that it requires or is told apart by. A call may leave
            them out.
        is_of_tools: it is OpenEnv's action that calls tools by name, or lists them.
        told: what else the contract says of a tool: its title, its output schema, annotations.
        member: which member of the action's union it is, and of how many; (0, 1) if that is none.
    """

    wire_name: str
    name: str
    kind: Kind
    description: str
    document: JsonSchema
    pointer: str
    place: str
    tags: Mapping[str, Any] = field(default_factory=dict[str, Any])
    is_of_tools: bool = False
    told: Mapping[str, Any] = field(default_factory=dict[str, Any])
    member: tuple[int, int] = (0, 1)

    @cached_property
    def inlined(self) -> Inlined:
        """The schema of what it takes, without references."""
        return inlined(self.document, self.pointer)

    @property
    def schema(self) -> JsonSchema:
        """``inlined``'s schema."""
        return self.inlined.schema

    @cached_property
    def standalone(self) -> JsonSchema:
        """The schema of what it takes, with its references."""
        if not self.pointer:
            return self.document
        return inlined(self.document, self.pointer, keep=True).schema

    @cached_property
    def properties(self) -> JsonSchema:
        """The parameters that have a name, with their schemas."""
        return as_object(self.schema.get("properties")) or {}

    @cached_property
    def parameter_names(self) -> dict[str, str]:
        """For each parameter, a name that every consumer takes."""
        return shown_names(self.properties, PARAMETER_NAME)

    @cached_property
    def validator(self) -> ExactValidator:
        """Validates arguments. MissingExtra: the library for that isn't installed."""
        try:
            return ExactValidator(self.standalone)
        except MissingExtra as error:
            raise MissingExtra("checking the arguments of a tool", extra=error.extra) from error


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All that a model can call in an environment.

    Attributes:
        tools: actions first, in the contract's order.
        by_name: the same, by the names that models know and by those of the contract.
        findings: what isn't known of it.
        steps_tools: a tool is called by a step: its action calls tools by name.
    """

    tools: tuple[ModelTool, ...]
    by_name: Mapping[str, ModelTool]
    findings: tuple[Finding, ...]
    steps_tools: bool


@cache
def catalogue(client: type) -> Catalogue:
    """Return what a model can call in the environment of a generated client.

    Raises:
        ContractMissing: the client was written by hand.
    """
    return catalogue_of(package_contract(client))


def catalogue_of(contract: Mapping[str, Any]) -> Catalogue:
    """Return what a model can call in an environment with this contract."""
    findings: list[Finding] = []
    tools = as_array(contract.get("tools")) or []
    protocol = (as_object(contract.get("wire")) or {}).get("protocol")
    hidden = _NOT_FOR_MODELS.get(str(protocol), frozenset[str]())
    action = as_object(contract.get("action"))
    actions = [] if action is None else [*_actions(normal_form(action))]
    called = [item for item in actions if item.is_of_tools]
    if tools:
        actions = [item for item in actions if item not in called]
    elif called:
        findings.append(
            Finding(
                called[0].wire_name,
                "/tools",
                "the contract doesn't list the tools, so a model isn't told their names and "
                "parameters: build the package from a server that lists them",
            )
        )
    called_tools = [item for item in map(_tool, count(), tools) if item.wire_name not in hidden]
    found = [*_unique(actions, {str(tool["name"]) for tool in tools}), *called_tools]
    names = shown_names([item.wire_name for item in found], TOOL_NAME)
    named = tuple(_named(item, names[item.wire_name]) for item in found)
    by_name = {item.name: item for item in named} | {item.wire_name: item for item in named}
    return Catalogue(named, by_name, tuple(findings), bool(called))


def _named(item: ModelTool, name: str) -> ModelTool:
    return replace(item, name=name)


def _unique(actions: list[ModelTool], taken: set[str]) -> Iterator[ModelTool]:
    """Give actions names that neither a tool nor another action has."""
    for item in actions:
        others = (f"{item.wire_name}_action{number or ''}" for number in count())
        name = next(name for name in chain([item.wire_name], others) if name not in taken)
        taken.add(name)
        yield replace(item, wire_name=name)


def _tool(index: int, tool: dict[str, Any]) -> ModelTool:
    name = str(tool["name"])
    schema = as_object(tool.get("inputSchema")) or {"type": "object"}
    told: dict[str, Any] = {key: tool[key] for key in _TOLD if key in tool}
    return ModelTool(
        name,
        name,
        "tool",
        str(tool.get("description") or ""),
        normal_form(schema),
        "",
        pointer_to("/tools", index, "inputSchema"),
        told=told,
    )


# --- actions --------------------------------------------------------------------------------------


def _actions(document: JsonSchema) -> Iterator[ModelTool]:
    title = document.get("title")
    variants = [*_Variants(document)]
    is_union = len(variants) > 1
    schemas = [inlined(document, place).schema for place, _ in variants]
    constants = [_constants(schema) for schema in schemas]
    telling = _telling_apart(constants) if is_union else set[str]()
    for index, (place, mapped) in enumerate(variants):
        schema = schemas[index]
        required = as_array(schema.get("required")) or []
        tags = mapped | {
            name: value
            for name, value in constants[index].items()
            if name in telling or name in required or name in mapped
        }
        own_name = title if isinstance(title, str) and title else "step"
        name = _name(place, tags, schema) if is_union else own_name
        text = schema.get("description", "" if is_union else document.get("description"))
        yield ModelTool(
            name,
            name,
            "action",
            text if isinstance(text, str) else "",
            document,
            place,
            "/action",
            tags=tags,
            is_of_tools=(mapped | constants[index]).get("type") in _OF_TOOLS,
            member=(index, len(variants)),
        )


def _constants(schema: JsonSchema) -> dict[str, Any]:
    """The properties of a schema that have one value."""
    found: dict[str, Any] = {}
    for name, value in (as_object(schema.get("properties")) or {}).items():
        fields = as_object(value) or {}
        values = as_array(fields.get("enum")) or []
        if "const" in fields:
            found[name] = fields["const"]
        elif len(values) == 1:
            found[name] = values[0]
    return found


def _telling_apart(constants: list[dict[str, Any]]) -> set[str]:
    """The properties for which every member of a union has a constant of its own."""
    return {
        name
        for name in constants[0]
        if all(name in own for own in constants)
        and len({comparable(own[name]) for own in constants}) == len(constants)
    }


def _name(place: str, tags: Mapping[str, Any], schema: JsonSchema) -> str:
    """A variant's name: its tag, else what its definition is called, else its title."""
    for tag in tags.values():
        if isinstance(tag, str) and tag:
            return tag
    keys = pointer_keys(place)
    if len(keys) > 1 and keys[-2] in DEFINITIONS:
        return keys[-1]
    title = schema.get("title")
    return title if isinstance(title, str) and title else f"variant_{keys[-1]}"


class _Variants:
    """The members of an action that is a union, each with its place and its mapped tags.

    Unions within unions count. An action that is none is its only member.
    """

    def __init__(self, document: JsonSchema) -> None:
        self._document = document
        self._references = References(document)

    def __iter__(self) -> Iterator[tuple[str, dict[str, Any]]]:
        yield from self._members("", {}, ())

    def _members(
        self, place: str, mapped: dict[str, Any], passed: tuple[str, ...]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        schema = as_object(at_pointer(self._document, place)) or {}
        keywords = schema.keys() - _BESIDE_A_UNION
        target = self._target(schema, place)
        if target is not None and not keywords and target not in passed:
            yield from self._members(target, mapped, (*passed, target))
            return
        for keyword in ("oneOf", "anyOf"):
            is_union = keywords == {keyword} or (
                keywords == {keyword, "type"} and schema["type"] == "object"
            )
            if is_union and target is None:
                for index, member in enumerate(as_array(schema[keyword]) or []):
                    where = pointer_to(place, keyword, index)
                    yield from self._members(where, self._tag(schema, member), (*passed, where))
                return
        yield place, mapped

    def _target(self, schema: JsonSchema, place: str) -> str | None:
        """The pointer that a schema refers to."""
        reference = reference_of(schema)
        try:
            return None if reference is None else self._references.place(reference, place)
        except LookupError:
            return None

    def _tag(self, union: JsonSchema, member: Any) -> dict[str, Any]:
        """The tag that a union's discriminator gives a member: its mapping's, else its name."""
        discriminator = as_object(union.get("discriminator")) or {}
        name, place = discriminator.get("propertyName"), pointer_of(reference_of(member) or "")
        if not isinstance(name, str) or not place:
            return {}
        mapping = as_object(discriminator.get("mapping")) or {}
        mapped = [tag for tag, target in mapping.items() if _mapped_place(str(target)) == place]
        tags = mapped or [pointer_keys(place)[-1]]
        properties = as_object(inlined(self._document, place).schema.get("properties")) or {}
        return {name: tags[0]} if name in properties and len(tags) == 1 else {}


def _mapped_place(target: str) -> str:
    """Where a discriminator's mapping leads: it has references, or names of definitions."""
    place = pointer_of(target)
    return pointer_to("/$defs", target) if place is None else place
