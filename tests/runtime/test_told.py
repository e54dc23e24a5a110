"""What a session tells its user: why it is lost or closed, and what a call should have been."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

import envgen_runtime as rt
from envgen.demo.server import serving
from generated.coding_env import AsyncCodingEnv, CodeAction, CodingEnv
from generated.warehouse_env import WarehouseEnv
from tests.runtime.servers import Faulty, faulty_process, observed, requests
from tests.runtime.test_closing import SlowHandshake, slow
from tests.runtime.test_frames import both_clients
from tests.support import PATIENCE_S, ROOT, action, build, contract

__all__ = ["slow"]


@pytest.fixture
def server() -> Iterator[tuple[str, Faulty]]:
    faulty = Faulty()
    with serving(faulty.app()) as url:
        try:
            yield url, faulty
        finally:
            faulty.given_up |= faulty.stepped


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110 - the server is in another thread
            await asyncio.sleep(0.005)


# --- why a session is lost ----------------------------------------------------------------------

WHY = [
    ("1 drop", rt.ConnectionLost, "its connection ended with its last step"),
    ("1 session", rt.ServerSessionError, "the server ended it with SESSION_ERROR in answer to its"),
    ("1 malformed", rt.ProtocolError, "the reply to its last step broke the protocol"),
    ("1 late", rt.RequestTimeout, "its last step timed out"),
]


@pytest.mark.slow
@both_clients
@pytest.mark.parametrize(("code", "kind", "why"), WHY, ids=[why[0] for why in WHY])
def test_a_lost_session_says_why_once(
    server: tuple[str, Faulty], is_async: bool, code: str, kind: type[rt.EnvError], why: str
) -> None:
    limit_s = 0.2 if kind is rt.RequestTimeout else PATIENCE_S

    async def play_async() -> rt.SessionLost:
        async with AsyncCodingEnv(server[0], step_timeout_s=limit_s) as env:
            await env.reset()
            with pytest.raises(kind):
                await env.step(code=code)
            with pytest.raises(rt.SessionLost) as caught:
                await env.step(code="2 fine")
            return caught.value

    def play_sync() -> rt.SessionLost:
        with CodingEnv(server[0], step_timeout_s=limit_s) as env:
            env.reset()
            with pytest.raises(kind):
                env.step(code=code)
            with pytest.raises(rt.SessionLost) as caught:
                env.step(code="2 fine")
            return caught.value

    lost = asyncio.run(play_async()) if is_async else play_sync()
    assert why in str(lost)
    assert str(lost).count("reset()") == 1, "what to do is said once"
    assert lost.episode_lost


def test_an_interrupt_is_named(server: tuple[str, Faulty]) -> None:
    url, faulty = server
    with CodingEnv(url) as env:
        env.reset()
        before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
        main = threading.main_thread().ident
        assert main is not None

        def interrupt() -> None:
            while "1" not in faulty.stepped:
                pass
            signal.pthread_kill(main, signal.SIGUSR1)

        thread = threading.Thread(target=interrupt)
        thread.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                env.step(code="1 late")
        finally:
            thread.join()
            signal.signal(signal.SIGUSR1, before)
        with pytest.raises(rt.SessionLost, match="its last step was interrupted by Keyboard"):
            env.step(code="2 fine")
        env.reset()
        assert env.step(code="3 fine").reward == 1


def test_a_cancellation_is_named(server: tuple[str, Faulty]) -> None:
    url, faulty = server

    async def play() -> None:
        async with AsyncCodingEnv(url) as env:
            await env.reset()
            task = asyncio.create_task(env.step(code="1 late"))
            await until(lambda: "1" in faulty.stepped)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            with pytest.raises(rt.SessionLost, match="its last step was cancelled"):
                await env.step(code="2 fine")

    asyncio.run(play())


def test_an_interrupt_while_connecting_leaves_a_new_client_new(slow: SlowHandshake) -> None:
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        slow.arrived.wait(PATIENCE_S)
        signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    thread = threading.Thread(target=interrupt)
    thread.start()
    env = CodingEnv(slow.url)
    try:
        with pytest.raises(KeyboardInterrupt):
            env.reset()
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    assert repr(env).endswith("(new)>")


def test_a_cancellation_while_connecting_leaves_a_new_client_new(slow: SlowHandshake) -> None:
    async def play() -> None:
        env = AsyncCodingEnv(slow.url)
        task = asyncio.create_task(env.reset())
        await asyncio.to_thread(slow.arrived.wait, PATIENCE_S)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert repr(env).endswith("(new)>")

    asyncio.run(play())


# --- closed in flight ---------------------------------------------------------------------------


def test_a_step_says_that_another_thread_closed_the_client(server: tuple[str, Faulty]) -> None:
    url, faulty = server
    env = CodingEnv(url)
    env.reset()
    transport: Any = env._transport

    def close() -> None:
        while "1" not in faulty.stepped:
            pass
        env.close()

    thread = threading.Thread(target=close)
    thread.start()
    with pytest.raises(rt.SessionClosed, match="closed during the request") as caught:
        env.step(code="1 late")
    thread.join()
    assert (caught.value.sent, caught.value.maybe_applied) == (True, True)
    assert transport._socket.fileno() == -1, "it is closed, not left to the garbage collector"


@pytest.mark.parametrize("transport", ["websocket", "http"])
def test_a_step_says_that_another_task_closed_the_client(
    server: tuple[str, Faulty], transport: Any
) -> None:
    url, faulty = server

    async def play() -> None:
        env = AsyncCodingEnv(url, transport=transport)
        await env.reset()
        task = asyncio.create_task(env.step(code="1 late"))
        await until(lambda: "1" in faulty.stepped)
        await env.close()
        with pytest.raises(rt.SessionClosed, match="closed during the request") as caught:
            await task
        assert caught.value.maybe_applied

    asyncio.run(play())


# --- after the end of an episode ----------------------------------------------------------------


def ending() -> Starlette:
    """An environment that is done with every step."""

    async def session(websocket: WebSocket) -> None:
        await websocket.accept()
        async for text in requests(websocket):
            await websocket.send_text(observed({}, done='"step"' in text))

    return Starlette(routes=[WebSocketRoute("/ws", session)])


@both_clients
def test_a_step_after_the_end_is_warned_of_once_per_episode(is_async: bool) -> None:
    def play_sync(url: str) -> list[bool]:
        with CodingEnv(url) as env:
            done: list[bool] = []
            for _ in range(2):
                done.append(env.reset().done)
                done += [env.step(code="1").done for _ in range(4)]
            return done

    async def play_async(url: str) -> list[bool]:
        async with AsyncCodingEnv(url) as env:
            done: list[bool] = []
            for _ in range(2):
                done.append((await env.reset()).done)
                done += [(await env.step(code="1")).done for _ in range(4)]
            return done

    with serving(ending()) as url, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        done = asyncio.run(play_async(url)) if is_async else play_sync(url)
    assert done == [False, True, True, True, True] * 2, "the steps are taken"
    assert [warning.category for warning in seen] == [rt.StepAfterDoneWarning] * 2
    assert {warning.filename for warning in seen} == {__file__}, "it points at the user's line"


def test_a_step_after_the_end_can_be_made_an_error() -> None:
    with serving(ending()) as url, CodingEnv(url) as env, warnings.catch_warnings():
        warnings.simplefilter("error", rt.StepAfterDoneWarning)
        env.reset()
        env.step(code="1")
        with pytest.raises(rt.StepAfterDoneWarning):
            env.step(code="2")
        env.reset()
        assert env.step(code="3").done


# --- forgotten ----------------------------------------------------------------------------------

FORGETFUL = """
import sys
from generated.coding_env import CodingEnv

def clients():
    for _ in range(2):
        env = CodingEnv(sys.argv[1])
        env.reset()
        yield env

kept = list(clients())
kept.append(kept)  # a cycle
"""


@pytest.mark.slow
def test_clients_that_are_open_at_exit_are_named() -> None:
    with faulty_process() as url:
        ended = subprocess.run(
            [sys.executable, "-W", "always::ResourceWarning", "-c", FORGETFUL, url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
    assert ended.stderr.count(f"ResourceWarning: unclosed client <CodingEnv {url} (ready)>") == 2
    assert "unclosed <socket" not in ended.stderr


# --- a call that should have been another -------------------------------------------------------


@both_clients
@pytest.mark.parametrize(
    ("call", "advice"),
    [
        (lambda env: env.step(code="1", timeout=3), "time limit as timeout_s"),
        (lambda env: env.step(CodeAction(code="1"), timeout=3), "time limit as timeout_s"),
        (lambda env: env.reset(timeout=3), "time limit as timeout_s"),
        (lambda env: env.step(CodeAction(code="1"), junk=3), "request_id and timeout_s, not junk"),
        (lambda env: env.step("1", "2"), "one action by position, not 2 values"),
        (lambda env: env.step(), r"\$\.code"),
        (lambda env: env.step(code="1", junk=2), r"\$\.junk"),
    ],
)
def test_arguments_that_no_call_takes(is_async: bool, call: Any, advice: str) -> None:
    def make() -> None:
        asyncio.run(call(AsyncCodingEnv("http://h"))) if is_async else call(CodingEnv("http://h"))

    with pytest.raises(rt.InvalidRequest, match=advice):
        make()


def test_an_environments_own_timeout_is_its_own(tmp_path: Path) -> None:
    own = {"timeout": {"type": "integer"}}
    parameters = {"title": "DoReset", "type": "object", "properties": own}
    acted = action(own)["action"]
    module = build(contract(action=acted, reset_parameters=parameters), tmp_path)
    env = module.DoEnv("http://h")
    assert next(env._reset_call({"timeout": 3}, **GIVEN)).request.data == {"timeout": 3}
    assert module.DoEnv("http://h")._step_payload(module.DoAction(timeout=3)) == {"timeout": 3}
    with pytest.raises(rt.NotReset):
        module.DoEnv("http://h").step(timeout=3)


GIVEN: Any = {"seed": None, "episode_id": None, "timeout_s": None}


def test_reset_parameters_of_the_contract_are_no_time_limits() -> None:
    with pytest.raises(rt.InvalidRequest, match="time limit as timeout_s"):
        WarehouseEnv("http://h").reset(timeout=3)
