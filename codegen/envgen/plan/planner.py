"""Contract -> plan: names and types are settled here."""

from __future__ import annotations

import json
from typing import Any

from envgen_runtime.contract.references import reachable

from ..contract.contract import PARTS, REQUESTS, EnvContract, Part
from ..findings import Finding
from ..naming import ChosenNames, ClassNames, camel_case, client_classes, client_name, field_names
from ..options import PackageOptions
from ..schema.document import PartDocument
from ..schema.keywords import JsonSchema, as_array, as_object, pointer_to, tags_in
from ..text import UntrustedText
from .defaults import default_expression
from .expressions import JSON_VALUE, absent, constant_of, names_in, nullable, tagged_union
from .plan import Direction, Plan, PlannedClass, PlannedField, PlannedPart
from .type_planner import TypePlanner

_LIFTED = ("done", "reward", "metadata")

# What every reset takes. The client has parameters of its own for these.
_RESET_FIELDS = frozenset({"seed", "episode_id"})


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
    plan = Plan(options.class_name or client_name(contract.name), options.transport)
    chosen = ChosenNames(options.naming, env_name=contract.name)
    names = ClassNames(frozenset(client_classes(plan.client)), chosen)
    shared: dict[str, str] = {}
    # All parts claim their names before any definition does: it can't take a part's name.
    planners = [
        _PartPlanner(plan, names, shared, part, contract)
        for part in PARTS
        if part in contract.parts
    ]
    for planner in planners:
        plan.parts[planner.part] = planner.root()
    chosen.check_all_used()
    return plan, tuple(finding for planner in planners for finding in planner.findings)


class _PartPlanner:
    """Plans the classes of one part of the contract."""

    def __init__(
        self,
        plan: Plan,
        names: ClassNames,
        shared: dict[str, str],
        part: Part,
        contract: EnvContract,
    ) -> None:
        self.part: Part = part
        self._document = PartDocument(part, contract.documents[part])
        self._types = TypePlanner(self._document, self)
        self._direction: Direction = "request" if part in REQUESTS else "reply"
        self._plan = plan
        self._names = names
        self._shared = shared
        self._by_pointer: dict[str, str] = {}
        self._tags = frozenset(tags_in(self._document.schema))
        schema = self._document.schema
        prefix = plan.client.removesuffix("Env")
        key = self._content(schema, "")
        self._root_is_shared = key in shared
        if not self._root_is_shared:
            title = UntrustedText(schema.get("title") or f"{prefix}{camel_case(part)}")
            shared[key] = names.claim(title, within=prefix)
        self.root_name: str = shared[key]

    @property
    def findings(self) -> list[Finding]:
        """What was typed differently from what the contract says."""
        return self._document.findings

    # --- the part itself ------------------------------------------------------------------------

    def root(self) -> PlannedPart:
        """Plan the part, and everything that it uses."""
        pointer, schema = self._document.followed(self._document.schema, "")
        if self.part == "reset_parameters" and "properties" not in schema:
            raise self._document.error(
                pointer,
                "reset parameters are an object with properties",
                hint='write {"type": "object", "properties": {"level": {"type": "integer"}}}',
            )
        unions = [key for key in ("anyOf", "oneOf") if key in schema]
        if unions and not self._types.only_narrows(schema, unions[0]):
            return self._union_root(schema, pointer)
        if schema.get("type", "object") != "object":
            raise self._document.error(
                pointer, f"{self.part} is a JSON object on the wire, not {schema['type']}"
            )
        if self.part == "reset_parameters":
            schema = _without_reset_fields(schema)
        self._by_pointer[""] = self._by_pointer[pointer] = self.root_name
        if not self._root_is_shared:
            self._define(self.root_name, schema, pointer)
        properties = as_object(schema.get("properties")) or {}
        lifted = tuple(name for name in _LIFTED if name in properties)
        return PlannedPart(self.root_name, (self.root_name,), None, lifted)

    def _union_root(self, schema: JsonSchema, pointer: str) -> PlannedPart:
        union = self._types.type_of(schema, pointer, self.root_name, "")
        models = tuple(name for name in names_in(union) if name in self._plan.classes)
        told = tagged_union(models, self.tag(list(models), schema))
        if not models or union != told:
            raise self._document.error(
                pointer,
                f"{self.part} is a JSON object on the wire, and this is a union of {union}",
                hint="every member has to be an object with properties",
            )
        fields = [
            {field.wire_name.raw for field in self._plan.classes[model].fields} for model in models
        ]
        lifted = tuple(name for name in _LIFTED if all(name in names for names in fields))
        return PlannedPart(self.root_name, models, union, lifted)

    # --- classes --------------------------------------------------------------------------------

    def class_at(self, pointer: str) -> str | None:
        """The class of the schema at ``pointer``, if it has one."""
        return self._by_pointer.get(pointer)

    def class_for(self, schema: JsonSchema, pointer: str, label: str, within: str) -> str:
        """The class for an object with fields, planned if it is not yet."""
        if pointer not in self._by_pointer:
            key = self._content(schema, pointer)
            is_new = key not in self._shared
            if is_new:
                self._shared[key] = self._names.claim(UntrustedText(label), within=within)
            self._by_pointer[pointer] = self._shared[key]
            if is_new:
                self._define(self._shared[key], schema, pointer)
        return self._by_pointer[pointer]

    def _content(self, schema: JsonSchema, pointer: str) -> str:
        """Identifies a schema together with all that it refers to.

        Parts of the same direction share a class where they agree to the letter.
        """
        reached = {
            fields["$ref"]: self._document.resolve(fields["$ref"], place)[1]
            for fields, place in reachable(schema, pointer, self._document.resolve)
            if "$ref" in fields
        }
        return json.dumps([self._direction, schema, reached], sort_keys=True)

    def _define(self, name: str, schema: JsonSchema, pointer: str) -> None:
        properties, places = self._properties(schema, pointer)
        required = frozenset(as_array(schema.get("required")) or [])
        typed = {
            wire_name: self._field(
                child,
                places[wire_name],
                name,
                wire_name,
                self._is_needed(child, wire_name, required),
            )
            for wire_name, child in properties.items()
        }
        extras = self._extras(schema, pointer, name)
        expressions = [*(expression for expression, _ in typed.values()), extras or "None"]
        used = frozenset(name for expression in expressions for name in names_in(expression))
        names = field_names(list(map(UntrustedText, properties)), taken=used)
        names = self._names.chosen.of_fields(name, names, taken=used)
        self._types.report_unchecked(schema, pointer)
        fields = tuple(
            PlannedField(
                names[wire_name],
                UntrustedText(wire_name),
                *typed[wire_name],
                _description(properties[wire_name]),
            )
            for wire_name in properties
        )
        self._plan.classes[name] = PlannedClass(
            name, self._direction, extras is not None, extras, fields, _description(schema)
        )

    def _properties(
        self, schema: JsonSchema, pointer: str
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """The fields of an object, also those that are only required, and where they stand."""
        named = as_object(schema.get("properties")) or {}
        properties = {name: child for name, child in named.items() if child is not False}
        places = {name: pointer_to(pointer, "properties", name) for name in properties}
        for name in as_array(schema.get("required")) or []:
            if name not in named:
                properties[name] = schema.get("additionalProperties", True)
                places[name] = pointer_to(pointer, "additionalProperties")
        return properties, places

    def _is_needed(self, schema: Any, wire_name: str, required: frozenset[str]) -> bool:
        """Whether a field is required; one that only the other side sets never is."""
        unset = "readOnly" if self._direction == "request" else "writeOnly"
        return wire_name in required and (as_object(schema) or {}).get(unset) is not True

    def _extras(self, schema: JsonSchema, pointer: str, name: str) -> str | None:
        """The type of fields that the contract doesn't name, if they are taken.

        Requests are closed unless the contract opens them: a misspelt field would be dropped by
        most servers without a word. Replies are open whatever it says.
        """
        is_closed = schema.get("additionalProperties", False) is False
        if is_closed and (self._direction == "reply" or not schema.get("patternProperties")):
            return JSON_VALUE if self._direction == "reply" else None
        return self._types.further_fields(schema, pointer, name, "Field")

    def _field(
        self, schema: Any, pointer: str, within: str, wire_name: str, required: bool
    ) -> tuple[str, str | None]:
        """A field's type and default, as expressions."""
        expression = self._types.type_of(schema, pointer, within, camel_case(wire_name))
        if required:
            return expression, None
        fields = as_object(schema) or {}
        if "default" in fields:
            default = default_expression(
                self._document, schema, fields["default"], pointer, self._complete_class
            )
            if default == "None":
                return nullable(expression), default
            if default is not None:
                return expression, default
            self._document.say(
                pointer_to(pointer, "default"), "the default is none of the type's values"
            )
        constant = constant_of(expression) if wire_name in self._tags else None
        if constant is not None:
            return expression, constant  # a tag has to be there, and can be nothing else
        # A field that is neither required nor has a default comes of a default_factory, which
        # schemas don't show: for a container that means an empty one, not null.
        empty = {"dict[": "{}", "list[": "[]"}.get(expression[:5])
        return (absent(expression), "None") if empty is None else (expression, empty)

    def _complete_class(self, pointer: str) -> PlannedClass | None:
        return self._plan.classes.get(self._by_pointer.get(pointer, ""))

    # --- unions ---------------------------------------------------------------------------------

    def tag(self, members: list[str], schema: JsonSchema) -> str | None:
        """The Python name of the field that tells ``members`` apart, if the schema names one."""
        wire_name = (as_object(schema.get("discriminator")) or {}).get("propertyName")
        different = set(members)
        fields = [self._field_called(wire_name, member) for member in different]
        tags = {constant_of(field.type) for field in fields if field is not None}
        names = {field.name for field in fields if field is not None}
        # pydantic tells members apart by strings, each member having its own.
        are_strings = all(tag is not None and tag.startswith('"') for tag in tags)
        is_told = len(tags) == len(different) > 1 and len(names) == 1 and are_strings
        return names.pop() if is_told else None

    def _field_called(self, wire_name: str | None, class_name: str) -> PlannedField | None:
        planned = self._plan.classes.get(class_name)
        fields = planned.fields if planned is not None else ()
        return next((field for field in fields if field.wire_name.raw == wire_name), None)


def _without_reset_fields(schema: JsonSchema) -> JsonSchema:
    properties = as_object(schema.get("properties")) or {}
    required = as_array(schema.get("required")) or []
    return {
        **schema,
        "properties": {key: properties[key] for key in properties if key not in _RESET_FIELDS},
        "required": [key for key in required if key not in _RESET_FIELDS],
    }


def _description(schema: Any) -> UntrustedText | None:
    text = (as_object(schema) or {}).get("description")
    return UntrustedText(text) if isinstance(text, str) and text.strip() else None
