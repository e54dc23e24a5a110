"""Calls without I/O: a test performs their effects, and says what comes of each."""

from __future__ import annotations

from typing import Any

import envgen_runtime as rt
from envgen_runtime.clients.effects import Call, Drop, Send, Wait
from envgen_runtime.clients.session import Flight
from generated.coding_env import CodeAction, CodingEnv

ACTION = CodeAction(code="1")
REPLY = {"observation": {}, "reward": 1.0, "done": False}
UNSENT = rt.ConnectionLost("closed before it was sent")
UNSENT.sent = False


def refused(status: int = 403) -> rt.UpgradeRefused:
    return rt.UpgradeRefused("refused", status=status)


def server_error(code: str, kind: type[rt.ServerError] = rt.ServerError) -> rt.ServerError:
    return kind("as told", code=code)


def run(call: Call[Any], *outcomes: Any) -> tuple[list[Any], Any]:
    """Give a call its outcomes. Returns the effects it asked for, and its result or error."""
    left = list(outcomes)
    effects: list[Any] = []
    try:
        effects.append(next(call))
        while True:
            if isinstance(effects[-1], Drop | Wait):
                effects.append(call.send(None))
                continue
            outcome = left.pop(0)
            if isinstance(outcome, BaseException):
                effects.append(call.throw(outcome))
            else:
                effects.append(call.send(outcome))
    except StopIteration as end:
        ended = end.value
    except BaseException as error:  # noqa: BLE001 - it is the result
        ended = error
    assert left == [], "unrequested outcomes"
    return effects, ended


def names(effects: list[Any]) -> list[str]:
    return [type(effect).__name__ for effect in effects]


def reset(env: Any, **given: Any) -> Call[Any]:
    return env._reset_call({}, **{"seed": None, "episode_id": None, "timeout_s": None, **given})


def step(env: CodingEnv) -> Call[Any]:
    """A step as both clients take it, but that sending it is an effect."""
    calls = env._calls
    flight = Flight(env._step_request(ACTION, None, None))
    try:
        calls.begin(flight)
        reply = yield Send(calls.announced(flight))
        return calls.answered(flight, reply, env._parse_result)
    except BaseException as error:
        yield from calls.failed(flight, error)
        raise


def client(**options: Any) -> CodingEnv:
    return CodingEnv("http://h", **{"on_drift": "ignore", **options})


def ready(**options: Any) -> CodingEnv:
    env = client(**options)
    run(reset(env), None, REPLY)
    return env
