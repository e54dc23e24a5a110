"""What is refused before it is sent, and what a wrong address or server is told to be."""

from __future__ import annotations

import asyncio
import importlib
import math
import traceback
from collections.abc import Iterator
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

import envgen_runtime as rt
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen_runtime.providers import base, readiness
from envgen_runtime.providers.process.git import GitSource
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv, models
from tests.runtime.test_watching import CONTRACT


@pytest.fixture(scope="module")
def env() -> Iterator[CodingEnv]:
    app = create_app(CONTRACT, partial(CodingEnvironment, max_steps=100))
    with serving(app) as url, CodingEnv(url) as client:
        client.reset()
        yield client


# --- values that JSON doesn't have --------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (math.nan, r"\$\.metadata\.x: nan"),
        ({"torque": [0.1, math.inf]}, r"\$\.metadata\.x\.torque\[1\]: inf"),
        (b"text", r"\$\.metadata\.x: a value of type bytes"),
        (b"\xff", r"\$\.metadata\.x: a value of type bytes"),
        ([{1, 2}], r"\$\.metadata\.x\[0\]: a value of type set"),
        (object(), r"\$\.metadata\.x: a value of type object"),
        (np.array([1.0, math.nan]), r"\$\.metadata\.x\[1\]: nan"),
    ],
)
def test_a_value_that_json_does_not_have(env: CodingEnv, value: Any, place: str) -> None:
    with pytest.raises(rt.InvalidRequest, match=place):
        env.step(code="1", metadata={"x": value})
    with pytest.raises(rt.InvalidRequest, match=place):
        env.step(CodeAction.model_construct(code="1", metadata={"x": value}))
    assert env.step(code="print(1)").observation.stdout == "1\n", (
        "nothing was sent, nothing is lost"
    )


def test_a_value_of_another_type_is_not_smuggled(env: CodingEnv) -> None:
    with pytest.raises(rt.InvalidRequest, match="code"):
        env.step(CodeAction.model_construct(code=5))


def test_numbers_and_arrays_of_numpy_are_numbers_and_lists(env: CodingEnv) -> None:
    given = {"n": np.int64(3), "x": np.float32(0.5), "grid": np.array([[1, 2], [3, 4]])}
    sent = env._step_payload(CodeAction(code="1", metadata=given))
    assert sent["metadata"] == {"n": 3, "x": 0.5, "grid": [[1, 2], [3, 4]]}
    assert type(sent["metadata"]["n"]) is int
    assert env.step(code="print(1)", metadata=given).reward is not None


# --- what isn't an action -------------------------------------------------------------------------


def test_a_dict_is_told_how_it_goes_in(env: CodingEnv) -> None:
    with pytest.raises(rt.InvalidRequest, match=r"step\(\*\*fields\)"):
        env.step({"code": "1"})  # type: ignore[arg-type]


def test_an_action_of_a_reloaded_module_is_explained(env: CodingEnv) -> None:
    kept = dict(vars(models))
    try:
        reloaded = importlib.reload(models)
        with pytest.raises(rt.InvalidRequest, match="reloaded"):
            env.step(reloaded.CodeAction(code="1"))
    finally:
        vars(models).update(kept)


# --- addresses and servers --------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://host/#open-sesame",
        "http://u:open-sesame@host:0",
        "http://u:open-sesame@host..example",
        f"http://u:open-sesame@{'h' * 64}.example",
    ],
)
def test_a_refused_address_keeps_its_secret(url: str) -> None:
    with pytest.raises(ValueError, match="base_url") as caught:
        CodingEnv(url)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("host", ["h\u2100.example", "[::1", "[x]"])
def test_an_address_that_python_cannot_read_keeps_its_secret(host: str) -> None:
    url = f"http://u:open-sesame@{host}"
    for read in (CodingEnv, CodingEnv.from_url, GitSource.parse):
        with pytest.raises(ValueError, match="not a valid address") as caught:
            read(url)
        assert "sesame" not in "".join(traceback.format_exception(caught.value, chain=True))


@pytest.fixture(scope="module")
def page() -> Iterator[str]:
    """A server that answers every path with a page, as a login does."""

    async def answer(_: Request) -> Response:
        return HTMLResponse("<html><head><title>Sign\nin</title></head></html>")

    with serving(Starlette(routes=[Route("/{path:path}", answer)])) as url:
        yield url


def test_a_page_is_called_a_page(page: str) -> None:
    with CodingEnv(page) as client, pytest.raises(rt.UpgradeRefused, match=r'"Sign in"') as caught:
        client.reset()
    assert "publishes" not in str(caught.value)


@pytest.mark.parametrize("is_async", [False, True])
def test_http_is_refused_where_it_holds_no_episode(is_async: bool) -> None:
    async def play() -> None:
        async with AsyncCodingEnv(url, transport="http") as env:
            await env.reset()
            await env.step(code="1")

    def reset() -> None:
        with CodingEnv(url, transport="http") as env:
            env.reset()
            env.step(code="1")

    app = create_app(CONTRACT, partial(CodingEnvironment, max_steps=100))
    with serving(app) as url:
        with pytest.raises(rt.InvalidRequest, match=r"fresh environment.*http-unchecked"):
            asyncio.run(play()) if is_async else reset()
        with CodingEnv(url, transport="http-unchecked") as env:
            assert env.reset().done is False
            assert env.step(code="1").done is False
        with CodingEnv(url, transport="http") as env:
            with pytest.raises(rt.InvalidRequest, match="fresh environment"):
                env.state()


def test_http_is_told_a_page_from_a_server(page: str) -> None:
    with CodingEnv(page, transport="http") as client:
        with pytest.raises(rt.ConnectError, match=r'"Sign in"'):
            client.reset()


def test_a_page_is_not_healthy(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the server last said is told, although the time limit cuts the last probe short."""
    answers: list[str] = []
    now_s = 0.0

    def probe(url: str, **options: Any) -> str:
        nonlocal now_s
        if any("a web page" in answer for answer in answers):
            now_s = 99.0
            return readiness.NO_ANSWER
        answers.append(real(url, **options))
        return answers[-1]

    real = readiness.probe
    monkeypatch.setattr(readiness, "probe", probe)
    monkeypatch.setattr(base, "time", SimpleNamespace(monotonic=lambda: now_s))
    with pytest.raises(rt.ReadyTimeout, match="a web page"):
        CodingEnv.from_url(page, timeout_s=60)
