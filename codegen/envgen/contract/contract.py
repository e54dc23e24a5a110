"""The contract: what an environment says about its data. The one thing every later stage reads.

A contract has the shape that GET ``/schema`` answers: an object with the JSON Schemas ``action``,
``observation`` and ``state``, and maybe ``reset_observation``. envgen adds three of its own, all
optional: a ``name``; ``reset_parameters``, an object schema whose properties are what the
environment takes at reset beside ``seed`` and ``episode_id``; and ``tools``, what MCP's
``tools/list`` answers.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import ContractError
from ..findings import Finding
from ..naming import environment_name
from ..schema.keywords import JsonSchema, as_object, pointer_to, without_prose
from ..schema.normalize import rebuild
from ..schema.references import localized
from ..text import UntrustedText
from .tools import Tool, parse_tools

Part = Literal["action", "observation", "reset_observation", "state", "reset_parameters"]
PARTS: tuple[Part, ...] = (
    "action",
    "observation",
    "reset_observation",
    "state",
    "reset_parameters",
)
_REQUIRED_PARTS: tuple[Part, ...] = ("action", "observation", "state")

_BESIDE_PARTS = ("name", "tools", "$schema", "$id", "$comment", "title", "description")

_BASE_STATE = frozenset({"episode_id", "step_count"})


@dataclass(frozen=True, slots=True)
class EnvContract:
    """One environment's contract, rebuilt from the keywords that envgen knows.

    Attributes:
        name: the environment's name as a Python identifier in snake case, such as ``coding_env``.
        parts: the JSON Schema of each part that the environment publishes.
        documents: the same, with plain pointers for references: what the planner reads.
        tools: the environment's tools, by name; most have none.
        findings: what was noticed while reading it.
    """

    name: str
    parts: dict[Part, JsonSchema]
    documents: dict[Part, JsonSchema]
    tools: tuple[Tool, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the structure: 64 hex digits that prose, titles and key order don't change."""
        structure: dict[str, Any] = {
            part: without_prose(schema) for part, schema in self.parts.items()
        }
        if self.tools:
            structure["tools"] = {tool.name: tool.structure for tool in self.tools}
        canonical = json.dumps(structure, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> str:
        """The contract as the file that envgen keeps: readable, in the order it was given."""
        parts = {str(part): schema for part, schema in self.parts.items()}
        document: dict[str, Any] = {"name": self.name, **parts}
        if self.tools:
            document["tools"] = [tool.to_json() for tool in self.tools]
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def parse_contract(document: Any, *, source: str, name: str | None = None) -> EnvContract:
    """Read a contract from a JSON document.

    Args:
        document: the parsed JSON.
        source: what to call it in errors.
        name: the environment's name; overrides the document's own.

    Raises:
        ContractError: it is not a contract, or a part of it can't be used.
    """
    fields = as_object(document)
    if fields is None:
        raise ContractError(
            "a contract is a JSON object", source=source, hint="expected what GET /schema answers"
        )
    missing = [part for part in _REQUIRED_PARTS if part not in fields]
    if missing:
        raise ContractError(
            f"no {' and no '.join(missing)}: this is not a contract",
            source=source,
            hint='a contract is what GET /schema answers: {"action": {...}, '
            '"observation": {...}, "state": {...}}',
        )
    given = name if name is not None else fields.get("name")
    if not isinstance(given, str) or not given:
        raise ContractError("the environment has no name", source=source, hint="pass --name")
    findings: list[Finding] = []
    parts: dict[Part, JsonSchema] = {}
    documents: dict[Part, JsonSchema] = {}
    for part in PARTS:
        if fields.get(part) is not None:
            place = f"/{part}"
            parts[part] = rebuild(fields[part], pointer=place, source=source, findings=findings)
            documents[part] = localized(
                parts[part], pointer=place, source=source, findings=findings
            )
    tools = parse_tools(fields.get("tools") or [], source=source, findings=findings)
    findings += [
        Finding("info", pointer_to("", key), "not a part of a contract; it is passed over")
        for key in fields
        if key not in (*PARTS, *_BESIDE_PARTS)
    ]
    if _is_base_state(parts["state"]):
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
    contract = EnvContract(
        environment_name(UntrustedText(given)), parts, documents, tools, tuple(findings)
    )
    try:
        contract.to_json().encode()
    except UnicodeEncodeError as error:
        raise ContractError(
            "a text in it has half of a surrogate pair, which no file can hold", source=source
        ) from error
    return contract


def _is_base_state(schema: JsonSchema) -> bool:
    return (as_object(schema.get("properties")) or {}).keys() == _BASE_STATE
