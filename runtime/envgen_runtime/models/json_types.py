"""The types of JSON Schema, where pydantic's own types are more lenient.

pydantic converts what people may mean: ``"1"`` and ``true`` to integers, a number to a date, ``1``
to ``true``. In JSON Schema those are other types, and a server that sends one breaks its contract.
``exact_types`` rewrites the schema that pydantic made for a model:

- an integer is an int, or a float without a fraction; never a bool or a string;
- a number is a float; an integer that a float can't hold (above 2**53) stays an int;
- strings and booleans are never converted;
- dates, times, durations and UUIDs are the Python objects, or strings in their own format;
- a constant is compared as JSON: 1 equals 1.0 and does not equal true;
- a list is left at its first wrong item: pydantic keeps 250 bytes for each, and takes 700 more to
  tell of it, so a reply of 4 MB could take a gigabyte.

pydantic-core checks all of this without calling Python, except constants that aren't strings.
Lists of numbers are first read by its own quick rules, and by these where those may differ.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from pydantic import GetCoreSchemaHandler, ValidationError
from pydantic_core import CoreSchema, PydanticKnownError, SchemaValidator, core_schema

from ..json_value import as_array, as_object
from .constraints import AS_TAG, CONSTANT, OneOf

_LARGEST_EXACT = 2.0**53
_SHORT = 8  # a list that is never longer isn't worth a call of Python

_DATE = r"\d{4}-\d\d-\d\d"
_TIME = r"\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)?"
_HEX = "[0-9a-fA-F]"

# The types that are strings in JSON: their format, and the error of what is no string.
_FORMATS = {
    "date": (f"^{_DATE}$", "date_type"),
    "datetime": (f"^{_DATE}[Tt ]{_TIME}$", "datetime_type"),
    "time": (f"^{_TIME}$", "time_type"),
    "timedelta": ("^[+-]?P", "time_delta_type"),
    "uuid": (f"^{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}$", "uuid_type"),
}

# A leap second is a valid time that Python's types don't have.
_LEAP_SECOND = re.compile(r":60(\.\d+)?")
_WITH_LEAP_SECOND = rf"^({_DATE}[Tt ])?\d\d:\d\d:60(\.\d+)?([Zz]|[+-]\d\d:?\d\d)?$"

# Keys that hold schemas. A nested model is left alone because it rewrites its own.
_INNER = ("schema", "items_schema", "keys_schema", "values_schema", "extras_schema", "fields")

Node: TypeAlias = Any
"""A ``CoreSchema``, whose many types have no common way to read or change a key."""


class JsonTypes:
    """Gives an alias the types of JSON Schema. What a model refers to by an alias isn't its own."""

    __slots__ = ()

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return cast("CoreSchema", _exact(handler(source)))


def exact_types(schema: CoreSchema) -> CoreSchema:
    """Return the schema of a model whose fields have the types of JSON Schema."""
    node: Node = schema
    if node["type"] == "model":
        node = {**node, "schema": _exact(node["schema"])}
    elif "schema" in node:  # a model within its validators
        node = {**node, "schema": exact_types(node["schema"])}
    return cast("CoreSchema", node)


def with_open_serialization(schema: CoreSchema) -> CoreSchema:
    """Return the schema of a closed model that still dumps the unknown fields it was read with."""
    node: Node = schema
    if node["type"] == "model":
        open_ = {"extra_behavior": "allow"}
        fields = {"schema": {**node["schema"], **open_}, "cls": node["cls"]}
        node = {**node, "serialization": {"type": "model", **fields, **open_}}
    elif "schema" in node:
        node = {**node, "schema": with_open_serialization(node["schema"])}
    return cast("CoreSchema", node)


def _exact(node: Node) -> Node:
    node_type: str = node["type"]
    if node_type in ("model", "definition-ref"):
        return node
    if node_type == "model-field" and _is_constant(node["schema"]):
        node = {**node, "schema": node["schema"]["schema"]}  # without its default: it is required
    if rewrite := _REWRITES.get(node_type):
        return rewrite(node)
    return {**node, **{key: _inner(node[key]) for key in _INNER if key in node}}


def _is_constant(node: Node) -> bool:
    inner = node["schema"] if node["type"] == "default" else None
    while inner is not None and CONSTANT not in inner.get("metadata", {}):
        inner = inner.get("schema") if inner["type"].startswith("function-") else None
    return inner is not None


def _inner(value: Any) -> Any:
    items = as_array(value)
    if items is not None:
        return [_exact(item) for item in items]
    if isinstance(value.get("type"), str):
        return _exact(value)
    return {name: _exact(field) for name, field in value.items()}


def _union(node: Node) -> Node:
    choices: Any = node["choices"]
    tagged = as_object(choices)
    if tagged is not None:
        return {**node, "choices": {tag: _exact(member) for tag, member in tagged.items()}}
    has_numbers = any(_of(choice)["type"] == "float" for choice in choices)
    return {**node, "choices": [_choice(choice, has_numbers) for choice in choices]}


def _of(choice: Any) -> Node:
    return cast("Node", choice[0] if isinstance(choice, tuple) else choice)  # beside its label


def _choice(choice: Any, has_numbers: bool) -> Any:
    node = _of(choice)
    # 1.0 is the number's, not the integer's, if there are both; in lists too, so each item counts.
    exact = _strict(node) if node["type"] == "int" and has_numbers else _one_by_one(_exact(node))
    return (exact, *choice[1:]) if isinstance(choice, tuple) else exact


def _strict(node: Node) -> Node:
    return {**node, "strict": True}


def _integer(node: Node) -> Node:
    whole = core_schema.no_info_after_validator_function(
        _whole, core_schema.float_schema(strict=True)
    )
    return _either([core_schema.int_schema(strict=True), whole], "int_type", node)


def _whole(number: float) -> int:
    if not number.is_integer():
        raise PydanticKnownError("int_from_float")
    return int(number)


def _number(node: Node) -> Node:
    node = {**node, "strict": True, "allow_inf_nan": False}  # JSON has neither
    if node.keys() - {"type", "strict", "allow_inf_nan"}:
        # A wrapper, because a union would report a broken limit once for each member.
        return core_schema.no_info_wrap_validator_function(
            _keep_large,
            node,
            metadata=described_as(node),
            serialization=core_schema.simple_ser_schema("any"),
        )
    below = core_schema.float_schema(
        strict=True, gt=-_LARGEST_EXACT, lt=_LARGEST_EXACT, allow_inf_nan=False
    )
    return core_schema.union_schema(
        [below, core_schema.int_schema(strict=True), node],
        mode="left_to_right",
        custom_error_type="float_type",
        metadata=described_as(node),
    )


def _keep_large(value: Any, validate: Callable[[Any], float]) -> float:
    number = validate(value)
    is_rounded = isinstance(value, int) and number != value
    return value if is_rounded else number


def _list(node: Node) -> Node:
    if "items_schema" not in node:
        return node
    quick = _quick(node) if node.get("max_length", _SHORT) >= _SHORT else None
    items = _exact(node["items_schema"])
    node = {**node, "fail_fast": True}
    if quick is None:
        return {**node, "items_schema": items}
    exact: Node = {**node, "items_schema": _one_by_one(items)}
    return core_schema.no_info_wrap_validator_function(_QuickList(quick).validate, exact)


def _quick(node: Node) -> Node | None:
    """pydantic-core's own schema of a list of numbers, if the items are numbers."""
    if node["type"] == "int":
        return _strict(node)
    if node["type"] == "float":
        return {**_strict(node), "allow_inf_nan": False}
    is_list = node["type"] == "list" and "items_schema" in node
    items = _quick(node["items_schema"]) if is_list else None
    if items is None:
        return None
    own = {key: value for key, value in node.items() if key != "ref"}
    return {**own, "items_schema": items, "fail_fast": True}


class _QuickList:
    """Reads a list of numbers without a rule of ours for each of them.

    pydantic-core's own strict numbers take nothing that the exact schema refuses. They refuse 1.0
    as an integer, and round integers that a float can't hold; then the exact schema reads the list
    once more. It also makes the errors.
    """

    __slots__ = ("_quick", "_schema")

    def __init__(self, schema: Node) -> None:
        self._schema = schema
        self._quick: Callable[[Any], Any] | None = None

    def validate(self, value: Any, exact: Callable[[Any], Any]) -> Any:
        """Validate ``value``, by the schema ``exact`` where the quick one doesn't take it."""
        if type(value) is not list:  # iterators can be read once
            return exact(value)
        if self._quick is None:
            self._quick = SchemaValidator(self._schema).validate_python
        try:
            numbers = self._quick(value)
        except ValidationError:
            return exact(value)
        return numbers if numbers == value else exact(value)


def _one_by_one(node: Node) -> Node:
    """A schema without the quick one around it."""
    function = node["function"]["function"] if node["type"] == "function-wrap" else None
    return node["schema"] if isinstance(getattr(function, "__self__", None), _QuickList) else node


def _default(node: Node) -> Node:
    """Copy a flat default by its own method; pydantic's deep copy takes 1.5 us."""
    exact = {**node, "schema": _exact(node["schema"])}
    fields, items = as_object(node.get("default")), as_array(node.get("default"))
    default = items if fields is None else fields
    if default is None or any(map(_is_container, items or (fields or {}).values())):
        return exact
    del exact["default"]
    return {**exact, "default_factory": default.copy, "metadata": described_as(node)}


def _is_container(value: Any) -> bool:
    return not isinstance(value, str | int | float | None)


def _parsed(node: Node) -> Node:
    pattern, error = _FORMATS[node["type"]]
    texts: list[CoreSchema] = [core_schema.str_schema(strict=True, pattern=pattern)]
    if node["type"] in ("datetime", "time"):
        with_leap_second = core_schema.str_schema(strict=True, pattern=_WITH_LEAP_SECOND)
        texts.insert(0, core_schema.no_info_after_validator_function(_before, with_leap_second))
    return _either([_strict(node), *texts], error, node)


def _before(leap_second: str) -> str:
    return _LEAP_SECOND.sub(":59.999999", leap_second, count=1)


def _literal(node: Node) -> Node:
    is_tag = AS_TAG in node.get("metadata", {})
    if is_tag or all(isinstance(value, str) for value in node["expected"]):
        return node
    return core_schema.no_info_before_validator_function(OneOf(*node["expected"]).check, node)


def _either(first: list[CoreSchema], error: str, then: Node) -> Node:
    """Return a schema for what fits one of some, and then ``then``, as which it is described."""
    union = core_schema.union_schema([*first], mode="left_to_right", custom_error_type=error)
    return core_schema.chain_schema([union, then], metadata=described_as(then))


def described_as(node: Node) -> dict[str, Any]:
    """Return metadata that makes ``model_json_schema`` describe another node."""

    def describe(_schema: CoreSchema, handler: Callable[[CoreSchema], Any]) -> Any:
        return handler(node)

    return {"pydantic_js_functions": [describe]}


_REWRITES: Mapping[str, Callable[[Node], Node]] = {
    "bool": _strict,
    "default": _default,
    "float": _number,
    "int": _integer,
    "list": _list,
    "literal": _literal,
    "str": _strict,
    "tagged-union": _union,
    "union": _union,
    **dict.fromkeys(_FORMATS, _parsed),
}
