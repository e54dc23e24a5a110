"""What can be seen of a client, and what can't: observers, spans, traces, logs, secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

import envgen_runtime as rt
from envgen.demo.environment import CodingEnvironment
from envgen.demo.server import create_app, serving
from envgen_runtime.wire.redaction import without_secrets
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv
from tests.runtime.servers import observed, requests
from tests.support import ROOT

CONTRACT = json.loads((ROOT / "schemas" / "coding_env.json").read_text())
HELLO = CodeAction(code="print('hello')")
STALE = CodeAction(code="stale")
SECRET = "tok-5f1d9a77c2"


class StaleEnv(CodingEnv):
    """A client that is older than its server, for one action."""

    def _step_payload(self, action: CodeAction) -> dict[str, Any]:
        return {"programme": "1"} if action is STALE else super()._step_payload(action)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving(create_app(CONTRACT, partial(CodingEnvironment, max_steps=3))) as base_url:
        yield base_url


class Recorder(rt.Observer):
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def on_request(self, event: rt.RequestEvent) -> None:
        self.events.append(event)

    def on_reply(self, event: rt.ReplyEvent) -> None:
        self.events.append(event)


@pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])
def test_observers_see_requests_and_how_they_end(url: str, transport: Any) -> None:
    seen = Recorder()
    with StaleEnv(url, transport=transport, observers=[seen]) as env:
        env.reset(seed=3)
        env.step(HELLO, request_id="mine")
        with pytest.raises(rt.ActionRejected):
            env.step(STALE)
    reset, reset_reply, step, step_reply, refused, refused_reply = seen.events
    assert (reset.operation, reset.data, reset.env_name) == ("reset", {"seed": 3}, "coding_env")
    assert reset_reply.request is reset
    assert (step.request_id, step.data) == ("mine", {"code": HELLO.code})
    assert step_reply.payload["reward"] == 1.0
    assert step_reply.elapsed_s > 0
    assert refused.operation == "step"
    assert isinstance(refused_reply.error, rt.ActionRejected)
    assert refused_reply.payload is None


def test_an_observer_that_fails_changes_nothing(url: str, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(rt.Observer):
        def on_request(self, event: rt.RequestEvent) -> None:
            raise RuntimeError("of the observer")

    with CodingEnv(url, observers=[Broken()]) as env:
        assert env.reset().done is False
    assert "failed on a request" in caplog.text


def test_the_log_is_quiet_and_tells_when_asked(url: str, caplog: pytest.LogCaptureFixture) -> None:
    with CodingEnv(url) as env:
        env.reset()
    assert caplog.records == []
    with caplog.at_level(logging.DEBUG, "envgen_runtime"), CodingEnv(url) as env:
        env.reset()
    assert re.search(r"reset to http://127\.0\.0\.1", caplog.text)
    assert re.search(r"reset answered after [\d.]+ ms", caplog.text)


def echoing(seen: list[dict[str, str]]) -> Starlette:
    """A server of both kinds that keeps the headers it gets."""

    async def session(websocket: WebSocket) -> None:
        seen.append(dict(websocket.headers))
        await websocket.accept()
        async for _ in requests(websocket):
            await websocket.send_text(observed({}))

    async def answer(request: Request) -> JSONResponse:
        seen.append(dict(request.headers))
        return JSONResponse({"observation": {}, "reward": None, "done": False})

    routes = [Route(path, answer, methods=["POST"]) for path in ("/reset", "/step")]
    return Starlette(routes=[WebSocketRoute("/ws", session), *routes])


@pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])
def test_trace_and_request_id_travel_in_headers(transport: Any) -> None:
    seen: list[dict[str, str]] = []
    with serving(echoing(seen)) as url:
        with CodingEnv(url, transport=transport) as env:
            env.reset()
            env.step(HELLO, request_id="mine")
    traces = [headers["traceparent"] for headers in seen]
    assert all(re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", trace) for trace in traces)
    assert len({trace.split("-")[1] for trace in traces}) == 1, "an episode is one trace"
    assert len(set(traces)) == len(traces)
    assert transport == "websocket" or seen[1]["x-request-id"] == "mine"
    assert all(headers["x-request-id"] for headers in seen)


@pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])
def test_spans(transport: Any) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    seen: list[dict[str, str]] = []
    watch = rt.OpenTelemetry(provider)
    with serving(echoing(seen)) as url:
        with CodingEnv(url, transport=transport, observers=[watch]) as env:
            env.reset()
            env.step(HELLO)
            with pytest.raises(rt.EnvError):
                env.state()
    reset, step, state = exporter.get_finished_spans()
    assert [span.name for span in (reset, step)] == ["coding_env reset", "coding_env step"]
    assert step.attributes is not None
    assert step.attributes["envgen.done"] is False
    assert step.attributes["server.address"] == "127.0.0.1"
    assert state.attributes is not None
    assert not state.status.is_ok
    assert f"{reset.context.trace_id:032x}" in seen[0]["traceparent"]
    assert f"{reset.context.span_id:016x}" in seen[0]["traceparent"]


# --- episodes as files --------------------------------------------------------------------------


def play(env: CodingEnv) -> list[Any]:
    got: list[Any] = [env.reset(seed=3).observation.stdout]
    got.append(env.step(HELLO).observation.stdout)
    with pytest.raises(rt.InvalidRequest):
        env.step({"code": 1})  # type: ignore[call-overload]
    got.append(env.state().step_count)
    return got


def test_an_episode_is_recorded_and_played_again(url: str, tmp_path: Path) -> None:
    file = tmp_path / "episode.jsonl"
    secret = {"Authorization": f"Bearer {SECRET}"}
    with StaleEnv(url, default_headers=secret, observers=[rt.EpisodeTrace(file)]) as env:
        live = play(env)
        with pytest.raises(rt.ActionRejected):
            env.step(STALE)
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["operation"] for line in lines] == ["reset", "step", "state", "step"]
    assert SECRET not in file.read_text()
    with StaleEnv.from_trace(file) as again:
        assert play(again) == live
        with pytest.raises(rt.ActionRejected) as caught:
            again.step(STALE)
        assert caught.value.code == "VALIDATION_ERROR"
        with pytest.raises(rt.TraceMismatch, match="after the end"):
            again.state()


def test_another_way_than_recorded_is_an_error(url: str, tmp_path: Path) -> None:
    file = tmp_path / "episode.jsonl"
    with CodingEnv(url, observers=[rt.EpisodeTrace(file)]) as env:
        env.reset(seed=3)
        env.step(HELLO)

    async def replay() -> None:
        async with AsyncCodingEnv.from_trace(file) as env:
            await env.reset(seed=3)
            with pytest.raises(rt.TraceMismatch, match=r"line 2 of .* is step"):
                await env.step(CodeAction(code="another"))

    asyncio.run(replay())


def test_what_is_no_trace_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.jsonl"
    file.write_text('{"a": 1}\n')
    with pytest.raises(ValueError, match="not a trace"):
        CodingEnv.from_trace(file)


# --- secrets ------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])
def test_secrets_are_nowhere_to_be_read(transport: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def tell(request: Request) -> Response:
        return Response(f"who is {request.headers['authorization']}?", 503)

    async def session(websocket: WebSocket) -> None:
        told = websocket.headers["authorization"]
        await websocket.send_denial_response(Response(f"who is {told}?", 503))

    routes = [Route("/reset", tell, methods=["POST"]), WebSocketRoute("/ws", session)]
    caplog.set_level(logging.DEBUG)
    with serving(Starlette(routes=routes)) as url:
        env = CodingEnv(
            url,
            transport=transport,
            default_headers={"Authorization": f"Bearer {SECRET}"},
            retry=rt.RetryPolicy(first_delay_s=0),
        )
        with env, pytest.raises(rt.EnvError) as caught:
            env.reset()
    error = caught.value
    shown = [str(error), repr(error), str(error.server_text), repr(env), repr(env._options)]
    ours = [record.getMessage() for record in caplog.records if "uvicorn" not in record.name]
    assert "***" in str(error.server_text)
    assert not [text for text in (*shown, *ours) if SECRET in text]


def test_a_password_in_the_address_becomes_a_header() -> None:
    seen: list[dict[str, str]] = []
    with serving(echoing(seen)) as url:
        address = url.replace("http://", "http://me:open%20sesame@")
        with CodingEnv(address) as env:
            env.reset()
            assert "sesame" not in repr(env) + env.base_url
    assert seen[0]["authorization"] == "Basic bWU6b3BlbiBzZXNhbWU="


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"https://me:{SECRET}@h:8/a?token={SECRET}#{SECRET}", "https://h:8/a"),
        (f"https://[{SECRET}", "a URL that can't be read"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


def test_a_header_that_cannot_be_sent_is_named_without_its_value() -> None:
    with pytest.raises(ValueError, match="header Authorization") as caught:
        CodingEnv("http://h", default_headers={"Authorization": f"{SECRET}\n"})
    assert SECRET not in str(caught.value)
