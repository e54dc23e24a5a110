"""A JSON Schema, enforced to the letter: what ``validate="exact"`` checks messages with.

pydantic can't say every keyword (``not``, ``contains``, ``if``, ``dependentSchemas``,
``unevaluatedProperties`` and others), so generated types are sometimes wider than the contract.
jsonschema-rs says them all. It is the extra ``exact`` of this distribution, imported when the first
validator is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ..errors import MissingExtra
from ..json_value import json_path

if TYPE_CHECKING:
    import jsonschema_rs

_MAX_MESSAGE = 200
_DRAFT_7 = "http://json-schema.org/draft-07/schema#"
_DRAFT_2020_12 = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where an instance breaks a schema.

    Attributes:
        path: the place in the instance, as a JSON path such as ``$.board[3]``.
        message: what is wrong there.
        keyword: the place in the schema, as a JSON pointer such as ``/properties/board/items``.
    """

    path: str
    message: str
    keyword: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class ExactValidator:
    """Checks instances against one schema. Safe to use from several threads.

    The dialect is what ``$schema`` names. Without it, it is 2020-12, or draft 7 for a schema with
    keywords that only older drafts have (an array of ``items``, ``additionalItems``,
    ``dependencies``). ``format`` is a note, not a rule, as both drafts have it by default.
    """

    def __init__(self, schema: Mapping[str, Any] | bool) -> None:
        """Compile ``schema``. Nothing is ever fetched.

        Raises:
            MissingExtra: jsonschema-rs isn't installed.
            ValueError: it is no valid schema, or refers to something outside itself.
        """
        try:
            import jsonschema_rs
        except ImportError as error:
            raise MissingExtra("validate='exact'", extra="exact") from error
        document = schema if isinstance(schema, bool) else {"$schema": dialect(schema), **schema}
        try:
            self._validator: jsonschema_rs.Validator = jsonschema_rs.validator_for(
                document, retriever=_refuse, validate_formats=False
            )
        except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError) as error:
            raise ValueError(f"the schema can't be used: {_shown(str(error))}") from error

    def is_valid(self, instance: Any) -> bool:
        """Whether ``instance``, as a JSON parser gives it, fits the schema."""
        return self._validator.is_valid(instance)

    def errors(self, instance: Any) -> Iterator[Violation]:
        """Every place where ``instance`` breaks the schema; nothing where it fits."""
        for error in self._validator.iter_errors(instance):
            yield Violation(
                path=json_path(error.instance_path),
                message=_shown(error.message),
                keyword="".join(f"/{part}" for part in error.schema_path),
            )


def dialect(schema: Mapping[str, Any]) -> str:
    """The URI of the dialect that ``schema`` is written in."""
    named = schema.get("$schema")
    if isinstance(named, str):
        return named
    return _DRAFT_7 if _is_older(schema) else _DRAFT_2020_12


def _is_older(schema: Mapping[str, Any]) -> bool:
    """Whether keywords stand in ``schema`` that 2020-12 took away."""
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            fields = cast("dict[str, Any]", node)
            if isinstance(fields.get("items"), list) or fields.keys() & _OLDER:
                return True
            waiting.extend(value for key, value in fields.items() if key not in _DATA)
        elif isinstance(node, list):
            waiting.extend(node)  # pyright: ignore[reportUnknownArgumentType]
    return False


_OLDER = frozenset({"additionalItems", "dependencies"})
_DATA = frozenset({"const", "default", "enum", "examples"})


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is outside the contract, and nothing is fetched")


def _shown(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}..."
