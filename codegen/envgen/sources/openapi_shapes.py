"""What a schema of an OpenAPI document is: seen through references, ``allOf`` and null."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from envgen_runtime.json_value import pointer_keys

from ..schema.keywords import MAX_DEPTH, as_array, as_object, pointer_to, types_of
from .openapi_schemas import OpenApiDocument

Kind = Literal["object", "untyped", "union", "array", "scalar", "null"]
"""``untyped`` allows any value or any object; a ``union`` has objects for members; a scalar is
everything else that is not an object."""

_TYPING = frozenset(
    {"properties", "patternProperties", "enum", "const", "items", "prefixItems", "not"}
)


@dataclass(slots=True)
class Shape:
    """What a schema is.

    Attributes:
        kind: what values it has.
        schema: the schema, as the document has it, without null.
        pointer: its place in the document.
        target: the place at the end of its references.
        types: the JSON types of a scalar's values; empty if they are not known.
        fields: the properties of an object, or of all members of a union.
        required: those that are always there.
        is_open: whether it may have others.
        is_nullable: whether the value may be null.
        title: its title, or the name of its definition.
    """

    kind: Kind
    schema: Any
    pointer: str
    target: str
    types: frozenset[str] = frozenset()
    fields: dict[str, tuple[Any, str]] = field(default_factory=dict[str, tuple[Any, str]])
    required: frozenset[str] = frozenset()
    is_open: bool = False
    is_nullable: bool = False
    title: str | None = None

    @property
    def is_object(self) -> bool:
        """Whether its values are objects with a type."""
        return self.kind in ("object", "union")


class Shapes:
    """Looks at the schemas of one document, at each only once."""

    def __init__(self, openapi: OpenApiDocument) -> None:
        self._openapi = openapi
        self._known: dict[str, Shape] = {}
        self._entered: set[str] = set()

    def of(self, schema: Any, pointer: str) -> Shape:
        """Look at the schema at ``pointer``.

        Raises:
            ContractError: a reference in it leads nowhere or back to itself, or it is nested too
                deeply.
        """
        fields, target = self._openapi.followed(schema, pointer)
        if target not in self._known:
            if target in self._entered:
                raise self._openapi.error(target, "it contains itself")
            if len(self._entered) > MAX_DEPTH:
                raise self._openapi.error(target, f"more than {MAX_DEPTH} levels")
            self._entered.add(target)
            try:
                self._known[target] = self._look(fields, target)
            finally:
                self._entered.discard(target)
        found = self._known[target]
        if found.target != target:  # the only member of a union with null
            return found
        return replace(found, schema=schema, pointer=pointer)

    def _look(self, fields: dict[str, Any], target: str) -> Shape:
        title = fields.get("title")
        if not isinstance(title, str):
            is_component = target.startswith("/components/schemas/")
            title = pointer_keys(target)[-1] if is_component else None
        types = [item for item in types_of(fields) if isinstance(item, str)]
        is_nullable = fields.get("nullable") is True or ("null" in types and len(types) > 1)
        types = [item for item in types if item != "null"] or types
        result = Shape("scalar", fields, target, target, is_nullable=is_nullable, title=title)
        for keyword in ("anyOf", "oneOf"):
            members = self._members(fields, keyword, target)
            rest = [item for item in members if item.kind != "null"]
            if not rest or "properties" in fields:
                continue
            result.is_nullable |= len(rest) < len(members)
            result.is_nullable |= any(item.is_nullable for item in rest)
            if len(rest) == 1:
                return replace(rest[0], is_nullable=result.is_nullable)
            return _union(result, rest)
        parts = self._members(fields, "allOf", target)
        for part in parts:
            result.fields |= part.fields
            result.required |= part.required
            result.is_open |= part.is_open
        own = as_object(fields.get("properties")) or {}
        result.fields |= {
            name: (child, pointer_to(target, "properties", name)) for name, child in own.items()
        }
        names = as_array(fields.get("required")) or []
        result.required |= {name for name in names if isinstance(name, str)}
        further = fields.get("additionalProperties")
        result.is_open |= further is True or as_object(further) is not None
        result.kind, result.types = _kind(fields, types, result, parts)
        result.is_open |= result.kind == "untyped"
        return result

    def _members(self, fields: dict[str, Any], keyword: str, target: str) -> list[Shape]:
        members = as_array(fields.get(keyword)) or []
        return [
            self.of(item, pointer_to(target, keyword, index)) for index, item in enumerate(members)
        ]


def _kind(
    fields: dict[str, Any], types: list[str], found: Shape, parts: list[Shape]
) -> tuple[Kind, frozenset[str]]:
    """The kind of a schema that is no union, and the types of a scalar."""
    if types and types != ["object"]:
        kinds: dict[str, Kind] = {"array": "array", "null": "null"}
        kind = kinds.get(types[0], "scalar") if len(types) == 1 else "scalar"
        return kind, frozenset(types)
    if "type" in fields and not types:
        return "object", frozenset()  # no type at all: the part is refused where it is read
    further = fields.get("additionalProperties")
    is_map = bool(as_object(further)) or further is False
    if found.fields or is_map or any(part.is_object for part in parts):
        return "object", frozenset()
    for part in parts:
        if part.kind in ("scalar", "array"):
            return part.kind, part.types
    if fields.keys() & _TYPING:
        return ("object" if types == ["object"] else "scalar"), frozenset()
    return "untyped", frozenset()


def _union(result: Shape, members: list[Shape]) -> Shape:
    if all(member.is_object for member in members):
        result.kind = "union"
        for member in reversed(members):
            result.fields |= member.fields
        result.required = members[0].required.intersection(*(item.required for item in members))
    elif all(member.kind == "scalar" for member in members):
        result.types = frozenset[str]().union(*(member.types for member in members))
    return result
