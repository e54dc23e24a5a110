"""A call without I/O: which effects it asks for, and what their outcomes do to the session."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime.clients.effects import Call, Drop, Open, Wait
from envgen_runtime.clients.session import Phase, Session
from generated.coding_env import CodingEnv
from tests.runtime.calls import (
    REPLY,
    UNSENT,
    client,
    names,
    ready,
    refused,
    reset,
    run,
    server_error,
    step,
)


@pytest.fixture(autouse=True)
def unchanged(request: pytest.FixtureRequest) -> Iterator[None]:
    """Errors are parameters of several tests, and calls set their attributes."""
    given = request.node.callspec.params.values() if hasattr(request.node, "callspec") else ()
    errors = [(error, dict(vars(error))) for error in given if isinstance(error, BaseException)]
    yield
    for error, before in errors:
        vars(error).clear()
        vars(error).update(before)


# --- what is asked for ------------------------------------------------------------------------


def test_an_episode_opens_once_and_sends_each_request_once() -> None:
    env = client()
    effects, _ = run(reset(env), None, REPLY)
    assert names(effects) == ["Open", "Send"]
    effects, result = run(step(env), REPLY)
    assert names(effects) == ["Send"]
    assert result.reward == 1.0
    effects, _ = run(reset(env), REPLY)
    assert names(effects) == ["Send"], "a second episode needs no second session"


def test_a_step_names_the_episode_that_its_reset_named() -> None:
    env = client()
    run(reset(env, episode_id="e-1"), None, REPLY)
    assert run(step(env), REPLY)[0][0].request.episode_id == "e-1"
    run(reset(env), REPLY)
    assert run(step(env), REPLY)[0][0].request.episode_id is None


@pytest.mark.parametrize(
    "error",
    [
        UNSENT,
        rt.ConnectionLost("sent"),
        rt.ConnectError("gone"),
        rt.ProtocolError("odd"),
        rt.RequestTimeout("late"),
        rt.CapacityReached("full", code="CAPACITY_REACHED"),
        server_error("HTTP_429"),
        rt.ServerError("busy", code="HTTP_503", retryable=True),
        rt.ExecutionError("failed", code="EXECUTION_ERROR"),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("transport", ["websocket", "http-unchecked"])
def test_a_step_is_sent_once_whatever_happens(error: rt.EnvError, transport: Any) -> None:
    policy = rt.RetryPolicy(attempts=9, first_delay_s=0)
    env = ready(transport=transport, retry=policy)
    effects, raised = run(step(env), error)
    assert raised is error
    assert names(effects).count("Send") == 1
    assert not {"Wait", "Open"} & set(names(effects))


def test_a_reset_is_repeated_as_the_policy_says() -> None:
    policy = rt.RetryPolicy(attempts=3, first_delay_s=4, max_delay_s=5)
    first, last = rt.ConnectError("not up yet"), rt.ConnectError("still not up")
    effects, raised = run(reset(client(retry=policy)), first, rt.ConnectError("again"), last)
    assert raised is last
    assert names(effects) == ["Open", "Drop", "Wait", "Open", "Drop", "Wait", "Open", "Drop"]
    waits = [effect.delay_s for effect in effects if isinstance(effect, Wait)]
    assert 3 <= waits[0] <= 5 <= waits[1] + 1.25
    effects, _ = run(reset(ready(retry=policy)), UNSENT, None, REPLY)
    assert names(effects) == ["Send", "Drop", "Wait", "Open", "Send"]


@pytest.mark.parametrize("code", ["HTTP_429", "HTTP_503"])
def test_a_reset_that_was_turned_away_is_repeated(code: str) -> None:
    busy = rt.ServerError("busy", code=code, retryable=True)
    effects, result = run(reset(client()), None, busy, None, REPLY)
    assert names(effects) == ["Open", "Send", "Drop", "Wait", "Open", "Send"]
    assert result.reward == 1.0


def test_a_full_server_is_waited_for_no_longer_than_the_policy_says() -> None:
    policy = rt.RetryPolicy(attempts=1, first_delay_s=30, max_delay_s=30, capacity_wait_s=2)
    full = rt.CapacityReached("full", code="CAPACITY_REACHED")
    effects, _ = run(reset(client(retry=policy)), None, full, None, REPLY)
    assert names(effects) == ["Open", "Send", "Drop", "Wait", "Open", "Send"]
    assert effects[3].delay_s <= 2


def test_what_a_reset_may_have_begun_is_not_begun_again() -> None:
    sent = rt.ConnectionLost("after it was sent")
    effects, raised = run(reset(client()), None, sent)
    assert raised is sent
    assert names(effects) == ["Open", "Send", "Drop"]
    gave_up = rt.ServerError("a proxy waited long enough", code="HTTP_504", retryable=True)
    effects, raised = run(reset(client()), None, gave_up)
    assert raised is gave_up
    assert "Wait" not in names(effects)


def test_a_state_is_repeated_only_where_it_can_lose_no_episode() -> None:
    lost = rt.ConnectionLost("gone")
    effects, _ = run(ready()._state_call(None), lost)
    assert names(effects) == ["Send", "Drop"]
    full = rt.CapacityReached("full", code="CAPACITY_REACHED")
    effects, _ = run(ready()._state_call(None), full)
    assert names(effects) == ["Send", "Drop"], "another session has another state"
    effects, _ = run(ready(transport="http-unchecked")._state_call(None), lost, {"step_count": 1})
    assert names(effects) == ["Send", "Wait", "Send"], "a plain GET, over the same connection"


def test_a_close_during_a_wait_ends_the_call() -> None:
    env = client()
    call = reset(env)
    assert isinstance(next(call), Open)
    assert isinstance(call.throw(rt.ConnectError("not up yet")), Drop)
    assert isinstance(next(call), Wait)
    env.close()
    effects, raised = run(call)
    assert effects == [Drop()]
    assert isinstance(raised, rt.SessionClosed)


def test_a_close_during_an_open_drops_what_was_opened() -> None:
    env = client()
    call = reset(env)
    next(call)
    env.close()
    assert isinstance(call.send(None), Drop)
    assert isinstance(run(call)[1], rt.SessionClosed)


# --- what becomes of the session --------------------------------------------------------------

LOST = [
    rt.RequestTimeout("late"),
    rt.ConnectionLost("gone"),
    UNSENT,
    rt.ProtocolError("odd"),
    server_error("SESSION_ERROR", rt.ServerSessionError),
    rt.ServerError("gave up", code="HTTP_504", retryable=True),
    KeyboardInterrupt(),
]
KEPT = [
    rt.InvalidRequest("not JSON"),
    server_error("EXECUTION_ERROR", rt.ExecutionError),
    server_error("VALIDATION_ERROR", rt.ActionRejected),
    server_error("HTTP_404"),
]


def kind(error: BaseException) -> str:
    return f"{type(error).__name__}-{getattr(error, 'code', '')}"


@pytest.mark.parametrize("error", LOST, ids=kind)
@pytest.mark.parametrize("ask", [step, lambda env: env._state_call(None)], ids=["step", "state"])
def test_a_session_is_lost(error: BaseException, ask: Callable[[CodingEnv], Call[Any]]) -> None:
    env = ready()
    effects, raised = run(ask(env), error)
    assert raised is error
    assert names(effects) == ["Send", "Drop"]
    assert not getattr(raised, "retryable", False), "another try would only find the session lost"
    effects, raised = run(step(env))
    assert isinstance(raised, rt.SessionLost)
    assert raised.__cause__ is error
    assert effects == []
    effects, _ = run(reset(env), None, REPLY)
    assert names(effects) == ["Open", "Send"]


@pytest.mark.parametrize("error", KEPT, ids=kind)
@pytest.mark.parametrize("ask", [step, lambda env: env._state_call(None)], ids=["step", "state"])
def test_a_session_survives(error: BaseException, ask: Callable[[CodingEnv], Call[Any]]) -> None:
    env = ready()
    effects, raised = run(ask(env), error)
    assert raised is error
    assert names(effects) == ["Send"]
    assert env._calls.session.phase is Phase.READY
    effects, result = run(step(env), REPLY)
    assert names(effects) == ["Send"]
    assert result.reward == 1.0


@pytest.mark.parametrize("error", KEPT[1:], ids=kind)
def test_a_reset_that_the_server_refuses_starts_no_episode(error: BaseException) -> None:
    env = ready()
    assert names(run(reset(env), error)[0]) == ["Send"]
    assert isinstance(run(step(env))[1], rt.NotReset)


@pytest.mark.parametrize("error", LOST[:-1], ids=kind)
def test_without_an_episode_there_is_none_to_lose(error: BaseException) -> None:
    env = client(retry=rt.RetryPolicy(attempts=1, capacity_wait_s=0))
    effects, raised = run(reset(env), None, error)
    assert raised is error
    assert names(effects) == ["Open", "Send", "Drop"]
    assert isinstance(run(step(env))[1], rt.NotReset)


MAY_PASS = [
    rt.ConnectError("gone"),
    refused(503),
    rt.ConnectionLost("sent"),
    rt.RequestTimeout("late"),
    rt.ProtocolError("odd"),
    server_error("SESSION_ERROR", rt.ServerSessionError),
    server_error("CAPACITY_REACHED", rt.CapacityReached),
    server_error("FACTORY_ERROR", rt.FactoryError),
    server_error("EXECUTION_ERROR", rt.ExecutionError),
]
STAYS = [
    rt.ConnectError("no proxy", retryable=False),
    rt.ConnectionLost("too large", retryable=False),
    rt.InvalidRequest("not JSON"),
    server_error("VALIDATION_ERROR", rt.ActionRejected),
    server_error("HTTP_404"),
]


@pytest.mark.parametrize("error", [*MAY_PASS, *STAYS], ids=kind)
@pytest.mark.parametrize("make", [client, ready], ids=["first reset", "another reset"])
def test_a_failed_reset_says_whether_to_make_it_again(
    error: rt.EnvError, make: Callable[..., CodingEnv]
) -> None:
    error = pickle.loads(pickle.dumps(error))
    env = make(retry=rt.RetryPolicy(attempts=1, capacity_wait_s=0), transport="websocket")
    _, raised = run(reset(env), *([None] if make is client else []), error)
    assert raised is error
    expected = kind(error) in map(kind, MAY_PASS) and error.args[0] not in ("no proxy", "too large")
    assert (raised.retryable, raised.episode_lost) == (expected, False)
    assert pickle.loads(pickle.dumps(raised)).retryable == expected


@pytest.mark.parametrize("error", [*LOST[:-1], *KEPT], ids=kind)
def test_a_failed_step_says_whether_the_episode_is_over(error: rt.EnvError) -> None:
    error = pickle.loads(pickle.dumps(error))
    env = ready()
    _, raised = run(step(env), error)
    is_over = kind(error) not in map(kind, KEPT)
    assert raised.episode_lost == is_over
    assert pickle.loads(pickle.dumps(raised)).episode_lost == is_over
    _, after = run(step(env), *([] if is_over else [REPLY]))
    assert getattr(after, "episode_lost", False) == is_over


def test_a_client_that_is_closed_has_no_episode_to_play_anew() -> None:
    env = ready()
    call = step(env)
    next(call)
    env._calls.session.close()
    effect = call.throw(rt.ConnectionLost("the stream ended", maybe_applied=True))
    assert isinstance(effect, Drop)
    with pytest.raises(rt.SessionClosed) as caught:
        call.send(None)
    assert (caught.value.sent, caught.value.maybe_applied) == (True, True)
    assert (caught.value.episode_lost, caught.value.retryable) == (False, False)


def test_a_call_that_is_given_up_loses_the_session() -> None:
    env = ready()
    call = step(env)
    next(call)
    call.close()
    assert isinstance(run(step(env))[1], rt.SessionLost)
    effects, _ = run(reset(env), None, REPLY)
    assert names(effects) == ["Open", "Send"], "its late reply comes over another connection"


def test_a_reply_that_does_not_fit_loses_nothing() -> None:
    env = ready()
    _, raised = run(step(env), {"observation": {"exit_code": "four"}, "done": False})
    assert isinstance(raised, rt.ReplyMismatch)
    assert (raised.path, raised.maybe_applied) == ("$.observation.exit_code", True)
    assert run(step(env), REPLY)[1].reward == 1.0


@pytest.mark.parametrize(
    "outcome",
    [
        rt.ExecutionError("tok-1234567?", code="X", server_text="tok-1234567!"),
        {"observation": {"exit_code": "tok-1234567"}, "done": False},
    ],
    ids=["error", "reply"],
)
def test_a_secret_that_a_server_echoes_is_not_shown(outcome: Any) -> None:
    env = ready(default_headers={"Authorization": "Bearer tok-1234567"})
    _, raised = run(step(env), outcome)
    assert "***" in str(raised)
    assert "1234567" not in f"{raised} {raised.server_text}"


@pytest.mark.parametrize("operation", ["reset", "step", "state"])
def test_another_loop_does_not_disturb_a_request_in_flight(operation: Any) -> None:
    loop = first = object()
    session = Session(lambda: loop)
    session.begin("reset", "begins")
    session.opened(in_loop=True)
    session.succeed()
    session.begin("step", "steps")
    loop = object()
    with pytest.raises(rt.SessionBusy):
        session.begin(operation, "intrudes")
    session.succeed()
    loop = first
    assert session.is_open
    session.begin("step", "goes on")
    session.close()
    loop = object()
    with pytest.raises(rt.SessionClosed):
        session.begin(operation, "comes late")
