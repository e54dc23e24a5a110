"""The wires of tool servers that aren't OpenEnv's, without I/O: what each reply is taken for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import Any

import pytest

from envgen_runtime import (
    EnvError,
    ExecutionError,
    InvalidRequest,
    NotReset,
    ProtocolError,
    RequestTimeout,
    ServerError,
    ServerSessionError,
)
from envgen_runtime.wire.http_exchange import HttpResponse, HttpSession, Pause
from envgen_runtime.wire.nemo_gym import NemoGymWire
from envgen_runtime.wire.open_reward import MAX_EVENT_LINES, OpenRewardWire, read_events
from envgen_runtime.wire.protocol import HttpCall, Request
from envgen_runtime.wire.routes import HttpRoute, HttpWire

SEEDED = HttpResponse(200, {"content-type": "application/json"}, b"{}", ("session=a; Path=/",))


class Served:
    """A session, the responses that it gets one after the other, and what it asked for."""

    def __init__(self, session: HttpSession, *responses: HttpResponse | EnvError) -> None:
        self.session = session
        self.responses = list(responses)
        self.calls: list[HttpCall] = []
        self.pauses: list[float] = []

    def make(self, operation: Any, data: Mapping[str, Any], timeout_s: float = 9.0) -> Any:
        exchange = self.session.exchange(Request.begun(operation, dict(data), timeout_s, "r"))
        try:
            step = next(exchange)
            while True:
                if isinstance(step, Pause):
                    self.pauses.append(step.delay_s)
                    step = exchange.send(None)
                    continue
                self.calls.append(step)
                response = self.responses.pop(0)
                if isinstance(response, EnvError):
                    step = exchange.throw(response)
                else:
                    step = exchange.send(response)
        except StopIteration as ended:
            return ended.value

    def call(self, name: str, **arguments: Any) -> Any:
        return self.make("step", {"tool_name": name, "arguments": arguments})


def replied(value: Any, status: int = 200, **headers: str) -> HttpResponse:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return HttpResponse(
        status, {"content-type": "application/json", **named}, json.dumps(value).encode()
    )


# --- NeMo Gym -------------------------------------------------------------------------------------


def nemo_gym(*responses: HttpResponse | EnvError) -> Served:
    """An episode of NeMo Gym that has begun."""
    served = Served(NemoGymWire().begin("", {}), SEEDED, *responses)
    served.make("reset", {})
    return served


@pytest.mark.parametrize("reward", [0.0, 1, -2.5, True])
def test_a_verdict_ends_the_episode_with_its_reward(reward: float) -> None:
    reply = nemo_gym(replied({"reward": reward, "note": "x", "mask_sample": False})).call("verify")
    assert (reply["reward"], reply["done"]) == (reward, True)
    assert reply["observation"]["result"]["structuredContent"]["note"] == "x"


def test_a_tool_has_no_reward_though_it_names_one() -> None:
    reply = nemo_gym(replied({"reward": 3.0})).call("count", by=1)
    assert (reply["reward"], reply["done"]) == (None, False)


@pytest.mark.parametrize(
    "fields",
    [
        {"mask_sample": True, "failure_kind": "judge_failed", "failure_reason": "no judge"},
        {"instance_config": {"mask_sample": True}, "failure_kind": "judge_failed"},
        {"_ng_failure_class": "judge_failed"},
    ],
)
def test_a_reward_that_measures_nothing_is_none(fields: dict[str, Any]) -> None:
    """NeMo Gym sends 0 where its judge could not be reached: that is not the model's reward."""
    with pytest.raises(ExecutionError, match="judge_failed") as failed:
        nemo_gym(replied({"reward": 0.0, **fields})).call("verify")
    assert failed.value.data["reward"] == 0.0
    assert failed.value.maybe_applied


@pytest.mark.parametrize("reply", [{}, {"reward": None}, {"reward": "1.0"}, [1.0], 1.0, None])
def test_a_verdict_without_a_reward_is_none(reply: Any) -> None:
    with pytest.raises(ProtocolError):
        nemo_gym(replied(reply)).call("verify")


@pytest.mark.parametrize(
    ("status", "error"), [(500, ExecutionError), (409, ServerError), (404, ServerError)]
)
def test_a_verdict_that_fails_is_no_failed_call(status: int, error: type[ServerError]) -> None:
    """A failed call is a step, whose reward counts as known."""
    with pytest.raises(error) as failed:
        nemo_gym(replied({"detail": "x"}, status)).call("verify")
    assert failed.value.code == f"HTTP_{status}"


@pytest.mark.parametrize(
    ("status", "told", "kind", "message"),
    [
        (404, {"detail": "Not Found"}, "tool_not_found", "Not Found"),
        (405, {"detail": "Method Not Allowed"}, "tool_not_found", "Method Not Allowed"),
        (404, {"detail": "no such customer"}, "execution_error", "no such customer"),
        (400, {"detail": "seed first"}, "execution_error", "seed first"),
        (409, {"detail": {"of": 1}}, "execution_error", '{"of": 1}'),
        (410, {}, "execution_error", "{}"),
        (422, {"detail": [{"loc": ["by"]}]}, "invalid_args", '[{"loc": ["by"]}]'),
        (500, "KeyError('x')", "execution_error", "KeyError('x')"),
    ],
)
def test_how_a_tool_of_nemo_gym_fails(status: int, told: Any, kind: str, message: str) -> None:
    reply = nemo_gym(replied(told, status)).call("find")
    observation = reply["observation"]
    assert observation["error"] == {"error_type": kind, "message": message}
    assert (observation["result"], reply["reward"], reply["done"]) == (None, None, False)


@pytest.mark.parametrize("status", [401, 403, 407, 408, 425, 429, 502, 503, 504])
def test_a_server_that_refuses_is_no_failing_tool(status: int) -> None:
    with pytest.raises(ServerError) as failed:
        nemo_gym(replied({"detail": "x"}, status)).call("find")
    assert failed.value.code == f"HTTP_{status}"


@pytest.mark.parametrize(
    ("response", "text", "structured"),
    [
        (HttpResponse(200, {"content-type": "text/plain; charset=utf-8"}, b"42"), "42", None),
        (HttpResponse(204, {}, b""), "", None),
        (HttpResponse(200, {"content-type": "application/json"}, b'{"a":1}'), '{"a":1}', {"a": 1}),
        (HttpResponse(200, {"content-type": "a/b+json; x"}, b"[1]"), "[1]", [1]),
        (HttpResponse(200, {}, b"[1]"), "[1]", [1]),
    ],
)
def test_what_a_tool_of_nemo_gym_replies(
    response: HttpResponse, text: str, structured: Any
) -> None:
    result = nemo_gym(response).call("find")["observation"]["result"]
    assert result["isError"] is False
    assert "".join(block["text"] for block in result["content"]) == text
    assert result.get("structuredContent") == structured


def test_json_that_is_none_is_not_a_result() -> None:
    with pytest.raises(ProtocolError):
        nemo_gym(HttpResponse(200, {"content-type": "application/json"}, b"{")).call("find")


def test_the_cookie_of_an_episode() -> None:
    moved = SEEDED._replace(set_cookies=("session=b; Path=/",))
    unnamed = SEEDED._replace(set_cookies=())
    served = nemo_gym(moved, SEEDED, SEEDED, SEEDED, unnamed, SEEDED)
    served.call("files/a b", x=1)
    served.call("count")
    served.make("reset", {"start": 2, "seed": 3})
    served.call("count")
    served.make("reset", {})
    served.call("count")
    assert [call.path for call in served.calls] == [
        "/seed_session", "/files/a%20b", "/count", "/seed_session", "/count", "/seed_session",
        "/count",
    ]  # fmt: skip
    cookies = [call.headers.get("cookie") for call in served.calls]
    assert cookies == [None, "session=a", "session=b", None, "session=a", None, None]
    assert json.loads(served.calls[3].body or b"") == {"start": 2}


# --- Open Reward Standard -------------------------------------------------------------------------


def events(*pairs: tuple[str, str]) -> HttpResponse:
    text = "".join(f"event: {kind}\r\ndata: {data}\r\n\r\n" for kind, data in pairs)
    return HttpResponse(200, {"content-type": "text/event-stream"}, text.encode())


def session(name: str = "s1") -> HttpResponse:
    return events(("task_id", name), ("end", ""))


CREATED = replied({"sid": "s1"})
PROMPT = replied([{"type": "text", "text": "Guess."}, {"type": "image", "data": ""}])
DELETED = replied({"sid": "s1"})
PLACE = {"split": "train", "index": 0}


def open_reward(*responses: HttpResponse | EnvError) -> Served:
    """An episode of the Open Reward Standard that has begun."""
    served = Served(OpenRewardWire("Guess/1").begin("", {}), session(), CREATED, PROMPT, *responses)
    begun = served.make("reset", PLACE)
    assert (begun["reward"], begun["done"]) == (None, False)
    return served


def result(**fields: Any) -> HttpResponse:
    text = json.dumps({"ok": True, "output": {"blocks": [], **fields}})
    return events(("task_id", "t"), ("chunk", text[:9]), ("chunk", text[9:20]), ("end", text[20:]))


def test_a_call_of_open_reward() -> None:
    blocks = [{"type": "text", "text": "low"}]
    served = open_reward(result(blocks=blocks, reward=-0.5, finished=False, metadata={"n": 1}))
    reply = served.call("guess", number=3)
    assert (reply["reward"], reply["done"]) == (-0.5, False)
    assert reply["observation"]["result"]["content"] == blocks
    assert reply["observation"]["metadata"] == {"n": 1}
    assert served.calls[-1].path == "/Guess%2F1/call"
    assert served.calls[-1].headers == {"accept": "text/event-stream", "x-session-id": "s1"}
    assert json.loads(served.calls[-1].body or b"") == {"name": "guess", "input": {"number": 3}}


def test_the_last_call_of_open_reward() -> None:
    reply = open_reward(result(reward=1.0, finished=True)).call("guess")
    assert (reply["reward"], reply["done"]) == (1.0, True)


def test_a_tool_of_open_reward_that_raises_leaves_the_reward_unknown() -> None:
    """A failed call is a step, whose reward counts as known; the standard's client gives up."""
    with pytest.raises(ExecutionError, match="no sandbox") as failed:
        open_reward(events(("task_id", "t"), ("error", "no sandbox"))).call("guess")
    assert failed.value.server_text == "no sandbox"
    assert failed.value.maybe_applied
    assert not failed.value.ends_session


@pytest.mark.parametrize(
    ("reason", "kind", "done"),
    [
        ("not_found", "tool_not_found", False),
        ("name_collision", "tool_not_found", False),
        ("input_validation", "invalid_args", False),
        ("episode_finished", "execution_error", True),
        (None, "execution_error", False),
    ],
)
def test_calls_that_open_reward_refuses(reason: str | None, kind: str, done: bool) -> None:
    refused = json.dumps({"ok": False, "error": "no", "reason": reason})
    reply = open_reward(events(("end", refused))).call("guess")
    assert reply["observation"]["error"] == {"error_type": kind, "message": "no"}
    assert (reply["reward"], reply["done"]) == (None, done)


@pytest.mark.parametrize(
    "cut", [events(("task_id", "t")), events(("chunk", '{"ok":')), events(("end", "{"))]
)
def test_a_result_of_open_reward_that_is_cut_is_none(cut: HttpResponse) -> None:
    with pytest.raises(ProtocolError) as failed:
        open_reward(cut).call("guess")
    assert failed.value.maybe_applied


@pytest.mark.parametrize("status", [404, 410])
def test_a_session_of_open_reward_that_is_gone(status: int) -> None:
    served = open_reward(replied({"detail": "deleted"}, status))
    with pytest.raises(ServerSessionError) as lost:
        served.call("guess")
    assert not lost.value.maybe_applied
    with pytest.raises(NotReset):
        served.call("guess")
    assert served.make("close", {}) == {}
    assert len(served.calls) == 4, "it is not ended a second time"


@pytest.mark.parametrize(("status", "error"), [(500, ExecutionError), (503, ServerError)])
def test_a_server_of_open_reward_that_fails(status: int, error: type[ServerError]) -> None:
    with pytest.raises(error) as failed:
        open_reward(replied({"detail": "x"}, status)).call("guess")
    assert failed.value.code == f"HTTP_{status}"


def test_a_set_up_that_takes_long_is_waited_for() -> None:
    starting = replied({}, 503, x_backend_state="starting", retry_after="2")
    soon = replied({}, 503, x_backend_state="starting")
    responses = (session(), CREATED, starting, soon, PROMPT)
    served = Served(OpenRewardWire("e").begin("", {}), *responses)
    begun = served.make("reset", PLACE)
    assert begun["observation"]["text"] == "Guess."
    assert len(begun["observation"]["blocks"]) == 2
    assert served.pauses == [2.0, 1.0]


def test_a_set_up_that_takes_too_long_ends_the_session() -> None:
    starting = replied({}, 503, x_backend_state="starting")
    served = Served(OpenRewardWire("e").begin("", {}), session(), CREATED, starting, DELETED)
    with pytest.raises(RequestTimeout):
        served.make("reset", PLACE, timeout_s=0.0)
    assert served.calls[-1].path == "/delete"


FAILED = replied({"detail": "no sandbox"}, 500)


@pytest.mark.parametrize(
    "responses",
    [(session(), FAILED, DELETED), (session(), CREATED, FAILED, DELETED)],
    ids=["create", "prompt"],
)
def test_a_reset_that_fails_ends_its_session(responses: tuple[HttpResponse, ...]) -> None:
    served = Served(OpenRewardWire("e").begin("", {}), *responses)
    with pytest.raises(ExecutionError, match="no sandbox"):
        served.make("reset", PLACE)
    assert served.calls[-1].path == "/delete"
    assert served.calls[-1].headers["x-session-id"] == "s1"
    with pytest.raises(NotReset):
        served.call("guess")


def test_a_reset_ends_the_session_before() -> None:
    unreachable = ProtocolError("it can't be ended")
    served = open_reward(unreachable, session("s2"), CREATED, PROMPT, DELETED)
    served.make("reset", {"task_spec": {"secret": 1}, "split": None, "seed": 3})
    created = json.loads(served.calls[5].body or b"")
    assert created == {"env_name": "Guess/1", "task_spec": {"secret": 1}}
    served.make("close", {})
    ended = [call.headers["x-session-id"] for call in served.calls if call.path == "/delete"]
    assert ended == ["s1", "s2"]


@pytest.mark.parametrize(
    "answer", [events(("end", "")), events(("task_id", "")), replied({}), replied({}, 500)]
)
def test_a_session_without_an_id_is_none(answer: HttpResponse) -> None:
    served = Served(OpenRewardWire("e").begin("", {}), answer)
    with pytest.raises(EnvError):
        served.make("reset", PLACE)


@pytest.mark.parametrize("prompt", [{"text": "x"}, ["x"], "x"])
def test_a_prompt_of_another_form_is_none(prompt: Any) -> None:
    served = Served(OpenRewardWire("e").begin("", {}), session(), CREATED, replied(prompt), DELETED)
    with pytest.raises(ProtocolError):
        served.make("reset", PLACE)


def test_the_tools_of_open_reward_as_mcp_lists_them() -> None:
    """The terminal tool is listed apart: without it, its contract would always have drifted."""
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    listed = replied(
        {
            "tools": [
                {"name": "guess", "description": "Guess.", "input_schema": schema},
                {"name": "look", "description": "", "input_schema": None},
            ],
            "terminal_tool": {"name": "submit", "arg": "text", "description": "Answer."},
        }
    )
    tools = open_reward(listed).make("list_tools", {})["result"]["tools"]
    nothing = {"type": "object", "properties": {}}
    text = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    assert tools == [
        {"name": "guess", "description": "Guess.", "inputSchema": schema},
        {"name": "look", "description": "", "inputSchema": nothing},
        {"name": "submit", "description": "Answer.", "inputSchema": text},
    ]


def test_an_event_without_a_type_is_a_message() -> None:
    body = b"event: chunk\ndata: a\n\ndata: b\n\nevent: end\n\ndata:c\n\ndata: cut"
    request = Request.begun("step", {}, 1.0, "r")
    assert [*read_events(body, request)] == [("chunk", "a"), ("message", "b"), ("message", "c")]


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_stream_of_events_has_a_limit_of_lines(end: str) -> None:
    """Each line costs the same work, empty or not."""
    last = f'event: end{end}data: {{"ok": true, "output": {{}}}}{end}{end}'
    for lines, is_refused in ((MAX_EVENT_LINES - 3, False), (MAX_EVENT_LINES, True)):
        stream = HttpResponse(200, {}, (end * lines + last).encode())
        served = open_reward(stream)
        with pytest.raises(ProtocolError) if is_refused else nullcontext():
            served.call("guess")


def test_events_that_are_no_text_are_refused() -> None:
    """To replace each wrong byte takes seconds, if there are many; so does to redact a cause."""
    with pytest.raises(ProtocolError) as refused:
        open_reward(HttpResponse(200, {}, b'event: end\ndata: {"ok": true, "a": "\xff"}\n\n')).call(
            "guess"
        )
    assert refused.value.__context__ is None


@pytest.mark.parametrize("wire", [NemoGymWire(), OpenRewardWire("e")])
@pytest.mark.parametrize(
    "action", [{"type": "list_tools"}, {"tool_name": "a"}, {"tool_name": "a", "arguments": [1]}]
)
def test_a_step_that_calls_no_tool_is_refused(wire: Any, action: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="calls a tool"):
        Served(wire.begin("", {})).make("step", action)


@pytest.mark.parametrize("wire", [NemoGymWire(), OpenRewardWire("e")])
def test_these_servers_take_no_parameters_and_tell_no_state(wire: Any) -> None:
    wire.check_arguments("AEnv", {})
    with pytest.raises(ValueError, match="AEnv takes no parameters"):
        wire.check_arguments("AEnv", {"a": 1})
    with pytest.raises(InvalidRequest, match="no route for state"):
        Served(wire.begin("", {})).make("state", {})


def test_comments_and_lines_of_events() -> None:
    def text() -> Iterator[str]:
        yield ": ping\n\n"
        yield 'event: end\rdata: {\rdata:\rdata: "ok": false, "error": "no"}\r\r'

    body = HttpResponse(200, {}, "".join(text()).encode())
    assert open_reward(body).call("guess")["observation"]["error"]["message"] == "no"


@pytest.mark.parametrize("block", [{"type": "text"}, {"type": "text", "text": 5}])
def test_a_block_of_text_without_a_text_is_no_prompt(block: dict[str, Any]) -> None:
    served = Served(
        OpenRewardWire("e").begin("", {}), session(), CREATED, replied([block]), replied({})
    )
    with pytest.raises(ProtocolError):
        served.make("reset", PLACE)


def test_cookies_are_bounded() -> None:
    """Backslashes are the worst that the standard library can be given: its time is quadratic."""
    quoted = f'a="{chr(92) * 90_000}"'
    many = tuple(f"c{number}=x" for number in range(1_000))
    served = nemo_gym(SEEDED._replace(set_cookies=(quoted, "b=\x00", *many)), SEEDED)
    served.call("count")
    served.call("count")
    (sent,) = (call.headers["cookie"] for call in served.calls[-1:])
    assert "a=" not in sent
    assert "b=" not in sent
    assert sent.count("=") == 50


@pytest.mark.parametrize("session_id", ["\ud800", 1.5, None, ["a"]])
def test_the_id_of_a_session_can_be_sent(session_id: Any) -> None:
    reset = HttpRoute("POST", "/reset")
    step = HttpRoute("POST", "/step/{sid}")
    wire = HttpWire(reset=reset, step=step, session={"sid": "/sid"})
    served = Served(wire.begin("", {}), replied({"sid": session_id}))
    with pytest.raises(ProtocolError):
        served.make("reset", {})
