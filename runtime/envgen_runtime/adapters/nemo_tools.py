"""What NeMo Gym's models and data sets are shown of an environment: its tools, and its rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from inspect import Parameter, signature
from typing import Any, ClassVar, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, RootModel, create_model

from ..calling.catalogue import ModelTool, catalogue
from ..calling.specs import tool_specs
from ..contract.keywords import JsonSchema
from ..json_value import as_array, as_object
from .rows import reset_parameters

_RESERVED = frozenset({"verify", "seed_session", "close_session", "aggregate_metrics", "mcp"})
"""Routes that NeMo's servers have themselves."""

_OF_ROWS = "What a row says of its episode. Other columns are allowed."


@dataclass(frozen=True, slots=True)
class Route:
    """The route of an action or a tool: its name, and its specification."""

    name: str
    tool: ModelTool
    description: str
    parameters: JsonSchema


@cache
def routes_of(client: type) -> tuple[Route, ...]:
    """The routes of a client's environment, in the contract's order."""
    functions = [spec["function"] for spec in tool_specs(client, "openai")]
    taken = {str(function["name"]) for function in functions}
    found: list[Route] = []
    for tool, function in zip(catalogue(client).tools, functions, strict=True):
        name = str(function["name"])
        while name in _RESERVED or (name != function["name"] and name in taken):
            name += "_tool"
        text = str(function.get("description", ""))
        found.append(Route(name, tool, text, function["parameters"]))
    return tuple(found)


def shown_tools(client: type) -> list[dict[str, Any]]:
    """What a model is shown of an environment: for ``responses_create_params.tools`` of the rows.

    They are OpenAI's function tools, as of its Responses API. The parameters are the contract's
    schema without references, which models' servers ignore. A name that NeMo's routes have is
    followed by ``_tool``.

    Raises:
        ContractMissing: the client was written by hand.
    """
    return [
        {
            "type": "function",
            "name": route.name,
            "description": route.description,
            "parameters": deepcopy(route.parameters),
            "strict": False,
        }
        for route in routes_of(client)
    ]


def task_data(client: type, *, columns: Collection[str] = ()) -> type[BaseModel]:
    """Make ``TaskData``, which describes the rows of a data set: what ``reset`` takes of them.

    Args:
        client: the generated client's class.
        columns: more columns that are arguments of ``reset``, as for ``reset_arguments``.
    """
    hints = get_type_hints(client.reset, include_extras=True)  # type: ignore[attr-defined]
    defaults = signature(client.reset).parameters  # type: ignore[attr-defined]
    fields: dict[str, Any] = dict.fromkeys(columns, (Any, None))
    for index, name in enumerate(sorted(set(reset_parameters(client).values()))):
        is_required = defaults[name].default is Parameter.empty
        told = Field(... if is_required else None, alias=name.rstrip("_"))
        kind = hints[name] if is_required else hints[name] | None
        is_plain = not name.startswith("_") and not hasattr(BaseModel, name)
        fields[name if is_plain else f"parameter_{index}"] = (kind, told)
    config = ConfigDict(extra="allow", validate_by_name=True)
    return create_model("TaskData", __config__=config, __doc__=_OF_ROWS, **fields)


class Arguments(RootModel[dict[str, Any]]):
    """What a route takes: any object, which the contract then accepts or refuses."""

    shown: ClassVar[JsonSchema] = {}

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """The contract's schema, which NeMo advertises over MCP."""
        return deepcopy(cls.shown)


def body_of(route: Route) -> type[Arguments]:
    """Make the class of what a route takes."""
    name = f"{route.name}_arguments"
    return type(name, (Arguments,), {"shown": route.parameters, "__module__": __name__})


def show_schemas(app: Any, parameters: Mapping[str, JsonSchema]) -> None:
    """Have the OpenAPI document show the contract's schemas, with references that lead there."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document: dict[str, Any] = plain()
        schemas = document["components"]["schemas"]
        for name, schema in parameters.items():
            schemas[name] = _moved(schema, f"#/components/schemas/{name}/")
        return document

    app.openapi = openapi


def _moved(value: Any, to: str) -> Any:
    if (items := as_array(value)) is not None:
        return [_moved(item, to) for item in items]
    if (fields := as_object(value)) is None:
        return value
    moved = {name: _moved(item, to) for name, item in fields.items()}
    reference = fields.get("$ref")
    if isinstance(reference, str) and reference.startswith("#/"):
        moved["$ref"] = to + reference.removeprefix("#/")
    return moved
