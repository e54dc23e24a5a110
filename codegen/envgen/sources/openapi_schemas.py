"""Convert schemas of an OpenAPI document to parts of a contract, with their definitions."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from envgen_runtime.contract.references import CircularReference, follow, reference_of
from envgen_runtime.json_value import at_pointer, pointer_keys, pointer_of, reference_to

from ..errors import ContractError
from ..schema.keywords import (
    MAX_DEPTH,
    SCHEMA_LISTS,
    SCHEMA_MAPS,
    SCHEMAS,
    JsonSchema,
    as_array,
    as_object,
    pointer_to,
)
from ..schema.limits import MAX_SCHEMAS

# Keywords of OpenAPI that say nothing about data.
_DROPPED = frozenset({"xml", "externalDocs", "example", "examples"})


class OpenApiDocument:
    """An OpenAPI document, with its references."""

    def __init__(self, document: dict[str, Any], source: str) -> None:
        self.document = document
        self.source = source

    def at(self, target: str, pointer: str) -> tuple[Any, str]:
        """The target of a reference that stands at ``pointer``, and the target's own pointer.

        Raises:
            ContractError: the target is not there, or outside of the document.
        """
        place = pointer_of(target)
        if not place:
            raise self.error(
                pointer,
                f"a $ref that leaves the document: {target[:60]!r}",
                hint="move its target to components, or pass --bundle",
            )
        try:
            return at_pointer(self.document, place), place
        except LookupError as error:
            message = f"a $ref to {target[:60]!r}, which is not there"
            raise self.error(pointer, message) from error

    def followed(self, value: Any, pointer: str) -> tuple[dict[str, Any], str]:
        """The object at the end of a chain of references, else ``{}``, and its pointer."""
        try:
            target, place = follow(
                (value, pointer),
                lambda at: reference_of(at[0]),
                lambda target, at: self.at(target, pointer_to(at[1], "$ref")),
            )
        except CircularReference as error:
            raise self.error(error.place[1], "a reference to itself") from error
        return as_object(target) or {}, place

    def existing(self, pointer: str) -> str:
        """The place at ``pointer``, or the closest one around it that the document has."""
        while pointer:
            try:
                at_pointer(self.document, pointer)
            except LookupError:
                pointer = pointer.rpartition("/")[0]
            else:
                break
        return pointer

    def error(self, pointer: str, message: str, *, hint: str = "") -> ContractError:
        """An error at a place in the document."""
        return ContractError(message, pointer=self.existing(pointer), source=self.source, hint=hint)


class DefinitionNames:
    """Unique names for definitions, made in linear time."""

    def __init__(self, taken: set[str]) -> None:
        self._taken = taken
        self._last: Counter[str] = Counter()

    def claim(self, base: str) -> str:
        """``base``, with a number appended if it is taken."""
        name = base
        while name in self._taken:
            self._last[base] += 1
            name = f"{base}_{self._last[base] + 1}"
        self._taken.add(name)
        return name


class PartSchema:
    """One part of a contract, made of a schema in an OpenAPI document.

    Attributes:
        schema: the part, with the targets of its references in ``$defs``.
        origins: for places in the part, their places in the document.
    """

    def __init__(self, openapi: OpenApiDocument, schema: Any, pointer: str) -> None:
        self._openapi = openapi
        self._names: dict[str, str] = {}  # by the definition's pointer in the document
        self._references: dict[str, int] = {}
        self._free = DefinitionNames(set())
        self._waiting: deque[str] = deque()
        self._nodes = 0
        root = self._converted(schema, pointer, 0)
        definitions: dict[str, Any] = {}
        while self._waiting:
            place = self._waiting.popleft()
            schema = at_pointer(openapi.document, place)
            definitions[self._names[place]] = self._converted(schema, place, 0)
        self.origins = {"": pointer}
        self.schema: JsonSchema = root if isinstance(root, dict) else {"allOf": [root]}
        self._inline_root(definitions)
        if definitions:
            own = as_object(self.schema.get("$defs")) or {}
            self.schema = {**self.schema, "$defs": {**own, **definitions}}
        for place, name in self._names.items():
            if name in definitions:
                self.origins[pointer_to("", "$defs", name)] = place

    def _inline_root(self, definitions: dict[str, Any]) -> None:
        """Replace a part that is only a reference by its target, unless the target is recursive."""
        names = {_local(name): (name, place) for place, name in self._names.items()}
        while self.schema.keys() == {"$ref"} and str(self.schema["$ref"]) in names:
            name, place = names[self.schema["$ref"]]
            definition = as_object(definitions.get(name))
            if definition is None:
                break
            title = definition.get("title", name)  # the name that its author gave it
            if self._references[name] > 1:
                self.schema = {"title": title, **self.schema}
            else:
                self.schema = {"title": title, **definitions.pop(name)}
            self.origins[""] = place

    def _converted(self, value: Any, pointer: str, depth: int) -> Any:
        fields = as_object(value)
        if fields is None:
            return value
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_SCHEMAS:
            message = f"more than {MAX_DEPTH} levels or {MAX_SCHEMAS:,} schemas"
            raise self._openapi.error(pointer, message)
        return {
            key: self._keyword(key, child, pointer_to(pointer, key), depth + 1)
            for key, child in fields.items()
            if key not in _DROPPED
        }

    def _keyword(self, key: str, value: Any, pointer: str, depth: int) -> Any:
        fields, items = as_object(value), as_array(value)
        if key == "$ref" and isinstance(value, str):
            return self._reference(value, pointer)
        if key == "discriminator" and fields is not None:
            return self._discriminator(fields, pointer)
        if key in SCHEMA_MAPS and fields is not None:
            return {
                name: self._converted(child, pointer_to(pointer, name), depth)
                for name, child in fields.items()
            }
        if key in SCHEMA_LISTS | SCHEMAS:
            if items is None:
                return self._converted(value, pointer, depth)
            return [
                self._converted(child, pointer_to(pointer, index), depth)
                for index, child in enumerate(items)
            ]
        return value

    def _reference(self, target: str, pointer: str) -> str:
        keys = pointer_keys(self._openapi.at(target, pointer)[1])
        # A schema under components keeps its name; references into it point into its definition.
        size = 3 if keys[:2] == ["components", "schemas"] else len(keys)
        whole = pointer_to("", *keys[:size])
        if whole not in self._names:
            name = self._free.claim(keys[:size][-1])
            self._names[whole] = name
            self._references[name] = 0
            self._waiting.append(whole)
        name = self._names[whole]
        self._references[name] += 1
        return _local(name, *keys[size:])

    def _discriminator(self, value: dict[str, Any], pointer: str) -> dict[str, Any]:
        """Rewrite a mapping. Its values may be names of schemas instead of references."""
        schemas = as_object(
            (as_object(self._openapi.document.get("components")) or {}).get("schemas")
        )
        mapping: dict[str, Any] = {}
        for tag, target in (as_object(value.get("mapping")) or {}).items():
            known = isinstance(target, str) and target in (schemas or {})
            full = f"#/components/schemas/{target}" if known else target
            if isinstance(full, str) and full.startswith("#/"):
                mapping[tag] = self._reference(full, pointer_to(pointer, "mapping", tag))
        self._include_children(pointer.removesuffix("/discriminator"), schemas or {}, pointer)
        return {**value, "mapping": mapping} if mapping else value

    def _include_children(self, base: str, schemas: dict[str, Any], pointer: str) -> None:
        """Include the schemas that inherit from one with a discriminator."""
        for name, schema in schemas.items():
            members = as_array((as_object(schema) or {}).get("allOf")) or []
            parents = (pointer_of(reference_of(member) or "") for member in members)
            if base in parents:
                child = pointer_to("/components/schemas", name)
                if child not in self._names:
                    self._reference(reference_to(child), pointer)


def _local(name: str, *keys: str) -> str:
    return reference_to(pointer_to("", "$defs", name, *keys))
