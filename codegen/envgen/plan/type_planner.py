"""Schema -> type: the widest that is true, and as narrow as Python can say.

What a type can't say is reported, never dropped. Nothing here depends on what has been planned
before: a reference is the name of its definition, whatever that will be.
"""

from __future__ import annotations

from typing import Any, Protocol

from ..schema.document import PartDocument
from ..schema.keywords import (
    DEFINITIONS,
    DESCRIBING,
    MAX_DEPTH,
    JsonSchema,
    as_array,
    as_object,
    fixed_items,
    implied_types,
    is_of_type,
    is_tuple,
    pointer_to,
    types_of,
)
from ..schema.limits import MAX_MEMBERS
from .scalars import LOSSES, choices, fits, lengths, limited, scalar
from .types import (
    ANY_LIST,
    ANY_MAP,
    JSON_VALUE,
    NONE,
    STR,
    ListOf,
    MapOf,
    Scalar,
    TupleOf,
    Type,
    Union,
    union_of,
)

# Keywords that say something about the data which a pydantic model doesn't.
_UNCHECKED = (
    "not", "if", "then", "else", "contains", "minContains", "maxContains", "dependencies",
    "dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip

# What each JSON type is in Python, where a schema says nothing more of it.
_ANY_OF_TYPE: dict[str, Type] = {
    "string": STR,
    "number": union_of([Scalar("int"), Scalar("float")]),
    "boolean": Scalar("bool"),
    "array": ANY_LIST,
    "object": ANY_MAP,
    "null": NONE,
}

# Keywords that a schema may have besides those that say which values fit.
_NEUTRAL = DESCRIBING | DEFINITIONS | {"$schema", "discriminator"}


class Names(Protocol):
    """What gives names to definitions and makes classes of objects with fields."""

    def definition_at(self, place: str) -> Type | None:
        """The name of the definition at a place of the part; None where none is."""
        ...

    def named(self, place: str) -> Type:
        """The name of a definition at a place that a reference leads to."""
        ...

    def class_for(self, schema: JsonSchema, pointer: str, label: str, within: str) -> Type:
        """The name of the class for an object with fields that is written in place."""
        ...


class TypePlanner:
    """Settles the types of one part of the contract.

    Everywhere, ``within`` and ``label`` name a class that has no name of its own.
    """

    def __init__(self, document: PartDocument, names: Names) -> None:
        self._document = document
        self._names = names
        self._depth = 0

    def type_of(self, schema: bool | JsonSchema, pointer: str, within: str, label: str) -> Type:
        """The Python type for a schema."""
        fields = as_object(schema)
        if fields is None:
            if schema is False:
                self._document.say(pointer, "nothing fits the schema false; any value is taken")
            return JSON_VALUE
        known = self._names.definition_at(pointer)
        if known is not None:
            return known
        target = self._document.reference_in(fields)
        if target is not None:
            place, _ = self._document.resolve(target, pointer)
            return self._names.named(place)
        return self.plain_type(self._document.merged(fields, pointer), pointer, within, label)

    def plain_type(self, schema: JsonSchema, pointer: str, within: str, label: str) -> Type:
        """The type of a schema without references of its own.

        Raises ContractError if an ``allOf`` copies references without an end.
        """
        self._document.spend(pointer)
        if self._depth > MAX_DEPTH:
            raise self._document.error(
                pointer,
                f"an allOf that copies what it refers to, more than {MAX_DEPTH} levels deep",
                hint="refer to it without allOf",
            )
        self._depth += 1
        try:
            return self._plain(schema, pointer, within, label)
        finally:
            self._depth -= 1

    def _plain(self, schema: JsonSchema, pointer: str, within: str, label: str) -> Type:
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

    def is_object(self, schema: JsonSchema) -> bool:
        """Whether a schema says nothing but what an object is."""
        unions = [keyword for keyword in ("anyOf", "oneOf") if keyword in schema]
        if {"const", "enum"} & schema.keys() or not all(
            self.only_narrows(schema, keyword) for keyword in unions
        ):
            return False
        kinds = types_of(schema) or implied_types(schema)
        return not kinds or kinds == ["object"]

    def _untyped(self, schema: JsonSchema, pointer: str, within: str, label: str) -> Type:
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
                self._of_kind(kind, schema, pointer, within, label) if kind in kinds else any_of
                for kind, any_of in _ANY_OF_TYPE.items()
            ]
        )

    def _of_kind(
        self, kind: str, schema: JsonSchema, pointer: str, within: str, label: str
    ) -> Type:
        if kind == "object" and self._is_class(schema, pointer):
            return self._names.class_for(schema, pointer, label, within)
        self._report(schema, pointer, *_UNCHECKED)
        if kind == "object":
            return self._map(schema, pointer, within, label)
        if kind == "array":
            return self._array(schema, pointer, within, label)
        loss = LOSSES.get(str(schema.get("format"))) if kind == "string" else None
        if loss is not None:
            self._document.say(pointer_to(pointer, "format"), loss, severity="info")
        return scalar(
            kind,
            schema,
            lambda keyword, why: self._document.say(pointer_to(pointer, keyword), why),
        )

    # --- objects ----------------------------------------------------------------------------------

    def _map(self, schema: JsonSchema, pointer: str, within: str, label: str) -> Type:
        key = self.key_type(schema, pointer, within)
        value = self.further_fields(schema, pointer, within, f"{label}Value") or JSON_VALUE
        limits = lengths("object", schema)
        if schema.get("propertyNames") is False or self._is_closed(schema):
            limits = {"max_length": 0}
        return limited(MapOf(key, value), limits)

    def _is_class(self, schema: JsonSchema, pointer: str) -> bool:
        """Whether an object has fields, or is declared to have none."""
        if schema.get("properties") or schema.get("required"):
            return True
        rest = schema.get("additionalProperties")
        is_declared = rest is False or self._names.definition_at(pointer) is not None
        return "properties" in schema and is_declared and not rest

    def _is_closed(self, schema: JsonSchema) -> bool:
        is_closed = schema.get("additionalProperties") is False
        return is_closed and not schema.get("patternProperties")

    def key_type(self, schema: JsonSchema, pointer: str, within: str) -> Type:
        """The type of the names of fields beside an object's properties."""
        names = as_object(schema.get("propertyNames"))
        patterns = as_object(schema.get("patternProperties")) or {}
        if names is None and patterns and schema.get("additionalProperties") is False:
            return union_of([self._pattern(pattern, pointer) for pattern in patterns])
        if len(patterns) == 1 and schema.get("additionalProperties") is False:
            names = {**(names or {}), "pattern": next(iter(patterns))}
        if names is None:
            return STR
        place = pointer_to(pointer, "propertyNames")
        only_strings = self._document.merged({"allOf": [names, {"type": "string"}]}, place)
        return self.plain_type(only_strings, place, within, "Key")

    def _pattern(self, pattern: str, pointer: str) -> Type:
        place = pointer_to(pointer, "patternProperties", pattern)
        return scalar("string", {"pattern": pattern}, lambda _, why: self._document.say(place, why))

    def further_fields(
        self, schema: JsonSchema, pointer: str, within: str, label: str
    ) -> Type | None:
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

    # --- arrays -----------------------------------------------------------------------------------

    def _array(self, schema: JsonSchema, pointer: str, within: str, label: str) -> Type:
        key, fixed, rest = fixed_items(schema)
        members = [
            self.type_of(item, pointer_to(pointer, key, index), within, f"{label}Item{index + 1}")
            for index, item in enumerate(fixed)
        ]
        unique = schema.get("uniqueItems") is True
        if is_tuple(schema):
            return limited(TupleOf(tuple(members)), {}, unique=unique)
        limits = lengths("array", schema)
        if fixed:
            kind = "a tuple of several lengths" if schema.get(rest) is False else "an open tuple"
            self._document.say(pointer_to(pointer, key), f"{kind} is typed as a list")
        if schema.get(rest) is False:
            limits["max_length"] = min(len(fixed), limits.get("max_length", len(fixed)))
        else:
            place = pointer_to(pointer, rest)
            members.append(self.type_of(schema.get(rest, True), place, within, f"{label}Item"))
        return limited(ListOf(union_of(members)), limits, unique=unique)

    # --- unions -----------------------------------------------------------------------------------

    def _union(
        self, schema: JsonSchema, keyword: str, pointer: str, within: str, label: str
    ) -> Type:
        self._report(schema, pointer, *_UNCHECKED)
        common = {
            key: value
            for key, value in schema.items()
            if key not in _NEUTRAL and key != keyword and key not in _UNCHECKED
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
        tag = (as_object(schema.get("discriminator")) or {}).get("propertyName")
        union = union_of(members)
        if len(union.children()) > MAX_MEMBERS:
            raise self._document.error(pointer, f"a union of more than {MAX_MEMBERS} types")
        if tag is None or not isinstance(union, Union):
            return union
        # The wire name for now: whether members have it is known once they are planned.
        place = pointer_to(pointer, "discriminator")
        plain = Union(tuple(item for item in union.members if item != NONE), tag, place)
        return union_of([plain, NONE]) if NONE in union.members else plain

    def _member(
        self,
        member: bool | JsonSchema,
        common: JsonSchema,
        pointer: str,
        within: str,
        label: str,
    ) -> Type:
        """A member of a union, under what stands beside the union."""
        if not common or member is True:
            return self.type_of(common or member, pointer, within, label)
        fields = as_object(member) or {}
        target = fields.get("$ref")
        if target is not None:
            label = str(target).rsplit("/", 1)[-1]
        merged = self._document.merged({"allOf": [fields, common]}, pointer)
        return self.plain_type(merged, pointer, within, label)

    # --- what isn't checked -----------------------------------------------------------------------

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
