"""The wire of a contract -> the expressions that a client states it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from envgen_runtime.json_value import as_object, pointer_keys
from envgen_runtime.wire.routes import HttpRoute

from ..text import UntrustedText, literal
from .context import ReplyContext, WireContext

if TYPE_CHECKING:
    from ..contract.wire import ReplyPlaces, ToolServer, Wire


def wire_context(wire: Wire | ToolServer) -> WireContext:
    """What the templates are rendered with."""
    if wire.calls_tools is True:
        name = _expression(wire.environment)
        is_nemo = wire.protocol == "nemo-gym"
        return WireContext("NemoGymWire()" if is_nemo else f"OpenRewardWire({name})")
    http = wire.http
    routes: dict[str, str] = {role: _route(route) for role, route in http.routes.items()}
    values = {
        field.name: _expression(value)
        for field in fields(http)
        if field.name not in routes and (value := getattr(http, field.name))
    }
    action = pointer_keys(wire.step.action)
    return WireContext(
        f"HttpWire({_keywords({**routes, **values})})",
        _expression(action[0]) if action else None,
        _reply(wire.step.reply),
        _reply(wire.reset.reply),
    )


def _route(route: HttpRoute) -> str:
    options = {
        field.name: _expression(value)
        for field in fields(route)[2:]
        if (value := getattr(route, field.name)) != field.default
    }
    positional = f"{_expression(route.method)}, {_expression(route.path)}"
    return f"HttpRoute({positional}{', ' if options else ''}{_keywords(options)})"


def _reply(places: ReplyPlaces) -> ReplyContext:
    chosen = {"observation": places.observation, **places.model_dump(exclude_defaults=True)}
    expressions = {name: _expression(value) for name, value in chosen.items()}
    return ReplyContext(_keywords(expressions), not places.observation)


def _keywords(expressions: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={expression}" for name, expression in expressions.items())


def _expression(value: Any) -> str:
    """A literal of texts, in which no text of the contract is code."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, str):
        return literal(UntrustedText(value))
    if (members := as_object(value)) is not None:
        pairs = (f"{_expression(key)}: {_expression(item)}" for key, item in members.items())
        return f"{{{', '.join(pairs)}}}"
    return f"[{', '.join(map(_expression, value))}]"
