"""Convert the OpenAPI document of a NeMo Gym resources server to a contract.

Every POST is a tool but for the framework's own. ``seed_session`` is the reset, and ``verify`` a
tool that gives the reward (run: nemo-gym 0.4.0 and 0.7.0).
"""

from __future__ import annotations

from typing import Any

from envgen_runtime.wire.nemo_gym import FRAMEWORK_ROUTES, VERIFY

from ..findings import Finding
from ..schema.keywords import JsonSchema, as_object
from .openapi_operations import Content, Operation, Operations
from .openapi_schemas import OpenApiDocument, PartSchema
from .openapi_shapes import Shapes
from .parsing import Document
from .tool_servers import contract_of

_SEED = "/seed_session"
_SEEDED: JsonSchema = {"title": "Seeded", "type": "object", "properties": {}}
_NO_ARGUMENTS: JsonSchema = {"type": "object", "properties": {}, "additionalProperties": False}


def is_resources_server(document: Any) -> bool:
    """Whether an OpenAPI document is that of a resources server."""
    paths = as_object((as_object(document) or {}).get("paths")) or {}
    return {_SEED, f"/{VERIFY}"} <= paths.keys()


def convert(document: Document) -> Document:
    """Convert the document of a resources server.

    Raises:
        ContractError: a schema in it can't be used.
    """
    openapi = OpenApiDocument(as_object(document.content) or {}, document.source)
    tools: list[Any] = []
    findings: list[Finding] = []
    parameters: JsonSchema | None = None
    reset = _SEEDED
    for operation in Operations(openapi, {}).all:
        name = operation.path.strip("/")
        if operation.method != "post" or name in FRAMEWORK_ROUTES - {_SEED.strip("/")}:
            continue
        if "{" in name:
            message = f"{operation.label} is no tool: its route has a variable"
            findings.append(Finding("info", operation.pointer, message))
        elif operation.path == _SEED:
            parameters = _seed(openapi, operation, findings)
            reset = _seeded(openapi, operation, findings)
        else:
            tools.append(_tool(openapi, operation, name))
    contract = contract_of(
        tools=tools, reset=reset, parameters=parameters, wire={"protocol": "nemo-gym"}
    )
    return Document(
        contract,
        document.source,
        document.name,
        spare_name="nemo_gym_env",
        findings=tuple(findings),
    )


def _seed(
    openapi: OpenApiDocument, operation: Operation, findings: list[Finding]
) -> JsonSchema | None:
    """The schema of what a reset is given; None where it can be anything, or nothing."""
    if operation.request is None:
        return None
    body = Shapes(openapi).of(operation.request.schema or {}, operation.request.pointer)
    if not body.fields:
        return None
    if body.kind != "object":
        message = "what a reset is given has several forms: give its fields as keywords"
        findings.append(Finding("info", operation.request.pointer, message))
        return None
    return _schema(openapi, operation.request)


def _seeded(openapi: OpenApiDocument, operation: Operation, findings: list[Finding]) -> JsonSchema:
    """The schema of what a reset gives: any object where the reply has several forms.

    That is what 0.7 declares for each server which doesn't override it.
    """
    if not as_object(operation.response.schema):
        return _SEEDED
    reply = Shapes(openapi).of(operation.response.schema, operation.response.pointer)
    if reply.kind == "object":
        return {"type": "object", **_schema(openapi, operation.response)}
    message = f"what a reset gives has no class of its own ({reply.kind}): it is read as any object"
    findings.append(Finding("info", operation.response.pointer, message))
    return _SEEDED


def _tool(openapi: OpenApiDocument, operation: Operation, name: str) -> dict[str, Any]:
    """A tool, as MCP describes one."""
    texts = (operation.fields.get(key) for key in ("description", "summary"))
    arguments = _NO_ARGUMENTS
    if operation.request is not None:
        arguments = {"type": "object", **_schema(openapi, operation.request)}
    reply = _schema(openapi, operation.response)
    return {
        "name": name,
        "description": next((text for text in texts if isinstance(text, str)), ""),
        "inputSchema": arguments,
        **({"outputSchema": reply} if reply else {}),
    }


def _schema(openapi: OpenApiDocument, content: Content) -> JsonSchema:
    """The schema of a body, with all that it refers to; empty where it has none."""
    if not as_object(content.schema):
        return {}
    return PartSchema(openapi, content.schema, content.pointer).schema
