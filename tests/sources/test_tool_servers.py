"""Servers of tools that aren't OpenEnv's, as sources: forms of their documents."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from envgen.sources import open_reward, read_contract
from tests.sources.test_openapi import operation
from tests.support import load, run, save

COUNT = {"type": "object", "properties": {"by": {"type": "integer"}}, "required": ["by"]}
VERDICT = {"type": "object", "properties": {"reward": {"type": "number"}}, "required": ["reward"]}
SESSION = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
EMPTY = {"type": "object", "properties": {}}


def resources_server(seeded: Any) -> dict[str, Any]:
    """A resources server of NeMo Gym whose ``seed_session`` replies with this."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Counting", "version": "1"},
        "paths": {
            "/seed_session": {"post": operation(EMPTY, seeded)},
            "/verify": {"post": operation(VERDICT, VERDICT)},
            "/count": {"post": operation(COUNT, COUNT)},
            "/say": {
                "post": {
                    "responses": {
                        "200": {"content": {"text/plain": {"schema": {"type": "string"}}}}
                    }
                }
            },
        },
    }


@pytest.mark.parametrize(
    ("seeded", "found"),
    [
        ({"anyOf": [SESSION, EMPTY]}, "union"),
        ({"type": "array", "items": SESSION}, "array"),
        (SESSION, ""),
        (EMPTY, ""),
        (None, ""),
    ],
)
def test_what_seeding_replies(seeded: Any, found: str) -> None:
    """NeMo Gym 0.7 declares a union for each server that has no reply of its own."""
    path = save(resources_server(seeded), "counting.json")
    told = [item.message for item in read_contract(path).findings]
    assert [found in text for text in told if "reset gives" in text] == ([True] if found else [])
    assert run("build", path).exit_code == 0
    package = load(Path("generated/counting"))
    assert {"count", "verify", "say"} <= set(dir(package.CountingToolset))


def test_an_environment_of_open_reward_whose_name_no_address_can_have_is_none() -> None:
    class Listing:
        async def get(self, _url: str) -> Any:
            return ["\ud800"]

    served: Any = Listing()
    assert asyncio.run(open_reward.find(served, "http://127.0.0.1:1")) is None
