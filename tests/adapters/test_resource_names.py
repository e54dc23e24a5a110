"""Names that OpenEnv reserves."""

from __future__ import annotations

from pathlib import Path

from envgen_runtime.adapters.resource_session import shown_schemas
from tests.support import build, contract


def test_reserved_names_are_shown_as_others(tmp_path: Path) -> None:
    tools = [
        {"name": name, "inputSchema": {"type": "object", "properties": {name: {"type": "string"}}}}
        for name in ("close", "env_close", "state", "look")
    ]
    client = build(contract(tools=tools), tmp_path).DoEnv
    shown = shown_schemas(client)
    assert set(shown) == {"DoAction", "env_env_close", "env_close", "env_state", "look"}
    assert "close" in shown["env_env_close"]["properties"]
    assert "env_close" in shown["env_close"]["properties"]
