"""Names of the stock client: each is told what it is called here, and none looks like it exists."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import envgen_runtime as rt
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv

URL = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("stock", "ours"),
    [
        ("headers", "default_headers"),
        ("message_timeout_s", "request_timeout_s"),
        ("max_message_size_mb", "max_message_bytes"),
    ],
)
@pytest.mark.parametrize("client", [CodingEnv, AsyncCodingEnv])
def test_an_option_is_told(client: Any, stock: str, ours: str) -> None:
    with pytest.raises(TypeError, match=f"{stock}.*{ours}"):
        client(URL, **{stock: None})
    assert ours in inspect.signature(client).parameters


@pytest.mark.parametrize("client", [CodingEnv, AsyncCodingEnv])
@pytest.mark.parametrize(
    ("stock", "ours"),
    [
        ("connect", "reset"),
        ("disconnect", "close"),
        ("new_session", "with_options"),
        ("from_env", "from_hub"),
        ("sync", "CodingEnv"),
    ],
)
def test_a_method_is_told(client: Any, stock: str, ours: str) -> None:
    for owner in (client, client(URL)):
        with pytest.raises(AttributeError, match=rf"{stock}: .*{ours}"):
            getattr(owner, stock)
        assert not hasattr(owner, stock)


def test_with_and_async_with_are_told() -> None:
    async def enter() -> None:
        async with CodingEnv(URL):  # type: ignore[attr-defined]
            pass

    with pytest.raises(TypeError, match="AsyncCodingEnv"):
        asyncio.run(enter())
    with pytest.raises(TypeError, match="async with"):
        with AsyncCodingEnv(URL):  # type: ignore[attr-defined]
            pass
    assert not hasattr(CodingEnv, "__aenter__"), "or a trainer would take it for asynchronous"


def test_a_subclass_may_use_a_name_itself() -> None:
    class Mine(CodingEnv):
        def connect(self) -> str:
            return "connected"

    assert Mine(URL).connect() == "connected"


@pytest.mark.parametrize(
    "call",
    [
        lambda env: env.reset(timeout=5),
        lambda env: env.step(code="1", timeout=5),
        lambda env: env.step(CodeAction(code="1"), timeout=5),
    ],
)
def test_timeout_is_told(call: Callable[[Any], Any]) -> None:
    with pytest.raises(rt.InvalidRequest, match="timeout_s"):
        call(CodingEnv(URL))


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "localhost:8000", "env.example/base"])
def test_a_scheme_is_asked_for(address: str) -> None:
    with pytest.raises(ValueError, match=f"http://{address}"):
        CodingEnv(address)


def test_an_address_without_a_scheme_keeps_its_secrets() -> None:
    with pytest.raises(ValueError, match="http://host:8000/base or") as caught:
        CodingEnv("me:open-sesame@host:8000/base?token=open-sesame")
    assert "sesame" not in str(caught.value)
