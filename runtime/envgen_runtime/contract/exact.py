"""A JSON Schema validator for ``validate="exact"``.

pydantic can't express every keyword (``not``, ``contains``, ``if``, ``dependentSchemas``,
``unevaluatedProperties`` and others), so generated types are sometimes wider than the contract.
jsonschema-rs implements them all. It is the extra ``exact`` of this distribution, imported when the
first validator is made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtra
from ..json_value import as_array, as_object, json_path
from .normal_form import DRAFT_2020_12

if TYPE_CHECKING:
    import jsonschema_rs

_MAX_MESSAGE = 200
_MAX_NODES = 10_000
"""How many values an instance may have for all of its errors to be listed. The library makes the
whole list at once, with 1.5 kB for each."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One place where an instance breaks a schema.

    Attributes:
        path: the place in the instance, as a JSON path such as ``$.board[3]``.
        message: what is wrong there.
        keyword: the place in the schema, as a JSON pointer such as ``/properties/board/items``.
        parts: ``path`` as keys and indices, such as ``("board", 3)``.
    """

    path: str
    message: str
    keyword: str
    parts: tuple[str | int, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


class ExactValidator:
    """Checks instances against one schema. Safe to use from several threads.

    ``$schema`` alone decides the dialect, as in every ``contract.json``; without it, the dialect is
    2020-12. ``format`` is not validated, which is the default of every dialect.
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
        document = schema if isinstance(schema, bool) else {"$schema": DRAFT_2020_12, **schema}
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
        """Every place where ``instance`` breaks the schema; of a large one, the first alone."""
        if self._validator.is_valid(instance):
            return
        is_large = _has_more_than(_MAX_NODES, instance)
        every = self._validator.iter_errors
        errors = iter([self._first_error(instance)]) if is_large else every(instance)
        for error in errors:
            yield Violation(
                path=json_path(error.instance_path),
                message=_shown(error.message),
                keyword="".join(f"/{part}" for part in error.schema_path),
                parts=tuple(error.instance_path),
            )

    def _first_error(self, instance: Any) -> jsonschema_rs.ValidationError:
        import jsonschema_rs

        try:
            self._validator.validate(instance)
        except jsonschema_rs.ValidationError as error:
            return error
        raise AssertionError("is_valid and validate disagree")


def _has_more_than(count: int, instance: Any) -> bool:
    """Whether there are more than ``count`` values in a JSON value."""
    left = [instance]
    while left:
        value = left.pop()
        fields = as_object(value)
        parts = as_array(value) if fields is None else list(fields.values())
        if parts:
            count -= len(parts)
            if count <= 0:
                return True
            left += parts
    return False


def _refuse(uri: str) -> Any:
    raise ValueError(f"{uri} is outside the contract, and nothing is fetched")


def _shown(message: str) -> str:
    return message if len(message) <= _MAX_MESSAGE else f"{message[:_MAX_MESSAGE]}..."
