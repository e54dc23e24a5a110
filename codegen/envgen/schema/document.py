"""One part of a contract as a document: where its references lead, and what is to say of it."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from ..errors import ContractError
from ..findings import Finding, Severity
from .all_of import intersection
from .keywords import DEFINITIONS, DESCRIBING, JsonSchema, as_array, as_object, pointer_to

_FOLDED = DEFINITIONS | {"allOf", "$ref"}
_BOOLEANS: dict[bool, JsonSchema] = {True: {}, False: {"not": {}}}


class PartDocument:
    """The schema of one part. Pointers are within the part, as references are."""

    def __init__(self, part: str, schema: JsonSchema, findings: list[Finding]) -> None:
        self.part = part
        self.schema = schema
        self._findings = findings
        self._merging: list[str] = []
        self._merged: dict[str, JsonSchema] = {}

    def resolve(self, target: str, pointer: str) -> tuple[str, JsonSchema]:
        """Where a reference leads: the pointer, and the schema there.

        Raises:
            ContractError: there is no schema; ``pointer`` says where the reference stands.
        """
        value: Any = self.schema
        place = ""
        for part in unquote(target).removeprefix("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            fields, items = as_object(value), as_array(value)
            if fields is not None and key in fields:
                value = fields[key]
            elif items is not None and key.isdecimal() and int(key) < len(items):
                value = items[int(key)]
            else:
                raise self.error(
                    pointer,
                    f"a $ref to {target}, which is not there",
                    hint="a reference starts at its part of the contract: #/$defs/NAME",
                )
            place = pointer_to(place, key)
        schema = as_object(_BOOLEANS[value] if isinstance(value, bool) else value)
        if schema is None or (not place and target != "#"):
            raise self.error(pointer, f"a $ref to {target}, which is not a schema")
        return place, schema

    def reference_in(self, schema: JsonSchema) -> str | None:
        """Where a schema refers to, if that is all it does."""
        narrowing = schema.keys() - {"$ref", "$schema", *DEFINITIONS, *DESCRIBING}
        return schema["$ref"] if "$ref" in schema and not narrowing else None

    def followed(self, schema: JsonSchema, pointer: str) -> tuple[str, JsonSchema]:
        """The schema behind a chain of plain references, with what it folds in.

        Raises:
            ContractError: the chain leads back to itself.
        """
        passed: set[str] = set()
        while (target := self.reference_in(schema)) is not None:
            pointer, schema = self.resolve(target, pointer)
            if pointer in passed:
                raise self.error(pointer, "a reference that leads back to itself")
            passed.add(pointer)
        return pointer, self.merged(schema, pointer)

    def merged(self, schema: JsonSchema, pointer: str) -> JsonSchema:
        """``schema`` with ``allOf``, and keywords beside a ``$ref``, folded into one.

        Raises:
            ContractError: it contains itself.
        """
        if "allOf" not in schema and "$ref" not in schema:
            return schema
        own = {
            key: value
            for key, value in schema.items()
            if key not in ("allOf", "$ref", *DEFINITIONS)
        }
        referred = [{"$ref": schema["$ref"]}] if "$ref" in schema else []
        merged: JsonSchema = {}
        for part in [*referred, *(as_array(schema.get("allOf")) or []), own]:
            if part is False:
                self.say(pointer, "nothing fits the schema false; it isn't checked")
            merged = self.both(merged, self._part(as_object(part) or {}, pointer), pointer)
        return merged

    def both(self, first: JsonSchema, second: JsonSchema, pointer: str) -> JsonSchema:
        """What two schemas, references and ``allOf`` already folded in, say together."""
        return intersection(first, second, lambda key: self.say(pointer, _conflict(key)))

    def _part(self, part: JsonSchema, pointer: str) -> JsonSchema:
        if "$ref" not in part:
            return self.merged(part, pointer)
        place, target = self.resolve(part["$ref"], pointer)
        if place in self._merging:
            raise self.error(pointer, "an allOf that contains itself")
        if place not in self._merged:  # else a few references to references would take years
            self._merging.append(place)
            try:
                self._merged[place] = self.merged(target, place)
            finally:
                self._merging.pop()
        folded = self._merged[place]
        beside = {key: value for key, value in part.items() if key != "$ref"}
        return self.both(folded, self.merged(beside, pointer), pointer) if beside else folded

    def say(self, pointer: str, message: str, *, severity: Severity = "warning") -> None:
        """Report something that is typed wider than the contract says it, or otherwise."""
        finding = Finding(severity, f"/{self.part}{pointer}", message)
        if finding not in self._findings:
            self._findings.append(finding)

    def error(self, pointer: str, message: str, *, hint: str = "") -> ContractError:
        """What to raise where the part can't be used."""
        return ContractError(message, pointer=f"/{self.part}{pointer}", hint=hint)


def _conflict(keyword: str) -> str:
    if keyword == "additionalProperties":
        return "allOf forbids fields that it names; they are allowed"
    return f"allOf has several {keyword}; the last one is used"
