"""Environments of Gymnasium, and servers that play by their contracts."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from envgen.demo.server import serving
from envgen_runtime.adapters.gymnasium.acting import to_value
from envgen_runtime.adapters.gymnasium.env import GymnasiumEnv
from envgen_runtime.adapters.gymnasium.fields import Field, Fixed, ListOf, ObjectOf, String, Union
from envgen_runtime.adapters.gymnasium.reading import Interface
from envgen_runtime.adapters.gymnasium.spaces import space_of
from envgen_runtime.contract.exact import ExactValidator
from envgen_runtime.contract.normal_form import normal_form
from generated.coding_env import CodingEnv
from tests.adapters.faulty import error
from tests.runtime.servers import observed, requests


class CodingGym(GymnasiumEnv):
    """As ``envgen build --adapter gymnasium`` writes it."""

    client_class = CodingEnv
    hints = {  # noqa: RUF012 - as it is written
        "action.code": {"max_length": 12, "charset": "[a-z0-9+]"},
        "observation.stderr": {"max_length": 9000},
        "observation.stdout": {"max_length": 9000},
    }


@dataclass
class Played:
    """What a server has been asked."""

    url: str = ""
    actions: list[Any] = field(default_factory=list[Any])
    resets: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    refused: list[str] = field(default_factory=list[str])


def without_json(field: Field) -> Field:
    """A field with empty objects in place of any JSON: random text is none."""
    match field:
        case String(is_json=True):
            return Fixed({})
        case ListOf(item):
            return replace(field, item=without_json(item))
        case ObjectOf(properties):
            kept = [replace(prop, field=without_json(prop.field)) for prop in properties]
            return replace(field, properties=tuple(kept))
        case Union(members):
            return Union(tuple((label, without_json(member)) for label, member in members))
        case _:
            return field


@contextmanager
def playing(
    document: Mapping[str, Any], interface: Interface, *, steps: int = 3
) -> Generator[Played]:
    """Serve a contract: observations are any that it allows, settled by the seed.

    Actions that it doesn't allow are refused. The episode ends after ``steps``.
    """
    world = Played()
    allowed = ExactValidator(normal_form(document["action"]))
    shown = ExactValidator(normal_form(document["observation"]))

    played = without_json(interface.observation)

    def observation(seed: int) -> dict[str, Any]:
        space = space_of(played, is_action=False)
        space.seed(seed)
        value: dict[str, Any] = to_value(played, space.sample())
        assert list(shown.errors(value)) == []
        return value

    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        seed, step = 0, 0
        async for text in requests(websocket):
            frame = json.loads(text)
            if frame["type"] == "close":
                return
            data = frame["data"]
            step += 1
            if frame["type"] == "reset":
                world.resets.append(data)
                seed, step = data.get("seed", 0), 0
            elif violations := list(allowed.errors(data)):
                world.refused += map(str, violations)
                await websocket.send_text(error("VALIDATION_ERROR", str(violations[0])))
                continue
            else:
                world.actions.append(data)
            reward = float(step) if step else None
            seen = observation(seed % 2**30 + step)
            await websocket.send_text(observed(seen, reward=reward, done=step >= steps))

    with serving(Starlette(routes=[WebSocketRoute("/ws", session)])) as url:
        world.url = url
        yield world
