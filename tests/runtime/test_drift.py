"""The server's contract differs from the one that the client was built from: who is told, when."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import envgen_runtime as rt
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen_runtime.contract.drift import Contracts, differences
from envgen_runtime.contract.published import MAX_VALUES
from generated.coding_env import AsyncCodingEnv, CodingEnv
from tests.runtime.servers import answering, observed
from tests.support import ROOT

CONTRACT = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
WARMER = {
    "action": {
        "title": "HeatAction",
        "type": "object",
        "properties": {"watts": {"type": "number"}},
    },
    "observation": {
        "title": "Room",
        "type": "object",
        "properties": {"celsius": {"type": "number"}, "done": {"type": "boolean"}},
    },
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(create_app(CONTRACT, partial(CodingEnvironment, max_steps=3))) as base_url:
        yield base_url


def changed() -> dict[str, Any]:
    contract = json.loads(json.dumps(CONTRACT))
    properties = contract["observation"]["properties"]
    properties["output"] = properties.pop("stdout")
    properties["exit_code"]["type"] = "string"
    return contract


def drifted(contract: dict[str, Any], *frames: str) -> Starlette:
    async def schema(_request: Request) -> JSONResponse:
        return JSONResponse(contract)

    return Starlette(routes=[*answering(*frames).routes, Route("/schema", schema)])


def test_a_mismatch_says_what_has_changed() -> None:
    frames = [observed({"exit_code": "four"})] * 2
    with serving(drifted(changed(), *frames)) as url, CodingEnv(url) as env:
        with pytest.raises(rt.ReplyMismatch) as caught:
            env.reset()
    assert caught.value.path == "$.observation.exit_code"
    assert "not 'four'" in str(caught.value)
    assert "/observation/properties/stdout: removed" in caught.value.drift
    assert "/observation/properties/output: added" in caught.value.drift
    assert "/observation/properties/exit_code/type: 'integer' became 'string'" in str(caught.value)
    assert f"envgen build {url}" in str(caught.value)


def test_a_mismatch_without_a_change_says_so() -> None:
    frames = [observed({"exit_code": "four"})]
    with serving(drifted(CONTRACT, *frames)) as url, CodingEnv(url) as env:
        with pytest.raises(rt.ReplyMismatch, match="publishes the same contract") as caught:
            env.reset()
    assert caught.value.drift == ()


@pytest.mark.parametrize("is_async", [False, True])
def test_drift_can_be_an_error_before_anything_is_sent(is_async: bool) -> None:
    async def play(url: str) -> None:
        async with AsyncCodingEnv(url, on_drift="error") as env:
            await env.reset()

    with serving(drifted(changed())) as url:
        with pytest.raises(rt.ContractDrift, match="Regenerate with") as caught:
            asyncio.run(play(url)) if is_async else CodingEnv(url, on_drift="error").reset()
    assert not caught.value.sent
    assert len(caught.value.drift) == 3


def test_names_of_a_server_are_told_in_one_line_each(caplog: pytest.LogCaptureFixture) -> None:
    contract = changed()
    contract["observation"]["properties"]["\n::error::x\x1b[31m"] = {"type": "string"}
    with serving(drifted(contract, observed({}))) as url:
        with CodingEnv(url, on_drift="error") as env, pytest.raises(rt.ContractDrift) as caught:
            env.reset()
        reset(url, is_async=False)
        said = warnings_of(caplog)
    for text in (str(caught.value), *caught.value.drift, *said):
        assert text.isprintable()
    assert any(r"\n::error::x\x1b[31m: added" in line for line in caught.value.drift)


def test_drift_can_be_ignored() -> None:
    frames = [observed({"exit_code": "four"})]
    with serving(drifted(changed(), *frames)) as url, CodingEnv(url, on_drift="ignore") as env:
        with pytest.raises(rt.ReplyMismatch) as caught:
            env.reset()
    assert caught.value.drift == ()
    assert "removed" not in str(caught.value)


def test_both_contracts_can_be_read(url: str) -> None:
    with CodingEnv(url, on_drift="error") as env:
        env.reset()
        assert differences(env.contract, env.server_contract()) == []
        assert env.contract["name"] == "coding_env"
        assert len(env.fingerprint) == 64
        assert env.is_healthy()
    assert not CodingEnv("http://127.0.0.1:9").is_healthy()


# --- in the background of the first reset -------------------------------------------------------


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged, once nothing is looked at any more."""
    for thread in threading.enumerate():
        if thread.name == "envgen-contract":
            thread.join()
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def reset(url: str, *, is_async: bool, **options: Any) -> None:
    async def play() -> None:
        async with AsyncCodingEnv(url, **options) as env:
            await env.reset()

    if is_async:
        asyncio.run(play())
    else:
        with CodingEnv(url, **options) as env:
            env.reset()


both_clients = pytest.mark.parametrize("is_async", [False, True])


@both_clients
def test_a_renamed_optional_field_is_told_once(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(drifted(changed(), *[observed({"output": "4"})] * 4)) as url:
        reset(url, is_async=is_async)
        (told,) = warnings_of(caplog)
        reset(url, is_async=is_async)
        assert warnings_of(caplog) == [told]
    assert "/observation/properties/stdout: removed" in told
    assert f"{url} has another contract than coding_env's client" in told
    assert f"envgen build {url}" in told


@both_clients
def test_a_client_with_http_of_its_own_takes_the_look_from_nobody(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    own = httpx.AsyncClient() if is_async else httpx.Client()
    with serving(drifted(changed(), *[observed({"output": "4"})] * 4)) as url:
        reset(url, is_async=is_async, http_client=own)
        assert warnings_of(caplog) == []
        reset(url, is_async=is_async)
        assert len(warnings_of(caplog)) == 1
    asyncio.run(own.aclose()) if isinstance(own, httpx.AsyncClient) else own.close()


@both_clients
def test_another_environments_server_is_told_by_its_name(
    is_async: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def metadata(_request: Request) -> JSONResponse:
        return JSONResponse({"name": "warmer_env", "version": "1.0"})

    app = drifted(WARMER, *[observed({"celsius": 19})] * 4)
    with serving(app) as url:
        reset(url, is_async=is_async)
        assert "it serves another environment, 'HeatAction'. " in warnings_of(caplog)[0]
    caplog.clear()
    app = Starlette(routes=[*app.routes, Route("/metadata", metadata)])
    with serving(app) as url:
        reset(url, is_async=is_async)
        assert "it serves another environment, 'warmer_env'. " in warnings_of(caplog)[0]


def test_more_fields_in_replies_are_no_news(caplog: pytest.LogCaptureFixture) -> None:
    contract = json.loads(json.dumps(CONTRACT))
    contract["observation"]["properties"]["cpu_seconds"] = {"type": "number"}
    with serving(drifted(contract, observed({}))) as url:
        reset(url, is_async=False)
    assert warnings_of(caplog) == []


def test_the_strict_mode_refuses_even_more_fields_in_replies() -> None:
    contract = json.loads(json.dumps(CONTRACT))
    contract["observation"]["properties"]["cpu_seconds"] = {"type": "number"}
    with serving(drifted(contract, observed({}))) as url, CodingEnv(url, on_drift="error") as env:
        with pytest.raises(rt.ContractDrift) as caught:
            env.reset()
        assert caught.value.drift == ("/observation/properties/cpu_seconds: added",)


def test_a_field_that_actions_need_is_news(caplog: pytest.LogCaptureFixture) -> None:
    contract = json.loads(json.dumps(CONTRACT))
    contract["action"]["properties"]["language"] = {"type": "string"}
    contract["observation"]["properties"]["cpu_seconds"] = {"type": "number"}
    contract["action"]["required"] = [*contract["action"].get("required", []), "language"]
    with serving(drifted(contract, observed({}))) as url:
        reset(url, is_async=False)
        (said,) = warnings_of(caplog)
    assert "/action/properties/language: now required" in said
    assert "cpu_seconds" not in said, "nothing changes by it for this client"


def contracts(part: str, *fields: dict[str, Any]) -> Contracts:
    """Two contracts, each with a part that has this field."""
    ours, theirs = (
        {part: {"title": "X", "type": "object", "properties": {"x": field}}} for field in fields
    )
    return Contracts(ours, theirs)


WORD = {"type": "string"}
ONE, BOTH = {"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["a", "b"]}


@pytest.mark.parametrize(
    ("less", "more"),
    [
        (ONE, BOTH),
        (ONE, WORD),
        ({"type": "integer"}, {"type": "number"}),
        ({"type": "integer"}, {"type": ["integer", "string"]}),
        ({"type": "integer", "minimum": 2}, {"type": "integer", "minimum": 1}),
        ({"type": "integer", "maximum": 2}, {"type": "integer", "maximum": 3}),
        ({"type": "string", "maxLength": 2}, {"type": "string"}),
        ({"type": "array", "items": ONE}, {"type": "array", "items": BOTH}),
        (
            {"type": "object", "properties": {"y": WORD}, "required": ["y"]},
            {"type": "object", "properties": {"y": WORD}},
        ),
        (
            {"type": "object", "additionalProperties": False},
            {"type": "object", "additionalProperties": True},
        ),
    ],
    ids=str,
)
def test_a_server_may_take_more_and_send_less(less: dict[str, Any], more: dict[str, Any]) -> None:
    def told(part: str, ours: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
        found = contracts(part, ours, theirs)
        assert found.differences() != [], "the strict mode refuses it"
        return found.worth_telling()

    assert told("action", less, more) == []
    assert told("observation", more, less) == []
    assert told("action", more, less) != []
    assert told("observation", less, more) != []


@pytest.mark.parametrize("part", ["action", "observation"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"not": ONE}, {"not": BOTH}),
        ({"type": "string", "default": "a"}, {"type": "string", "default": "b"}),
        ({"type": "string"}, {"type": "integer"}),
        ({"enum": ["a", "b"]}, {"enum": ["a", "c"]}),
        ({"type": "object", "properties": {"y": WORD}}, {"type": "object"}),
    ],
    ids=str,
)
def test_what_may_change_either_is_told(
    part: str, ours: dict[str, Any], theirs: dict[str, Any]
) -> None:
    found = contracts(part, ours, theirs)
    assert found.worth_telling() == found.differences() != []


def test_a_field_more_that_actions_may_have_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    contract = json.loads(json.dumps(CONTRACT))
    contract["action"]["properties"]["language"] = {"type": "string", "default": "python"}
    with serving(drifted(contract, observed({}))) as url:
        reset(url, is_async=False)
    assert warnings_of(caplog) == []


@both_clients
def test_a_reset_waits_for_no_contract(is_async: bool, caplog: pytest.LogCaptureFixture) -> None:
    may_answer = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def schema(_request: Request) -> JSONResponse:
        loops.append(asyncio.get_running_loop())
        await may_answer.wait()
        return JSONResponse(["no", {"contract": []}])

    app = Starlette(routes=[*answering(observed({})).routes, Route("/schema", schema)])
    with serving(app) as url:
        reset(url, is_async=is_async)
        while not loops:  # the thread has begun, and asks
            pass
        loops[0].call_soon_threadsafe(may_answer.set)
        assert warnings_of(caplog) == [], "an answer that is no contract is no difference"


@pytest.mark.parametrize("schema", [{"action": {"required": 5}}, {"action": 5}, []])
def test_no_answer_makes_a_reset_fail(schema: Any, caplog: pytest.LogCaptureFixture) -> None:
    with serving(drifted(schema, observed({}))) as url:
        reset(url, is_async=False)
        warnings_of(caplog)


def test_the_first_servers_have_no_contract(caplog: pytest.LogCaptureFixture) -> None:
    with serving(answering(observed({}))) as url:
        reset(url, is_async=False)
        assert warnings_of(caplog) == []


@pytest.mark.parametrize("on_drift", ["ignore", "error"])
def test_the_background_is_for_the_default(on_drift: Any, caplog: pytest.LogCaptureFixture) -> None:
    asked: list[str] = []

    async def schema(_request: Request) -> JSONResponse:
        asked.append("/schema")
        return JSONResponse(CONTRACT)

    app = Starlette(routes=[*answering(observed({})).routes, Route("/schema", schema)])
    with serving(app) as url:
        reset(url, is_async=False, on_drift=on_drift)
        warnings_of(caplog)
    assert len(asked) == (on_drift == "error")


def test_a_schema_is_looked_at_up_to_a_limit() -> None:
    """What compares two schemas goes through all of both."""
    huge = {**WARMER, "action": {"enum": [*range(MAX_VALUES)]}}
    (found,) = differences(WARMER, huge)
    assert found == "/action: can't be compared: it has more than 50,000 values"


def test_what_the_environment_does_not_publish_does_not_drift() -> None:
    other = {"type": "object", "properties": {"x": {"type": "string"}}}
    given = {**WARMER, "state": {"type": "object", "properties": {}}}
    assert differences(given, {**WARMER, "state": other}) == ["/state/properties/x: added"]
    assert differences({**given, "unpublished": ["state"]}, {**WARMER, "state": other}) == []
