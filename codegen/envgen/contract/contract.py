"""The contract: what an environment says about its data. Every later stage reads it.

A contract has the shape of the reply to GET ``/schema``: an object with the JSON Schemas
``action``, ``observation`` and ``state``, and maybe ``reset_observation``. A contract without a
state has OpenEnv's base State. envgen adds optional keys: a ``name``; ``reset_parameters``, an
object schema whose properties are what the environment takes at reset beside ``seed`` and
``episode_id``; ``tools``, as MCP's ``tools/list`` replies; ``wire``, how it travels if the server
has routes of its own; and ``unpublished``, a list of what the environment doesn't publish in this
form: ``name`` and ``state`` where the user chose them, ``tools`` where the server didn't list them.

The contract of an MCP server has ``tools`` and no parts, and may have the ``instructions`` that the
server gives to models.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envgen_runtime.contract.normal_form import DRAFT_2020_12, normal_form
from envgen_runtime.contract.parts import (
    PARTS,
    REQUESTS,
    UNPUBLISHED,
    Part,
    is_base_state,
)
from envgen_runtime.contract.tools import calls_tools, with_tool_replies

from ..errors import ContractError
from ..findings import Finding
from ..naming import environment_name
from ..schema.keywords import JsonSchema, as_array, as_object, pointer_to, without_prose
from ..schema.limits import Budget
from ..schema.normalize import normalize
from ..schema.references import with_local_refs
from ..text import UntrustedText
from .tools import Tool, parse_tools

if TYPE_CHECKING:
    from .wire import ToolServer, Wire

__all__ = ["PARTS", "REQUESTS", "EnvContract", "Part", "parse_contract"]

_OTHER_KEYS = (
    "name", "tools", "instructions", "wire", UNPUBLISHED, "$schema", "$id", "$comment", "title",
    "description",
)  # fmt: skip

_NEEDED = ("action", "observation")
_OF_SCHEMAS = frozenset({"properties", "$ref", "anyOf", "oneOf", "allOf", "type"})

_MAY_BE_UNPUBLISHED = frozenset({"name", "state", "tools"})

_BASE_STATE: JsonSchema = {
    "title": "State",
    "type": "object",
    "properties": {
        "episode_id": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "step_count": {"type": "integer", "minimum": 0, "default": 0},
    },
    "additionalProperties": True,
}


@dataclass(frozen=True, slots=True)
class EnvContract:
    """One environment's contract, in normal form.

    Attributes:
        name: the environment's name as a Python identifier in snake case, such as ``coding_env``.
        parts: the JSON Schema of each part that the environment publishes, with its ``$schema``.
        documents: the same, with plain pointers as references: what the planner reads.
        unpublished: ``name`` and ``state`` where they are the user's choice, and the environment
            publishes others or none; ``tools`` where the server didn't list them. They are not
            compared with a server's.
        wire: how it travels, if the server has routes of its own; None for OpenEnv's wire.
        instructions: what an MCP server tells models about its tools; may be empty.
    """

    name: str
    parts: dict[Part, JsonSchema]
    documents: dict[Part, JsonSchema]
    tools: tuple[Tool, ...] = ()
    findings: tuple[Finding, ...] = ()
    unpublished: frozenset[str] = frozenset()
    wire: Wire | ToolServer | None = None
    instructions: str = ""

    @property
    def has_environment(self) -> bool:
        """Whether there is an environment; False for an MCP server, which has tools alone."""
        return bool(self.parts)

    @property
    def has_typed_tools(self) -> bool:
        """Whether a client can call the tools: an environment's are called by its action."""
        if not self.tools or (self.wire is not None and not self.wire.calls_tools):
            return False
        return not self.has_environment or calls_tools(self.parts["action"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the structure: 64 hex digits that prose, titles and key order don't change.

        Nor does the ``$schema`` of the present dialect, which contracts didn't always have.
        """
        structure: dict[str, Any] = {
            part: _without_present_dialect(without_prose(schema))
            for part, schema in self.parts.items()
        }
        if self.tools:
            structure["tools"] = {
                tool.name: {
                    key: _without_present_dialect(schema) for key, schema in tool.structure.items()
                }
                for tool in self.tools
            }
        if self.wire is not None:
            structure["wire"] = self.wire.to_json()
        canonical = json.dumps(structure, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> str:
        """Return the contract as the file that envgen keeps: readable, in its original order."""
        parts = {str(part): schema for part, schema in self.parts.items()}
        document: dict[str, Any] = {"name": self.name, **parts}
        if self.instructions:
            document["instructions"] = self.instructions
        if self.tools:
            document["tools"] = [tool.to_json() for tool in self.tools]
        if self.wire is not None:
            document["wire"] = self.wire.to_json()
        if self.unpublished:
            document[UNPUBLISHED] = sorted(self.unpublished)
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _without_present_dialect(schema: JsonSchema) -> JsonSchema:
    if schema.get("$schema") != DRAFT_2020_12:
        return schema
    return {key: value for key, value in schema.items() if key != "$schema"}


def parse_contract(
    document: Any,
    *,
    source: str,
    name: str | None = None,
    unpublished: Iterable[str] = (),
    timeout_s: float | None = None,
) -> EnvContract:
    """Read a contract from a JSON document.

    Args:
        document: the parsed JSON.
        source: what to call it in errors.
        name: the environment's name; overrides the document's own.
        unpublished: what the user chose (``name``, ``state``), beside what the document lists.
        timeout_s: how long it may take, in seconds; None for as long as the limits allow.

    Raises:
        Unreachable: it took longer.
        ContractError: it is not a contract, or a part of it can't be used.
    """
    fields = as_object(document)
    if fields is None:
        raise ContractError(
            "a contract is a JSON object", source=source, hint="expected the reply to GET /schema"
        )
    missing = [part for part in _NEEDED if fields.get(part) is None]
    if missing and not (fields.get("tools") and fields.keys().isdisjoint(PARTS)):
        raise _not_a_contract(fields, missing, source)
    given = name if name is not None else fields.get("name")
    if not isinstance(given, str) or not given:
        raise ContractError("the environment has no name", source=source, hint="pass --name")
    budget = Budget(source, timeout_s=timeout_s)
    budget.name(given, "/name")
    findings: list[Finding] = []
    published: dict[Part, JsonSchema] = {}
    for part in PARTS:
        if fields.get(part) is not None:
            place = f"/{part}"
            published[part], dropped = normalize(
                fields[part], pointer=place, source=source, budget=budget
            )
            findings += dropped
    wire: Wire | ToolServer | None = None
    if fields.get("wire") is not None:
        from .wire import parse_wire  # few contracts have one

        wire = parse_wire(fields["wire"], source=source)
    parts, found = _as_sent(published, wire) if published else ({}, ())
    findings += found
    documents: dict[Part, JsonSchema] = {}
    for part, schema in parts.items():
        documents[part], found = with_local_refs(schema, pointer=f"/{part}", source=source)
        findings += found
    tools, of_tools = parse_tools(fields.get("tools") or [], source=source, budget=budget)
    findings += of_tools
    findings += [
        Finding("info", pointer_to("", key), "not a part of a contract; it is ignored")
        for key in fields
        if key not in (*PARTS, *_OTHER_KEYS)
    ]
    instructions = fields.get("instructions")
    instructions = instructions if isinstance(instructions, str) else ""
    budget.text(instructions, "/instructions")
    listed = {*unpublished, *map(str, as_array(fields.get(UNPUBLISHED)) or [])}
    contract = EnvContract(
        environment_name(UntrustedText(given)),
        parts,
        documents,
        tools,
        tuple(findings),
        _MAY_BE_UNPUBLISHED & listed,
        wire,
        instructions,
    )
    try:
        contract.to_json().encode()
    except UnicodeEncodeError as error:
        raise ContractError(
            "a text in it has half of a surrogate pair, which UTF-8 can't encode", source=source
        ) from error
    return contract


def _not_a_contract(fields: JsonSchema, missing: list[str], source: str) -> ContractError:
    if len(missing) == len(_NEEDED) and fields.keys() & _OF_SCHEMAS:
        title = fields.get("title")
        called = f" ({title[:60]})" if isinstance(title, str) else ""
        return ContractError(
            f"this is a single schema{called}, not a contract",
            source=source,
            hint='put it in one, under its part: {"action": {...}, "observation": {...}}',
        )
    return ContractError(
        f"no {' and no '.join(missing)}: this is not a contract",
        source=source,
        hint='a contract is the reply to GET /schema: {"action": {...}, '
        '"observation": {...}, "state": {...}}',
    )


def _as_sent(
    published: dict[Part, JsonSchema], wire: Wire | ToolServer | None
) -> tuple[dict[Part, JsonSchema], tuple[Finding, ...]]:
    """Return the parts as the environment sends them, where it publishes others or none."""
    findings: list[Finding] = []
    by_name = {str(part): schema for part, schema in published.items()}
    # A document with routes of its own types the reply of each route.
    sent = with_tool_replies(by_name) if wire is None else by_name
    parts: dict[Part, JsonSchema] = {part: sent[part] for part in PARTS if part in sent}
    if sent.get("observation") is not published["observation"]:
        message = "its own fields are optional: a last step may reply with the base Observation"
        findings.append(Finding("info", "/observation", message))
    reset = sent.get("reset_observation")
    if reset is not published.get("reset_observation") and reset is not sent["observation"]:
        findings.append(
            Finding(
                "info",
                "/reset_observation",
                "read as the base Observation; published is that of a tool call, and before a "
                "reset none was called",
                "an environment publishes its own by passing reset_observation_cls to create_app",
            )
        )
    if "state" not in parts:
        parts["state"] = normal_form(_BASE_STATE)
        message = "no state is published; read as the base State, with other fields untyped"
        if wire is None:  # else its source says why
            hint = "give its schema with --state FILE"
            findings.append(Finding("warning", "/state", message, hint))
    elif is_base_state(parts["state"]) and wire is None:
        findings.append(
            Finding(
                "warning",
                "/state",
                "only the base State is published; the environment's own fields, if it has any, "
                "are readable but untyped",
                "give its schema with --state FILE; an environment publishes its own by passing "
                "state_cls to create_app",
            )
        )
    return {part: parts[part] for part in PARTS if part in parts}, tuple(findings)
