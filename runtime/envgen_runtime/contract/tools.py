"""Environments of tools: what their servers reply where the published schemas say otherwise.

An app made with ``create_app(Env, CallToolAction, CallToolObservation)`` publishes the observation
of a tool call for every reply. But no tool was called before its reset, which replies with the base
``Observation``, and a wrapper may end an episode with one. So in the contract of such an
environment the observation of a reset is the base one, and that of a step requires only what the
base one has. Generator and drift check read contracts through the same function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..json_value import as_array, as_object
from .keywords import JsonSchema
from .references import References, follow, members, reference_of

_CALL = "call_tool"
_BASE_FIELDS = ("done", "reward", "metadata")
_UNIONS = ("anyOf", "oneOf")
_CALL_FIELDS = frozenset({"tool_name", "result", "error"})


def calls_tools(action: Any) -> bool:
    """Whether an action's schema, or a member of it, calls a tool by name."""
    return any(_is_call(properties) for properties in _properties(action))


def with_tool_replies(contract: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the contract of an environment of tools with the replies that it really sends.

    A contract that says them already, or is another environment's, is returned as it is.
    """
    observation = as_object(contract.get("observation"))
    if observation is None:
        return contract
    is_of_call = any(found.keys() >= _CALL_FIELDS for found in _properties(observation))
    if not is_of_call and not calls_tools(contract.get("action")):
        return contract
    dialect = {key: value for key, value in observation.items() if key == "$schema"}
    open_to_base = _open_to_base(observation)
    if open_to_base is observation:
        return contract
    changed = {**contract, "observation": {**dialect, **open_to_base}}
    reset = contract.get("reset_observation")
    if reset is None or reset == observation:
        if is_of_call and observation.keys().isdisjoint(_UNIONS):
            changed["reset_observation"] = {**dialect, **base_observation(observation)}
        elif reset is not None:
            changed["reset_observation"] = changed["observation"]
    return changed


def base_observation(observation: JsonSchema) -> JsonSchema:
    """The schema of the base Observation: the fields that every observation has."""
    fields = {
        name: schema
        for properties in _properties(observation)
        for name, schema in properties.items()
        if name in _BASE_FIELDS
    }
    return {
        "title": "Observation",
        "description": "An observation without the result of a tool call.",
        "type": "object",
        "properties": {name: fields[name] for name in _BASE_FIELDS if name in fields},
        "additionalProperties": False,
    }


def _open_to_base(observation: JsonSchema) -> JsonSchema:
    """Return a schema that the base Observation fits, too: itself if it does already."""
    for keyword in _UNIONS:
        if (union := as_array(observation.get(keyword))) is not None:
            if not all(_beyond_base(_target(member, observation)) for member in union):
                return observation
            dropped = (keyword, "discriminator")
            rest = {key: value for key, value in observation.items() if key not in dropped}
            base = {"Observation": base_observation(observation)}
            definitions = {**base, **(as_object(observation.get("$defs")) or {})}
            return {
                **rest,
                "anyOf": [*union, {"$ref": "#/$defs/Observation"}],
                "$defs": definitions,
            }
    target = _target(observation, observation)
    if not (beyond := _beyond_base(target)):
        return observation
    own = {key: value for key, value in observation.items() if key != "$ref"}
    required = [name for name in as_array(target.get("required")) or [] if name not in beyond]
    return {**target, **own, "required": required}


def _beyond_base(schema: JsonSchema) -> list[Any]:
    """The required fields that a base Observation doesn't have."""
    return [name for name in as_array(schema.get("required")) or [] if name not in _BASE_FIELDS]


def _is_call(properties: JsonSchema) -> bool:
    tag = as_object(properties.get("type")) or {}
    return tag.get("const") == _CALL or _CALL in (as_array(tag.get("enum")) or [])


def _properties(schema: Any) -> Iterator[JsonSchema]:
    """Yield the properties of a schema, and of the members of its unions."""
    return (as_object(member.get("properties")) or {} for member in members(schema))


def _target(schema: Any, root: JsonSchema) -> JsonSchema:
    """What a schema refers to, or itself; empty if that is nothing."""
    references = References(root)

    def beside(reference: str, _holder: Any) -> Any:
        return references.resolve(reference)

    try:
        return as_object(follow(schema, reference_of, beside)) or {}
    except LookupError:
        return {}
