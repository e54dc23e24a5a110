"""One part of a contract as a document: it resolves references and folds ``allOf``."""

from __future__ import annotations

from envgen_runtime.contract.references import CircularReference, follow
from envgen_runtime.json_value import at_pointer, pointer_keys, pointer_of

from ..errors import ContractError
from ..findings import Finding, Severity
from .all_of import intersection
from .keywords import (
    DEFINITIONS,
    DESCRIBING,
    MAX_DEPTH,
    JsonSchema,
    as_array,
    as_object,
    pointer_to,
)
from .limits import MAX_STEPS, shown_pointer
from .references import object_schema


class PartDocument:
    """The schema of one part. Pointers are within the part, as references are.

    Attributes:
        part: what the part is called in findings and errors.
        schema: the schema, with plain pointers as references.
        findings: what had to be typed differently from what the contract says, so far.
    """

    def __init__(self, part: str, schema: JsonSchema) -> None:
        self.part = part
        self.schema = schema
        self.findings: list[Finding] = []
        self._said: set[Finding] = set()
        self._merging: set[str] = set()
        self._depth = 0
        self._steps = 0
        self._merged: dict[str, JsonSchema] = {}

    def resolve(self, target: str, pointer: str) -> tuple[str, JsonSchema]:
        """Return the pointer and the schema that a reference leads to, or raise ContractError."""
        place = pointer_of(target)
        try:
            value = at_pointer(self.schema, place or "")
        except LookupError as error:
            raise self.error(
                pointer,
                f"a $ref to {target}, which is not there",
                hint="a reference starts at its part of the contract: #/$defs/NAME",
            ) from error
        schema = object_schema(value) if isinstance(value, bool) else as_object(value)
        if schema is None or place is None:
            raise self.error(pointer, f"a $ref to {target}, which is not a schema")
        return pointer_to("", *pointer_keys(place)), schema

    def reference_in(self, schema: JsonSchema) -> str | None:
        """Return the reference of a schema that is nothing but one, in an ``allOf`` or not."""
        saying = schema.keys() - {"$schema", *DEFINITIONS, *DESCRIBING}
        members = as_array(schema.get("allOf")) or []
        if saying == {"allOf"} and len(members) == 1:  # beside a description, before draft 2019-09
            return self.reference_in(as_object(members[0]) or {})
        return schema["$ref"] if saying == {"$ref"} else None

    def followed(self, schema: JsonSchema, pointer: str) -> tuple[str, JsonSchema]:
        """Return the schema at the end of a chain of plain references, folded, and its pointer.

        Raises ContractError if the chain leads back to itself.
        """
        try:
            place, found = follow(
                (pointer, schema),
                lambda at: self.reference_in(at[1]),
                lambda target, at: self.resolve(target, at[0]),
            )
        except CircularReference as error:
            raise self.error(error.place[0], "a reference that leads back to itself") from error
        return place, self.merged(found, place)

    def merged(self, schema: JsonSchema, pointer: str) -> JsonSchema:
        """Return ``schema`` with its ``allOf`` and the keywords beside a ``$ref`` folded into one.

        Raises ContractError if the ``allOf`` contains itself.
        """
        if "allOf" not in schema and "$ref" not in schema:
            return schema
        own = {
            key: value
            for key, value in schema.items()
            if key not in ("allOf", "$ref", *DEFINITIONS)
        }
        referred = [{"$ref": schema["$ref"]}] if "$ref" in schema else []
        members = as_array(schema.get("allOf")) or []
        self.spend(pointer, 1 + len(members))
        if self._depth >= MAX_DEPTH:
            raise self.error(pointer, f"an allOf of more than {MAX_DEPTH} levels")
        merged: JsonSchema = {}
        self._depth += 1
        try:
            for part in [*referred, *members, own]:
                if part is False:
                    self.say(pointer, "nothing fits the schema false; it isn't checked")
                merged = self.both(merged, self._part(as_object(part) or {}, pointer), pointer)
        finally:
            self._depth -= 1
        return merged

    def both(self, first: JsonSchema, second: JsonSchema, pointer: str) -> JsonSchema:
        """Return the intersection of two schemas that are already folded."""
        merged, conflicts = intersection(first, second)
        for keyword in conflicts:
            self.say(pointer, _conflict(keyword))
        return merged

    def _part(self, part: JsonSchema, pointer: str) -> JsonSchema:
        if "$ref" not in part:
            return self.merged(part, pointer)
        place, target = self.resolve(part["$ref"], pointer)
        if place in self._merging:
            raise self.error(pointer, "an allOf that contains itself")
        if place not in self._merged:  # nested references would take exponential time
            self._merging.add(place)
            try:
                self._merged[place] = self.merged(target, place)
            finally:
                self._merging.discard(place)
        folded = self._merged[place]
        beside = {key: value for key, value in part.items() if key != "$ref"}
        return self.both(folded, self.merged(beside, pointer), pointer) if beside else folded

    def say(self, pointer: str, message: str, *, severity: Severity = "warning") -> None:
        """Record, once, that something is typed differently from what the contract says."""
        finding = Finding(severity, f"/{self.part}{pointer}", message)
        if finding not in self._said:
            self._said.add(finding)
            self.findings.append(finding)

    def spend(self, pointer: str, steps: int = 1) -> None:
        """Count steps that references can multiply. Raises ContractError if there are too many."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise self.error(
                pointer, "references and allOf that multiply to more than can be looked at"
            )

    def error(self, pointer: str, message: str, *, hint: str = "") -> ContractError:
        """Return an error with its place in the part."""
        return ContractError(message, pointer=shown_pointer(f"/{self.part}{pointer}"), hint=hint)


def _conflict(keyword: str) -> str:
    if keyword == "additionalProperties":
        return "allOf forbids fields that it names; they are allowed"
    return f"allOf has several {keyword}; the last one is used"
