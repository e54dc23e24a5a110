"""``validate="exact"``: requests and replies validated against the contract itself.

A reply gets the shape of the contract first: ``done``, ``reward`` and ``metadata``, which servers
move out of the observation, go back where its schema has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from ..errors import InvalidRequest, ReplyMismatch
from ..json_value import as_object, at_pointer, json_path, pointer_keys
from ..wire.envelope import Envelope
from ..wire.protocol import COMMON_PARAMETERS, Operation
from .contract import has_contract, package_contract
from .exact import ExactValidator, Violation
from .references import members

_MAX_SHOWN = 3


def check_action(client: type, data: Mapping[str, Any]) -> None:
    """Validate what a step sends. Raises InvalidRequest, and what ``exact_part`` raises."""
    place = _wire_of(client).get("step", {}).get("action", "")
    _check_request(client, "action", at_pointer(data, place))


def check_reset(client: type, data: Mapping[str, Any]) -> None:
    """Validate what a reset sends, if the contract has reset parameters. As ``check_action``."""
    part = exact_part(client, "reset_parameters")
    if part is not None:
        known = part.fields
        own = {
            key: value
            for key, value in data.items()
            if key in known or key not in COMMON_PARAMETERS
        }
        _check_request(client, "reset_parameters", own)


def takes_in_reset(client: type, name: str) -> bool:
    """Whether the reset of a client's contract may have a parameter; True without a contract."""
    if not has_contract(client):
        return True
    schema = as_object(package_contract(client).get("reset_parameters"))
    return any(name in (as_object(part.get("properties")) or {}) for part in members(schema))


def check_reply(client: type, operation: Operation, payload: Mapping[str, Any]) -> None:
    """Validate a server's reply. Raises ReplyMismatch, and what ``exact_part`` raises."""
    root = json_path(pointer_keys(observation_place(client, operation)))
    if operation == "state":
        part, instance = exact_part(client, "state"), dict(payload)
    else:
        reset = exact_part(client, "reset_observation") if operation == "reset" else None
        part = reset or exact_part(client, "observation")
        route = _wire_of(client).get(operation)
        if route is None:
            instance = _observed(Envelope.read(payload), part.fields if part else frozenset())
        else:
            instance = Envelope.at(dict(payload), **route.get("reply", {})).observation
    violations = list(part.validator.errors(instance)) if part is not None else []
    if violations:
        raise ReplyMismatch(
            f"the reply to {operation} breaks the contract: {_shown(violations, root)}. "
            'validate="exact" allows nothing that the contract forbids, newer fields included; '
            'validate="types" lets them pass',
            path=_under(root, violations[0].path),
        )


def observation_place(client: type, operation: Operation) -> str:
    """The JSON pointer to what a reply is about: the observation, or the state."""
    if operation == "state":
        return ""
    route = _wire_of(client).get(operation)
    place: str = "/observation" if route is None else route.get("reply", {}).get("observation", "")
    return place


def _wire_of(client: type) -> dict[str, Any]:
    """How the contract of a client travels; empty for OpenEnv's own wire."""
    wire: dict[str, Any] = package_contract(client).get("wire", {}) if has_contract(client) else {}
    return wire


def _observed(envelope: Envelope, fields: frozenset[str]) -> dict[str, Any]:
    beside = {"done": envelope.done, "reward": envelope.reward, "metadata": envelope.metadata}
    lifted = {name: value for name, value in beside.items() if name in fields}
    return {**envelope.observation, **lifted}


def _check_request(client: type, name: str, data: Mapping[str, Any]) -> None:
    part = exact_part(client, name)
    violations = list(part.validator.errors(dict(data))) if part is not None else []
    if violations:
        raise InvalidRequest(
            f"the {name.replace('_', ' ')} breaks the contract: {_shown(violations, '$')}; "
            "nothing was sent",
            path=violations[0].path,
        )


def _under(root: str, path: str) -> str:
    return root + path.removeprefix("$")


def _shown(violations: list[Violation], root: str) -> str:
    shown = "; ".join(f"{_under(root, it.path)}: {it.message}" for it in violations[:_MAX_SHOWN])
    more = len(violations) - _MAX_SHOWN
    return f"{shown} (and {more} more)" if more > 0 else shown


class ExactPart:
    """One part of a contract and its validator.

    Attributes:
        validator: validates instances of the part.
        fields: the properties that its schema names at the top, in a definition that it refers
            to, or in a member of a union.
    """

    __slots__ = ("fields", "validator")

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.validator = ExactValidator(schema)
        self.fields = _fields(schema)


@cache
def exact_part(client: type, part: str) -> ExactPart | None:
    """Return a part of a client's contract; None if the contract doesn't have it.

    Raises as ``package_contract`` and ``ExactValidator``.
    """
    schema = package_contract(client).get(part)
    return None if schema is None else ExactPart(schema)


def _fields(schema: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(
        name for member in members(schema) for name in as_object(member.get("properties")) or {}
    )
