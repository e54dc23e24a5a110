"""The types of JSON Schema, where pydantic's own types are more lenient.

pydantic converts what people may mean: ``"1"`` and ``true`` to integers, a number to a date, ``1``
to ``true``. In JSON Schema those are other types, and a server that sends one breaks its contract.
``exact_types`` rewrites the schema that pydantic made for a model:

- an integer is an int, or a float without a fraction; never a bool or a string;
- a number is a float; an integer that a float can't hold (above 2**53) stays an int;
- strings and booleans are never converted;
- dates, times, durations and UUIDs are the Python objects, or strings in their own format;
- a constant is compared as JSON: 1 equals 1.0 and does not equal true.

pydantic-core checks all of this without calling Python, except constants that aren't strings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from .constraints import AS_TAG, CONSTANT, OneOf

_LARGEST_EXACT = 2.0**53

_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?"
_HEX = "[0-9a-fA-F]"
_FORMATS = {
    "date": f"^{_DATE}$",
    "datetime": f"^{_DATE}[Tt ]{_TIME}$",
    "time": f"^{_TIME}$",
    "timedelta": "^[+-]?P",
    "uuid": f"^{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$",
}
# A leap second is a valid time that Python's types don't have.
_LEAP_SECONDS = {
    "datetime": rf"^{_DATE}[Tt ]\d\d:\d\d:60(\.\d+)?([Zz]|[+-]\d\d:?\d\d)?$",
    "time": r"^\d\d:\d\d:60(\.\d+)?([Zz]|[+-]\d\d:?\d\d)?$",
}
_LEAP_SECOND = re.compile(r":60(\.\d+)?")
_FORMAT_ERRORS = {
    "date": "date_type",
    "datetime": "datetime_type",
    "time": "time_type",
    "timedelta": "time_delta_type",
    "uuid": "uuid_type",
}

# Keys that hold schemas. A nested model is left alone because it rewrites its own.
_INNER = ("schema", "items_schema", "keys_schema", "values_schema", "extras_schema", "fields")

Node = dict[str, Any]


class JsonTypes:
    """Gives an alias the types of JSON Schema. What a model refers to by an alias isn't its own."""

    __slots__ = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return cast("CoreSchema", _exact(cast("Node", handler(source))))


def exact_types(schema: CoreSchema) -> CoreSchema:
    """Return the schema of a model whose fields have the types of JSON Schema."""
    node = cast("Node", schema)
    if node["type"] == "model":
        return cast("CoreSchema", {**node, "schema": _exact(cast("Node", node["schema"]))})
    if "schema" in node:  # a model within its validators
        return cast("CoreSchema", {**node, "schema": exact_types(node["schema"])})
    return schema


def with_open_serialization(schema: CoreSchema) -> CoreSchema:
    """Return the schema of a closed model that still dumps the unknown fields it was read with."""
    node = cast("Node", schema)
    if node["type"] == "model":
        fields = {**node["schema"], "extra_behavior": "allow"}
        described = {"type": "model", "cls": node["cls"], "schema": fields}
        return cast("CoreSchema", {**node, "serialization": {**described, **_OPEN}})
    if "schema" in node:
        return cast("CoreSchema", {**node, "schema": with_open_serialization(node["schema"])})
    return schema


_OPEN = {"extra_behavior": "allow"}


def _exact(node: Node) -> Node:
    node_type: str = node["type"]
    if node_type in ("model", "definition-ref"):
        return node
    if node_type in ("union", "tagged-union"):
        return _union(node)
    if node_type in _FORMATS:
        return _parsed(node)
    if node_type == "model-field" and _is_constant(node["schema"]):
        node = {**node, "schema": node["schema"]["schema"]}  # without its default: it is required
    rewrite = _REWRITES.get(node_type)
    if rewrite is not None:
        return rewrite(node)
    return {**node, **{key: _inner(node[key]) for key in _INNER if key in node}}


def _is_constant(node: Node) -> bool:
    return node["type"] == "default" and CONSTANT in node["schema"].get("metadata", {})


def _inner(value: Any) -> Any:
    if isinstance(value, list):
        return [_exact(item) for item in cast("list[Node]", value)]
    fields = cast("Node", value)
    if isinstance(fields.get("type"), str):
        return _exact(fields)
    return {name: _exact(field) for name, field in fields.items()}


def _union(node: Node) -> Node:
    choices: Any = node["choices"]
    if isinstance(choices, dict):
        members = cast("dict[Any, Node]", choices)
        return {**node, "choices": {tag: _exact(member) for tag, member in members.items()}}
    has_numbers = any(choice["type"] == "float" for choice in _schemas(choices))
    return {**node, "choices": [_choice(choice, has_numbers) for choice in choices]}


def _schemas(choices: list[Any]) -> list[Node]:
    return [choice[0] if isinstance(choice, tuple) else choice for choice in choices]


def _choice(choice: Any, has_numbers: bool) -> Any:
    if isinstance(choice, tuple):
        return (_choice(choice[0], has_numbers), *choice[1:])
    if choice["type"] == "int" and has_numbers:  # 1.0 is the number's then
        return {**choice, "strict": True}
    return _exact(choice)


def _strict(node: Node) -> Node:
    return {**node, "strict": True}


def _integer(node: Node) -> Node:
    whole = core_schema.no_info_after_validator_function(
        _whole, core_schema.float_schema(strict=True)
    )
    either = core_schema.union_schema(
        [core_schema.int_schema(strict=True), whole],
        mode="left_to_right",
        custom_error_type="int_type",
    )
    return _chain(either, node)


def _whole(number: float) -> int:
    if not number.is_integer():
        raise PydanticKnownError("int_from_float")
    return int(number)


def _number(node: Node) -> Node:
    node = {**node, "strict": True, "allow_inf_nan": False}  # JSON has neither
    if node.keys() - {"type", "strict", "allow_inf_nan"}:
        # A wrapper, because a union would report a broken limit once for each member.
        bounded = core_schema.no_info_wrap_validator_function(
            _keep_large,
            cast("CoreSchema", node),
            metadata=described_as(node),
            serialization=core_schema.simple_ser_schema("any"),
        )
        return cast("Node", bounded)
    below = core_schema.float_schema(
        strict=True, gt=-_LARGEST_EXACT, lt=_LARGEST_EXACT, allow_inf_nan=False
    )
    union = core_schema.union_schema(
        [below, core_schema.int_schema(strict=True), cast("CoreSchema", node)],
        mode="left_to_right",
        custom_error_type="float_type",
        metadata=described_as(node),
    )
    return cast("Node", union)


def _keep_large(value: Any, validate: Callable[[Any], float]) -> float:
    number = validate(value)
    is_rounded = isinstance(value, int) and number != value
    return value if is_rounded else number


def _parsed(node: Node) -> Node:
    kind = node["type"]
    leap = _LEAP_SECONDS.get(kind)
    either = core_schema.union_schema(
        [
            cast("CoreSchema", {**node, "strict": True}),
            *([] if leap is None else [_without_leap_second(leap)]),
            core_schema.str_schema(strict=True, pattern=_FORMATS[kind]),
        ],
        mode="left_to_right",
        custom_error_type=_FORMAT_ERRORS[kind],
    )
    return _chain(either, node)


def _without_leap_second(pattern: str) -> CoreSchema:
    return core_schema.no_info_after_validator_function(
        lambda text: _LEAP_SECOND.sub(":59.999999", text, count=1),
        core_schema.str_schema(strict=True, pattern=pattern),
    )


def _literal(node: Node) -> Node:
    is_tag = AS_TAG in node.get("metadata", {})
    if is_tag or all(isinstance(value, str) for value in node["expected"]):
        return node
    return cast(
        "Node",
        core_schema.no_info_before_validator_function(
            OneOf(*node["expected"]).check, cast("CoreSchema", node)
        ),
    )


def _chain(first: CoreSchema, then: Node) -> Node:
    chain = core_schema.chain_schema([first, cast("CoreSchema", then)], metadata=described_as(then))
    return cast("Node", chain)


def described_as(node: Any) -> dict[str, Any]:
    """Return metadata that makes ``model_json_schema`` describe another node."""

    def describe(_schema: CoreSchema, handler: Callable[[CoreSchema], Any]) -> Any:
        return handler(node)

    return {"pydantic_js_functions": [describe]}


_REWRITES: Mapping[str, Callable[[Node], Node]] = {
    "bool": _strict,
    "float": _number,
    "int": _integer,
    "literal": _literal,
    "str": _strict,
}
