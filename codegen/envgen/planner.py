"""Contract -> plan: names and types are settled here."""

from __future__ import annotations

import json
import re
from typing import Any

from .contract import PARTS, EnvContract, Part
from .defaults import default_expression
from .document import PartDocument
from .expressions import (
    JSON_VALUE,
    annotated,
    choices,
    lengths,
    nullable,
    scalar,
    tagged_union,
    union_of,
)
from .naming import ClassNames, camel_case, client_name, field_names
from .plan import Direction, Plan, PlannedClass, PlannedField, Root
from .schema import (
    JsonSchema,
    as_array,
    as_object,
    fixed_items,
    implied_type,
    is_tuple,
    pointer_to,
    subschemas,
)
from .text import UntrustedText

# Keywords that say something about the data which a pydantic model doesn't.
_UNCHECKED = (
    "not", "if", "then", "else", "contains", "dependentRequired", "dependentSchemas",
    "unevaluatedItems", "unevaluatedProperties", "propertyNames", "uniqueItems",
)  # fmt: skip

_LIFTED = ("done", "reward", "metadata")

# References to what is no class are written out, so that a few nested ones could fill a disk.
_MAX_EXPRESSION = 4000

_WORD = re.compile(r"\w+")


def make_plan(contract: EnvContract) -> Plan:
    """Settle the names and types of a contract's models.

    Raises:
        ContractError: a part of it is nothing that a client could send or read.
    """
    plan = Plan()
    client = client_name(contract.name)
    names = ClassNames(frozenset({client, f"Async{client}", f"{client}Hooks"}))
    shared: dict[str, str] = {}
    # All parts claim their names before any definition does: it can't take a part's name.
    planners = [
        _PartPlanner(plan, names, shared, part, contract)
        for part in PARTS
        if part in contract.parts
    ]
    for planner in planners:
        plan.roots[planner.part] = planner.root()
    return plan


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
        self._document = PartDocument(part, contract.parts[part], plan.findings)
        self._direction: Direction = "request" if part == "action" else "reply"
        self._plan = plan
        self._names = names
        self._shared = shared
        self._by_pointer: dict[str, str] = {}
        self._inlining: list[str] = []
        self._inlined: dict[str, str] = {}
        schema = self._document.schema
        prefix = client_name(contract.name).removesuffix("Env")
        key = self._content(schema, "")
        self._root_is_shared = key in shared
        if not self._root_is_shared:
            title = UntrustedText(schema.get("title") or f"{prefix}{camel_case(part)}")
            shared[key] = names.claim(title, within=prefix)
        self._name = shared[key]

    # --- the part itself ------------------------------------------------------------------------

    def root(self) -> Root:
        """Plan the part, and everything that it uses."""
        pointer, schema = self._document.followed(self._document.schema, "")
        if "properties" not in schema and {"anyOf", "oneOf"} & schema.keys():
            return self._union_root(schema, pointer)
        if schema.get("type", "object") != "object":
            raise self._document.error(
                pointer, f"{self.part} is a JSON object on the wire, not {schema['type']}"
            )
        self._by_pointer[""] = self._by_pointer[pointer] = self._name
        if not self._root_is_shared:
            self._define(self._name, schema, pointer)
        properties = as_object(schema.get("properties")) or {}
        lifted = tuple(name for name in _LIFTED if name in properties)
        return Root(self._name, (self._name,), None, lifted)

    def _union_root(self, schema: JsonSchema, pointer: str) -> Root:
        union = self._type(schema, pointer, self._name, "")
        words = dict.fromkeys(_WORD.findall(union))
        models = tuple(word for word in words if word in self._plan.classes)
        told = tagged_union(models, self._tag(list(models), schema))
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
        return Root(self._name, models, union, lifted)

    # --- classes --------------------------------------------------------------------------------

    def _class(self, schema: JsonSchema, pointer: str, label: str, within: str) -> str:
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
        reached: dict[str, JsonSchema] = {}
        waiting: list[tuple[Any, str]] = [(schema, pointer)]
        while waiting:
            value, place = waiting.pop()
            fields = as_object(value) or {}
            target = fields.get("$ref")
            if target is not None and target not in reached:
                target_place, reached[target] = self._document.resolve(target, place)
                waiting.append((reached[target], target_place))
            waiting.extend(subschemas(fields, place))
        return json.dumps([self._direction, schema, reached], sort_keys=True)

    def _define(self, name: str, schema: JsonSchema, pointer: str) -> None:
        properties = as_object(schema.get("properties")) or {}
        required = frozenset(as_array(schema.get("required")) or [])
        typed: dict[str, tuple[str, str | None]] = {}
        for wire_name, child in properties.items():
            place = pointer_to(pointer, "properties", wire_name)
            typed[wire_name] = self._field(child, place, name, wire_name, wire_name in required)
        used = {word for expression, _ in typed.values() for word in _WORD.findall(expression)}
        names = field_names(list(map(UntrustedText, properties)), taken=frozenset(used))
        for wire_name in sorted(required - properties.keys()):
            self._document.say(
                pointer, f"{wire_name!r} is required, but has no schema; it isn't checked"
            )
        self._report_unchecked(schema, pointer, "minProperties", "maxProperties")
        fields = tuple(
            PlannedField(
                names[wire_name],
                UntrustedText(wire_name),
                *typed[wire_name],
                _description(properties[wire_name]),
            )
            for wire_name in properties
        )
        is_open = schema.get("additionalProperties", False) is not False
        self._plan.classes[name] = PlannedClass(
            name, self._direction, is_open, fields, _description(schema)
        )

    def _field(
        self, schema: Any, pointer: str, within: str, wire_name: str, required: bool
    ) -> tuple[str, str | None]:
        """A field's type and default, as expressions."""
        expression = self._type(schema, pointer, within, camel_case(wire_name))
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
        # A field that is neither required nor has a default comes of a default_factory, which
        # schemas don't show: for a container that means an empty one, not null.
        empty = {"dict[": "{}", "list[": "[]"}.get(expression[:5])
        return (nullable(expression), "None") if empty is None else (expression, empty)

    def _complete_class(self, pointer: str) -> PlannedClass | None:
        return self._plan.classes.get(self._by_pointer.get(pointer, ""))

    # --- types ----------------------------------------------------------------------------------

    def _type(self, schema: Any, pointer: str, within: str, label: str) -> str:
        """The Python type for a schema, as an expression.

        ``within`` and ``label`` name a class that has no name of its own.
        """
        fields = as_object(schema)
        if fields is None:
            if schema is False:
                self._document.say(pointer, "nothing fits the schema false; any value is taken")
            return JSON_VALUE
        target = self._document.reference_in(fields)
        if target is not None:
            return self._reference(target, pointer)
        merged = self._document.merged(fields, pointer)
        expression = self._plain_type(merged, pointer, within, label)
        return nullable(expression) if merged.get("nullable") is True else expression

    def _reference(self, target: str, pointer: str) -> str:
        place, schema = self._document.resolve(target, pointer)
        if place in self._by_pointer:
            return self._by_pointer[place]
        if place in self._inlined:
            return self._inlined[place]
        if place in self._inlining:
            self._document.say(
                pointer, f"{target} leads back to itself outside of an object; any value is taken"
            )
            return JSON_VALUE
        label = place.rsplit("/", 1)[-1].replace("~1", "/").replace("~0", "~")
        self._inlining.append(place)
        try:
            expression = self._type(schema, place, self._name, label)
        finally:
            self._inlining.pop()
        if len(expression) > _MAX_EXPRESSION:
            self._document.say(pointer, f"{target} is too large for a type; any value is taken")
            expression = JSON_VALUE
        self._inlined[place] = expression
        return expression

    def _plain_type(self, schema: JsonSchema, pointer: str, within: str, label: str) -> str:
        for keyword in ("const", "enum"):
            if keyword in schema:
                values = schema[keyword] if keyword == "enum" else [schema[keyword]]
                return choices(values, lambda _, why: self._document.say(pointer, why))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return self._union(schema, keyword, pointer, within, label)
        kinds = as_array(schema.get("type")) or [schema.get("type") or implied_type(schema)]
        return union_of([self._of_kind(kind, schema, pointer, within, label) for kind in kinds])

    def _of_kind(
        self, kind: str | None, schema: JsonSchema, pointer: str, within: str, label: str
    ) -> str:
        if kind == "object" and schema.get("properties"):
            named = label if pointer.startswith("/$defs/") else f"{within}{label}"
            return self._class(schema, pointer, named, within)
        if kind == "object":
            self._report_unchecked(schema, pointer, "patternProperties", "required")
            place = pointer_to(pointer, "additionalProperties")
            values = schema.get("additionalProperties", True)
            member = self._type(values, place, within, f"{label}Value")
            return annotated(f"dict[str, {member}]", lengths("object", schema))
        self._report_unchecked(schema, pointer)
        if kind == "array":
            return self._array(schema, pointer, within, label)
        if kind is None:
            return JSON_VALUE
        return scalar(
            kind,
            schema,
            lambda keyword, why: self._document.say(pointer_to(pointer, keyword), why),
        )

    def _array(self, schema: JsonSchema, pointer: str, within: str, label: str) -> str:
        key, fixed, rest = fixed_items(schema)
        members = [
            self._type(item, pointer_to(pointer, key, index), within, f"{label}Item{index + 1}")
            for index, item in enumerate(fixed)
        ]
        if is_tuple(schema):
            return f"tuple[{', '.join(members)}]"
        if fixed:
            self._document.say(pointer_to(pointer, key), "an open tuple is typed as a list")
        if schema.get(rest) is not False or not fixed:
            place = pointer_to(pointer, rest)
            members.append(self._type(schema.get(rest, True), place, within, f"{label}Item"))
        return annotated(f"list[{union_of(members)}]", lengths("array", schema))

    def _union(
        self, schema: JsonSchema, keyword: str, pointer: str, within: str, label: str
    ) -> str:
        members = [
            self._type(
                member, pointer_to(pointer, keyword, index), within, f"{label}Variant{index + 1}"
            )
            for index, member in enumerate(schema[keyword])
        ]
        plain = [member for member in members if member != "None"]
        tag = self._tag(plain, schema)
        if tag is None:
            if "discriminator" in schema:
                self._document.say(
                    pointer_to(pointer, "discriminator"),
                    "not every member has it as a constant; members are told apart by their fields",
                )
            return union_of(members)
        union = tagged_union(tuple(dict.fromkeys(plain)), tag)
        return nullable(union) if "None" in members else union

    def _tag(self, members: list[str], schema: JsonSchema) -> str | None:
        """The Python name of the field that tells ``members`` apart, if the schema names one."""
        wire_name = (as_object(schema.get("discriminator")) or {}).get("propertyName")
        names = [self._constant(member, wire_name) for member in members]
        is_told = len(set(members)) > 1 and len(set(names)) == 1
        return names[0] if is_told else None

    def _constant(self, class_name: str, wire_name: str | None) -> str | None:
        planned = self._plan.classes.get(class_name)
        fields = planned.fields if planned is not None else ()
        names = (
            field.name
            for field in fields
            if field.wire_name.raw == wire_name and field.type.startswith("Literal[")
        )
        return next(names, None)

    # --- reporting ------------------------------------------------------------------------------

    def _report_unchecked(self, schema: JsonSchema, pointer: str, *more: str) -> None:
        for keyword in (*_UNCHECKED, *more):
            if keyword in schema and schema[keyword] is not False:
                self._document.say(
                    pointer_to(pointer, keyword), f"{keyword} isn't checked by the client"
                )


def _description(schema: Any) -> UntrustedText | None:
    text = (as_object(schema) or {}).get("description")
    return UntrustedText(text) if isinstance(text, str) and text.strip() else None
