"""Without the trainer's library, an adapter says what to install."""

from __future__ import annotations

import pytest

import envgen_runtime as rt
from envgen_runtime.adapters import resource_session, verifiers
from generated.coding_env import AsyncCodingEnv, CodingEnv


def test_verifiers() -> None:
    with pytest.raises(rt.MissingExtra) as caught:
        verifiers.environment(AsyncCodingEnv, "http://127.0.0.1:8000")
    assert caught.value.extra == "verifiers"


def test_openenv() -> None:
    with pytest.raises(rt.MissingExtra) as caught:
        resource_session.session_factory(CodingEnv, "http://127.0.0.1:8000")
    assert caught.value.extra == "openenv"


def test_schemas_need_no_trainer() -> None:
    for adapter, client in ((verifiers, AsyncCodingEnv), (resource_session, CodingEnv)):
        (schema,) = adapter.shown_schemas(client).values()
        assert schema["required"] == ["code"]
