"""What a call asks the server about itself: its transport, its contract, why it is gone."""

from __future__ import annotations

import json
from typing import Any

import pytest

import envgen_runtime as rt
from envgen_runtime.clients.effects import Ask, Diagnose, Drop, Open
from envgen_runtime.transports.http_messages import HttpResponse
from generated.coding_env import CodingEnv
from generated.warehouse_env import WarehouseEnv
from tests.runtime.calls import (
    REPLY,
    client,
    names,
    ready,
    refused,
    reset,
    run,
    step,
)

# --- detection, drift and providers -----------------------------------------------------------


def answer(status: int, body: Any = None, **headers: str) -> HttpResponse:
    return HttpResponse(status, headers, json.dumps(body).encode())


def test_one_of_the_first_servers_is_found_out() -> None:
    env = client()
    effects, _ = run(reset(env), refused(), answer(404), answer(200), None, REPLY)
    assert names(effects) == ["Open", "Ask", "Ask", "Open", "Send"]
    assert [effect.transport for effect in effects if isinstance(effect, Open)] == [
        "websocket",
        "http",
    ]
    assert [effect.path for effect in effects if isinstance(effect, Ask)] == ["/schema", "/health"]


def test_http_is_checked_once() -> None:
    env = client(transport="http")
    effects, _ = run(reset(env), answer(404), None, REPLY)
    assert names(effects) == ["Ask", "Open", "Send"]
    effects, _ = run(step(env), REPLY)
    assert names(effects) == ["Send"]
    env = client(transport="http")
    effects, _ = run(reset(env), answer(200, {}), None, REPLY)
    assert names(effects) == ["Ask", "Open", "Send"], "a reset alone is answered rightly"
    effects, refusal = run(step(env))
    assert names(effects) == [], "the step isn't sent"
    assert isinstance(refusal, rt.InvalidRequest)
    effects, refusal = run(client(transport="http")._state_call(None), answer(200, {}))
    assert names(effects) == ["Ask"]
    assert isinstance(refusal, rt.InvalidRequest)


@pytest.mark.parametrize("status", [307, 401, 403, 500, 503])
def test_http_is_checked_until_the_answer_tells(status: int) -> None:
    env = client(transport="http", retry=rt.RetryPolicy(attempts=1))
    effects, refusal = run(reset(env), answer(status))
    assert "Send" not in names(effects), "it may be a later server, which is starting"
    assert isinstance(refusal, rt.ConnectError)
    assert refusal.retryable is (status == 503)
    effects, _ = run(reset(env), answer(200, {}), None, REPLY)
    assert names(effects) == ["Ask", "Open", "Send"]
    effects, refusal = run(step(env))
    assert isinstance(refusal, rt.InvalidRequest)


def test_a_server_that_starts_is_asked_again_over_http() -> None:
    env = client(transport="http")
    effects, _ = run(reset(env), answer(503), answer(404), None, REPLY)
    assert names(effects) == ["Ask", "Wait", "Ask", "Open", "Send"]


def test_a_later_server_is_never_spoken_to_over_http_by_itself() -> None:
    effects, raised = run(reset(client()), refused(), answer(200, {}), answer(200))
    assert names(effects) == ["Open", "Ask", "Ask", "Drop"]
    assert isinstance(raised, rt.UpgradeRefused)
    effects, raised = run(reset(client(transport="websocket")), refused())
    assert names(effects) == ["Open", "Drop"], "asked for, so not detected"


def test_the_contract_is_asked_for_once_and_explains_every_mismatch() -> None:
    env = CodingEnv("http://h", request_timeout_s=600)
    server = env.contract
    server["observation"]["properties"].pop("exit_code")  # type: ignore[index,call-overload]
    wrong = {"observation": {"exit_code": "four"}, "done": False}
    effects, first = run(reset(env), None, None, wrong, answer(200, server))
    assert names(effects) == ["Open", "LookAtContract", "Send", "Ask"]
    assert effects[3].request.timeout_s <= 5, "an error is not held back for long"
    effects, second = run(reset(env), wrong)
    assert names(effects) == ["Send"]
    removed = ("/observation/properties/exit_code: removed",)
    assert first.drift == second.drift == removed


def test_the_contract_is_asked_for_again_when_the_server_says_when() -> None:
    env = client()
    call = env._calls.server_contract(env._request("schema", {}, None))
    busy = answer(503, {"message": "busy"}, **{"retry-after": "3"})
    effects, contract = run(call, busy, answer(200, {"action": {}}))
    assert names(effects) == ["Ask", "Wait", "Ask"], "the session's transport is left alone"
    assert effects[1].delay_s == 3
    assert contract == {"action": {}}


def test_what_a_server_says_of_itself_has_the_time_limit_of_a_state() -> None:
    env = client(request_timeout_s=60, state_timeout_s=3)
    effects, _ = run(env._calls.server_contract(env._request("schema", {}, None)), answer(200, {}))
    assert effects[0].request.timeout_s == 3


def test_a_provider_is_asked_why_a_server_is_gone() -> None:
    class Ended(rt.Provider):
        def logs(self, tail: int | None = None) -> str:
            return ""

        follow_logs = stop = _exit = _describe = logs  # type: ignore[assignment]

    provider = Ended()
    env = ready(provider=provider)
    effects, raised = run(step(env), rt.ConnectionLost("gone"), "it was killed")
    assert effects[1:] == [Drop(), Diagnose(provider, 1.0)]
    assert raised.__notes__ == ["it was killed"]
    effects, _ = run(step(ready(provider=provider)), rt.RequestTimeout("late"), None)
    assert effects[-1] == Diagnose(provider, 0.0), "whoever waited doesn't wait again"


def test_an_interrupted_diagnosis_ends_the_request_for_observers() -> None:
    ended: list[BaseException | None] = []

    class Told(rt.Observer):
        def on_reply(self, event: rt.ReplyEvent) -> None:
            ended.append(event.error)

    class Quiet(rt.Provider):
        def logs(self, tail: int | None = None) -> str:
            return ""

        follow_logs = stop = _exit = _describe = logs  # type: ignore[assignment]

    env = ready(provider=Quiet(), observers=[Told()])
    ended.clear()
    interrupt = KeyboardInterrupt()
    effects, raised = run(step(env), rt.ConnectionLost("gone"), interrupt)
    assert isinstance(effects[-1], Diagnose)
    assert raised is interrupt
    assert ended == [interrupt]


# --- a reset's observation is compared like any other -----------------------------------------

BRIEFING = {"orders": [{"sku": "a", "to": {"x": 1, "y": 2}}], "robot": {"x": 0, "y": 0}}
SENSORS = {"robot": {"x": 0, "y": 0}, "shelves": {}}


def test_a_resets_observation_is_read_as_its_own_type() -> None:
    env = WarehouseEnv("http://h", on_drift="ignore")
    _, result = run(reset(env), None, {"observation": BRIEFING, "done": False})
    assert result.observation.orders[0].sku == "a"
    _, raised = run(reset(env), {"observation": SENSORS, "done": False})
    assert isinstance(raised, rt.ReplyMismatch)
    assert raised.path == "$.observation.orders"


def test_a_resets_observation_is_held_against_the_contract() -> None:
    env = WarehouseEnv("http://h", on_drift="ignore", validate="exact")
    _, result = run(reset(env), None, {"observation": BRIEFING, "done": False})
    assert result.observation.orders[0].sku == "a"
    _, raised = run(reset(env), {"observation": {**BRIEFING, "newer": 1}, "done": False})
    assert isinstance(raised, rt.ReplyMismatch)
    assert "'newer'" in str(raised)


def test_a_resets_observation_is_compared_with_the_servers() -> None:
    env = WarehouseEnv("http://h", on_drift="error")
    server = env.contract
    server["reset_observation"]["required"] = ["robot"]  # type: ignore[index,call-overload]
    effects, raised = run(reset(env), answer(200, server))
    assert isinstance(raised, rt.ContractDrift)
    assert raised.drift == ("/reset_observation/properties/orders: no longer required",)
    assert names(effects) == ["Ask", "Drop"]
    _, raised = run(reset(env), answer(200, server))
    assert isinstance(raised, rt.ContractDrift), "it is refused as long as it differs"
    effects, _ = run(
        reset(env), answer(200, env.contract), None, {"observation": BRIEFING, "done": False}
    )
    assert names(effects) == ["Ask", "Open", "Send"], "and no longer"
