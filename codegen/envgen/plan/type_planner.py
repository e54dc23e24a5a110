"""Schema -> type, as a Python expression: the widest that is true, and as narrow as Python can say.

What a type can't say is reported, never dropped.
"""

from __future__ import annotations

from typing import Any, Protocol

from envgen_runtime.json_value import pointer_keys

from ..schema.document import PartDocument
from ..schema.keywords import (
    DEFINITIONS,
    DESCRIBING,
    JsonSchema,
    as_array,
    as_object,
    fixed_items,
    implied_types,
    is_of_type,
    is_tuple,
    pointer_to,
)
from .expressions import (
    JSON_VALUE,
    annotated,
    choices,
    fits,
    lengths,
    nullable,
    scalar,
    tagged_union,
    union_of,
)

# Keywords that say something about the data which a pydantic model doesn't.
_UNCHECKED = (
    "not", "if", "then", "else", "contains", "minContains", "maxContains", "dependencies",
    "dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip

# What each JSON type is in Python, where a schema says nothing more of it.
_ANY_OF_TYPE = {
    "string": "str",
    "number": "int | float",
    "boolean": "bool",
    "array": f"list[{JSON_VALUE}]",
    "object": f"dict[str, {JSON_VALUE}]",
    "null": "None",
}

# Keywords that give an object fields, so that it becomes a class.
_SHAPING = frozenset({"properties", "required"})

# Keywords that a schema may have besides those that say which values fit.
_NEUTRAL = DESCRIBING | DEFINITIONS | {"$schema", "discriminator"}

# References to what is no class are written out, so that a few nested ones could fill a disk.
_MAX_EXPRESSION = 4000


class Classes(Protocol):
    """What makes classes of objects with fields."""

    @property
    def root_name(self) -> str:
        """The name of the part's own class."""
        ...

    def class_at(self, pointer: str) -> str | None:
        """The class of the schema at ``pointer``, if it has one."""
        ...

    def class_for(self, schema: JsonSchema, pointer: str, label: str, within: str) -> str:
        """The class for an object with fields. ``label`` and ``within`` name one that has none."""
        ...

    def tag(self, members: list[str], schema: JsonSchema) -> str | None:
        """The Python name of the field that tells ``members`` apart, if the schema names one."""
        ...


class TypePlanner:
    """Settles the types of one part of the contract.

    Everywhere, ``within`` and ``label`` name a class that has no name of its own.
    """

    def __init__(self, document: PartDocument, classes: Classes) -> None:
        self._document = document
        self._classes = classes
        self._inlining: list[str] = []
        self._inlined: dict[str, str] = {}

    def type_of(self, schema: bool | JsonSchema, pointer: str, within: str, label: str) -> str:
        """The Python type for a schema, as an expression."""
        fields = as_object(schema)
        if fields is None:
            if schema is False:
                self._document.say(pointer, "nothing fits the schema false; any value is taken")
            return JSON_VALUE
        target = self._document.reference_in(fields)
        if target is not None:
            return self._reference(target, pointer)
        return self._plain_type(self._document.merged(fields, pointer), pointer, within, label)

    def _reference(self, target: str, pointer: str) -> str:
        place, schema = self._document.resolve(target, pointer)
        known = self._classes.class_at(place) or self._inlined.get(place)
        if known is not None:
            return known
        if place in self._inlining:
            self._document.say(
                pointer, f"{target} leads back to itself outside of an object; any value is taken"
            )
            return JSON_VALUE
        label = pointer_keys(place)[-1]
        self._inlining.append(place)
        try:
            expression = self.type_of(schema, place, self._classes.root_name, label)
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
                self._report(schema, pointer, *_UNCHECKED, "anyOf", "oneOf")
                values = schema[keyword] if keyword == "enum" else [schema[keyword]]
                possible = [value for value in values if _is_possible(value, schema)]
                if not possible:
                    self._document.say(pointer, "no value fits both this and what stands beside it")
                return choices(possible or values)
        keywords = [keyword for keyword in ("anyOf", "oneOf") if keyword in schema]
        if keywords and not self.only_narrows(schema, keywords[0]):
            self._report(schema, pointer, *keywords[1:])
            return self._union(schema, keywords[0], pointer, within, label)
        self._report(schema, pointer, *keywords)
        if "type" not in schema:
            return self._untyped(schema, pointer, within, label)
        kinds = as_array(schema["type"]) or [schema["type"]]
        return union_of([self._of_kind(kind, schema, pointer, within, label) for kind in kinds])

    def only_narrows(self, schema: JsonSchema, keyword: str) -> bool:
        """Whether a union is of conditions on one object (such as which fields are required)."""
        if "properties" not in schema:
            return False
        members = [as_object(member) or {} for member in schema[keyword]]
        return not any(
            {"properties", "$ref", "type"} & self._document.merged(member, "").keys()
            for member in members
        )

    def _untyped(self, schema: JsonSchema, pointer: str, within: str, label: str) -> str:
        """A schema without ``type`` says something about some types, and allows all others."""
        kinds = implied_types(schema)
        if not kinds:
            self._report(schema, pointer, *_UNCHECKED)
            return JSON_VALUE
        shaped = {"properties": "object", "items": "array", "prefixItems": "array"}
        for keyword, kind in shaped.items():
            if keyword in schema and kinds == [kind]:
                self._document.say(
                    pointer, f"no type is given; it is taken for an {kind}", severity="info"
                )
                return self._of_kind(kind, schema, pointer, within, label)
        return union_of(
            [
                self._of_kind(kind, schema, pointer, within, label) if kind in kinds else python
                for kind, python in _ANY_OF_TYPE.items()
            ]
        )

    def _of_kind(self, kind: str, schema: JsonSchema, pointer: str, within: str, label: str) -> str:
        if kind == "object" and any(schema.get(keyword) for keyword in _SHAPING):
            is_definition = pointer.startswith(("/$defs/", "/definitions/"))
            named = label if is_definition else f"{within}{label}"
            return self._classes.class_for(schema, pointer, named, within)
        self._report(schema, pointer, *_UNCHECKED)
        if kind == "object":
            return self._map(schema, pointer, within, label)
        if kind == "array":
            return self._array(schema, pointer, within, label)
        return scalar(
            kind,
            schema,
            lambda keyword, why: self._document.say(pointer_to(pointer, keyword), why),
        )

    def _map(self, schema: JsonSchema, pointer: str, within: str, label: str) -> str:
        key = self._key(schema, pointer, within)
        value = self.further_fields(schema, pointer, within, f"{label}Value") or JSON_VALUE
        limits = lengths("object", schema)
        if schema.get("propertyNames") is False or self._is_closed(schema):
            limits = ["max_length=0"]
        return annotated(f"dict[{key}, {value}]", limits)

    def _is_closed(self, schema: JsonSchema) -> bool:
        is_closed = schema.get("additionalProperties") is False
        return is_closed and not schema.get("patternProperties")

    def _key(self, schema: JsonSchema, pointer: str, within: str) -> str:
        """The type of a map's keys."""
        names = as_object(schema.get("propertyNames"))
        patterns = as_object(schema.get("patternProperties")) or {}
        if len(patterns) == 1 and schema.get("additionalProperties") is False:
            names = {**(names or {}), "pattern": next(iter(patterns))}
        if names is None:
            return "str"
        place = pointer_to(pointer, "propertyNames")
        only_strings = self._document.merged({"allOf": [names, {"type": "string"}]}, place)
        return self.type_of(only_strings, place, within, "Key")

    def further_fields(
        self, schema: JsonSchema, pointer: str, within: str, label: str
    ) -> str | None:
        """The type of an object's fields beside its properties; None where it has no others."""
        patterns = as_object(schema.get("patternProperties")) or {}
        rest = schema.get("additionalProperties", True)
        members = [
            self.type_of(
                child,
                pointer_to(pointer, "patternProperties", pattern),
                within,
                f"{label}{number}" if number > 1 else label,
            )
            for number, (pattern, child) in enumerate(patterns.items(), start=1)
        ]
        if rest is not False:
            place = pointer_to(pointer, "additionalProperties")
            members.append(self.type_of(rest, place, within, label))
        if len(members) > 1:
            self._document.say(
                pointer_to(pointer, "patternProperties"),
                "which field has which type is not checked by its name",
            )
        return union_of(members) if members else None

    def _array(self, schema: JsonSchema, pointer: str, within: str, label: str) -> str:
        key, fixed, rest = fixed_items(schema)
        members = [
            self.type_of(item, pointer_to(pointer, key, index), within, f"{label}Item{index + 1}")
            for index, item in enumerate(fixed)
        ]
        unique = ["UniqueItems()"] if schema.get("uniqueItems") is True else []
        if is_tuple(schema):
            return annotated(f"tuple[{', '.join(members)}]", [], *unique)
        limits = dict(limit.split("=") for limit in lengths("array", schema))
        if fixed:
            self._document.say(pointer_to(pointer, key), "an open tuple is typed as a list")
        if schema.get(rest) is False:
            most = min(len(fixed), int(limits.get("max_length", len(fixed))))
            limits["max_length"] = str(most)
        else:
            place = pointer_to(pointer, rest)
            members.append(self.type_of(schema.get(rest, True), place, within, f"{label}Item"))
        arguments = [f"{name}={limit}" for name, limit in limits.items()]
        return annotated(f"list[{union_of(members)}]", arguments, *unique)

    def _union(
        self, schema: JsonSchema, keyword: str, pointer: str, within: str, label: str
    ) -> str:
        common = {
            key: value for key, value in schema.items() if key not in _NEUTRAL and key != keyword
        }
        members = [
            self._member(
                member,
                common,
                pointer_to(pointer, keyword, index),
                within,
                f"{label}Variant{index + 1}",
            )
            for index, member in enumerate(schema[keyword])
            if member is not False
        ]
        plain = [member for member in members if member != "None"]
        tag = self._classes.tag(plain, schema)
        if tag is None:
            if "discriminator" in schema:
                self._document.say(
                    pointer_to(pointer, "discriminator"),
                    "not every member has it as a constant; members are told apart by their fields",
                )
            return union_of(members)
        union = tagged_union(tuple(dict.fromkeys(plain)), tag)
        return nullable(union) if "None" in members else union

    def _member(
        self,
        member: bool | JsonSchema,
        common: JsonSchema,
        pointer: str,
        within: str,
        label: str,
    ) -> str:
        """A member of a union, under what stands beside the union."""
        if not common or member is True:
            return self.type_of(common or member, pointer, within, label)
        fields = as_object(member) or {}
        target = fields.get("$ref")
        if target is not None:
            label = str(target).rsplit("/", 1)[-1]
        merged = self._document.merged({"allOf": [fields, common]}, pointer)
        return self._plain_type(merged, pointer, within, label)

    def _report(self, schema: JsonSchema, pointer: str, *keywords: str) -> None:
        for keyword in keywords:
            if keyword in schema and not _is_trivial(keyword, schema[keyword]):
                self._document.say(
                    pointer_to(pointer, keyword), f"{keyword} isn't checked by the client"
                )

    def report_unchecked(self, schema: JsonSchema, pointer: str) -> None:
        """Say which keywords of an object with fields its class doesn't check."""
        self._report(
            schema, pointer, *_UNCHECKED, "propertyNames", "minProperties", "maxProperties"
        )


def _is_possible(value: Any, schema: JsonSchema) -> bool:
    """Whether an enumerated value keeps the type and the limits beside the enumeration."""
    kinds = as_array(schema.get("type")) or [schema.get("type")]
    if kinds == [None]:
        return True
    kind = next((kind for kind in kinds if is_of_type(value, kind)), None)
    return kind is not None and (kind in ("array", "object") or fits(kind, schema, value))


def _is_trivial(keyword: str, value: Any) -> bool:
    """Whether a keyword says nothing, such as ``unevaluatedProperties: true``."""
    return value is False if keyword == "not" else value is True or value in ({}, [])
