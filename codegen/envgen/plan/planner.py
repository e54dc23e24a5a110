"""Contract -> plan: names and types are settled here.

Every definition gets its name first and its content second, from a list of work, so that neither
the depth of a contract nor the order of its properties matters. What depends on other definitions
(tags of unions, defaults, which types admit null) is settled last, in ``finishing``.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

from envgen_runtime.json_value import pointer_keys
from envgen_runtime.wire.protocol import COMMON_PARAMETERS

from ..contract.contract import PARTS, EnvContract
from ..contract.tools import is_arguments, is_of_tool, untyped
from ..errors import ContractError
from ..findings import Finding
from ..naming import (
    ChosenNames,
    ClassNames,
    camel_case,
    class_name,
    client_classes,
    client_name,
    stem,
    tools_client_name,
)
from ..options import PackageOptions
from ..schema.discriminators import with_tags
from ..schema.document import PartDocument
from ..schema.inheritance import with_unions_of_children
from ..schema.keywords import SCHEMA_MAPS, JsonSchema, as_array, as_object, pointer_to
from ..schema.limits import MAX_CLASS_NAME, MAX_PLANNED
from ..text import UntrustedText
from .definitions import Definition, Found, find_definitions
from .finishing import Draft, DraftAlias, DraftField, Finisher
from .order import in_order
from .plan import Plan
from .tools import ToolDocuments, planned_tools, unplannable
from .type_planner import TypePlanner
from .types import JSON_VALUE, STR, Named, Type

_MAX_UNTYPED = 20  # schemas of tools: each that can't be planned is another attempt


def make_plan(
    contract: EnvContract, options: PackageOptions | None = None
) -> tuple[Plan, tuple[Finding, ...]]:
    """Settle the names and types of a contract's models.

    Args:
        contract: the contract.
        options: what settings choose.

    Returns:
        The plan, and what it types less exactly than the contract says.

    Raises:
        ContractError: a part of it is nothing that a client could send or read.
        ConfigError: a name that settings choose is taken, or replaces none.
    """
    options = options or PackageOptions()
    tools = ToolDocuments(contract)
    findings: list[Finding] = []
    while True:
        try:
            plan, found = _make_plan(contract, tools, options)
        except ContractError as error:
            part = unplannable(error.pointer, tools)
            if part is None or len(tools.untyped) == _MAX_UNTYPED:
                raise
            tools.untyped.add(part)
            findings.append(untyped(error, f"/{part}"))
        else:
            return plan, (*findings, *found)


def _make_plan(
    contract: EnvContract, tools: ToolDocuments, options: PackageOptions
) -> tuple[Plan, tuple[Finding, ...]]:
    default = client_name if contract.has_environment else tools_client_name
    plan = Plan(options.class_name or default(contract.name), options.transport)
    chosen = ChosenNames(options.naming, env_name=contract.name)
    names = ClassNames(frozenset(client_classes(plan.client)), chosen)
    documents: dict[str, PartDocument] = {
        part: _prepared(PartDocument(part, contract.documents[part]))
        for part in PARTS
        if part in contract.parts
    }
    of_tools = {part: _prepared(document) for part, document in tools.documents().items()}
    documents |= of_tools
    planner = _Planner(documents, names, prefix=stem(plan.client))
    planner.run()
    finisher = Finisher(planner.drafts, planner.aliases, planner.definitions, chosen)
    definitions = finisher.definitions()
    plan.parts = {
        part: finisher.part(documents[part], planner.name_of(part))
        for part in PARTS
        if part in documents
    }
    if of_tools:
        roots = {part: planner.name_of(part) for part in of_tools}
        plan.toolset = f"{stem(plan.client)}Toolset"
        plan.tools = planned_tools(tools, documents, roots, definitions, finisher)
    first = [part.name for part in plan.parts.values()]
    plan.definitions = in_order(definitions, [*first, *(it.arguments.name for it in plan.tools)])
    chosen.check_all_used()
    return plan, tuple(finding for document in documents.values() for finding in document.findings)


def _prepared(document: PartDocument) -> PartDocument:
    """A part with what discriminators imply written out."""
    part = document.part
    try:
        inherited = with_unions_of_children(document.schema)
    except ContractError as error:
        raise error.with_context(pointer=f"/{part}{error.pointer}") from error
    return PartDocument(part, with_tags(PartDocument(part, inherited)))


class _Planner:
    """Plans all classes and aliases of a contract."""

    def __init__(
        self, documents: Mapping[str, PartDocument], names: ClassNames, *, prefix: str
    ) -> None:
        self.drafts: dict[str, Draft] = {}
        self.aliases: dict[str, DraftAlias] = {}
        self.names = names
        self.definitions = find_definitions(documents)
        self.waiting: deque[Draft] = deque()
        self._planned = 0
        self._prefix = prefix
        self._roots = {part: self.definitions[part, ""] for part in documents}
        self._parts = {part: self._end(document) for part, document in documents.items()}
        # What is an object on the wire is a class, though it may have no fields. A tool's result
        # may be anything.
        self._classes = {
            definition
            for part, definition in self._parts.items()
            if is_arguments(part) or not is_of_tool(part)
        }
        self._claim_names()

    def run(self) -> None:
        """Plan what the parts reach."""
        planned: set[str] = set()
        reached = [*self._parts.values()]
        while reached or self.waiting:
            if self.waiting:
                used = self._fields(self.waiting.popleft())
            else:
                definition = reached.pop()
                if definition.name in planned:
                    continue
                planned.add(definition.name)
                used = self._definition(definition)
            reached += used

    def name_of(self, part: str) -> str:
        """The name of a part's definition."""
        return self._parts[part].name

    # --- names ------------------------------------------------------------------------------------

    def _end(self, document: PartDocument) -> Definition:
        """What a part is: the target of its reference where it is nothing but one."""
        place, _ = document.followed(document.schema, "")
        return self.definitions[document.part, place]

    def _claim_names(self) -> None:
        """Name every definition: the parts first, then what needs no change, then the others."""
        for part, root in self._roots.items():
            if root is self._parts[part] and not root.name:
                title = root.found[0].own_name or f"{self._prefix}{camel_case(part)}"
                root.name = self.names.claim(UntrustedText(title), within=self._prefix)
        different = [*dict.fromkeys(self.definitions.values())]
        common = Counter(item.found[0].common_name for item in different)
        for definition in sorted(different, key=lambda item: not _is_class_name(item)):
            first = definition.found[0]
            if definition.name or not first.place:
                continue
            root = self.definitions[first.document.part, ""]
            within = root.name or f"{self._prefix}{camel_case(first.document.part)}"
            is_alone = common[first.common_name] == 1
            text = first.common_name if is_alone else first.own_name
            text = text or self._label(first, within)
            definition.name = self.names.claim(UntrustedText(text), within=within)

    def _label(self, item: Found, within: str) -> str:
        """A name for what is referred to by its place alone."""
        keys = pointer_keys(item.place)
        holder, inner = keys[:2], keys[2:]
        owner = self.definitions.get((item.document.part, pointer_to("", *holder)))
        if owner is not None and owner.name and inner:
            within, keys = owner.name, inner
        steps = {"items": "Item", "additionalProperties": "Value", "prefixItems": "Item"}
        unions = {"anyOf": "Variant", "oneOf": "Variant"}
        label = "".join(
            {**steps, **unions}.get(key, "" if key in SCHEMA_MAPS else camel_case(key))
            for key in keys
        )
        return f"{within}{label}"

    def count(self, document: PartDocument, pointer: str, number: int) -> None:
        """Count classes and fields. Raises ContractError if there are too many."""
        self._planned += number
        if self._planned > MAX_PLANNED:
            raise document.error(pointer, f"more than {MAX_PLANNED:,} classes and fields")

    # --- definitions ------------------------------------------------------------------------------

    def _definition(self, definition: Definition) -> list[Definition]:
        """Plan a class or an alias; returns the definitions that it refers to."""
        found = definition.found[0]
        document, name = found.document, definition.name
        scope = _Scope(self, document, definition.sent, definition)
        description = _description(found.schema)
        if (target := document.reference_in(found.schema)) is not None:
            type_: Type = scope.named(document.resolve(target, found.place)[0])
            self.aliases[name] = DraftAlias(name, type_, document, found.place, description)
            return scope.used
        schema = document.merged(found.schema, found.place)
        if definition is self._parts.get("reset_parameters"):
            schema = _own_reset_parameters(document, found.place, schema)
        if definition in self._classes and scope.types.is_object(schema):
            type_ = scope.class_for(schema, found.place, "", name)
        else:
            type_ = scope.types.plain_type(schema, found.place, name, "")
        if type_ != Named(name):
            self.aliases[name] = DraftAlias(name, type_, document, found.place, description)
        return scope.used

    def _fields(self, draft: Draft) -> list[Definition]:
        """Type the fields of a class; returns the definitions that they refer to."""
        scope = _Scope(self, draft.document, draft.sent)
        schema, pointer, name = draft.schema, draft.pointer, draft.name
        self.count(draft.document, pointer, 1 + len(_properties(schema, pointer)))
        for wire_name, (child, place) in _properties(schema, pointer).items():
            unset = "readOnly" if draft.sent else "writeOnly"
            draft.fields.append(
                DraftField(
                    UntrustedText(wire_name),
                    scope.types.type_of(child, place, name, camel_case(wire_name)),
                    child,
                    place,
                    is_required=wire_name in draft.required
                    and (as_object(child) or {}).get(unset) is not True,
                    description=_description(child),
                )
            )
        # Requests are closed unless the contract opens them: a misspelt field would be dropped by
        # most servers without a word. Replies are open whatever it says.
        is_closed = schema.get("additionalProperties", False) is False
        if not is_closed or (draft.sent and schema.get("patternProperties")):
            value = scope.types.further_fields(schema, pointer, name, "Field") or JSON_VALUE
            key = scope.types.key_type(schema, pointer, name) if draft.sent else STR
            draft.extras = (key, value)
        elif not draft.sent:
            draft.extras = (STR, JSON_VALUE)
        scope.types.report_unchecked(schema, pointer)
        return scope.used


class _Scope:
    """What the type planner asks for names, within one definition or class."""

    def __init__(
        self,
        planner: _Planner,
        document: PartDocument,
        sent: bool,
        definition: Definition | None = None,
    ) -> None:
        self.used: list[Definition] = []
        self.types = TypePlanner(document, self)
        self._planner = planner
        self._document = document
        self._sent = sent
        self._definition = definition

    def definition_at(self, place: str) -> Type | None:
        """The name of the definition at a place of the part; None where none is."""
        found = self._planner.definitions.get((self._document.part, place))
        return None if found is None else self.named(place)

    def named(self, place: str) -> Named:
        """The name of the definition at a place that has one."""
        definition = self._planner.definitions[self._document.part, place]
        self.used.append(definition)
        return Named(definition.name)

    def class_for(self, schema: JsonSchema, pointer: str, label: str, within: str) -> Type:
        """The name of the class for an object with fields."""
        definition = self._definition
        is_itself = definition is not None and definition.found[0].place == pointer
        required = frozenset(as_array(schema.get("required")) or [])
        if definition is not None and is_itself and self.types.is_object(schema):
            name = definition.name
            required = required - definition.optional_elsewhere
        else:
            self._planner.count(self._document, pointer, 1)
            text = UntrustedText(f"{within}{label or 'Object'}")
            if len(text.raw) > MAX_CLASS_NAME:
                raise self._document.error(
                    pointer,
                    f"the name of a class is made of the names that lead to it, and here has more "
                    f"than {MAX_CLASS_NAME:,} characters",
                    hint="put the object under $defs and refer to it",
                )
            name = self._planner.names.claim(text, within=within)
        draft = Draft(
            name, self._sent, self._document, pointer, schema, required, _description(schema)
        )
        self._planner.drafts[name] = draft
        self._planner.waiting.append(draft)
        return Named(name)


def _properties(schema: JsonSchema, pointer: str) -> dict[str, tuple[Any, str]]:
    """The fields of an object, also those that are only required, each with its place."""
    named = as_object(schema.get("properties")) or {}
    found = {
        name: (child, pointer_to(pointer, "properties", name))
        for name, child in named.items()
        if child is not False
    }
    rest = schema.get("additionalProperties", True), pointer_to(pointer, "additionalProperties")
    missing = [name for name in as_array(schema.get("required")) or [] if name not in named]
    return {**found, **dict.fromkeys(missing, rest)}


def _own_reset_parameters(document: PartDocument, pointer: str, schema: JsonSchema) -> JsonSchema:
    """The reset parameters of an environment without those of every environment."""
    if "properties" not in schema:
        raise document.error(
            pointer,
            "reset parameters are an object with properties",
            hint='write {"type": "object", "properties": {"level": {"type": "integer"}}}',
        )
    required = as_array(schema.get("required")) or []
    return {
        **schema,
        "properties": {
            key: child
            for key, child in schema["properties"].items()
            if key not in COMMON_PARAMETERS
        },
        "required": [key for key in required if key not in COMMON_PARAMETERS],
    }


def _is_class_name(definition: Definition) -> bool:
    name = definition.found[0].own_name
    return bool(name) and class_name(UntrustedText(name)) == name


def _description(schema: Any) -> UntrustedText | None:
    text = (as_object(schema) or {}).get("description")
    return UntrustedText(text) if isinstance(text, str) and text.strip() else None
